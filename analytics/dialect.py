"""What the counting statements say differently on PostgreSQL and on SQLite."""

from __future__ import annotations

from delivery import sql
from delivery.models import Event

JUDGED = f"'{Event.Type.OPENED}', '{Event.Type.CLICKED}'"


def counts(event: str) -> str:
    """SQL for whether an event counts at all: of opens and clicks, those that have a verdict.

    The others a provider has reported about mails whose opens and clicks we see ourselves.
    """
    return f"({event}.type NOT IN ({JUDGED}) OR {event}.verdict <> '')"


def by_person(event: str) -> str:
    """SQL for whether an event is a person's doing; what is no open and no click always is."""
    return f"({event}.type NOT IN ({JUDGED}) OR {event}.verdict = '{Event.Verdict.PERSON}')"


def hour(moment: str) -> str:
    """SQL for the hours since 1970 of a moment."""
    if sql.is_postgresql():
        return f"CAST(floor(extract(epoch FROM {moment}) / 3600) AS integer)"
    return f"CAST(strftime('%%s', {moment}) AS integer) / 3600"


def day(moment: str) -> str:
    """SQL for the day (UTC) of a moment."""
    return f"CAST({moment} AT TIME ZONE 'UTC' AS date)" if sql.is_postgresql() else f"date({moment})"


def earlier(one: str, other: str) -> str:
    """SQL for the earlier of two moments, of which either may be NULL."""
    least = "LEAST" if sql.is_postgresql() else "min"
    return f"{least}(COALESCE({one}, {other}), COALESCE({other}, {one}))"


def codes(words: str) -> str:
    """SQL for the codes at the beginning of a mail server's words: "550 5.1.1", "421", or nothing.

    RFC 5321, 4.2: three digits, then a blank or a hyphen; RFC 3463: class, subject and detail.
    """
    rest = f"substr({words}, 5)"
    position = "strpos" if sql.is_postgresql() else "instr"
    enhanced = f"substr({rest}, 1, {position}({rest} || ' ', ' ') - 1)"
    return f"""CASE
        WHEN substr({words}, 1, 1) NOT IN ('4', '5') OR substr({words} || ' ', 4, 1) NOT IN (' ', '-') THEN ''
        WHEN substr({rest}, 2, 1) = '.' AND substr({rest}, 4, 1) = '.'
        THEN substr({words}, 1, 3) || ' ' || substr(rtrim({enhanced}, ':,;'), 1, 9)
        ELSE substr({words}, 1, 3) END"""


def bounce_code(event: str) -> str:
    """SQL for what a bounce is counted under: "hard 550 5.1.1", "soft"; of other events, nothing."""
    is_bounce = f"{event}.type = '{Event.Type.BOUNCED}'"
    return f"CASE WHEN {is_bounce} THEN trim({event}.bounce || ' ' || {codes(f'{event}.detail')}) ELSE '' END"
