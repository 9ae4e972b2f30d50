"""Panels of a sender's page: its limits in use, and the curve of a warm-up that is being typed."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from campaigns.models import Sender, SenderLimit, WarmUp
from delivery import limits
from tests.delivery.staff import member, stranger
from tests.factories import SenderFactory

pytestmark = pytest.mark.django_db


def in_use(sender: Sender) -> str:
    page = member(sender.workspace).get(f"/senders/{sender.pk}/limits/")
    assert page.status_code == 200
    return " ".join(page.text.split())


def test_each_limit_is_shown_with_how_far_it_is_used_up() -> None:
    sender = SenderFactory()
    SenderLimit.objects.create(sender=sender, mails=20, period="hour", mailbox_provider="google")
    WarmUp.objects.create(sender=sender, first_day=10)
    limits.limiter().take(limits.rules([sender.pk])[sender.pk], "google", 10)
    page = in_use(sender)
    assert "20 per hour to Gmail" in page and "10 of 20" in page
    assert "10 on this day of the warm-up" in page and "10 of 10" in page
    assert 'aria-valuenow="50"' in page and 'aria-valuenow="100"' in page
    assert page.count("room again at") == 1


def test_a_sender_without_limits_says_so() -> None:
    assert "No limits" in in_use(SenderFactory())


def test_a_redis_that_is_away_is_said_in_words(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = "redis://127.0.0.1:1/0"
    sender = SenderFactory(min_delay=2)
    assert "The counter cannot be reached" in in_use(sender)
    assert "No limits" in in_use(SenderFactory())


def test_another_workspaces_sender_is_not_found() -> None:
    assert stranger().get(f"/senders/{SenderFactory().pk}/limits/").status_code == 404


def curve(client: Client, **numbers: object) -> str:
    typed = {f"warm_up-0-{name}": value for name, value in numbers.items()}
    return " ".join(client.get("/senders/warm-up-curve/", typed).text.split())


def test_the_curve_shows_the_first_days_and_the_last() -> None:
    page = curve(member(), first_day=50, growth=30, target=10_000)
    assert [mails for mails in ("<b>50<", "<b>65<", "<b>85<", "<b>241<", "<b>314<") if mails in page] == [
        "<b>50<",
        "<b>65<",
        "<b>85<",
        "<b>241<",
    ]
    assert '…</li><li><span class="muted">Day 22</span> <b>10,000</b>' in page
    assert "Done after 22 days of sending. After a day on which 5% of the mails bounced, or 0.1% were" in page
    short = curve(member(), first_day=50, growth=100, target=200)
    assert all(f"<b>{mails}<" in short for mails in (50, 100, 200))
    assert "…" not in short


@pytest.mark.parametrize(
    "numbers", [{}, {"first_day": 0, "growth": 1, "target": 9}, {"first_day": 9, "growth": 1, "target": 9}]
)
def test_numbers_that_make_no_sense_make_no_curve(numbers: dict[str, int]) -> None:
    assert curve(member(), **numbers) == ""


def test_the_curve_is_for_staff_only() -> None:
    assert Client().get("/senders/warm-up-curve/").status_code == 302
