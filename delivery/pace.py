"""When a campaign will be done at the limits of its senders: for pages; decides nothing.

Reckoned as if the campaign had its senders to itself, every mail left as soon as the limits allow,
and a warm-up were never held.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Count, Exists, Max, OuterRef, Q
from django.utils import timezone

from campaigns import schedule
from campaigns.models import Campaign, CampaignSender, SenderLimit, WarmUp
from delivery import limits
from delivery.limits import DAY, EXACT_UP_TO, Rules, Use
from delivery.models import Progress, SendLog

# Seconds between two counts of the open rows, and the most of all time that counting may take: a
# million of them cost a second or more.
COUNT_EVERY = 30
MOST_COUNTING = 0.01
# In seconds.
SHORTEST_WAIT = 10.0
# Ten years in seconds; beyond that nobody wants to know.
LONGEST = 3650 * DAY


@dataclass(frozen=True)
class Estimate:
    """When the campaign will be done; `end` is None while nobody can tell."""

    end: datetime | None = None
    # The limit that decides, with its sender; empty: no limit does.
    because: str = ""
    # When nothing can leave now for the limits: the first moment at which something can, and which
    # limit that is.
    waiting_until: datetime | None = None
    waiting_for: str = ""
    # Limited senders wait, since what has left cannot be looked up.
    is_uncounted: bool = False


@dataclass(frozen=True)
class Load:
    """What one sender still has to send in a campaign, and what limits it."""

    sender: str
    # Open rows by mailbox provider.
    lanes: Mapping[str, int]
    uses: Sequence[Use] = ()
    # Of a warm-up: what is left of today's cap, then the caps of the next days. The last one stays.
    caps: Sequence[int] = ()
    is_uncounted: bool = False

    @property
    def mails(self) -> int:
        return sum(self.lanes.values())

    @property
    def wait(self) -> tuple[float, str]:
        """Seconds until one of its lanes has room, and the limit that this lane waits for.

        A moment between two mails is no wait.
        """
        waits = [(use.wait, use.limit, use.provider) for use in self.uses if use.wait >= SHORTEST_WAIT]
        return min(
            max(((wait, limit) for wait, limit, to in waits if to in ("", lane)), default=(0.0, ""))
            for lane in self.lanes
        )


def expected_end(campaign: Campaign, sums: Progress, per_second: float = 0.0) -> Estimate:
    """When the campaign will be done, from its sums and the pace that was measured last (0: none).

    Reads the ledger only when a sender is limited, and then twice a minute at most.
    """
    if campaign.status != Campaign.Status.ACTIVE or sums.filled_at is None or sums.remaining <= 0:
        return Estimate()
    names, others = _limited_senders(campaign)
    lanes, last_due = _open_rows(campaign, names, sums.remaining) if names else ({}, None)
    rules = limits.rules(names) if names else {}
    loads = [_load(names[pk], rules[pk], lanes[pk]) for pk in lanes.keys() & rules.keys()]
    unlimited = sums.remaining - sum(load.mails for load in loads) if others else 0
    return estimate(loads, max(unlimited, 0), per_second, timezone.now(), last_due)


def expected_of_draft(campaign: Campaign, mails: int, now: datetime) -> tuple[datetime | None, str]:
    """When the last of so many mails would leave if the draft were activated now, and the limit that decides.

    Its start counts; limits on single mailbox providers do not, since nobody knows yet who is where.
    Where no limit decides, mails leave as fast as the workspace's last campaign did; None: nobody knows.
    """
    names, others = _limited_senders(campaign)
    rules = limits.rules(names) if names else {}
    weights = dict(CampaignSender.objects.filter(campaign=campaign).values_list("sender_id", "weight"))
    whole = sum(weights.values()) or 1
    shares = {pk: math.ceil(mails * weights[pk] / whole) for pk in rules}
    loads = [_load(names[pk], rules[pk], {"": share}) for pk, share in shares.items() if share]
    unlimited = mails - sum(load.mails for load in loads) if others else 0
    start = max(schedule.first_due(campaign) or now, now)
    found = estimate(loads, max(unlimited, 0), _last_pace(campaign), now)
    return (start + (found.end - now) if found.end else None), found.because


def _last_pace(campaign: Campaign) -> float:
    """Mails per second of the workspace's last completed campaign that began at once; 0: there is none."""
    ended = Progress.objects.filter(
        campaign__workspace=campaign.workspace_id,
        campaign__status=Campaign.Status.COMPLETED,
        campaign__start_date=None,
        sent__gt=0,
    )
    last = ended.select_related("campaign").order_by("-pk").first()
    if last is None or last.campaign.finished_at is None or last.campaign.activated_at is None:
        return 0.0
    seconds = (last.campaign.finished_at - last.campaign.activated_at).total_seconds()
    return last.sent / max(seconds, 1.0)


def estimate(
    loads: Sequence[Load],
    unlimited: int,
    per_second: float,
    now: datetime,
    last_due: datetime | None = None,
) -> Estimate:
    """The end of the slowest: of each limited sender, and of all that flows at the measured pace."""
    if any(load.is_uncounted for load in loads):
        return Estimate(is_uncounted=True)
    flowing = unlimited + sum(load.mails for load in loads if not load.wait[0])
    seconds, because = max((_end_of(load, now) for load in loads), default=(0.0, ""))
    if per_second > 0:
        seconds, because = max((seconds, because), (flowing / per_second, ""))
    nobody_knows = (unlimited and per_second <= 0) or not 0 < seconds < LONGEST
    end = None if nobody_knows else now + timedelta(seconds=seconds)
    if end is None:
        because = ""
    elif last_due is not None and last_due > end:
        end, because = last_due, ""
    if flowing or not loads:
        return Estimate(end, because)
    load = min(loads, key=lambda load: load.wait)
    wait, limit = load.wait
    return Estimate(end, because, now + timedelta(seconds=wait), _words(load, limit))


def seconds_for(mails: int, uses: Sequence[Use]) -> float:
    """Seconds until the last of so many mails has left, each as soon as these limits allow.

    The longest period comes first. A limit lets a whole portion through in each of its periods, the
    portion itself as slowly as the shorter ones want it.
    """
    if not uses:
        return 0.0
    use, *shorter = uses
    beyond = use.used + mails - use.mails
    if beyond <= 0 or seconds_for(use.mails + 1, shorter) >= use.period:
        return seconds_for(mails, shorter)
    if use.mails > EXACT_UP_TO:
        # Counted by sums, it frees its mails little by little.
        return max(beyond / use.mails * use.period, seconds_for(mails, shorter))
    periods, last = divmod(beyond - 1, use.mails)
    return use.frees_in + periods * use.period + seconds_for(last + 1, shorter)


def _end_of(load: Load, now: datetime) -> tuple[float, str]:
    """Seconds until the sender is done, and the limit that decides."""
    uses = sorted((use for use in load.uses if not use.is_day), key=lambda use: -use.period)
    parts = [(load.mails, [use for use in uses if not use.provider])]
    for lane, mails in load.lanes.items():
        parts.append((mails, [use for use in uses if use.provider in ("", lane)]))
    ends = [(_seconds_of_warm_up(load.mails, load.caps, now), "its warm-up")]
    for mails, slowing in parts:
        _, limit = max(((seconds_for(mails, [use]), use.limit) for use in slowing), default=(0.0, ""))
        ends.append((seconds_for(mails, slowing), limit))
    seconds, limit = max(ends)
    return seconds, _words(load, limit)


def _seconds_of_warm_up(mails: int, caps: Sequence[int], now: datetime) -> float:
    """Seconds until the day (UTC) begins on which the caps let the last of so many mails go."""
    day = 0
    for cap in caps[:-1]:
        if mails <= cap:
            break
        mails -= cap
        day += 1
    else:
        day += (mails - 1) // caps[-1] if caps else 0
    return DAY - now.timestamp() % DAY + (day - 1) * DAY if day else 0.0


def _limited_senders(campaign: Campaign) -> tuple[dict[int, str], int]:
    """The names of the campaign's limited senders by id, and how many others it has."""
    is_limited = (
        Q(sender__min_delay__gt=0)
        | Exists(SenderLimit.objects.filter(sender=OuterRef("sender")))
        | Exists(WarmUp.objects.filter(sender=OuterRef("sender")))
    )
    shares = CampaignSender.objects.filter(campaign=campaign).annotate(is_limited=is_limited)
    found = list(shares.values_list("sender_id", "sender__name", "is_limited"))
    names = {pk: name for pk, name, limited in found if limited}
    return names, len(found) - len(names)


def _load(sender: str, rules: Rules, lanes: Mapping[str, int]) -> Load:
    try:
        uses = limits.limiter().uses(rules)
    except limits.LimiterUnavailable:
        return Load(sender, lanes, is_uncounted=True)
    return Load(sender, lanes, uses, _caps(rules, uses))


def _caps(rules: Rules, uses: Sequence[Use]) -> list[int]:
    if rules.warm_up is None:
        return []
    curve = rules.warm_up.curve()
    left = sum(use.mails - use.used for use in uses if use.is_day)
    return [left, *(curve[rules.warm_up.step + 1 :] or curve[-1:])]


def _open_rows(
    campaign: Campaign, sender_ids: Iterable[int], remaining: int
) -> tuple[dict[int, dict[str, int]], datetime | None]:
    """The open rows of these senders by mailbox provider, and the last moment at which one is due.

    Between two counts all are taken to become fewer alike.
    """
    key = f"open-rows-{campaign.pk}-{campaign.activated_at:%Y%m%d%H%M%S%f}"
    counted = cache.get(key)
    if counted is None:
        began = time.monotonic()
        counted = _count_open_rows(campaign, sender_ids), remaining
        cost = time.monotonic() - began
        cache.set(key, counted, max(COUNT_EVERY, cost / MOST_COUNTING))
    rows, remaining_then = counted
    lanes: dict[int, dict[str, int]] = {}
    for sender_id, provider, mails, _ in rows:
        lanes.setdefault(sender_id, {})[provider] = math.ceil(mails * remaining / remaining_then)
    return lanes, max((last_due for *_, last_due in rows), default=None)


def _count_open_rows(campaign: Campaign, sender_ids: Iterable[int]) -> list[tuple[int, str, int, datetime]]:
    rows = SendLog.objects.filter(campaign=campaign, sender__in=list(sender_ids), status__in=SendLog.OPEN)
    groups = rows.order_by().values_list("sender_id", "mailbox_provider")
    return list(groups.annotate(mails=Count("id"), last_due=Max("due_at")))


def _words(load: Load, limit: str) -> str:
    return f"“{load.sender}”, {limit}" if limit else ""
