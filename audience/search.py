"""Finding customers by what is known of them, quickly among a million; the newest come first."""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q, QuerySet, TextField
from django.db.models.lookups import StartsWith
from django.db.models.sql.compiler import SQLCompiler

from audience.customers import address_begins
from audience.models import Attribute, Customer, Suppression, Workspace
from audience.segments import compile_criteria, indexed_attributes
from audience.segments.sql import Compiled, Fold

# Of what many have, so many newest ids hold a page.
NEARBY = 4_000
MAX_WORDS = 100
# From so many digits on, what looks like a phone number is one.
DIGITS = 4
_phone = re.compile(r"[\d\s+()./-]+")


class LastWord(Func):
    """The last word of a name; the same as in the migration that makes its index."""

    template = "split_part(%(expressions)s, ' ', -1)"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        name = "%(expressions)s"
        last = f"replace({name}, rtrim({name}, replace({name}, ' ', '')), '')"
        return self.as_sql(compiler, connection, template=last)


class Digits(Func):
    """A phone number without what people write between its digits; the same as in the migration."""

    template = "translate(%(expressions)s, ' +-()./', '')"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        bare = "%(expressions)s"
        for sign in " +-()./":
            bare = f"replace({bare}, '{sign}', '')"
        return self.as_sql(compiler, connection, template=bare)


def about(workspace: Workspace, words: str) -> Q:
    """Customers whose address, name, last name or phone number begins so, or whose external id or text
    attribute is this.

    Each is asked of an index. Of attributes, those that a saved segment asks about have one on PostgreSQL;
    others are not searched there. Without words: nobody.
    """
    words = " ".join(words.split())[:MAX_WORDS]
    lowered = words.lower()
    if not words or "\0" in words:
        return Q(pk__in=[])
    found = address_begins(lowered) | Q(external_id=words) & ~Q(external_id="")
    found |= Q(StartsWith(Fold("name"), lowered)) & ~Q(name="")
    found |= Q(StartsWith(Fold(LastWord("name")), lowered)) & ~Q(name="")
    digits = re.sub(r"\D", "", words)
    if _phone.fullmatch(words) and len(digits) >= DIGITS:
        found |= Q(StartsWith(Digits("phone"), digits)) & ~Q(phone="")
    for name in indexed_attributes(workspace, Attribute.Type.TEXT):
        rule = {"field": f"attributes.{name}", "operator": "equals", "value": words}
        found |= compile_criteria(workspace, {"all": [rule]})
    return found


def suppressed(workspace: Workspace) -> Q:
    """Customers whose address must not be mailed."""
    return Q(email__in=Suppression.objects.of(workspace).values("email"))


def newest(customers: QuerySet[Customer], before: int | None, size: int) -> list[Customer]:
    """The newest of these customers, or those older than an id; quick whether many or few are among them.

    A short stretch of the newest ids is asked first: it holds enough of what is frequent. What is rare is
    then found by its own index and sorted, since the planner would rather walk through all ids.
    """
    rows = customers if before is None else customers.filter(pk__lt=before)
    last = before or Customer.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    nearby = list(rows.filter(pk__gt=last - NEARBY).order_by("-pk")[:size])
    if len(nearby) == size:
        return nearby
    return list(rows.order_by((F("pk") + 0).desc())[:size])
