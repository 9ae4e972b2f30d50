"""Whose merge fields are empty: the holes that a mail would have for some of its recipients."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from audience.models import Customer
from campaigns.content.compiler import Compiled
from campaigns.content.inspection import printed_without_fallback

COLUMNS = frozenset({"name", "external_id", "phone", "language", "time_zone"})
# How many customers are looked at, the newest first: enough to see a hole, quick at any size.
LOOKED_AT = 10_000
SAMPLES = 5
FIELDS = 20


@dataclass(frozen=True)
class Gap:
    """A merge field, how many of those looked at have nothing in it, and some of them."""

    field: str
    people: int
    samples: list[str]


@dataclass(frozen=True)
class Gaps:
    """The holes among `looked_at` people; whether that is everybody."""

    found: list[Gap]
    looked_at: int
    is_everybody: bool


def gaps(customers: QuerySet[Customer], mail: Compiled) -> Gaps:
    """Find the merge fields that are empty for some of the customers who opted in; reads LOOKED_AT."""
    names = {name: _empty(name) for name in printed_without_fallback(mail.subject, mail.html, mail.text)}
    asked = {name: q for name, q in [*names.items()][:FIELDS] if q is not None}
    newest = customers.filter(subscribed=True, unmailable=False).order_by("-id").values("pk")[:LOOKED_AT]
    rows = Customer.objects.filter(pk__in=newest)
    counted = rows.aggregate(
        looked_at=Count("pk"), **{f"empty_{n}": Count("pk", filter=q) for n, q in enumerate(asked.values())}
    )
    found = [
        Gap(name, counted[f"empty_{n}"], _samples(rows, q))
        for n, (name, q) in enumerate(asked.items())
        if counted[f"empty_{n}"]
    ]
    return Gaps(found, counted["looked_at"], counted["looked_at"] < LOOKED_AT)


def _samples(rows: QuerySet[Customer], empty: Q) -> list[str]:
    return list(rows.filter(empty).order_by("-id").values_list("email", flat=True)[:SAMPLES])


def _empty(name: str) -> Q | None:
    """Who has nothing in a merge field; None for those that are no customer's own, or never empty."""
    group, _, field = name.partition(".")
    if name == "customer_name" or (group == "customer" and field in COLUMNS):
        return Q(**{"name" if name == "customer_name" else field: ""})
    if group != "customer" or not field or field in ("email", "qr_code"):
        return None
    key = f"attributes__{field.replace('.', '__')}"
    return Q(**{f"{key}__isnull": True}) | Q(**{key: ""}) | Q(**{key: None})
