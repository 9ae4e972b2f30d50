"""Segments: what may be asked of a text, a number, a date and a yes or no.

A comparison never matches someone whose value is unknown. A negative (not_equals, not_contains,
not_in, not_in_last_days, is_not_set) matches exactly those whom its positive does not, so "plan is
not pro" includes the people without any plan.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, Lookup, Q, Value, When
from django.db.models.functions import StrIndex
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
)

from audience.segments.language import Condition, Operator, Scope
from audience.segments.values import DATE, DAYS, NOTHING, NUMBER, TEXT, YES_NO, pair, several

Operators = dict[str, Operator]
# From a value of a rule to what it is compared with in SQL.
Encode = Callable[[Any], Any]
DAY = timedelta(days=1)


def unless(condition: Condition) -> Condition:
    """The exact opposite, which also matches where the condition is NULL."""
    return lambda scope, value: Q(Case(When(condition(scope, value), then=Value(False)), default=Value(True)))


def _where(known: Q | None, compare: Callable[[Any], Any]) -> Condition:
    """A comparison with the rule's value, true only where the value compared is known."""
    return lambda scope, given: Q(compare(given)) & (known or Q())


def _presence(known: Q | None) -> Operators:
    """Whether there is a value; not asked of fields that always have one."""
    if known is None:
        return {}

    def is_set(scope: Scope, value: None) -> Q:
        return known

    return {
        "is_set": Operator("is set", NOTHING, is_set),
        "is_not_set": Operator("is not set", NOTHING, unless(is_set)),
    }


def text_operators(value: Any, encode: Encode, known: Q | None) -> Operators:
    """What may be asked of a text; `known` is true where `value` is one, None if it always is."""
    equals = _where(known, lambda text: Exact(value, encode(text)))
    contains = _where(known, lambda text: GreaterThan(StrIndex(value, encode(text)), Value(0)))
    starts_with = _where(known, lambda text: Exact(StrIndex(value, encode(text)), Value(1)))
    one_of = _where(known, lambda texts: In(value, [encode(text) for text in texts]))
    return {
        "equals": Operator("is", TEXT, equals),
        "not_equals": Operator("is not", TEXT, unless(equals)),
        "contains": Operator("contains", TEXT, contains),
        "not_contains": Operator("does not contain", TEXT, unless(contains)),
        "starts_with": Operator("starts with", TEXT, starts_with),
        "in": Operator("is one of", several(TEXT), one_of),
        "not_in": Operator("is none of", several(TEXT), unless(one_of)),
        **_presence(known),
    }


def number_operators(value: Any, encode: Encode, known: Q) -> Operators:
    """What may be asked of a number; `known` is true where `value` is one."""

    def by(lookup: type[Lookup[Any]]) -> Condition:
        return _where(known, lambda number: lookup(value, encode(number)))

    def between(scope: Scope, ends: tuple[float, float]) -> Q:
        low, high = (encode(end) for end in ends)
        return Q(GreaterThanOrEqual(value, low)) & Q(LessThanOrEqual(value, high)) & known

    one_of = _where(known, lambda numbers: In(value, [encode(number) for number in numbers]))
    return {
        "equals": Operator("=", NUMBER, by(Exact)),
        "not_equals": Operator("≠", NUMBER, unless(by(Exact))),
        "greater": Operator(">", NUMBER, by(GreaterThan)),
        "greater_or_equal": Operator("≥", NUMBER, by(GreaterThanOrEqual)),
        "less": Operator("<", NUMBER, by(LessThan)),
        "less_or_equal": Operator("≤", NUMBER, by(LessThanOrEqual)),
        "between": Operator("between", pair(NUMBER), between),
        "in": Operator("is one of", several(NUMBER), one_of),
        "not_in": Operator("is none of", several(NUMBER), unless(one_of)),
        **_presence(known),
    }


def date_operators(value: Any, encode: Callable[[Scope, date], Any], known: Q | None) -> Operators:
    """What may be asked of a date, or of the day of a moment.

    Each is a span of days. `encode` gives what `value` is at the beginning of a day, so that a moment
    is compared with moments and an index on it serves.
    """

    def days(span: Callable[[Scope, Any], tuple[date | None, date | None]]) -> Condition:
        def condition(scope: Scope, given: Any) -> Q:
            first, last = span(scope, given)
            q = Q(GreaterThanOrEqual(value, encode(scope, first))) if first else Q()
            q &= Q(LessThan(value, encode(scope, last + DAY))) if last else Q()
            return q & (known or Q())

        return condition

    on = days(lambda scope, day: (day, day))
    in_last = days(lambda scope, count: (scope.first_of_last(count), scope.today))
    return {
        "equals": Operator("on", DATE, on),
        "not_equals": Operator("not on", DATE, unless(on)),
        "before": Operator("before", DATE, days(lambda scope, day: (None, day - DAY))),
        "after": Operator("after", DATE, days(lambda scope, day: (day + DAY, None))),
        "on_or_before": Operator("on or before", DATE, days(lambda scope, day: (None, day))),
        "on_or_after": Operator("on or after", DATE, days(lambda scope, day: (day, None))),
        "between": Operator("between", pair(DATE), days(lambda scope, ends: ends)),
        "in_last_days": Operator("in the last", DAYS, in_last),
        "not_in_last_days": Operator("not in the last", DAYS, unless(in_last)),
        **_presence(known),
    }


def boolean_operators(value: Any, encode: Encode, known: Q | None) -> Operators:
    """What may be asked of a yes or no; `known` is true where `value` is one, None if it always is."""
    equals = _where(known, lambda yes: Exact(value, encode(yes)))
    return {
        "equals": Operator("is", YES_NO, equals),
        "not_equals": Operator("is not", YES_NO, unless(equals)),
        **_presence(known),
    }
