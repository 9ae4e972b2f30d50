"""Typed attributes of customers: text from a file, form or API becomes a JSON value of its type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError

from audience.models import Attribute, Workspace

Value = str | int | float | bool
Type = Attribute.Type

TRUE = frozenset({"true", "yes", "y", "1"})
FALSE = frozenset({"false", "no", "n", "0"})
MAX_NUMBER_LENGTH = 40
# Both databases hold integers up to here exactly.
MAX_INTEGER = 2**63 - 1

_number = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# A zero before other digits marks an identifier (postcode, article): as a number it would be lost.
_leading_zero = re.compile(r"[+-]?0\d", re.ASCII)
# What a person would call a number at sight; 16 digits and more are card and parcel numbers.
_obvious_number = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?", re.ASCII)
_date = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?", re.ASCII)


def parse_boolean(raw: str) -> bool:
    """Return the truth of yes, no, true, false, y, n, 1 or 0 in any case. Raises ValueError."""
    word = raw.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"{shown(raw)} is not yes or no")


def parse_number(raw: str) -> int | float:
    """Return a finite number, an int where it is written as one. Raises ValueError."""
    text = raw.strip()
    if len(text) > MAX_NUMBER_LENGTH or not _number.fullmatch(text):
        raise ValueError(f"{shown(raw)} is not a number")
    if _leading_zero.match(text):
        raise ValueError(f"{shown(raw)} is not a number, since it begins with 0")
    number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if not math.isfinite(number) or (isinstance(number, int) and abs(number) > MAX_INTEGER):
        raise ValueError(f"{shown(raw)} is too large a number")
    return number


def parse_date(raw: str) -> str:
    """Return YYYY-MM-DD, the day of an ISO date or date and time. Raises ValueError."""
    text = raw.strip()
    try:
        if not _date.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).date()
    except ValueError:
        raise ValueError(f"{shown(raw)} is not a date such as 1998-01-31") from None
    return day.isoformat()


def parse_text(raw: str) -> str:
    """Return the text, stripped. Raises ValueError for what PostgreSQL cannot store."""
    if "\0" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
        raise ValueError("the text contains a NUL or half a character")
    return raw.strip()


PARSERS: dict[str, Callable[[str], Value]] = {
    Type.TEXT: parse_text,
    Type.NUMBER: parse_number,
    Type.DATE: parse_date,
    Type.BOOLEAN: parse_boolean,
}


def parse(type: str, raw: str) -> Value:
    """Return the JSON value that this text is in this type. Raises ValueError saying what was expected."""
    return PARSERS[type](raw)


def infer_type(samples: Iterable[str]) -> Attribute.Type:
    """Say of which type a column is, from some of its cells; text unless all filled ones agree."""
    fitting = [Type.BOOLEAN, Type.NUMBER, Type.DATE]
    empty = True
    for sample in filter(None, map(str.strip, samples)):
        empty = False
        fitting = [type for type in fitting if _looks_like(type, sample)]
        if not fitting:
            break
    return Type.TEXT if empty or not fitting else fitting[0]


def check(workspace: Workspace, attributes: Mapping[str, Any]) -> dict[str, Value]:
    """Return these attributes as values of their types; None and blank text leave theirs out.

    Raises ValidationError with one message per attribute that is unknown or does not fit.
    """
    known = Attribute.objects.of(workspace).filter(name__in=attributes)
    return fit(dict(known.values_list("name", "type")), attributes)


def fit(types: Mapping[str, str], attributes: Mapping[str, Any]) -> dict[str, Value]:
    """The same, for callers who know the types of all attributes by name. Costs no query."""
    filled = {name: value for name, value in attributes.items() if not is_empty(value)}
    checked: dict[str, Value] = {}
    errors = []
    for name, value in filled.items():
        try:
            checked[name] = _coerce(types, name, value)
        except ValueError as error:
            errors.append(f"{name}: {error}.")
    if errors:
        raise ValidationError(errors)
    return checked


def is_empty(value: Any) -> bool:
    """Say whether a form or an API means by this that there is no value."""
    return value is None or (isinstance(value, str) and not value.strip())


def shown(raw: str) -> str:
    """The text as a message may carry it: quoted and short."""
    return f'"{raw if len(raw) <= 60 else raw[:60] + "…"}"'


def _looks_like(type: str, sample: str) -> bool:
    if type == Type.NUMBER:
        return _obvious_number.fullmatch(sample) is not None
    if type == Type.BOOLEAN:
        return sample.lower() in {"true", "false", "yes", "no"}
    try:
        return bool(parse(type, sample))
    except ValueError:
        return False


def _coerce(types: Mapping[str, str], name: str, value: Any) -> Value:
    """A JSON or form value as its attribute's type; only text holds what other types would print."""
    if name not in types:
        raise ValueError("there is no such attribute in this workspace; create it first")
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if isinstance(value, bool) and types[name] != Type.BOOLEAN:
        raise ValueError(f"yes or no does not fit an attribute of type {types[name]}")
    if not isinstance(value, str | int | float):
        raise ValueError("expected a single value, not a list or an object")
    return parse(types[name], str(value))
