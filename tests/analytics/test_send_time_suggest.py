"""What is suggested for a draft, on whose clock, and what is said about its worth."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from analytics.models import SendProfile
from analytics.send_time import prior
from analytics.send_time.model import DAY, WEEK, Array
from analytics.send_time.suggest import State, Suggestion, suggest
from campaigns import schedule
from campaigns.models import Campaign
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db
# A Wednesday.
NOW = datetime(2026, 6, 17, 8, 20, tzinfo=UTC)
THURSDAY_20 = 3 * DAY + 20


def profile(
    campaign: Campaign, *, best: int = THURSDAY_20, draws: Array | None = None, **columns: Any
) -> None:
    """An audience that reacts at one hour of the week, and gets a fifth more if mailed in that hour."""
    habit, sure = np.full(WEEK, 0.5), np.ones((20, WEEK))
    habit[THURSDAY_20] = 20
    sure[:, THURSDAY_20] = np.linspace(1.1, 1.3, 20)
    freshness = np.zeros(48)
    freshness[0] = 1
    SendProfile.objects.create(
        workspace=campaign.workspace,
        **{
            "habit": (habit / habit.mean()).tolist(),
            "freshness": freshness.tolist(),
            "rate": 0.1,
            "strength": 1,
            "comes_true": 0.25,
            "draws": (sure if draws is None else draws).astype(np.float32).tobytes(),
            "campaigns": 20,
            "reactions": 5000,
            "is_enough": True,
            "zones": {campaign.workspace.time_zone: 1},
            "computed_at": NOW,
        }
        | columns,
    )


def suggested(now: datetime = NOW, **columns: Any) -> Suggestion:
    campaign = CampaignFactory(**columns)
    profile(campaign)
    return suggest(campaign, now)


def on(day: int, hour: int) -> datetime:
    return datetime(2026, 6, day, hour)  # noqa: DTZ001


def test_without_history_the_usual_hours_are_suggested() -> None:
    found = suggest(CampaignFactory(), NOW)
    assert found.state == State.USUAL
    response = prior.audience().response()
    assert response[found.start.weekday() * DAY + found.start.hour] == pytest.approx(
        response.max(), rel=0.001
    )
    # The soonest of the days that are as good.
    assert found.start == on(18, 8)


def test_a_little_history_is_said_to_be_none() -> None:
    campaign = CampaignFactory()
    profile(campaign, is_enough=False, campaigns=2)
    found = suggest(campaign, NOW)
    assert found.state == State.USUAL and found.profile is not None


def test_the_best_hour_of_the_coming_week_is_suggested_with_its_gain() -> None:
    found = suggested()
    assert (found.state, found.start) == (State.BETTER, on(18, 20))
    assert found.chosen == on(17, 8)
    assert 0.1 < found.low < found.gain < found.high < 0.3
    assert found.gain == pytest.approx(0.2, abs=0.02)
    assert found.hours.index(1) == 20


def test_when_the_best_hour_has_just_begun_it_is_next_week() -> None:
    assert suggested(datetime(2026, 6, 18, 20, 5, tzinfo=UTC)).start == on(25, 20)


def test_a_start_weeks_ahead_is_moved_within_its_own_week() -> None:
    found = suggested(start_date=date(2026, 7, 15), start_time=time(9))
    assert found.start == datetime(2026, 7, 16, 20)  # noqa: DTZ001
    sunday = date(2026, 7, 19)
    Campaign.objects.update(start_date=sunday)
    assert suggest(Campaign.objects.get(), NOW).start.date() == date(2026, 7, 16)


def test_the_best_start_is_as_good_as_any() -> None:
    found = suggested(start_date=date(2026, 6, 18), start_time=time(20))
    assert (found.state, found.gain) == (State.GOOD, 0)
    assert found.start == found.chosen


def test_a_gain_that_may_be_a_loss_has_a_range_that_says_so() -> None:
    campaign = CampaignFactory()
    draws = np.ones((20, WEEK))
    draws[:, THURSDAY_20] = np.linspace(0.9, 1.3, 20)
    profile(campaign, draws=draws)
    found = suggest(campaign, NOW)
    assert found.state == State.BETTER and found.low < 0 < found.gain


def test_a_start_at_one_moment_for_all_is_reckoned_on_everybodys_clock() -> None:
    """Most live six hours west of the workspace: when it is 20:00 there, it is two in the morning here."""
    campaign = CampaignFactory(workspace__time_zone="Europe/Berlin")
    profile(campaign, zones={"America/New_York": 0.9, "Europe/Berlin": 0.1})
    assert suggest(campaign, NOW).start == on(19, 2)
    Campaign.objects.update(clock=Campaign.Clock.CUSTOMER)
    campaign = Campaign.objects.get()
    assert suggest(campaign, NOW).start == on(18, 20)


@pytest.mark.parametrize("clock", [Campaign.Clock.WORKSPACE, Campaign.Clock.CUSTOMER])
@pytest.mark.parametrize("hour", [0, 9, 19, 20, 21])
def test_what_is_suggested_can_be_activated(clock: str, hour: int) -> None:
    now = datetime(2026, 6, 18, hour, 30, tzinfo=UTC)
    campaign = CampaignFactory(clock=clock)
    profile(campaign)
    start = suggest(campaign, now).start
    campaign.start_date, campaign.start_time = start.date(), start.time()
    first = schedule.first_due(campaign)
    assert first is not None and now < first < now + timedelta(days=9)


def test_with_own_hours_there_is_nothing_better_to_suggest() -> None:
    assert suggested(clock=Campaign.Clock.BEST).state == State.OWN
