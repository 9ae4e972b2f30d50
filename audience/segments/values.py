"""Segments: the kinds of value that a rule may carry, and what is refused at the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from audience.models import Workspace

MAX_TEXT = 500
MAX_LIST = 1_000
MAX_DAYS = 36_500
# Up to here a float holds every whole number, so that both databases compare alike.
MAX_NUMBER = 10**15
FIRST_DATE, LAST_DATE = date(1800, 1, 1), date(2999, 12, 31)
SHOWN_VALUES = 5


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a tree, as it is said there.

    `path` leads to the rule or group by its position in each group on the way, counted from 0; the
    whole tree has the empty path.
    """

    path: tuple[int, ...]
    message: str


class InvalidCriteria(ValueError):
    """Criteria that cannot be evaluated; the message says where, and what is possible.

    The message is about the first thing that is wrong, `problems` are about each.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems)


# What there is to choose from, for what was typed so far: each value with what people call it.
Choices = Callable[[Workspace, str], list[tuple[Any, str]]]


@dataclass(frozen=True)
class Kind:
    """One kind of value: `read` checks and converts what the tree holds, `show` puts it into words.

    `read` gets the workspace, for values that name something in it, and raises InvalidCriteria. `ask`
    is said to whoever has left the value out; `choices` are there for values that nobody knows by heart.
    """

    name: str
    read: Callable[[Workspace, object], Any]
    show: Callable[[Any], str]
    ask: str = "Enter a value."
    choices: Choices | None = None


def shown(value: object) -> str:
    """A refused value for a message: short, whatever it is."""
    if isinstance(value, str):
        return repr(value[:47] + "..." if len(value) > 50 else value)
    if isinstance(value, bool | float):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) <= MAX_NUMBER else "a number that long"
    return {type(None): "nothing", list: "a list", dict: "an object"}.get(type(value), type(value).__name__)


def _nothing(workspace: Workspace, raw: object) -> None:
    if raw is not None:
        raise InvalidCriteria(f"takes no value; leave out {shown(raw)}")


def _text(workspace: Workspace, raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise InvalidCriteria(f'needs a text such as "pro", not {shown(raw)}')
    if len(raw) > MAX_TEXT:
        raise InvalidCriteria(f"takes a text of at most {MAX_TEXT} characters, not {len(raw)}")
    # Neither can be stored, and PostgreSQL refuses a statement that holds one.
    if re.search(r"[\x00\ud800-\udfff]", raw):
        raise InvalidCriteria("takes no text with a NUL or half a surrogate pair in it")
    return raw


def _number(workspace: Workspace, raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise InvalidCriteria(f"needs a number such as 3 or 49.5, not {shown(raw)}")
    if not -MAX_NUMBER <= raw <= MAX_NUMBER:
        raise InvalidCriteria("takes a number between -10^15 and 10^15")
    return float(raw)


def _date(workspace: Workspace, raw: object) -> date:
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", raw):
        try:
            day = date.fromisoformat(raw)
        except ValueError:
            raise InvalidCriteria(f"needs a date that exists, not {raw}") from None
        if FIRST_DATE <= day <= LAST_DATE:
            return day
        raise InvalidCriteria(f"takes a date between {FIRST_DATE} and {LAST_DATE}, not {raw}")
    raise InvalidCriteria(f"needs a date written YYYY-MM-DD, not {shown(raw)}")


def _yes_no(workspace: Workspace, raw: object) -> bool:
    if not isinstance(raw, bool):
        raise InvalidCriteria(f"needs true or false, not {shown(raw)}")
    return raw


def _days(workspace: Workspace, raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_DAYS:
        raise InvalidCriteria(f"needs a whole number of days from 1 to {MAX_DAYS:,}, not {shown(raw)}")
    return raw


def _show_number(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


NOTHING = Kind("nothing", _nothing, lambda _: "")
TEXT = Kind("text", _text, lambda text: f'"{text}"', "Enter a text.")
NUMBER = Kind("number", _number, _show_number, "Enter a number.")
DATE = Kind("date", _date, str, "Choose a date.")
YES_NO = Kind("yes or no", _yes_no, lambda yes: "yes" if yes else "no", "Choose yes or no.")
DAYS = Kind("days", _days, lambda days: "1 day" if days == 1 else f"{days} days", "Enter how many days.")


def several(kind: Kind) -> Kind:
    """A list of 1 to 1,000 values of a kind."""

    def read(workspace: Workspace, raw: object) -> list[Any]:
        if not isinstance(raw, list) or not raw:
            raise InvalidCriteria(f"needs a list of values, not {shown(raw or None)}")
        if len(raw) > MAX_LIST:
            raise InvalidCriteria(f"takes at most {MAX_LIST:,} values, not {len(raw):,}")
        return [kind.read(workspace, item) for item in raw]

    def show(values: list[Any]) -> str:
        rest = len(values) - SHOWN_VALUES
        words = ", ".join(kind.show(value) for value in values[:SHOWN_VALUES])
        return f"{words} and {rest:,} more" if rest > 0 else words

    return Kind(f"list of {kind.name}", read, show, "Enter at least one value.")


def pair(kind: Kind) -> Kind:
    """Two values of a kind, the lower first."""

    def read(workspace: Workspace, raw: object) -> tuple[Any, Any]:
        if not isinstance(raw, list) or len(raw) != 2:
            raise InvalidCriteria(f"needs a list of two values, the lower first, not {shown(raw)}")
        low, high = (kind.read(workspace, item) for item in raw)
        if low > high:
            raise InvalidCriteria(f"needs the lower value first, not {kind.show(low)}, {kind.show(high)}")
        return low, high

    def show(ends: tuple[Any, Any]) -> str:
        return " and ".join(map(kind.show, ends))

    return Kind(f"two of {kind.name}", read, show, "Enter both values.")
