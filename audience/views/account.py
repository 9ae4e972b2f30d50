"""Pages of a person's own account: the second factor, and a forgotten password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from audience import audit, throttle
from audience.accounts import second_factor
from audience.accounts.middleware import half_of
from audience.views.frame import user_of

CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
RESETS = "5/hour"


class CodeForm(forms.Form):
    code = forms.CharField(max_length=20, widget=UnfoldAdminTextInputWidget(attrs=CODE))


class PasswordForm(forms.Form):
    """What is weighty is asked for the password once more: a browser may stand open."""

    password = forms.CharField(
        strip=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.user = user

    def clean_password(self) -> None:
        if not self.user.check_password(self.cleaned_data["password"]):
            raise forms.ValidationError(gettext("This is not your password. Nothing was changed."))


def _show(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    frame = {**admin.site.each_context(request), "title": title}
    return render(request, f"account/{template}.html", {**frame, **context}, status=status)


# --- The second factor ---------------------------------------------------------------------------------


@never_cache
@login_required
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Whether it is on, and what can be done about it."""
    user = user_of(request)
    return _show(
        request,
        "second_factor",
        gettext("Second factor"),
        is_on=second_factor.is_on(user),
        form=PasswordForm(user),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the key, and turn the second factor on when a code proves that the app has it.

    Open also to those who must set one up before they are let in. Who has one turns it off first, which
    takes the password.
    """
    user = request.user if request.user.is_authenticated else half_of(request)
    if user is None or second_factor.is_on(user):
        return redirect("admin:login" if user is None else "account:second_factor")
    device = second_factor.begin(user)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        codes = second_factor.confirm(device, form.cleaned_data["code"].replace(" ", ""))
        if codes is not None:
            _let_in(request, device)
            return _show(request, "codes", gettext("Recovery codes"), codes=codes)
        form.add_error(
            "code", gettext("This is not the code that the app should show now. Look at both clocks.")
        )
    return _show(request, "set_up", gettext("Set up the second factor"), form=form, **_key(device))


@never_cache
@login_required
@require_POST
@sensitive_post_parameters("password")
def codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes, for the password."""
    user = user_of(request)
    form = PasswordForm(user, request.POST)
    if not second_factor.is_on(user) or not form.is_valid():
        return _show(
            request,
            "second_factor",
            gettext("Second factor"),
            is_on=second_factor.is_on(user),
            form=form,
            status=422,
        )
    return _show(request, "codes", gettext("Recovery codes"), codes=second_factor.renew_codes(user))


@never_cache
@login_required
@require_POST
@sensitive_post_parameters("password")
def turn_off(request: HttpRequest) -> HttpResponse:
    """Do without a second factor again, for the password."""
    user = user_of(request)
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        return _show(request, "second_factor", gettext("Second factor"), is_on=True, form=form, status=422)
    second_factor.turn_off(user, user)
    messages.success(request, gettext("The second factor is off: your password alone lets you in."))
    return redirect("account:second_factor")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of whoever has shown a password."""
    user = half_of(request)
    if user is None:
        return redirect("admin:index")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        device = second_factor.verify(user, form.cleaned_data["code"])
        if device is not None:
            audit.record("second factor shown", user, actor=user)
            _let_in(request, device)
            return HttpResponseRedirect(_next(request))
        form.add_error(
            "code", gettext("This code is wrong, was used already, or came too soon after a wrong one.")
        )
    closed = second_factor.closed_until(user)
    return _show(request, "verify", gettext("Second factor"), form=form, closed_until=closed, half=user)


def _let_in(request: HttpRequest, device: Device) -> None:
    request.session.cycle_key()
    request.session[DEVICE_ID_SESSION_KEY] = device.persistent_id


def _next(request: HttpRequest) -> str:
    """Where somebody wanted to go, if that is on this site."""
    asked = request.GET.get("next", "")
    here = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if here else reverse("admin:index")


def _key(device: Any) -> dict[str, Any]:
    image = segno.make(device.config_url, error="m").svg_inline(scale=5, border=2, dark="#000", light="#fff")
    key = urlsplit(device.config_url).query.partition("secret=")[2].partition("&")[0]
    return {"image": image, "key": " ".join(key[i : i + 4] for i in range(0, len(key), 4))}


# --- A forgotten password --------------------------------------------------------------------------------


class ResetForm(PasswordResetForm):
    email = forms.EmailField(
        max_length=254, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "email", "autofocus": True})
    )

    def save(self, **options: Any) -> None:  # type: ignore[override]
        """Mail the link; it leads to this site's own address, whatever host the request named."""
        site = urlsplit(settings.SITE_URL)
        options |= {"domain_override": site.netloc, "use_https": site.scheme == "https"}
        super().save(**options)


class InvitationForm(ResetForm):
    """The same link, for an account that has no password yet."""

    user: User

    def get_users(self, email: str) -> list[User]:
        return [self.user]


def invite(user: User) -> None:
    """Mail somebody whose account was made for them a link to set a password.

    To the account's own address and to nobody else: whoever let them in cannot log in as them.
    """
    form = InvitationForm({"email": user.email})
    form.user = user
    if form.is_valid():
        form.save(
            subject_template_name="account/invitation_subject.txt",
            email_template_name="account/invitation.txt",
        )


class _Framed:
    """In the look of the log-in page."""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        frame = admin.site.each_context(self.request)  # type: ignore[attr-defined]
        return {**frame, **super().get_context_data(**context)}  # type: ignore[misc]


class ResetView(_Framed, views.PasswordResetView):
    """Ask for the address. The answer is the same whether somebody has it or not."""

    form_class = ResetForm
    template_name = "account/reset.html"
    email_template_name = "account/reset_mail.txt"
    subject_template_name = "account/reset_subject.txt"
    success_url = reverse_lazy("account:reset_sent")
    title = _("Forgotten password")

    def form_valid(self, form: Any) -> HttpResponse:
        if throttle.may(RESETS, "reset", str(self.request.META.get("REMOTE_ADDR"))):
            return super().form_valid(form)
        form.add_error(None, gettext("Too many links were asked for from here. Try again in an hour."))
        return self.form_invalid(form)


class ResetSentView(_Framed, views.PasswordResetDoneView):
    template_name = "account/reset_sent.html"
    title = _("Look into your mail")


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            attrs = self.fields[name].widget.attrs
            self.fields[name].widget = UnfoldAdminPasswordWidget(
                attrs={**attrs, "autocomplete": "new-password"}
            )

    def save(self, commit: bool = True) -> Any:
        with transaction.atomic():
            audit.record("password reset", self.user, actor=self.user)
            return super().save(commit)


@method_decorator(sensitive_post_parameters(), name="dispatch")
class NewPasswordView(_Framed, views.PasswordResetConfirmView):
    """Take the new password. It logs nobody in: the log-in asks for the second factor as well."""

    form_class = NewPasswordForm
    template_name = "account/new_password.html"
    success_url = reverse_lazy("account:reset_done")
    post_reset_login = False
    title = _("New password")


class ResetDoneView(_Framed, views.PasswordResetCompleteView):
    template_name = "account/reset_done.html"
    title = _("The password is changed")
