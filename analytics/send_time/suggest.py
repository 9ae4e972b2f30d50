"""The best time to send a campaign: what to suggest for a draft, what it gains, and how sure that is."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from analytics.models import SendProfile
from analytics.send_time import prior
from analytics.send_time.model import DAY, WEEK, Array
from analytics.send_time.people import audience_of
from campaigns import schedule
from campaigns.models import Campaign

# A start that is so little worse than the best one is as good.
AS_GOOD = 0.01
# Of hours that differ by no more than this the soonest is suggested.
THE_SAME = 0.001
# The suggestion is at most so far before the chosen start, and then within a week.
EARLIER = timedelta(days=3)
# The gain that is said is the middle one, and meant to be between the others nine times in ten.
QUANTILES = (0.05, 0.5, 0.95)


class State(enum.Enum):
    """What there is to say about the start of a draft."""

    USUAL = "usual"  # Not enough history: the usual hours.
    BETTER = "better"
    GOOD = "good"  # The chosen start is as good as any.
    OWN = "own"  # Everybody has their own hour.


@dataclass(frozen=True)
class Suggestion:
    """A start on the campaign's clock. Gains are against the chosen start: 0.12 is 12 % more."""

    state: State
    start: datetime
    chosen: datetime
    profile: SendProfile | None
    # What each hour of the suggested day gets, against the best of them.
    hours: list[float]
    # What the suggested hour gets, against an average hour of the week.
    lift: float
    gain: float
    low: float
    high: float


def suggest(campaign: Campaign, now: datetime) -> Suggestion:
    """The best hour to start at, of the coming week or of the week around the chosen start."""
    profile = SendProfile.objects.filter(workspace=campaign.workspace_id).first()
    soonest = schedule.soonest_start(campaign, now)
    chosen = schedule.start_on_clock(campaign) or soonest - timedelta(hours=1)
    first = max(soonest, chosen.replace(minute=0) - EARLIER)
    response, draws = _responses(campaign, profile, first)
    coming = np.roll(response, -_hour(first))
    start = first + timedelta(hours=int((coming >= (1 - THE_SAME) * coming.max()).argmax()))
    likely = np.median(draws, axis=0)
    day = likely.reshape(7, DAY)[start.weekday()]
    gains = draws[:, _hour(start)] / draws[:, _hour(chosen)] - 1
    low, gain, high = np.quantile(gains, QUANTILES).tolist()
    return Suggestion(
        state=_state(campaign, profile, gain),
        start=start,
        chosen=chosen,
        profile=profile,
        hours=(day / day.max()).tolist(),
        lift=float(likely[_hour(start)] / likely.mean()),
        gain=gain,
        low=low,
        high=high,
    )


def _state(campaign: Campaign, profile: SendProfile | None, gain: float) -> State:
    if campaign.clock == Campaign.Clock.BEST:
        return State.OWN
    if profile is None or not profile.is_enough:
        return State.USUAL
    return State.BETTER if gain >= AS_GOOD else State.GOOD


def _responses(campaign: Campaign, profile: SendProfile | None, at: datetime) -> tuple[Array, Array]:
    """By the hour of the week on the campaign's clock: what is best, and what may come true of it."""
    if profile is None or not profile.is_enough:
        response = prior.audience().response()
        return response, response[None, :]
    response = audience_of(profile).response()
    draws = np.frombuffer(profile.draws, dtype=np.float32).reshape(-1, WEEK).astype(float)
    if campaign.clock != Campaign.Clock.WORKSPACE:
        return response, draws
    clock = campaign.workspace.zone
    return _at_one_moment(response, profile, clock, at), _at_one_moment(draws, profile, clock, at)


def _at_one_moment(responses: Array, profile: SendProfile, clock: ZoneInfo, at: datetime) -> Array:
    """What a start at one moment for all gets, whatever their own clocks show then."""
    ours = at.replace(tzinfo=clock).utcoffset() or timedelta()
    mixed = np.zeros_like(responses)
    for zone, share in profile.zones.items():
        theirs = at.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
        mixed += share * np.roll(responses, -round((theirs - ours) / timedelta(hours=1)), axis=-1)
    return mixed


def _hour(on_clock: datetime) -> int:
    return on_clock.weekday() * DAY + on_clock.hour
