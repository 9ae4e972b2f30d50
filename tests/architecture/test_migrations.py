"""Migrations that can run while the version before is still at work, and without locking a large table.

Those of the first release ran on empty databases, and are left as they are: the newest number of each app
that may do as it likes stands here. What breaks a rule for a good reason is named with it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from audience.online import AddIndexOnline

FIRST_RELEASE = {"audience": "0008", "campaigns": "0012", "delivery": "0011", "analytics": "0003"}
# Tables of millions of rows.
LARGE = {"customer", "consentrecord", "suppression", "sendlog", "event", "reaction", "inbound"}
GOOD_REASONS: dict[str, str] = {
    "audience.0011_sign_up": "a longer varchar and other choices: PostgreSQL rewrites nothing for either",
    "delivery.0013_mails_of_a_customer": "drops an index that another has replaced, which takes a moment",
}


# An index that is made by hand, and the name of its table.
MADE_BY_HAND = re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*?\bON (?:\w+_)?(\w+)", re.I | re.S)


def problems(migration: Any) -> Iterator[str]:
    source = inspect.getsource(inspect.getmodule(type(migration)))  # type: ignore[arg-type]
    yield from (
        f"CREATE INDEX on {table}: locks a large table; on PostgreSQL make it concurrently"
        for table in MADE_BY_HAND.findall(source)
        if table in LARGE
    )
    made = {op.name_lower for op in migration.operations if isinstance(op, migrations.CreateModel)}
    for op in migration.operations:
        model = getattr(op, "model_name_lower", "")
        if model not in made:
            yield from _problem(op, model)


def _problem(op: Any, model: str) -> Iterator[str]:
    if isinstance(op, migrations.RenameField | migrations.RenameModel):
        yield f"{op.describe()}: the version before asks for the old name"
    if isinstance(op, migrations.RemoveField | migrations.DeleteModel):
        yield f"{op.describe()}: the version before still reads it; remove it one release later"
    needs = isinstance(op, migrations.AddField) and not op.field.null and not op.field.many_to_many
    if needs and op.field.db_default is NOT_PROVIDED:
        yield f"{op.describe()}: the version before inserts rows without it; give it a db_default"
    if isinstance(op, migrations.AlterField) and model in LARGE:
        yield f"{op.describe()}: may rewrite a table of millions of rows under a lock"
    locks = isinstance(op, migrations.AddIndex | migrations.AddConstraint)
    if locks and model in LARGE and not isinstance(op, AddIndexOnline):
        yield f"{op.describe()}: locks a large table; make it with AddIndexOnline"
    if isinstance(op, migrations.RunPython | migrations.RunSQL) and not op.reversible:
        yield f"{op.describe()}: cannot be taken back"


def ours() -> Iterator[tuple[str, Any]]:
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app in FIRST_RELEASE and name[:4] > FIRST_RELEASE[app]:
            yield f"{app}.{name}", migration


def test_no_migration_breaks_the_version_before_it() -> None:
    found = {label: [*problems(migration)] for label, migration in ours() if label not in GOOD_REASONS}
    assert {label: told for label, told in found.items() if told} == {}


def test_the_rules_find_what_is_unsafe() -> None:
    loader = MigrationLoader(None)
    told = [
        words
        for key, each in loader.disk_migrations.items()
        if key[0] in FIRST_RELEASE
        for words in problems(each)
    ]
    assert any("db_default" in words for words in told) or any("large table" in words for words in told)
    assert MADE_BY_HAND.findall("CREATE INDEX busy ON audience_customer (email)") == ["customer"]
    assert MADE_BY_HAND.findall("CREATE INDEX CONCURRENTLY idle ON audience_customer (email)") == []
