"""People who come in by themselves: what confirming lifts, what it leaves, and what is kept as proof."""

from __future__ import annotations

import pytest

from audience import customers, erasure
from audience.consent import unsubscribe
from audience.models import Attribute, ConsentRecord, Customer, ErasedAddress, Suppression, Workspace
from audience.opt_in import Person, opt_in, refusal
from tests.factories import AttributeFactory, CustomerFactory, SuppressionFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
Reason = Suppression.Reason
ADA = "ada@example.com"
STRONG = (Reason.MANUAL, Reason.HARD_BOUNCE, Reason.COMPLAINT)


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


def confirmed(workspace: Workspace, **typed: object) -> Customer:
    return opt_in(workspace, Person(ADA, "agreed", "203.0.113.7", **typed))  # type: ignore[arg-type]


def test_a_stranger_becomes_a_customer_with_what_they_typed(workspace: Workspace) -> None:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    customer = confirmed(workspace, name="Ada", attributes={"city": "London"})
    assert (customer.email, customer.name, customer.subscribed) == (ADA, "Ada", True)
    assert customer.attributes == {"city": "London"}
    record = ConsentRecord.objects.get()
    assert (record.source, record.granted, record.email) == ("sign_up", True, ADA)
    assert (record.evidence, record.ip_address) == ("agreed", "203.0.113.7")


def test_what_somebody_left_empty_stays_as_it_was(workspace: Workspace) -> None:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    CustomerFactory(email=ADA, name="Ada", attributes={"city": "London"}, subscribed=False)
    confirmed(workspace)
    customer = Customer.objects.get()
    assert (customer.name, customer.attributes) == ("Ada", {"city": "London"})


def test_an_attribute_that_was_deleted_meanwhile_is_left_out(workspace: Workspace) -> None:
    assert confirmed(workspace, attributes={"gone": "x"}).attributes == {}


def test_a_confirmation_is_recorded_even_of_somebody_who_is_opted_in(workspace: Workspace) -> None:
    CustomerFactory(email=ADA, subscribed=True)
    confirmed(workspace)
    assert ConsentRecord.objects.get().source == ConsentRecord.Source.SIGN_UP


def test_somebody_who_unsubscribed_may_decide_anew(workspace: Workspace) -> None:
    customer = CustomerFactory(email=ADA)
    unsubscribe(customer, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK)
    assert refusal(workspace, ADA) == ""
    assert confirmed(workspace).subscribed
    assert not Suppression.objects.exists()


def test_a_mailbox_that_was_full_for_long_may_be_confirmed(workspace: Workspace) -> None:
    SuppressionFactory(email=ADA, reason=Reason.SOFT_BOUNCE)
    assert refusal(workspace, ADA) == ""
    confirmed(workspace)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("reason", STRONG)
def test_a_stronger_suppression_is_neither_mailed_nor_lifted(workspace: Workspace, reason: Reason) -> None:
    SuppressionFactory(email=ADA, reason=reason)
    assert refusal(workspace, ADA) == f"Suppressed: {reason.label}"
    confirmed(workspace)
    assert Suppression.objects.get().reason == reason


def test_a_suppression_counts_in_its_own_workspace_alone(workspace: Workspace) -> None:
    SuppressionFactory(workspace=WorkspaceFactory(slug="other"), email=ADA, reason=Reason.COMPLAINT)
    assert refusal(workspace, ADA) == ""


def test_somebody_who_was_erased_may_come_back_and_stays(workspace: Workspace) -> None:
    erasure.forget(workspace, ADA, None, 1)
    assert refusal(workspace, ADA) == ""
    confirmed(workspace)
    # Every later door looks whether the address was erased.
    customers.save_customer(workspace, email=ADA, name="Ada")
    assert not Suppression.objects.exists()
    assert not ErasedAddress.objects.exists()


@pytest.mark.parametrize("reason", STRONG)
def test_somebody_who_was_erased_after_a_complaint_stays_out(workspace: Workspace, reason: Reason) -> None:
    SuppressionFactory(email=ADA, reason=reason)
    erasure.forget(workspace, ADA, None, 1)
    assert refusal(workspace, ADA) == f"Suppressed: {reason.label}"
    confirmed(workspace)
    assert Suppression.objects.get().reason == reason
