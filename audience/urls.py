"""URLs of a person's own account, and of the audience's and the settings' pages at the site's root."""

from __future__ import annotations

from django.urls import path

from audience.views import account, customer, customers, members, settings

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

# Included by itself, with a namespace of its own.
site = (
    [
        path("customers/", customers.customers, name="customers"),
        path("customers/export/", customers.export, name="export"),
        path("customers/<int:pk>/edit/", customer.edit, name="edit"),
        path("customers/<int:pk>/consent/<str:channel>/", customer.change_consent, name="consent"),
        path("customers/<int:pk>/suppress/", customer.suppress, name="suppress"),
        path("customers/<int:pk>/lift/", customer.lift, name="lift"),
        path("settings/", settings.settings, name="settings"),
        path("settings/<int:pk>/", settings.general, name="general"),
        path("settings/<int:pk>/mailing/", settings.mailing, name="mailing"),
        path("settings/<int:pk>/members/", members.listing, name="members"),
        path("settings/<int:pk>/members/add/", members.add, name="member_add"),
        path("settings/<int:pk>/members/<int:member>/role/", members.change, name="member_role"),
        path("settings/<int:pk>/members/<int:member>/invite/", members.invite_again, name="member_invite"),
        path("settings/<int:pk>/members/<int:member>/remove/", members.remove, name="member_remove"),
    ],
    "audience",
)
