"""The operations page: who may see it, what it says, and that nothing it looks at can break it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from campaigns import lifecycle
from campaigns.models import Campaign, Sender, SenderLimit
from delivery.heartbeats import BEAT, Kind, beat
from delivery.models import Circuit, Heartbeat, Progress, SendLog
from delivery.views.operations import in_words
from tests.delivery.frozen import frozen_redis
from tests.delivery.staff import customer_of_the_site, member, superuser
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.servers import free_port

pytestmark = pytest.mark.django_db
PAGE, PANEL = "/operations/", "/operations/panel/"
Status = SendLog.Status


def shown(client: Client | None = None, path: str = PAGE) -> str:
    response = (client or superuser()).get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def waiting_campaign(name: str = "Spring", **sender: Any) -> Campaign:
    """An active campaign with one mail that is due."""
    campaign: Campaign = CampaignFactory(name=name, senders=[SenderFactory(name=f"{name} sender", **sender)])
    lifecycle.activate(campaign)
    row(campaign)
    return campaign


def row(campaign: Campaign, **columns: Any) -> None:
    customer = CustomerFactory()
    SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        customer=customer,
        sender=campaign.senders.get(),
        email=customer.email,
        due_at=columns.pop("due_at", timezone.now()),
        **columns,
    )


# --- Who may see it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PAGE, PANEL])
def test_only_superusers_see_the_engine_of_all_workspaces(path: str) -> None:
    assert member().get(path).status_code == 403
    assert customer_of_the_site().get(path).status_code == 302
    assert Client().get(path).status_code == 302
    assert superuser().get(path).status_code == 200
    assert superuser().post(path).status_code == 405


def test_the_menu_leads_there_for_those_who_may_see_it() -> None:
    link = f'href="{PAGE}"'
    assert link in shown(path=reverse("admin:index"))
    assert link not in shown(member(), path=reverse("admin:index"))


# --- What it says ------------------------------------------------------------------------------------


def test_an_idle_engine_says_that_nothing_waits() -> None:
    beat(BEAT, Kind.SCHEDULER)
    beat("host-1", Kind.WORKER)
    page = shown()
    for words in (
        "Nothing is waiting",
        "No mail is in doubt",
        "No errors in campaigns",
        "1 alive",
        "beat, 0 s",
    ):
        assert words in page
    assert "ENABLE_EMAIL_SCHEDULER" not in page


def test_an_engine_that_never_ran_says_how_to_start_one() -> None:
    page = shown()
    assert "nobody looks for due mail" in page
    assert "manage.py send_due --loop" in page


def test_a_silent_scheduler_and_worker_are_called_late() -> None:
    beat(BEAT, Kind.SCHEDULER)
    beat("host-1", Kind.WORKER, "sending campaign 12")
    beat("host-2", Kind.WORKER, "looks for due mail")
    Heartbeat.objects.exclude(pk="host-2").update(seen_at=timezone.now() - timedelta(minutes=26))
    page = shown()
    assert "late: beat, 26 min ago" in page
    assert "1 alive, 1 late" in page
    assert "sending campaign 12" in page


def test_what_waits_and_what_is_wrong_stands_beside_each_sender() -> None:
    campaign = waiting_campaign()
    sender = campaign.senders.get()
    row(campaign, due_at=timezone.now() - timedelta(minutes=12))
    row(campaign, status=Status.SENDING, lease_until=timezone.now() - timedelta(minutes=1))
    Circuit.objects.create(
        sender=sender, failures=4, retry_at=timezone.now() + timedelta(seconds=100), error="421 closing"
    )
    SenderLimit.objects.create(sender=sender, mails=50, period="hour")
    page = shown()
    for words in (
        "Spring sender",
        "2 due, 1 in the workers' hands",
        "the oldest for 12 min",
        "Circuit open, next try in",
        "4 failures in a row: 421 closing",
        "50 per hour",
        "0 of 50",
        "1 mail is stuck",
    ):
        assert words in page


def test_a_stopped_sender_says_why() -> None:
    campaign = waiting_campaign()
    Sender.objects.filter(pk=campaign.senders.get().pk).update(
        state=Sender.State.STOPPED, last_error="535 wrong password"
    )
    assert "Stopped" in shown()
    assert "535 wrong password" in shown()


def test_errors_and_unknown_mails_lead_to_where_they_are_settled() -> None:
    campaign = waiting_campaign()
    row(campaign, status=Status.FAILED, reason=SendLog.Reason.RENDER)
    row(campaign, status=Status.QUEUED, reason=SendLog.Reason.RETRY)
    Progress.objects.update_or_create(campaign=campaign, defaults={"failed": 1, "unknown": 3})
    client = superuser()
    page = shown(client)
    assert "The template failed for this customer" in page
    assert f'href="{reverse("delivery:unknown", args=[campaign.pk])}"' in page
    ledger = reverse("admin:delivery_sendlog_changelist")
    for statuses in ("failed,unknown", "queued"):
        query = {"campaign__id__exact": campaign.pk, "status__in": statuses}
        assert f"status__in={statuses.replace(',', '%2C')}" in page
        assert client.get(ledger, query).status_code == 200


def test_the_panel_asks_again_only_while_somebody_looks() -> None:
    panel = shown(path=PANEL)
    assert "<html" not in panel
    assert f'hx-get="{PANEL}"' in panel
    assert "every 5s [document.visibilityState === 'visible']" in panel
    assert "visibilitychange" in panel


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7300, "2 h"),
        (90_000, "25 h"),
        (2e5, "2 days"),
    ],
)
def test_ages_are_one_number(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


# --- What it costs, and what may be away -------------------------------------------------------------


def test_the_page_takes_as_many_queries_for_ten_campaigns_as_for_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def troubled(number: int) -> None:
        campaign = waiting_campaign(f"Campaign {number}", min_delay=2)
        row(campaign, status=Status.FAILED, reason=SendLog.Reason.REFUSED)
        Progress.objects.update_or_create(campaign=campaign, defaults={"failed": 1, "unknown": 1})
        beat(f"host-{number}", Kind.WORKER)
        Circuit.objects.create(sender=campaign.senders.get(), retry_at=timezone.now())

    client = superuser()
    for first, last in ((0, 1), (1, 10)):
        for number in range(first, last):
            troubled(number)
        # Session, user, second factor and workspaces: 4. Processes 1, queues 2, senders 2, limits 3, in
        # hand 1, failures 2, unknown 1, reports 3.
        with django_assert_num_queries(19):
            client.get(PANEL)


def test_a_frozen_redis_is_shown_and_breaks_nothing(settings: Settings) -> None:
    SenderLimit.objects.create(sender=waiting_campaign().senders.get(), mails=50, period="hour")
    with frozen_redis() as url:
        settings.RATE_LIMIT_STORAGE = url
        page = shown()
    assert "does not answer" in page
    assert "Redis, which counts them, does not answer" in page
    assert url not in page


def test_an_absent_redis_is_shown_and_breaks_nothing(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = f"redis://127.0.0.1:{free_port()}/0"
    assert "does not answer" in shown()


def test_without_redis_none_is_asked_for(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = "memory://"
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert "not used" in shown()
    beat(BEAT, Kind.SCHEDULER)
    assert "does not answer" in shown()
    assert f"Drumbeat {settings.VERSION}" in shown()
