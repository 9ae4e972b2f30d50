"""Stage 1 of the pipeline: from criteria to the customers who meet them, in one SQL query."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from audience.models import Customer, Segment, Workspace
from audience.segments.fields import fields
from audience.segments.language import Field, Scope
from audience.segments.tree import Group, Reader

# Of a segment with a fair share of all customers, these many hold a sample.
NEARBY = 4_000


def validate(workspace: Workspace, criteria: object) -> None:
    """Refuse criteria that could not be evaluated in this workspace.

    Raises InvalidCriteria, whose message names the rule and says what is possible.
    """
    _read(workspace, criteria)


def compile_criteria(workspace: Workspace, criteria: object, *, now: datetime | None = None) -> Q:
    """Turn criteria into one condition on Customer.

    It joins nothing, so that no customer appears twice, and does not hold to the workspace by itself:
    `matching` does. "The last N days" end with the workspace's day at `now`. Raises InvalidCriteria,
    also for criteria that were valid once, such as a rule on an attribute that is gone.
    """
    return _read(workspace, criteria).q(Scope(workspace, now or timezone.now()))


def matching(workspace: Workspace, criteria: object, now: datetime | None = None) -> QuerySet[Customer]:
    """Find the workspace's customers who meet the criteria. Raises InvalidCriteria."""
    customers: QuerySet[Customer] = Customer.objects.of(workspace)
    return customers.filter(compile_criteria(workspace, criteria, now=now))


def customers_in(segment: Segment, now: datetime | None = None) -> QuerySet[Customer]:
    """Find the customers who are in a segment now. Raises InvalidCriteria."""
    return matching(segment.workspace, segment.criteria, now)


def count(workspace: Workspace, criteria: object) -> int:
    """Count the customers who meet the criteria. Raises InvalidCriteria."""
    return matching(workspace, criteria).count()


def sample(workspace: Workspace, criteria: object, size: int = 20) -> list[Customer]:
    """Pick up to `size` customers who meet the criteria: neighbours, from a random place onwards.

    Cheap over millions, unlike an order by chance; not a sample to do statistics on. Raises
    InvalidCriteria.
    """
    customers = matching(workspace, criteria).order_by("id")
    ids = Customer.objects.of(workspace).order_by("id").values_list("id", flat=True)
    # Two queries on purpose: SQLite reads the whole index for min and max in one.
    start = random.randint(ids.first() or 0, ids.last() or 0)  # noqa: S311
    # A short stretch first: PostgreSQL joins the mails of all customers for an open one.
    found = list(customers.filter(id__gte=start, id__lt=start + NEARBY)[:size])
    if len(found) == size:
        return found
    found = list(customers.filter(id__gte=start)[:size])
    return found + list(customers.filter(id__lt=start)[: size - len(found)])


def describe(workspace: Workspace, criteria: object, known: Iterable[Field] | None = None) -> str:
    """Put criteria into words: "(orders ≥ 3 and last_order on or after 1998-01-01) or ...".

    A list of many segments passes `fields(workspace)` as `known` and so asks for them once. Raises
    InvalidCriteria.
    """
    return _read(workspace, criteria, known).words()


def read(workspace: Workspace, criteria: object, also: Iterable[Field]) -> Group:
    """Read criteria that may also ask about fields of the caller's own. Raises InvalidCriteria."""
    return _read(workspace, criteria, [*fields(workspace), *also])


def _read(workspace: Workspace, criteria: object, known: Iterable[Field] | None = None) -> Group:
    by_name = {field.name: field for field in (fields(workspace) if known is None else known)}
    return Reader(workspace, by_name).read(criteria)
