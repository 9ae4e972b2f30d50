"""Segments: the few SQL expressions behind the operators, with one meaning on both databases.

An attribute's stored value may be of a wrong type, so a rule compares first and asks for the type
then: every comparison made here is one that cannot fail, and few rows are asked the dearer question.
"""

from __future__ import annotations

import json
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Case, F, Func, Q, TextField, Value, When
from django.db.models.lookups import GreaterThan, In
from django.db.models.sql.compiler import SQLCompiler

from audience.models import Attribute

Compiled = tuple[str, tuple[Any, ...]]

# The column of Customer; what has attributes of its own names another.
ATTRIBUTES = "attributes"
# A number or a boolean is compared as jsonb, which needs no cast that could fail; a date byte by byte.
POSTGRESQL = {
    Attribute.Type.TEXT: "({} ->> %s)",
    Attribute.Type.NUMBER: "({} -> %s)",
    Attribute.Type.DATE: '(({} ->> %s) COLLATE "C")',
    Attribute.Type.BOOLEAN: "({} -> %s)",
}
# What jsonb_typeof (first) and JSON_TYPE call a type.
STORED_TYPES = {
    Attribute.Type.TEXT: ["string", "text"],
    Attribute.Type.NUMBER: ["number", "integer", "real"],
    Attribute.Type.BOOLEAN: ["boolean", "true", "false"],
}


class Fold(Func):
    """Text without regard to case. PostgreSQL's LOWER knows all letters, SQLite's only A to Z."""

    function = "LOWER"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        return self.as_sql(compiler, connection, function="drumbeat_fold", **extra)


def add_fold_to_sqlite(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """Give a new SQLite connection the function that Fold calls."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("drumbeat_fold", 1, _fold, deterministic=True)


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class OfAttribute(Func):
    """Something about one key of a JSON column; NULL when the key is missing."""

    output_field = TextField()

    def __init__(self, name: str, postgresql: str, sqlite: str, column: str) -> None:
        super().__init__(F(column))
        self.name, self.postgresql, self.sqlite = name, postgresql, sqlite

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        return self._compile(compiler, self.postgresql, self.name)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        return self._compile(compiler, self.sqlite, "$." + json.dumps(self.name))

    def _compile(self, compiler: SQLCompiler, template: str, key: str) -> Compiled:
        column, params = compiler.compile(self.get_source_expressions()[0])
        return template.format(column), (*params, key)


class Json(Value):
    """A number or boolean to compare with an OfAttribute."""

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        return "%s::jsonb", (json.dumps(self.value),)


class IsDate(Func):
    """Whether a text is written YYYY-MM-DD."""

    output_field = BooleanField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        shape = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
        return self.as_sql(compiler, connection, template=f"(%(expressions)s ~ '{shape}')")

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        shape = "-".join("[0-9]" * count for count in (4, 2, 2))
        return self.as_sql(compiler, connection, template=f"(%(expressions)s GLOB '{shape}')")


def settled(known: Q) -> Q:
    """The condition as a CASE: PostgreSQL takes a bare comparison of types for one that hardly any row
    passes, and plans for a handful of rows where half a million come."""
    return Q(Case(When(known, then=Value(True)), default=Value(False)))


def attribute_value(name: str, type_: str, column: str = ATTRIBUTES) -> OfAttribute:
    """The stored value of an attribute, as its type compares."""
    return OfAttribute(name, POSTGRESQL[Attribute.Type(type_)], "JSON_EXTRACT({}, %s)", column)


def index_expression(name: str, type_: str) -> str:
    """What an index on an attribute holds: PostgreSQL's half of what rules compare."""
    expression = POSTGRESQL[Attribute.Type(type_)].format("attributes") % f"'{name}'"
    return f"LOWER({expression})" if type_ == Attribute.Type.TEXT else expression


def is_of_type(name: str, type_: str, column: str = ATTRIBUTES) -> Q:
    """True where an attribute's stored value is of the attribute's type, and no empty text."""
    value = attribute_value(name, type_, column)
    if type_ == Attribute.Type.DATE:
        return settled(Q(IsDate(value)))
    stored = OfAttribute(name, "jsonb_typeof({} -> %s)", "JSON_TYPE({}, %s)", column)
    known = Q(In(stored, STORED_TYPES[Attribute.Type(type_)]))
    return settled(known & Q(GreaterThan(value, Value(""))) if type_ == Attribute.Type.TEXT else known)
