"""Segments: the terms that operators and fields are made of, here and in the apps downstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Q

from audience.models import Workspace
from audience.segments.values import Kind


@dataclass(frozen=True)
class Scope:
    """For whom and when a question is asked; its days are the workspace's."""

    workspace: Workspace
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.workspace.zone).date()

    def midnight(self, day: date) -> datetime:
        """The moment at which a day begins where the workspace is."""
        return datetime.combine(day, time.min, self.workspace.zone)

    def first_of_last(self, days: int) -> date:
        """The first of the last so many days, of which today is one."""
        return self.today - timedelta(days=days - 1)


# What a rule with this value stands for, as a condition on Customer.
Condition = Callable[[Scope, Any], Q]


@dataclass(frozen=True)
class Operator:
    """One thing that may be asked of a field; `words` stand between its label and the value."""

    words: str
    takes: Kind
    condition: Condition


@dataclass(frozen=True)
class Field:
    """One thing that may be asked about, by the name that criteria use, with all that may be asked."""

    name: str
    label: str
    type: str
    operators: Mapping[str, Operator]
