"""Segments: values to choose from while a rule is written, found in bounded time in any audience."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTransform

from audience.models import Customer, Workspace
from audience.segments.fields import fields
from audience.segments.language import Field
from audience.segments.offered import suggests

# The newest customers, among whom values are counted; what only others have can be typed.
SAMPLE = 5_000
MOST = 20
LONGEST = 100


def suggestions(workspace: Workspace, field: str, operator: str, search: str = "") -> list[tuple[Any, str]]:
    """Values that a rule may have, each with what people call it; none where any text is as good.

    For a kind of value with choices of its own those; for a text the most frequent ones that hold what
    was typed, of a sample. Two queries at most, whose cost does not grow with the audience.
    """
    asked = next((known for known in fields(workspace) if known.name == field), None)
    if asked is None:
        return []
    found = asked.operators.get(operator)
    if found is not None and found.takes.choices is not None:
        return found.takes.choices(workspace, search)
    return [(value, value) for value in _frequent(workspace, asked, search)] if suggests(asked) else []


def _frequent(workspace: Workspace, field: Field, search: str) -> list[str]:
    newest = Customer.objects.of(workspace).order_by("-id")
    values = newest.annotate(sampled=_stored(field.name)).values_list("sampled", flat=True)[:SAMPLE]
    texts = (value for value in values if isinstance(value, str) and 0 < len(value) <= LONGEST)
    typed = search.casefold()
    counted = Counter(text for text in texts if typed in text.casefold())
    return [text for text, _ in counted.most_common(MOST)]


def _stored(name: str) -> Combinable:
    _, is_attribute, attribute = name.partition("attributes.")
    return KeyTransform(attribute, "attributes") if is_attribute else F(name)
