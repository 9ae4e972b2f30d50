"""URLs of a person's own account."""

from __future__ import annotations

from django.urls import path

from audience.views import account

app_name = "account"

urlpatterns = [
    path("second-factor/", account.second_factor_page, name="second_factor"),
    path("second-factor/set-up/", account.set_up, name="set_up"),
    path("second-factor/codes/", account.codes, name="codes"),
    path("second-factor/off/", account.turn_off, name="turn_off"),
    path("second-factor/verify/", account.verify, name="verify"),
    path("password/", account.ResetView.as_view(), name="reset"),
    path("password/sent/", account.ResetSentView.as_view(), name="reset_sent"),
    path("password/done/", account.ResetDoneView.as_view(), name="reset_done"),
    path("password/<uidb64>/<token>/", account.NewPasswordView.as_view(), name="new_password"),
]
