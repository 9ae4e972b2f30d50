"""Flows: criteria about people on their way, as SQL on their enrollments.

They may ask whatever segments may, of the event that the person entered by (`event.total`), and what
downstream apps registered about the flow's own mails, such as opened since a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from audience import segments, sql
from audience.models import Attribute, Customer, Workspace
from audience.segments import Field, Group, InvalidCriteria, Operator, Rule, Scope
from audience.segments.values import NOTHING, Kind, shown
from campaigns.models import Enrollment

EVENT = "event."
_property = re.compile(r"event\.[a-z][a-z0-9_]{0,62}")
_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_registered: dict[str, Field] = {}


def register(field: Field) -> None:
    """Let flows ask about something that a downstream app knows; called from AppConfig.ready().

    Its conditions are on Enrollment, not on Customer. Raises ValueError for a name that is taken.
    """
    if field.name in _registered:
        raise ValueError(f"{field.name} is registered already.")
    _registered[field.name] = field


def own_fields() -> list[Field]:
    """What flows may ask beside what segments may, without the properties of events."""
    return list(_registered.values())


def compile_criteria(workspace: Workspace, criteria: object, now: datetime) -> Q:
    """Turn criteria into one condition on Enrollment. Raises InvalidCriteria."""
    own = _own(criteria)
    names, scope = {field.name for field in own}, Scope(workspace, now)

    def leaf(rule: Rule) -> Q:
        q = rule.q(scope)
        return (
            q if rule.field.name in names else Q(Exists(Customer.objects.filter(q, pk=OuterRef("customer"))))
        )

    return segments.read(workspace, criteria, own).each(leaf)


def who_meets(workspace: Workspace, criteria: object, ids: Iterable[int], now: datetime) -> set[int]:
    """The enrollments of these whose people meet the criteria. Raises InvalidCriteria."""
    found = among(ids).filter(compile_criteria(workspace, criteria, now))
    return set(found.values_list("pk", flat=True))


def among(ids: Iterable[int]) -> QuerySet[Enrollment]:
    """The enrollments with these ids, however many."""
    return Enrollment.objects.filter(pk__in=RawSQL(sql.ids(), [str(list(ids))]))  # noqa: S611 - constants of ours


def read(workspace: Workspace, criteria: object) -> Group:
    """Read a condition's criteria. Raises InvalidCriteria."""
    return segments.read(workspace, criteria, _own(criteria))


def describe(workspace: Workspace, criteria: object) -> str:
    """Put a condition into words. Raises InvalidCriteria."""
    return read(workspace, criteria).words()


def steps_asked_about(group: Group) -> Iterator[int]:
    """The steps whose mails the criteria ask about."""
    return (rule.value for rule in group.rules() if rule.operator.takes is STEP)


def _own(criteria: object) -> list[Field]:
    types: dict[str, str] = {}
    for rule in segments.rules_in(criteria):
        if _property.fullmatch(rule["field"]):
            types.setdefault(rule["field"], _type_asked(rule))
    return [*_registered.values(), *(of_event(name, type_) for name, type_ in types.items())]


def of_event(field: str, type_: str) -> Field:
    """A property of the event that the person entered by; it is of the type that the rule's value is of."""
    name = field.removeprefix(EVENT)

    def is_set(scope: Scope, value: None) -> Q:
        return Q(context__has_key=name)

    operators = segments.of_attribute(name, type_, "context") | {
        "is_set": Operator("is set", NOTHING, is_set),
        "is_not_set": Operator("is not set", NOTHING, lambda scope, value: ~is_set(scope, value)),
    }
    return Field(field, f"the event's {name}", "event", operators)


def type_of(value: object) -> str:
    """The type of an event's property, as the value says that it is compared with."""
    if isinstance(value, list) and value:
        return type_of(value[0])
    if isinstance(value, bool):
        return Attribute.Type.BOOLEAN
    if isinstance(value, int | float):
        return Attribute.Type.NUMBER
    is_date = isinstance(value, str) and _date.fullmatch(value)
    return Attribute.Type.DATE if is_date else Attribute.Type.TEXT


def _type_asked(rule: Mapping[str, Any]) -> str:
    """The type of the property that a rule asks about; while the value is missing, as the operator says."""
    value, operator = rule.get("value"), rule.get("operator")
    if value not in (None, []) or not isinstance(operator, str):
        return type_of(value)
    types = (type_ for type_ in Attribute.Type.values if operator in of_event(rule["field"], type_).operators)
    return next(types, Attribute.Type.TEXT)


def _step(workspace: Workspace, raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise InvalidCriteria(f"needs the key of a step that sends, not {shown(raw)}")
    return raw


STEP = Kind("step", _step, lambda key: f"step {key}", "Choose a step.")
