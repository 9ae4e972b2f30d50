"""Somebody asks by a form to be written to: what was typed waits, with a mail to its address.

Nothing here looks whether the address belongs to a customer, is opted in or suppressed: what is answered,
written and counted is the same for all. Who must not be mailed is found out by the worker (signups.queue).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from audience import clock
from delivery.models import Signup, SignupForm

# Of one form to one address.
ONE_MAIL_IN = timedelta(minutes=10)
MAILS_A_DAY = 5


class Busy(Exception):
    """Too many people are signing up by this form. Try again in an hour."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Typed:
    """What somebody has entered, checked by the door, and the wording that they agreed to."""

    email: str
    consent: str
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def ask(form: SignupForm, typed: Typed, ip: str | None) -> None:
    """Let what was typed wait for its confirmation, and queue the mail that asks for it.

    An address that was just sent such a mail gets no other, and nobody is told. One transaction; may be
    repeated. Raises Busy when the form has reached its limit, and SignupForm.DoesNotExist.
    """
    # Two requests at once would both find that no mail was sent yet.
    form = SignupForm.objects.select_for_update().get(pk=form.pk)
    now = clock.now()
    asked = Signup.objects.filter(form=form)
    if asked.filter(asked_at__gt=now - timedelta(hours=1)).count() >= form.hourly_limit:
        raise Busy
    same = asked.filter(email=typed.email, asked_at__gt=now - timedelta(days=1))
    if same.filter(asked_at__gt=now - ONE_MAIL_IN).exists() or same.count() >= MAILS_A_DAY:
        return
    Signup.objects.create(
        workspace_id=form.workspace_id,
        form=form,
        email=typed.email,
        name=typed.name,
        attributes=dict(typed.attributes),
        consent=typed.consent,
        asked_at=now,
        asked_ip=ip or None,
    )
    SignupForm.objects.filter(pk=form.pk).update(asked=F("asked") + 1)
