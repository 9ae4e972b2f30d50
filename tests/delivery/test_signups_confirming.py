"""Confirming: once, within seven days, by the owner of the mailbox; with proof and an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from audience.consent import unsubscribe
from audience.models import Attribute, ConsentRecord, Customer, CustomerEvent, Suppression
from delivery.models import Signup, SignupForm
from delivery.signups import confirming, links
from delivery.signups.confirming import State
from delivery.signups.links import InvalidLink, Request
from tests.delivery.signing_up import ADA, ask
from tests.factories import AttributeFactory, SignupFormFactory, SuppressionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> SignupForm:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    made: SignupForm = SignupFormFactory(name="Footer", consent="I agree to letters.", attributes=["city"])
    return made


def request_of(signup: Signup) -> Request:
    return links.read(links.token_of(signup))


def confirm(signup: Signup) -> State:
    return confirming.confirm(request_of(signup), "198.51.100.9")


def test_confirming_makes_a_customer_with_what_was_typed(form: SignupForm) -> None:
    assert confirm(ask(form, name="Ada", attributes={"city": "London"})) == State.DONE
    customer = Customer.objects.get()
    assert (customer.email, customer.name, customer.attributes) == (ADA, "Ada", {"city": "London"})
    assert customer.subscribed
    form.refresh_from_db()
    assert (form.asked, form.confirmed) == (1, 1)


def test_the_proof_has_the_wording_both_moments_and_both_addresses(
    form: SignupForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signup, "LIFE", timedelta(days=10_000))
    signup = ask(form)
    Signup.objects.update(asked_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    signup.refresh_from_db()
    SignupForm.objects.update(consent="Something else by now.")
    assert confirm(signup) == State.DONE
    record = ConsentRecord.objects.get()
    words = "Sign-up form “Footer”: “I agree to letters.” Asked 2026-01-02 03:04:05 UTC from 203.0.113.7, "
    assert record.evidence.startswith(words + "confirmed 20")
    assert "from 198.51.100.9 by the link" in record.evidence
    assert (record.ip_address, record.email) == ("198.51.100.9", ADA)


def test_the_longest_wording_is_kept_whole(form: SignupForm) -> None:
    SignupForm.objects.update(consent="w" * 499 + "!", name="n" * 100)
    form.refresh_from_db()
    confirm(ask(form))
    evidence = ConsentRecord.objects.get().evidence
    assert "w!" in evidence
    assert evidence.endswith("mailed to the address.")


def test_automations_hear_of_it(form: SignupForm) -> None:
    confirm(ask(form))
    event = CustomerEvent.objects.get()
    assert (event.name, event.properties) == ("signed_up", {"form": "Footer"})
    assert event.customer == Customer.objects.get()


def test_what_was_typed_is_deleted_with_the_confirmation(form: SignupForm) -> None:
    confirm(ask(form, name="Ada", attributes={"city": "London"}))
    signup = Signup.objects.get()
    assert (signup.name, signup.attributes) == ("", {})


def test_a_link_confirms_once_and_never_again_after_an_unsubscribe(form: SignupForm) -> None:
    signup = ask(form)
    confirm(signup)
    customer = Customer.objects.get()
    unsubscribe(customer, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK)
    assert confirm(signup) == State.DONE
    customer.refresh_from_db()
    assert not customer.subscribed
    assert Suppression.objects.get().reason == Suppression.Reason.UNSUBSCRIBE
    form.refresh_from_db()
    assert (form.confirmed, CustomerEvent.objects.count()) == (1, 1)


def test_after_seven_days_a_link_is_too_old(form: SignupForm) -> None:
    signup = ask(form)
    Signup.objects.update(asked_at=F("asked_at") - Signup.LIFE)
    signup.refresh_from_db()
    assert confirming.state_of(request_of(signup)) == State.TOO_OLD
    assert confirm(signup) == State.TOO_OLD
    assert not Customer.objects.exists()


def test_the_link_of_a_request_that_was_deleted_is_too_old_and_knows_its_form(form: SignupForm) -> None:
    request = request_of(ask(form))
    Signup.objects.all().delete()
    assert confirming.confirm(request, None) == State.TOO_OLD
    assert confirming.form_of(request) == form


def test_a_number_that_was_given_out_again_is_another_request(form: SignupForm) -> None:
    request = request_of(ask(form))
    Signup.objects.update(asked_at=F("asked_at") - timedelta(hours=1), email="bo@example.com")
    assert confirming.confirm(request, None) == State.TOO_OLD
    assert not Customer.objects.exists()


def test_no_other_token_confirms(form: SignupForm) -> None:
    token = links.token_of(ask(form))
    other = ("B" if token[0] == "A" else "A") + token[1:]
    for forged in (other, token[:-1], token + "AAAA", "", "é", links.shown_now(form)):
        with pytest.raises(InvalidLink):
            links.read(forged)


def test_a_complaint_that_came_meanwhile_stands(form: SignupForm) -> None:
    signup = ask(form)
    SuppressionFactory(email=ADA, reason=Suppression.Reason.COMPLAINT)
    confirm(signup)
    assert Suppression.objects.get().reason == Suppression.Reason.COMPLAINT
