"""Segments: the allow-list of what may be asked about, by name.

Three sources: the customer's own columns, the workspace's Attribute rows, and what downstream apps
registered about things that only they know, such as opens and clicks.
"""

from __future__ import annotations

from datetime import date

from django.db.models import F, Q, Value

from audience.models import Attribute, Workspace
from audience.segments.language import Field, Scope
from audience.segments.operators import (
    Operators,
    boolean_operators,
    date_operators,
    number_operators,
    text_operators,
)
from audience.segments.sql import ATTRIBUTES, Fold, Json, attribute_value, is_of_type

_registered: dict[str, Field] = {}


def register(field: Field) -> None:
    """Let segments ask about something that a downstream app knows; called from AppConfig.ready().

    Raises ValueError for a name that is taken.
    """
    if field.name in _COLUMNS or field.name in _registered:
        raise ValueError(f"{field.name} is registered already.")
    _registered[field.name] = field


def fields(workspace: Workspace) -> list[Field]:
    """All that may be asked about this workspace's customers, with the operators of each. One query."""
    attributes = Attribute.objects.of(workspace).values_list("name", "type")
    return [
        *_COLUMNS.values(),
        *(Field(f"attributes.{name}", name, type_, of_attribute(name, type_)) for name, type_ in attributes),
        *_registered.values(),
    ]


def of_attribute(name: str, type_: str, column: str = ATTRIBUTES) -> Operators:
    """What may be asked of a key of a JSON column whose values are of this type."""
    value, known = attribute_value(name, type_, column), is_of_type(name, type_, column)
    match type_:
        case Attribute.Type.NUMBER:
            return number_operators(value, Json, known)
        case Attribute.Type.DATE:
            return date_operators(value, _iso, known)
        case Attribute.Type.BOOLEAN:
            return boolean_operators(value, Json, known)
    return text_operators(Fold(value), _folded, known)


def _iso(scope: Scope, day: date) -> Value:
    return Value(day.isoformat())


def _folded(text: str) -> Fold:
    return Fold(Value(text))


def _text(name: str, label: str) -> Field:
    known = ~Q(**{name: ""})
    return Field(name, label, Attribute.Type.TEXT, text_operators(Fold(F(name)), _folded, known))


def _opt_in(name: str, label: str) -> Field:
    return Field(name, label, Attribute.Type.BOOLEAN, boolean_operators(F(name), Value, None))


_COLUMNS = {
    field.name: field
    for field in (
        # Addresses are stored in lower case: compared as they are, their index serves.
        Field(
            "email",
            "e-mail address",
            Attribute.Type.TEXT,
            text_operators(F("email"), lambda text: Value(text.lower()), None),
        ),
        _text("name", "name"),
        # Other systems tell ids apart by case, and so do we.
        Field(
            "external_id",
            "external id",
            Attribute.Type.TEXT,
            text_operators(F("external_id"), Value, ~Q(external_id="")),
        ),
        _text("phone", "phone"),
        _opt_in("subscribed", "e-mail opt-in"),
        _opt_in("sms_subscribed", "SMS opt-in"),
        _text("time_zone", "time zone"),
        _text("language", "language"),
        Field(
            "created_at",
            "customer since",
            Attribute.Type.DATE,
            date_operators(F("created_at"), lambda scope, day: Value(scope.midnight(day)), None),
        ),
    )
}
