"""The public pages of sign-up: the form, its answer, and the one on which an address is confirmed.

Anybody may post a form, from any site and without a cookie: all that it does is ask the address's owner. Who
is a customer cannot be found out here, since nothing is looked up before the owner has confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from audience import attributes, customers, throttle
from audience.addresses import InvalidAddress, is_mailable, normalise
from delivery.models import SignupForm
from delivery.signups import asking, confirming, fields, links
from delivery.signups.asking import Typed
from delivery.signups.confirming import State
from delivery.views.frame import staff_page

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# What one address of the requester may do: ask to be mailed, and look at pages.
ASKS = "20/hour"
PAGES = "600/minute"
# No person reads and fills in a form in less.
SECONDS = 2
QUICK = _("That was very quick, as robots are. Please press the button once more.")
CLOSED = _("It may have been closed, or the address is not complete.")
TOO_MANY = _("Too many sign-ups came from your address. Try again in an hour.")


class TypedForm(forms.Form):
    """What somebody has typed into a sign-up form."""

    email = forms.CharField(max_length=500, error_messages={"required": _("Enter your e-mail address.")})
    agree = forms.BooleanField(error_messages={"required": _("Tick the box if you agree.")})

    def __init__(self, form: SignupForm, data: Any = None) -> None:
        super().__init__(data)
        self._form = form
        for each in fields.fields(form):
            self.fields[each.name] = forms.CharField(
                label=each.label, max_length=each.max_length, required=False
            )

    def clean_email(self) -> str:
        try:
            email = normalise(self.cleaned_data["email"])
        except InvalidAddress as error:
            raise ValidationError(str(error)) from error
        if not is_mailable(email):
            raise ValidationError(gettext("We cannot send mail to this address. Use another one."))
        return email

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in cleaned.keys() - {"email", "agree"}:
            try:
                cleaned[name] = customers.clean("name", attributes.parse_text(cleaned[name]))
            except ValueError as error:
                self.add_error(name, f"{error}.".capitalize())
        return cleaned

    def typed(self, consent: str) -> Typed:
        """Everything that is not empty."""
        given = {
            name.removeprefix(fields.ATTRIBUTE): value
            for name, value in self.cleaned_data.items()
            if name.startswith(fields.ATTRIBUTE) and value
        }
        return Typed(self.cleaned_data["email"], consent, self.cleaned_data.get("name", ""), given)


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, public_id: str) -> HttpResponse:
    """The form as a page of ours; forms in other sites post to it too."""
    return _guarded(_answer(request, public_id, framed=False), ancestors="'none'")


@never_cache
@csrf_exempt
@xframe_options_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def frame(request: HttpRequest, public_id: str) -> HttpResponse:
    """The form for a frame of any site: the only page of ours that others may frame."""
    return _guarded(_answer(request, public_id, framed=True), ancestors="*")


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """One button on GET, since scanners follow every link; POST confirms."""
    if not _may_look(request):
        return _guarded(_said(request, gettext("Too many requests"), gettext("Try again in a minute."), 429))
    try:
        about = links.read(token)
    except links.InvalidLink:
        return _guarded(render(request, "signups/invalid.html", status=404))
    form = confirming.form_of(about)
    onwards = form.thanks_url if form else ""
    if request.method == "POST":
        state = confirming.confirm(about, request.META.get("REMOTE_ADDR") or None)
        if state == State.DONE:
            return redirect(onwards or request.path)
    state = confirming.state_of(about)
    context = {"form": form, "workspace": form.workspace if form else None, "state": state.name}
    status = 410 if state == State.TOO_OLD else 200
    return _guarded(render(request, "signups/confirm.html", context, status=status), leads_to=onwards)


@staff_page
@never_cache
@require_safe
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The form for the staff's own page, open or closed, in a frame from which nothing can be sent."""
    visible = SignupForm.objects.visible_to(request.user).select_related("workspace")
    form = get_object_or_404(visible, pk=pk)
    return _guarded(_shown(request, form, TypedForm(form), framed=True), ancestors="'self'")


def _answer(request: HttpRequest, public_id: str, *, framed: bool) -> HttpResponse:
    if not _may_look(request):
        return _said(
            request, gettext("Too many requests"), gettext("Try again in a minute."), 429, framed=framed
        )
    open_ones = SignupForm.objects.filter(is_on=True).select_related("workspace")
    form = open_ones.filter(public_id=public_id).first() if public_id.isalnum() else None
    if form is None:
        return _said(request, gettext("There is no such form"), CLOSED, 404, framed=framed)
    if request.method != "POST":
        return _shown(request, form, TypedForm(form), framed=framed)
    return _asked(request, form, framed=framed)


def _asked(request: HttpRequest, form: SignupForm, *, framed: bool) -> HttpResponse:
    """The answer to a form that was posted: the same whoever the address belongs to."""
    if request.POST.get(fields.TRAP):
        return _look_into_your_mailbox(request, form, framed=framed)
    typed = TypedForm(form, request.POST)
    seconds = links.seconds_shown(form, request.POST.get(fields.SHOWN, ""))
    if seconds is not None and seconds < SECONDS:
        return _shown(request, form, typed, framed=framed, note=QUICK)
    if not throttle.may(ASKS, "signup", request.META.get("REMOTE_ADDR", "")):
        return _said(request, gettext("Try again later"), TOO_MANY, 429, framed=framed)
    consent = fields.agreed(form, request.POST.get(fields.WORDING, ""))
    if consent is None or not typed.is_valid():
        note = "" if consent else gettext("What you agree to has changed. Please read it again.")
        return _shown(request, form, typed, framed=framed, note=note)
    try:
        asking.ask(form, typed.typed(consent), request.META.get("REMOTE_ADDR"))
    except asking.Busy as busy:
        return _said(request, gettext("Try again later"), str(busy), 503, framed=framed)
    except SignupForm.DoesNotExist:
        return _said(request, gettext("There is no such form"), CLOSED, 404, framed=framed)
    return _look_into_your_mailbox(request, form, framed=framed)


def _shown(
    request: HttpRequest, form: SignupForm, typed: TypedForm, *, framed: bool, note: StrOrPromise = ""
) -> HttpResponse:
    return render(
        request,
        "signups/form.html",
        {
            "form": form,
            "workspace": form.workspace,
            "typed": typed,
            "extra": [typed[each.name] for each in fields.fields(form)],
            "note": note,
            "framed": framed,
            "trap": fields.TRAP,
            "shown": request.POST.get(fields.SHOWN) or links.shown_now(form),
            "mark": fields.mark(form.consent),
        },
        status=422 if typed.is_bound else 200,
    )


def _look_into_your_mailbox(request: HttpRequest, form: SignupForm, *, framed: bool) -> HttpResponse:
    return render(request, "signups/sent.html", {"workspace": form.workspace, "framed": framed})


def _said(
    request: HttpRequest, heading: str, words: StrOrPromise, status: int, *, framed: bool = False
) -> HttpResponse:
    context = {"heading": heading, "words": words, "framed": framed}
    return render(request, "signups/said.html", context, status=status)


def _may_look(request: HttpRequest) -> bool:
    return throttle.may_here(PAGES, "signup", request.META.get("REMOTE_ADDR", ""))


def _guarded(response: HttpResponse, *, ancestors: str = "'none'", leads_to: str = "") -> HttpResponse:
    """A style sheet, one form and nothing else. Browsers count where a form's answer leads as its action."""
    onwards = urlsplit(leads_to)
    target = f" {onwards.scheme}://{onwards.netloc}" if onwards.netloc else ""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"form-action 'self'{target}; frame-ancestors {ancestors}"
    )
    return response
