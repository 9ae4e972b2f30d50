"""Liquid's filters with a bound on what each may take and give, and our own for dates and numbers."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal

from liquid import Environment
from liquid.exceptions import FilterArgumentError, FilterError, LiquidError
from liquid.filter import num_arg
from liquid.undefined import Undefined
from markupsafe import Markup

from campaigns.content.qr import of_text

Filter = Callable[..., object]

VALUE_LIMIT = 256 * 1024
LIST_LIMIT = 10_000
NUMBER_LIMIT = 10**30
FORMAT_LIMIT = 100
NUMBERS = (int, float)
TAG = re.compile(r"<[^<>]*>")
# safe would let what a customer typed through as HTML.
REMOVED = frozenset({"safe"})


def filters(environment: Environment) -> dict[str, Filter]:
    """Every filter that `environment` may use, bounded."""
    available = {name: f for name, f in environment.filters.items() if name not in REMOVED}
    available |= {"date": date, "number": number, "replace": _replacing(available["replace"])}
    available |= {"join": _joining(available["join"]), "strip_html": strip_html}
    available["qr_code"] = of_text
    if not environment.autoescape:
        available |= {"escape": plain, "escape_once": plain, "newline_to_br": plain}
    return {name: _bounded(name, function, environment) for name, function in available.items()}


def weight(value: object) -> int:
    """Roughly how many characters `value` holds; stops counting beyond the limit."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return _total([*value.keys(), *value.values()])
    return _total(value) if isinstance(value, list | tuple) else 8


def _total(items: Iterable[object]) -> int:
    total = 0
    for item in items:
        total += 8 + weight(item)
        if total > VALUE_LIMIT:
            break
    return total


def _bounded(name: str, function: Filter, environment: Environment) -> Filter:
    """`function` with huge ranges, results and anything but a LiquidError kept away from the render."""
    if getattr(function, "with_environment", False):
        function = functools.partial(function, environment=environment)

    def bounded(value: object, *args: object, **kwargs: object) -> object:
        if type(value) is range or range in map(type, args):
            _check_ranges(value, *args)
        try:
            result = function(value, *args, **kwargs)
        except LiquidError:
            raise
        except Exception as error:
            raise FilterError(f"{name}: {error}", token=None) from error
        return _checked(result)

    bounded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return bounded


def _check_ranges(*operands: object) -> None:
    if any(type(operand) is range and len(operand) > LIST_LIMIT for operand in operands):
        raise FilterError(f"a range of more than {LIST_LIMIT:,} numbers", token=None)


def _checked(result: object) -> object:
    if isinstance(result, str) and len(result) <= VALUE_LIMIT:
        return result
    if isinstance(result, Decimal):
        result = float(result)
    if isinstance(result, NUMBERS) and not (math.isfinite(result) and abs(result) < NUMBER_LIMIT):
        raise FilterError("the number is too large", token=None)
    if weight(result) > VALUE_LIMIT:
        raise FilterError(f"the value is longer than {VALUE_LIMIT // 1024} kB", token=None)
    return result


def _replacing(function: Filter) -> Filter:
    """Refuse beforehand what would grow beyond the limit: the result is a product of lengths."""

    @functools.wraps(function)
    def replace(val: object, seq: object, sub: object = "") -> object:
        text = str(val)
        if text.count(str(seq)) * len(str(sub)) > VALUE_LIMIT:
            raise FilterError(f"the value is longer than {VALUE_LIMIT // 1024} kB", token=None)
        return function(text if isinstance(val, Undefined) or val is None else val, seq, sub)

    return replace


def _joining(function: Filter) -> Filter:
    @functools.wraps(function)
    def join(left: object, separator: object = " ", **kwargs: object) -> object:
        if isinstance(left, list | tuple) and len(left) * len(str(separator)) > VALUE_LIMIT:
            raise FilterError(f"the value is longer than {VALUE_LIMIT // 1024} kB", token=None)
        return function(left, separator, **kwargs)

    return join


def plain(val: object) -> object:
    """In plain text there is nothing to escape."""
    return val


def strip_html(val: object) -> str:
    """Drop tags, in linear time."""
    return "" if val is None else TAG.sub("", str(val))


def number(val: object, digits: object = 0) -> str:
    """1234.5 | number: 2 -> 1,234.50; what is no number stays as it is."""
    try:
        value = num_arg(val)
    except FilterArgumentError:
        return str(val)
    places = int(num_arg(digits, default=0))
    return f"{value:,.{min(max(places, 0), 10)}f}"


def date(val: object, fmt: str) -> object:
    """Format an ISO date or time, "now" or seconds since 1970, in UTC; what is no date stays as it is."""
    moment = _moment(val)
    if moment is None or isinstance(fmt, Undefined):
        return val
    # strftime allocates 256 times the format's length.
    if len(fmt) > FORMAT_LIMIT:
        raise FilterError(f"date: a format has at most {FORMAT_LIMIT} characters", token=None)
    text = moment.strftime(fmt)
    return Markup(text) if isinstance(fmt, Markup) else text  # noqa: S704 - the format is the author's


def _moment(val: object) -> datetime | None:
    if val in ("now", "today"):
        return datetime.now(UTC)
    try:
        if isinstance(val, str):
            return datetime.fromisoformat(val)
        if isinstance(val, NUMBERS) and not isinstance(val, bool):
            return datetime.fromtimestamp(val, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return val if isinstance(val, datetime) else None
