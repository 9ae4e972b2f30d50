from __future__ import annotations

import pytest

from audience import consent, suppression
from audience.consent import Channel, Source
from audience.models import ConsentRecord, Customer, Suppression
from tests.factories import CustomerFactory, SuppressionFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
Reason = Suppression.Reason


def _subscribe(customer: Customer, channel: Channel = Channel.EMAIL) -> bool:
    return consent.subscribe(customer, channel=channel, source=Source.STAFF)


def _unsubscribe(customer: Customer, channel: Channel = Channel.EMAIL) -> bool:
    return consent.unsubscribe(customer, channel=channel, source=Source.LINK)


def test_unsubscribing_opts_out_suppresses_and_keeps_the_evidence() -> None:
    customer = CustomerFactory(subscribed=True)
    changed = consent.unsubscribe(
        customer, channel=Channel.EMAIL, source=Source.ONE_CLICK, evidence="mail 17", ip="192.0.2.1"
    )
    assert changed
    assert not customer.subscribed
    assert not Customer.objects.get().subscribed
    assert Suppression.objects.get().reason == Reason.UNSUBSCRIBE
    record = ConsentRecord.objects.get()
    assert (record.email, record.granted, record.evidence) == (customer.email, False, "mail 17")
    assert (record.source, record.ip_address) == (Source.ONE_CLICK, "192.0.2.1")


@pytest.mark.parametrize("subscribed", [True, False])
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_repeating_either_is_harmless(subscribed: bool, channel: Channel) -> None:
    customer = CustomerFactory(subscribed=subscribed, sms_subscribed=subscribed)
    assert _unsubscribe(customer, channel)
    assert not _unsubscribe(customer, channel)
    assert _subscribe(customer, channel)
    assert not _subscribe(customer, channel)
    assert list(ConsentRecord.objects.order_by("id").values_list("granted", flat=True)) == [False, True]


def test_a_second_withdrawal_after_a_new_opt_in_is_recorded_again() -> None:
    customer = CustomerFactory()
    for act in (_unsubscribe, _subscribe, _unsubscribe):
        act(customer)
    assert ConsentRecord.objects.count() == 3
    assert Suppression.objects.exists()


def test_subscribing_lifts_an_unsubscribe() -> None:
    customer, actor = CustomerFactory(), UserFactory()
    _unsubscribe(customer)
    consent.subscribe(customer, channel=Channel.EMAIL, source=Source.STAFF, actor=actor)
    assert Customer.objects.get().subscribed
    assert not Suppression.objects.exists()
    assert ConsentRecord.objects.first().actor == actor


@pytest.mark.parametrize("reason", [Reason.MANUAL, Reason.HARD_BOUNCE, Reason.COMPLAINT])
def test_subscribing_lifts_nothing_stronger_than_an_unsubscribe(reason: Reason) -> None:
    customer = CustomerFactory(subscribed=False)
    SuppressionFactory(email=customer.email, reason=reason)
    _subscribe(customer)
    assert Suppression.objects.get().reason == reason


def test_unsubscribing_keeps_a_stronger_reason() -> None:
    customer = CustomerFactory()
    SuppressionFactory(email=customer.email, reason=Reason.COMPLAINT)
    _unsubscribe(customer)
    assert Suppression.objects.get().reason == Reason.COMPLAINT


def test_sms_and_email_do_not_touch_each_other() -> None:
    customer = CustomerFactory(subscribed=True, sms_subscribed=True)
    _unsubscribe(customer, Channel.SMS)
    customer.refresh_from_db()
    assert (customer.subscribed, customer.sms_subscribed) == (True, False)
    assert not Suppression.objects.exists()


def test_the_same_address_in_another_workspace_is_untouched() -> None:
    customer = CustomerFactory()
    other = CustomerFactory(workspace=WorkspaceFactory(slug="other"), email=customer.email)
    _unsubscribe(customer)
    suppression.suppress(other.workspace, other.email, Reason.UNSUBSCRIBE)
    _subscribe(customer)
    other.refresh_from_db()
    assert other.subscribed
    assert Suppression.objects.of(other.workspace).exists()


def test_only_the_flag_is_written() -> None:
    stale = CustomerFactory(name="Old")
    Customer.objects.update(name="New")
    _unsubscribe(stale)
    assert Customer.objects.get().name == "New"
