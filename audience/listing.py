"""Which customers a list shows: a page of them by id, and all of them for a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from audience import search
from audience.models import Attribute, Customer, Segment, Workspace
from audience.segments import customers_in
from audience.spreadsheets import cell

# Customers read in one go for a file.
PORTION = 2_000
COLUMNS = ("email", "name", "external_id", "phone", "subscribed", "sms_subscribed", "time_zone", "language")


class Who(models.TextChoices):
    """Whom a list is narrowed to."""

    ALL = "", _("All")
    IN = "in", _("Opted in to e-mail")
    OUT = "out", _("Not opted in to e-mail")
    SUPPRESSED = "suppressed", _("Suppressed")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a workspace's customers."""

    workspace: Workspace
    words: str = ""
    who: Who = Who.ALL
    segment: Segment | None = None

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.who or self.segment)

    def customers(self) -> QuerySet[Customer]:
        """Raises InvalidCriteria for a segment that can no longer be evaluated."""
        rows = customers_in(self.segment) if self.segment else Customer.objects.of(self.workspace)
        if self.words:
            rows = rows.filter(search.about(self.workspace, self.words))
        return rows.filter(self._who())

    def _who(self) -> Q:
        match self.who:
            case Who.IN:
                return Q(subscribed=True)
            case Who.OUT:
                return Q(subscribed=False)
            case Who.SUPPRESSED:
                return search.suppressed(self.workspace)
            case _:
                return Q()


def page(wanted: Wanted, before: int | None, size: int) -> list[Customer]:
    """The newest of those wanted, or those older than an id. Raises InvalidCriteria."""
    rows = wanted.customers()
    if wanted.words or wanted.segment or wanted.who == Who.SUPPRESSED:
        return search.newest(rows, before, size)
    # An index has these in this order.
    rows = rows if before is None else rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:size])


def lines(wanted: Wanted) -> Iterator[list[Any]]:
    """All of those wanted as lines of a file, the first names the columns; safe to open with a spreadsheet.

    Read in portions by id. Who comes in meanwhile may be missing. Raises InvalidCriteria at once.
    """
    names = list(Attribute.objects.of(wanted.workspace).order_by("name").values_list("name", flat=True))
    return _lines(wanted.customers().order_by("pk"), names, wanted.workspace.zone)


def _lines(rows: QuerySet[Customer], names: list[str], zone: ZoneInfo) -> Iterator[list[Any]]:
    yield [*COLUMNS, "created_at", *(f"attributes.{name}" for name in names)]
    last = 0
    while portion := list(rows.filter(pk__gt=last)[:PORTION]):
        for customer in portion:
            yield _line(customer, names, zone)
        last = portion[-1].pk


def _line(customer: Customer, names: list[str], zone: ZoneInfo) -> list[Any]:
    own = [getattr(customer, column) for column in COLUMNS]
    attributes = [customer.attributes.get(name) for name in names]
    created = customer.created_at.astimezone(zone).isoformat(timespec="seconds")
    return [*map(_cell, own), created, *map(_cell, attributes)]


def _cell(value: Any) -> Any:
    """As an import would read it again: yes and no for what is one or the other."""
    return ("yes" if value else "no") if isinstance(value, bool) else cell(value)
