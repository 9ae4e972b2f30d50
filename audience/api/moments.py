"""Days and times of day as a clock on the wall shows them, without a zone, and moments with their offset."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
# RFC 3339, as far as Python goes.
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)"


def _day(raw: Any) -> Any:
    if isinstance(raw, date):
        return raw
    try:
        if not isinstance(raw, str) or len(raw) != 10:
            raise ValueError
        return date.fromisoformat(raw)
    except ValueError:
        raise ValueError("Write the date as 2026-12-31") from None


def _time(raw: Any) -> Any:
    if isinstance(raw, time):
        return raw
    if not isinstance(raw, str) or not re.fullmatch(TIME, raw, re.ASCII):
        raise ValueError("Write the time as 09:30")
    return time.fromisoformat(raw)


def _moment(raw: Any) -> Any:
    try:
        if not isinstance(raw, str) or not re.fullmatch(MOMENT, raw, re.ASCII):
            raise ValueError
        return datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError("Write the moment as 2026-12-31T09:30:00Z, with its UTC offset") from None


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
ClockTime = Annotated[time, BeforeValidator(_time), WithJsonSchema({"type": "string", "pattern": TIME})]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
