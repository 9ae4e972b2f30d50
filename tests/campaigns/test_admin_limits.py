"""A sender's limits and warm-up in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns.models import Sender, SenderLimit, WarmUp
from tests.factories import MembershipFactory, SenderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def change(sender: Sender) -> str:
    return reverse("admin:campaigns_sender_change", args=[sender.pk])


def form(sender: Sender, *limits: tuple[Any, ...], warm_up: dict[str, Any] | None = None) -> dict[str, Any]:
    """The sender's form with new limits (mails, period, mailbox provider[, id])."""
    names = ("name", "from_name", "from_email", "reply_to", "transport", "port", "security", "min_delay")
    data = {name: getattr(sender, name) for name in names}
    data |= {"limits-TOTAL_FORMS": len(limits), "warm_up-TOTAL_FORMS": 1 if warm_up else 0}
    data |= {"limits-INITIAL_FORMS": sum(len(limit) > 3 for limit in limits), "warm_up-INITIAL_FORMS": 0}
    for index, (mails, period, provider, *pk) in enumerate(limits):
        row = {"mails": mails, "period": period, "mailbox_provider": provider, "sender": sender.pk}
        row |= {"id": pk[0]} if pk else {}
        data |= {f"limits-{index}-{name}": value for name, value in row.items()}
    return data | {f"warm_up-0-{name}": value for name, value in (warm_up or {}).items()}


def test_limits_are_set_changed_and_taken_away(staff: Client) -> None:
    sender = SenderFactory()
    data = form(sender, (500, "hour", ""), (20, "minute", "google"))
    assert staff.post(change(sender), data).status_code == 302
    assert [str(limit) for limit in sender.limits.all()] == [
        "500 per hour to everyone",
        "20 per minute to Gmail",
    ]
    hour, minute = sender.limits.all()
    data = form(sender, (400, "hour", "", hour.pk), (20, "minute", "google", minute.pk))
    assert staff.post(change(sender), data | {"limits-1-DELETE": "on"}).status_code == 302
    assert [str(limit) for limit in sender.limits.all()] == ["400 per hour to everyone"]


def test_the_table_reads_as_a_sentence(staff: Client) -> None:
    sender = SenderFactory()
    SenderLimit.objects.create(sender=sender, mails=500, period="hour", mailbox_provider="yahoo")
    page = staff.get(change(sender)).text
    for label in ("At most", "Per", "To"):
        assert f'aria-label="{label}"' in page
    assert all(word in page for word in ("everyone", "Gmail", "Microsoft", "Yahoo", "Other"))


def test_two_limits_for_the_same_are_refused(staff: Client) -> None:
    sender = SenderFactory()
    page = staff.post(change(sender), form(sender, (500, "hour", ""), (400, "hour", "")))
    assert "Two limits are for the same period and mailbox provider. Delete one of them." in page.text
    assert not sender.limits.exists()


def test_a_second_limit_for_the_same_is_refused_as_well(staff: Client) -> None:
    sender = SenderFactory()
    first = SenderLimit.objects.create(sender=sender, mails=500, period="hour")
    page = staff.post(change(sender), form(sender, (500, "hour", "", first.pk), (400, "hour", "")))
    assert page.status_code == 200
    assert sender.limits.get() == first


@pytest.mark.parametrize("mails", [0, -1, "many"])
def test_no_mails_at_all_is_no_limit(staff: Client, mails: Any) -> None:
    sender = SenderFactory()
    assert staff.post(change(sender), form(sender, (mails, "hour", ""))).status_code == 200
    assert not sender.limits.exists()


def test_a_warm_up_begins_and_ends_on_the_senders_page(staff: Client) -> None:
    sender = SenderFactory()
    plan = {"first_day": 50, "growth": 30, "target": 10_000, "sender": sender.pk}
    assert staff.post(change(sender), form(sender, warm_up=plan)).status_code == 302
    assert WarmUp.objects.get(sender=sender).daily_cap == 50
    data = form(sender, warm_up=plan) | {"warm_up-INITIAL_FORMS": 1, "warm_up-0-DELETE": "on"}
    assert staff.post(change(sender), data).status_code == 302
    assert not WarmUp.objects.exists()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"first_day": 100, "growth": 30, "target": 100}, "Enter more than on the first day"),
        ({"first_day": 0, "growth": 30, "target": 100}, "greater than or equal to 1"),
        ({"first_day": 10, "growth": 201, "target": 100}, "less than or equal to 200"),
    ],
)
def test_a_warm_up_that_does_not_rise_is_refused(staff: Client, plan: dict[str, int], words: str) -> None:
    sender = SenderFactory()
    page = staff.post(change(sender), form(sender, warm_up=plan | {"sender": sender.pk}))
    assert words in page.text
    assert not WarmUp.objects.exists()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "Begins with the first mail"),
        ({"step": 2}, "Day 3 of 22: 85 mails."),
        ({"step": 2, "held": "9 of 50 mails bounced."}, "Held at 85 a day. 9 of 50 mails bounced."),
        ({"step": 40}, "Done: 10,000 a day from now on. Delete the warm-up to lift the cap."),
    ],
)
def test_the_page_says_how_far_the_warm_up_is(staff: Client, columns: dict[str, Any], words: str) -> None:
    sender = SenderFactory()
    WarmUp.objects.create(sender=sender, **columns)
    assert words in staff.get(change(sender)).text


def test_an_analyst_reads_limits_and_changes_none(client: Client) -> None:
    sender = SenderFactory()
    SenderLimit.objects.create(sender=sender, mails=500, period="hour")
    client.force_login(MembershipFactory(workspace=sender.workspace, role=Membership.Role.ANALYST).user)
    assert "500" in client.get(change(sender)).text
    assert client.post(change(sender), form(sender, (9, "hour", ""))).status_code == 403
