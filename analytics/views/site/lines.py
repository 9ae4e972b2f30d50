"""A campaign in one line, for home and the list: its state, how far it is, what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext

from analytics import totals
from analytics.tables import Cell, metric
from analytics.totals import Scope, Totals
from campaigns import schedule
from campaigns.models import Campaign
from delivery.models import Progress
from delivery.views.progress import Pace, percent, time_left

RESULTS = ("opened", "clicked", "bounced")


@dataclass(frozen=True)
class Line:
    """A campaign as a list shows it; `status` also knows "scheduled"."""

    campaign: Campaign
    status: str
    label: str
    # Where it waits for its start, as a clock shows it.
    start: datetime | None
    progress: Progress
    percent: int
    per_second: float
    time_left: str
    results: Mapping[str, Cell]

    @property
    def is_moving(self) -> bool:
        return self.status == Campaign.Status.ACTIVE


def lines(campaigns: Sequence[Campaign], paces: Mapping[int, Pace] | None = None) -> list[Line]:
    """The campaigns with everything that is known of them: three queries, however many there are."""
    sums = Progress.objects.in_bulk([campaign.pk for campaign in campaigns])
    found = totals.by("campaign", Scope([campaign.pk for campaign in campaigns])) if campaigns else {}
    now = timezone.now()
    return [
        _line(
            campaign,
            sums.get(campaign.pk) or Progress(campaign_id=campaign.pk),
            found.get(campaign.pk, Totals()),
            (paces or {}).get(campaign.pk),
            now,
        )
        for campaign in campaigns
    ]


def _line(campaign: Campaign, sums: Progress, found: Totals, pace: Pace | None, now: datetime) -> Line:
    scheduled = schedule.is_scheduled(campaign, now)
    per_second = pace.per_second if pace and campaign.status == Campaign.Status.ACTIVE else 0.0
    return Line(
        campaign=campaign,
        status="scheduled" if scheduled else campaign.status,
        label=gettext("Scheduled") if scheduled else campaign.get_status_display(),
        start=schedule.start_on_clock(campaign) if scheduled else None,
        progress=sums,
        percent=percent(sums, campaign),
        per_second=per_second,
        time_left=time_left(sums.remaining, per_second) if sums.filled_at else "",
        results={number: metric(found, number) for number in RESULTS},
    )


# --- How fast each leaves, from one look at a list to the next ------------------------------------------


def paces(campaigns: Sequence[Campaign], query: QueryDict) -> dict[int, Pace]:
    """How fast the active ones leave, by what the browser carried from its last look. One query."""
    active = [campaign.pk for campaign in campaigns if campaign.status == Campaign.Status.ACTIVE]
    carried = dict(_carried(text) for text in query.getlist("pace"))
    now = time.time()
    sums = Progress.objects.in_bulk(active) if active else {}
    return {
        pk: Pace.measured(carried.get(pk), now, progress.sent + progress.failed + progress.unknown)
        for pk, progress in sums.items()
    }


def to_carry(measured: Mapping[int, Pace]) -> list[tuple[str, str]]:
    """The paces as parts of an address, for the next look."""
    return [("pace", f"{pk}_{p.at:.3f}_{p.handed_over}_{p.per_second:.3f}") for pk, p in measured.items()]


def _carried(text: str) -> tuple[int, Pace | None]:
    pk, *parts = text.split("_")
    names = ("at", "handed_over", "per_second")
    query: Any = QueryDict(mutable=True)
    query.update(dict(zip(names, parts, strict=False)))
    return int(pk) if pk.isdecimal() else 0, Pace.carried_by(query)
