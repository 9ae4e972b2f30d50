"""Asking by a form: what waits, who gets how many mails, and that nothing tells who is a customer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audience.consent import unsubscribe
from audience.models import ConsentRecord, Customer, CustomerEvent, Suppression
from delivery.models import Signup, SignupForm
from delivery.signups import asking
from delivery.signups.asking import Busy, Typed
from tests.delivery.signing_up import ADA, ask
from tests.delivery.together import together
from tests.factories import CustomerFactory, SignupFormFactory, SuppressionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> SignupForm:
    made: SignupForm = SignupFormFactory()
    return made


def earlier(**ago: float) -> None:
    for signup in Signup.objects.all():
        Signup.objects.filter(pk=signup.pk).update(asked_at=signup.asked_at - timedelta(**ago))


def test_asking_makes_nobody_a_customer(form: SignupForm) -> None:
    signup = ask(form, name="Ada")
    assert (signup.email, signup.name, signup.mail) == (ADA, "Ada", Signup.Mail.WAITING)
    assert (signup.consent, signup.asked_ip) == (form.consent, "203.0.113.7")
    assert not any(model.objects.exists() for model in (Customer, ConsentRecord, CustomerEvent))


def test_an_address_gets_one_mail_in_ten_minutes(form: SignupForm) -> None:
    ask(form)
    ask(form)
    assert Signup.objects.count() == 1
    earlier(minutes=11)
    ask(form)
    assert Signup.objects.count() == 2
    form.refresh_from_db()
    assert form.asked == 2


def test_another_address_and_another_form_are_none_of_its_business(form: SignupForm) -> None:
    ask(form)
    ask(form, "bo@example.com")
    ask(SignupFormFactory(), ADA)
    assert Signup.objects.count() == 3


def test_an_address_gets_five_mails_a_day(form: SignupForm) -> None:
    for _ in range(7):
        ask(form)
        earlier(minutes=11)
    assert Signup.objects.count() == asking.MAILS_A_DAY
    earlier(days=1)
    ask(form)
    assert Signup.objects.count() == asking.MAILS_A_DAY + 1


def test_a_form_mails_no_more_than_its_limit_in_an_hour(form: SignupForm) -> None:
    SignupForm.objects.update(hourly_limit=2)
    ask(form)
    ask(form, "bo@example.com")
    with pytest.raises(Busy):
        ask(form, "cy@example.com")
    earlier(hours=1)
    ask(form, "cy@example.com")
    assert Signup.objects.count() == 3


def test_at_its_limit_a_form_refuses_those_who_just_asked_as_well(form: SignupForm) -> None:
    """Else the answer would say who has asked."""
    SignupForm.objects.update(hourly_limit=1)
    ask(form)
    with pytest.raises(Busy):
        ask(form)


@pytest.mark.django_db(transaction=True)
def test_asked_by_many_at_once_it_is_one_mail(form: SignupForm) -> None:
    """Red without the lock on the form."""
    together(lambda: asking.ask(form, Typed(ADA, "yes"), None))
    assert Signup.objects.count() == 1


# --- Who is a customer ---------------------------------------------------------------------------------


def stranger() -> None:
    pass


def customer() -> None:
    CustomerFactory(email=ADA)


def leaver() -> None:
    unsubscribe(
        CustomerFactory(email=ADA), channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK
    )


def complainer() -> None:
    SuppressionFactory(email=ADA, reason=Suppression.Reason.COMPLAINT)


@pytest.mark.parametrize("whoever", [customer, leaver, complainer])
def test_what_is_written_and_asked_is_the_same_for_all(form: SignupForm, whoever: Any) -> None:
    ask(form, "nobody@example.org")
    whoever()
    before = (Customer.objects.count(), ConsentRecord.objects.count(), Suppression.objects.count())
    known, unknown = told(form, ADA), told(form, "eve@example.com")
    assert known == unknown
    assert (Customer.objects.count(), ConsentRecord.objects.count(), Suppression.objects.count()) == before


def told(form: SignupForm, email: str) -> tuple[list[str], dict[str, Any]]:
    """The statements that were run, and the row that was written."""
    with CaptureQueriesContext(connection) as asked:
        asking.ask(form, Typed(email, "yes"), None)
    row = Signup.objects.values().get(email=email)
    assert timezone.now() - row["asked_at"] < timedelta(minutes=1)
    for own in ("id", "email", "asked_at", "due_at"):
        del row[own]
    statements = [each["sql"] for each in asked if "SAVEPOINT" not in each["sql"]]
    return [each.split("WHERE")[0].split("VALUES")[0] for each in statements], row
