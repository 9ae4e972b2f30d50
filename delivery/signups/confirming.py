"""The owner of an address confirms what was asked for in its name, by the link in the mail."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F

from audience import clock, customer_events
from audience.customer_events import Happening
from audience.opt_in import Person, opt_in
from delivery.models import Signup, SignupForm
from delivery.signups.links import Request

# The event that automations may start on.
EVENT = "signed_up"


class State(enum.Enum):
    """What a link can still do."""

    OPEN = "open"
    DONE = "done"
    TOO_OLD = "too old"


def state_of(request: Request) -> State:
    """What a link can still do; reads only."""
    return _state(_find(request))


@transaction.atomic
def confirm(request: Request, ip: str | None) -> State:
    """Make a customer of whoever asked, opted in, with the evidence, and report it as an event.

    Guards that each request is confirmed once: repeated, also after an unsubscribe, it changes nothing and
    is DONE. One transaction. What was typed is deleted with it.
    """
    signup = _find(request, locked=True)
    state = _state(signup)
    if signup is None or state != State.OPEN:
        return state
    now = clock.now()
    evidence = _evidence(signup, now, ip)
    person = Person(signup.email, evidence, ip, signup.name, signup.attributes)
    opt_in(signup.workspace, person)
    _report(signup, now)
    Signup.objects.filter(pk=signup.pk).update(confirmed_at=now, name="", attributes={})
    SignupForm.objects.filter(pk=signup.form_id).update(confirmed=F("confirmed") + 1)
    return State.DONE


def form_of(request: Request) -> SignupForm | None:
    """The form behind a link, if it is still there."""
    forms = SignupForm.objects.select_related("workspace")
    form: SignupForm | None = forms.filter(pk=request.form_id).first()
    return form


def _find(request: Request, *, locked: bool = False) -> Signup | None:
    rows = Signup.objects.select_related("workspace", "form")
    rows = rows.select_for_update(of=("self",)) if locked else rows
    signup: Signup | None = rows.filter(pk=request.signup_id, form=request.form_id).first()
    # A restored database gives out numbers again.
    same = signup is not None and int(signup.asked_at.timestamp()) == request.asked_at
    return signup if same else None


def _state(signup: Signup | None) -> State:
    if signup is None or signup.asked_at < clock.now() - Signup.LIFE:
        return State.TOO_OLD
    return State.DONE if signup.confirmed_at else State.OPEN


def _evidence(signup: Signup, now: datetime, ip: str | None) -> str:
    return (
        f"Sign-up form “{signup.form}”: “{signup.consent}” "
        f"Asked {_moment(signup.asked_at)} from {signup.asked_ip or 'an unknown address'}, "
        f"confirmed {_moment(now)} from {ip or 'an unknown address'} by the link mailed to the address."
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _report(signup: Signup, now: datetime) -> None:
    properties = {"form": signup.form.name}
    happening = Happening(EVENT, f"sign-up-{signup.pk}", email=signup.email, properties=properties, at=now)
    customer_events.ingest(signup.workspace, [happening])
