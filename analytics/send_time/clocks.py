"""From hours since 1970 in UTC to hours on the clocks of people, many at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from analytics.send_time.model import DAY, WEEK, Hours

# 1970 began on a Thursday.
_THURSDAY = 3 * DAY


def hours_of_week(zones: list[str], zone_of: Hours, hours: Hours) -> Hours:
    """The hour of the week that clocks show: 0 is Monday from 00:00. `zone_of` counts in `zones`.

    A day goes by its offset at noon, in full hours: near enough for habits.
    """
    if not len(hours):
        return hours
    days = hours // DAY
    first = int(days.min())
    offsets = np.array([[_offset(zone, day) for day in range(first, int(days.max()) + 1)] for zone in zones])
    return np.asarray((hours + offsets[zone_of, days - first] + _THURSDAY) % WEEK)


@lru_cache(maxsize=200_000)
def _offset(zone: str, day: int) -> int:
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    offset = noon.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return round(offset / timedelta(hours=1))
