"""What is wrong with this installation and how to mend it, for `manage.py doctor`. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from audience.accounts import second_factor
from audience.credentials import CredentialsUnreadable
from audience.models import Authenticator
from campaigns.models import Sender
from delivery import health, heartbeats, installation, sql
from delivery.models import Heartbeat

FREE_BYTES = 1_000_000_000
CLOCKS_APART = timedelta(seconds=5)
POSTGRESQL = 15_00_00


class Finding(NamedTuple):
    """One thing that is wrong. `grave`: mail or pages fail for it."""

    words: str
    remedy: str
    grave: bool = True


def findings() -> Iterator[Finding]:
    """All that is wrong, the ground first: without a database nothing else can be asked."""
    yield from _disk()
    yield from _web()
    try:
        yield from _database()
    except Error as error:
        words = f"The database does not answer ({type(error).__name__})."
        yield Finding(words, "Start it, and look at DATABASE_URL.")
        return
    yield from _engine()
    yield from _senders()
    yield from _people()


def _disk() -> Iterator[Finding]:
    data = Path(settings.DATA_DIR)
    try:
        probe = data / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        yield Finding(f"{data} cannot be written to ({error}).", "Give it to the user that Drumbeat runs as.")
    if shutil.disk_usage(data).free < FREE_BYTES:
        yield Finding(f"Less than a gigabyte is free for {data}.", "Make room: journals and imports need it.")


def _web() -> Iterator[Finding]:
    if not settings.PRODUCTION:
        words = "This site is set up to be reached from this machine alone."
        yield Finding(words, "For others: DEBUG=false, and SITE_URL with its address.", grave=False)
        return
    if not any(Path(settings.STATIC_ROOT).glob("*")):
        yield Finding("The pages have no styles.", "Run `manage.py collectstatic --no-input`.")
    if not settings.PROXIES:
        words = "No proxy of yours is declared, so https is not enforced here."
        yield Finding(words, "Set PROXIES to their number, if TLS ends in one.", grave=False)
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        words = "Links to set a new password are written to the log instead of being mailed."
        yield Finding(words, "Set EMAIL_BACKEND and what it needs, and DEFAULT_FROM_EMAIL.", grave=False)


def _database() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield Finding(f"{len(waiting)} migrations are not applied.", "Run `manage.py migrate`.")
        return
    if sql.is_postgresql() and connection.pg_version < POSTGRESQL:  # type: ignore[attr-defined]
        yield Finding("PostgreSQL is older than 15.", "Upgrade it.")
    if not _triggers():
        words = "The audit log can be changed: its triggers are gone."
        yield Finding(words, "Make them again as audience/migrations/0006_audit.py does, and ask who could.")


def _triggers() -> bool:
    catalogue = {
        "postgresql": "SELECT count(*) FROM pg_trigger"
        " WHERE tgname = 'audit_append_only' AND tgenabled = 'O'",
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_no_%%'",
    }
    with connection.cursor() as cursor:
        cursor.execute(catalogue[connection.vendor], [])
        return bool(cursor.fetchone()[0])


def _engine() -> Iterator[Finding]:
    if not settings.ENABLE_EMAIL_SCHEDULER:
        yield Finding("Sending is switched off.", "Set ENABLE_EMAIL_SCHEDULER=true.", grave=False)
    if told := installation.problem():
        yield Finding(told, "`manage.py confirm_installation --yes`, when you have looked.")
    signs = heartbeats.signs()
    if health.redis_state(signs) == "away":
        yield Finding("Redis does not answer.", "Start it, and look at REDIS_URL and RATE_LIMIT_STORAGE.")
    if not heartbeats.somebody_looks(signs):
        words = "Nobody looks for due mail: no worker, beat or cron has given a sign lately."
        yield Finding(words, "Start what the Procfile names, or `manage.py send_due --loop`.")
    newest = Heartbeat.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()
    if newest and newest - timezone.now() > CLOCKS_APART:
        words = "The clocks of this host and of the database are apart."
        yield Finding(words, "Let both follow one time server (NTP).")


def _senders() -> Iterator[Finding]:
    for sender in Sender.objects.order_by("pk").iterator():
        remedy = f"Open {settings.SITE_URL}/admin/campaigns/sender/{sender.pk}/change/."
        try:
            sender.password()
            sender.credentials()
        except CredentialsUnreadable:
            words = f"The password or key of sender {sender.pk} cannot be read with today's CREDENTIAL_KEYS."
            yield Finding(words, "Add the key of before to CREDENTIAL_KEYS, or enter the password again.")
        if not sender.is_usable:
            yield Finding(f"Sender {sender.pk} {sender.get_state_display().lower()}.", remedy)


def _people() -> Iterator[Finding]:
    staff = User.objects.filter(is_superuser=True, is_active=True)
    if not staff.exists():
        yield Finding("Nobody runs this site.", "Run `manage.py createsuperuser`.")
    guarded = Authenticator.objects.filter(confirmed=True).values("user")
    if settings.PRODUCTION and (bare := staff.exclude(pk__in=guarded).count()):
        words = f"{bare} of the superusers have no second factor."
        yield Finding(words, "Ask them to set one up, or set SECOND_FACTOR_REQUIRED=true.", grave=False)
    if lost := second_factor.unreadable():
        words = f"The second factors of {lost} accounts cannot be read with today's CREDENTIAL_KEYS."
        yield Finding(words, "Add the key of before, or run `manage.py turn_off_second_factor` for them.")
