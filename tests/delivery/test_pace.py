"""When a campaign will be done: as a mail-by-mail simulation says, and in words on its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from audience.models import Workspace
from campaigns.models import Campaign, CampaignSender, SenderLimit, WarmUp
from delivery import limits, progress
from delivery.limits import DAY, EXACT_UP_TO, Use
from delivery.models import Progress, SendLog
from delivery.pace import Estimate, Load, estimate, expected_end, seconds_for
from tests.delivery.staff import member
from tests.factories import SenderFactory

MakeCampaign = Callable[..., Campaign]
NOON = datetime(2099, 3, 9, 12, tzinfo=UTC)
HOUR = 3600
Period = SenderLimit.Period


@pytest.fixture(autouse=True)
def nothing_counted_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def fresh(mails: int, seconds: int, provider: str = "") -> Use:
    return Use(f"{mails} per {seconds}", provider, mails, seconds, 0, seconds)


def load(mails: int | Mapping[str, int], *uses: Use, caps: list[int] | None = None) -> Load:
    lanes = {"other": mails} if isinstance(mails, int) else mails
    return Load("News", lanes, uses, caps or [])


# --- Reckoning -----------------------------------------------------------------------------------


def simulated(mails: int, uses: list[Use]) -> float:
    """When the last mail leaves, when each leaves as soon as the mails before it allow."""
    left: list[float] = []
    for index in range(mails):
        earliest = [left[index - use.mails] + use.period for use in uses if index >= use.mails]
        left.append(max([*earliest, *left[-1:], 0.0]))
    return left[-1]


limits_of_one = st.builds(
    lambda delay, mails: (
        [
            fresh(count, seconds)
            for seconds, count in zip([DAY, HOUR, 60, 1], mails, strict=True)
            if count is not None
        ]
        + ([fresh(1, delay)] if delay else [])
    ),
    delay=st.none() | st.integers(2, 40),
    mails=st.tuples(*[st.none() | st.integers(1, most) for most in (400, 200, 60, 10)]),
)


@settings(max_examples=200, deadline=None)
@given(mails=st.integers(1, 600), uses=limits_of_one)
def test_it_ends_when_a_simulation_of_every_mail_does(mails: int, uses: list[Use]) -> None:
    uses = sorted(uses, key=lambda use: -use.period)
    # A minute's limit and a delay that nearly fill each other drift by a delay a minute.
    assume(not any(use.mails > 1 and 0.85 < use.mails * d.period / use.period < 1.15
                   for use in uses for d in uses if d.mails == 1))  # fmt: skip
    assert seconds_for(mails, uses) == pytest.approx(simulated(mails, uses), rel=0.02)


@pytest.mark.parametrize(
    ("mails", "used", "frees_in", "seconds"),
    [(10, 480, 600, 0), (21, 480, 600, 600), (520, 480, 600, 600), (521, 480, 600, 600 + HOUR)],
)
def test_what_has_left_already_counts(mails: int, used: int, frees_in: float, seconds: float) -> None:
    assert seconds_for(mails, [Use("", "", 500, HOUR, used, frees_in)]) == seconds


def test_a_limit_counted_by_sums_frees_its_mails_little_by_little() -> None:
    large = 2 * EXACT_UP_TO
    assert seconds_for(large // 2, [Use("", "", large, HOUR, large, 0.01)]) == HOUR / 2


def test_the_slowest_lane_of_the_slowest_sender_decides_and_is_named() -> None:
    quick = load(500, fresh(100, 60))
    slow = load({"google": 30, "other": 900}, fresh(500, HOUR), fresh(10, HOUR, "google"))
    found = estimate([quick, slow], 0, 0.0, NOON)
    assert found == Estimate(NOON + timedelta(hours=2), "“News”, 10 per 3600")


@pytest.mark.parametrize(
    ("mails", "end"),
    [
        (100, datetime(2099, 3, 10, tzinfo=UTC)),
        (95, datetime(2099, 3, 10, tzinfo=UTC)),
        (96, datetime(2099, 3, 11, tzinfo=UTC)),
        (300, datetime(2099, 3, 12, tzinfo=UTC)),
        (900, datetime(2099, 3, 17, tzinfo=UTC)),
    ],
)
def test_a_warm_up_is_followed_along_its_curve(mails: int, end: datetime) -> None:
    """30 are left of today, then 65, 85, and 120 on every day after."""
    found = estimate([load(mails if mails != 100 else 31, caps=[30, 65, 85, 120])], 0, 0.0, NOON)
    assert (found.end, found.because) == (end, "“News”, its warm-up")


def test_without_limits_the_measured_pace_decides_and_without_a_measure_nobody_knows() -> None:
    assert estimate([], 6000, 10.0, NOON) == Estimate(NOON + timedelta(minutes=10))
    assert estimate([], 6000, 0.0, NOON) == Estimate()
    limited = load(1000, fresh(500, HOUR))
    assert estimate([limited], 6000, 0.0, NOON) == Estimate()
    assert estimate([limited], 6000, 10.0, NOON).end == NOON + timedelta(hours=1)
    assert estimate([limited], 6000, 1.0, NOON) == Estimate(NOON + timedelta(seconds=7000))


def test_limits_that_are_far_from_used_up_leave_it_to_the_pace() -> None:
    wide = load(1000, fresh(5000, HOUR))
    assert estimate([wide], 0, 0.0, NOON) == Estimate()
    assert estimate([wide], 0, 10.0, NOON) == Estimate(NOON + timedelta(seconds=100))


def test_the_pace_of_a_campaign_that_waits_says_nothing() -> None:
    used_up = load(1000, Use("500 per hour", "", 500, HOUR, 500, 600))
    found = estimate([used_up], 0, 0.0001, NOON)
    assert found == Estimate(
        NOON + timedelta(seconds=600 + HOUR),
        "“News”, 500 per hour",
        NOON + timedelta(seconds=600),
        "“News”, 500 per hour",
    )


def test_it_waits_only_while_no_lane_has_room() -> None:
    gmail = Use("10 per hour to Gmail", "google", 10, HOUR, 10, 600)
    assert estimate([load({"google": 5, "other": 5}, gmail)], 0, 0.0, NOON).waiting_until is None
    waiting = estimate([load({"google": 5}, gmail)], 0, 0.0, NOON)
    assert waiting.waiting_until == waiting.end == NOON + timedelta(seconds=600)
    assert estimate([load({"google": 5}, gmail)], 7, 1.0, NOON).waiting_until is None


def test_a_moment_between_two_mails_is_no_wait() -> None:
    delay = Use("one mail every 2 seconds", "", 1, 2, 1, 1.9)
    found = estimate([load(1801, delay)], 0, 0.0, NOON)
    assert found == Estimate(NOON + timedelta(seconds=3601.9), "“News”, one mail every 2 seconds")


def test_it_does_not_end_before_the_last_mail_is_due() -> None:
    late = NOON + timedelta(days=1)
    found = estimate([load(1000, fresh(500, HOUR))], 0, 0.0, NOON, late)
    assert found == Estimate(late)


def test_beyond_ten_years_nobody_wants_to_know() -> None:
    assert estimate([load(10**9, fresh(1, HOUR))], 0, 0.0, NOON).end is None


# --- A campaign ----------------------------------------------------------------------------------


def limited(campaign: Campaign, mails: int, period: str, provider: str = "") -> SenderLimit:
    sender = CampaignSender.objects.get(campaign=campaign).sender
    return SenderLimit.objects.create(sender=sender, mails=mails, period=period, mailbox_provider=provider)


def found(campaign: Campaign, per_second: float = 0.0) -> Estimate:
    return expected_end(campaign, progress.of(campaign.pk), per_second)


@pytest.mark.django_db
def test_a_campaign_says_when_it_will_be_done_at_its_senders_limits(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(7)
    sender = limited(campaign, 3, Period.HOUR).sender
    with time_machine.travel(NOON, tick=False):
        assert found(campaign) == Estimate(NOON + timedelta(hours=2), f"“{sender}”, 3 per hour")


@pytest.mark.django_db
def test_only_open_rows_of_the_mailbox_provider_count(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(6)
    limited(campaign, 1, Period.HOUR, "google")
    rows = list(SendLog.objects.order_by("pk"))
    SendLog.objects.filter(pk__in=[row.pk for row in rows[:3]]).update(mailbox_provider="google")
    SendLog.objects.filter(pk=rows[0].pk).update(status=SendLog.Status.SENT)
    with time_machine.travel(NOON, tick=False):
        assert found(campaign).end == NOON + timedelta(hours=1)


@pytest.mark.django_db
def test_a_warm_up_counts_what_has_left_today(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(4)
    sender = CampaignSender.objects.get(campaign=campaign).sender
    WarmUp.objects.create(sender=sender, first_day=2, growth=50, target=100)
    with time_machine.travel(NOON, tick=False):
        limits.limiter().take(limits.rules([sender.pk])[sender.pk], "other", 1)
        assert found(campaign).end == datetime(2099, 3, 10, tzinfo=UTC)
        limits.limiter().take(limits.rules([sender.pk])[sender.pk], "other", 1)
        assert found(campaign).waiting_until == datetime(2099, 3, 10, tzinfo=UTC)


@pytest.mark.django_db
def test_the_ledger_is_counted_once_in_a_while(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    limited(campaign, 1, Period.HOUR)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            found(campaign)
    assert sum("delivery_sendlog" in query["sql"] for query in queries.captured_queries) == 1


@pytest.mark.django_db
def test_a_limit_that_is_taken_away_limits_nothing_any_more(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(5)
    limit = limited(campaign, 1, Period.HOUR)
    other = SenderFactory(workspace=campaign.workspace, min_delay=60)
    CampaignSender.objects.create(campaign=campaign, sender=other)
    assert found(campaign).because
    limit.delete()
    assert found(campaign) == Estimate()


@pytest.mark.django_db
def test_between_two_counts_the_rows_become_fewer_as_the_campaign_goes_on(
    active_campaign: MakeCampaign,
) -> None:
    campaign = active_campaign(8)
    limited(campaign, 2, Period.HOUR)
    with time_machine.travel(NOON, tick=False):
        assert found(campaign).end == NOON + timedelta(hours=3)
        Progress.objects.update(sent=4)
        assert found(campaign).end == NOON + timedelta(hours=1)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["draft", "paused", "completed"])
def test_who_does_not_send_does_not_end(active_campaign: MakeCampaign, status: str) -> None:
    campaign = active_campaign(3)
    limited(campaign, 1, Period.HOUR)
    campaign.status = status
    assert found(campaign) == Estimate()


@pytest.mark.django_db
def test_while_the_audience_is_being_written_nobody_knows(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    limited(campaign, 1, Period.HOUR)
    Progress.objects.update(filled_at=None)
    assert found(campaign, 5.0) == Estimate()


# --- In words ------------------------------------------------------------------------------------


def panel(campaign: Campaign, **query: Any) -> str:
    client = member(campaign.workspace)
    page = client.get(reverse("delivery:campaign_progress", args=[campaign.pk]), query)
    return " ".join(page.content.decode().split())


@pytest.fixture
def in_berlin(active_campaign: MakeCampaign) -> Campaign:
    campaign = active_campaign(7)
    Workspace.objects.filter(pk=campaign.workspace_id).update(time_zone="Europe/Berlin")
    campaign.refresh_from_db()
    return campaign


@pytest.mark.django_db
def test_the_page_says_when_it_will_be_done_and_which_limit_decides(in_berlin: Campaign) -> None:
    sender = limited(in_berlin, 3, Period.HOUR).sender
    with time_machine.travel(NOON, tick=False):
        page = panel(in_berlin)
    assert "Will be done about <time" in page
    assert '15:00</time> <span class="zone">Europe/Berlin</span>' in page
    assert f"at the limit of “{sender}”, 3 per hour." in page


@pytest.mark.django_db
def test_the_page_says_what_it_waits_for(in_berlin: Campaign) -> None:
    sender = limited(in_berlin, 3, Period.HOUR).sender
    with time_machine.travel(NOON, tick=False):
        limits.limiter().take(limits.rules([sender.pk])[sender.pk], "other", 3)
        page = panel(in_berlin)
    assert "Waits until <time" in page
    assert f'14:00</time> <span class="zone">Europe/Berlin</span> for the limit of “{sender}”' in page


@pytest.mark.django_db
def test_the_page_says_that_the_counter_is_away(in_berlin: Campaign, settings: Settings) -> None:
    limited(in_berlin, 3, Period.HOUR)
    settings.RATE_LIMIT_STORAGE = "redis://127.0.0.1:1/0"
    assert "Senders with limits wait" in panel(in_berlin)


@pytest.mark.django_db
def test_the_time_left_at_the_measured_pace_gives_way_to_a_limit(in_berlin: Campaign) -> None:
    Progress.objects.update(matched=100_000, filled_at=timezone.now())
    pace = {"at": timezone.now().timestamp() - 10, "handed_over": 0, "per_second": 50}
    assert "minutes left" in panel(in_berlin, **pace)
    limited(in_berlin, 1, Period.DAY)
    assert "left" not in panel(in_berlin, **pace).split("</strong>")[0]


@pytest.mark.django_db
def test_a_sender_of_another_campaign_limits_nothing(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    SenderLimit.objects.create(sender=SenderFactory(workspace=campaign.workspace), mails=1)
    assert found(campaign) == Estimate()
