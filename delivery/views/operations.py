"""How the engine is, for those who run the site: a page that looks again every few seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages as notices
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from delivery import health, heartbeats, installation, limits, operations
from delivery.heartbeats import Sign
from delivery.models import SendLog
from delivery.operations import Failure, Rows, SenderLine
from delivery.views.frame import show, staff_page

Status = SendLog.Status
SECONDS = 5
DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


@staff_page
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page: of all workspaces, and therefore for superusers."""
    return show(request, "delivery/operations.html", {"title": gettext("Operations"), **_context(request)})


@staff_page
@never_cache
@require_safe
def panel(request: HttpRequest) -> HttpResponse:
    """What of the page changes."""
    return render(request, "delivery/operations_panel.html", _context(request))


@staff_page
@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    """Let this database be sent from: somebody has looked that it is no old copy."""
    if not request.user.is_superuser:
        raise PermissionDenied
    installation.confirm()
    notices.success(request, gettext("Confirmed. The workers go on within a minute."))
    return redirect("delivery:operations")


def _context(request: HttpRequest) -> dict[str, Any]:
    if not request.user.is_superuser:
        raise PermissionDenied
    signs = heartbeats.signs()
    waiting = operations.queues()
    redis = health.redis_state(signs)
    lines = operations.senders(waiting)
    return {
        "seconds": SECONDS,
        "at": timezone.now(),
        "version": settings.VERSION,
        "unconfirmed": installation.waits(signs),
        "states": [
            _sending(signs),
            _scheduler(signs),
            _workers(signs),
            _database(),
            _redis(redis),
            _reports(),
        ],
        "processes": [{"sign": sign, "age": in_words(sign.age)} for sign in signs],
        "due": sum((line.due for line in lines), Rows()),
        "senders": [_sender(line, uses) for line, uses in _with_limits(lines, redis)],
        "in_hand": operations.in_hand(),
        "failures": [_failure(found) for found in operations.retries(waiting) + operations.failures()],
        "unknowns": operations.unknowns(),
    }


def _with_limits(lines: list[SenderLine], redis: str) -> Iterator[tuple[SenderLine, list[limits.Use] | None]]:
    """Each sender with how far its limits are used up; None where Redis, which counts them, is away."""
    rules = limits.rules(line.sender.pk for line in lines)
    for line in lines:
        limited = line.sender.pk in rules and rules[line.sender.pk].is_limited
        yield line, _uses(rules[line.sender.pk], redis) if limited else []


def _uses(rules: limits.Rules, redis: str) -> list[limits.Use] | None:
    try:
        return None if redis == "away" else limits.limiter().uses(rules)
    except limits.LimiterUnavailable:
        return None


def _sender(line: SenderLine, uses: list[limits.Use] | None) -> dict[str, Any]:
    age, circuit = line.age, line.circuit
    return {
        "line": line,
        "uses": uses,
        "age": in_words(age) if line.due and age else "",
        "next_try": in_words(circuit.retry_at - timezone.now()) if circuit else "",
    }


def _failure(found: Failure) -> dict[str, Any]:
    """With the ledger rows behind it."""
    statuses = Status.QUEUED if found.reason == SendLog.Reason.RETRY else f"{Status.FAILED},{Status.UNKNOWN}"
    query = urlencode({"campaign__id__exact": str(found.campaign_id), "status__in": statuses})
    return {"found": found, "url": f"{reverse('admin:delivery_sendlog_changelist')}?{query}"}


# --- One state each: whether all is well, and in words ------------------------------------------------


def _state(label: str, tone: str, words: str) -> dict[str, str]:
    return {"label": label, "tone": tone, "words": words}


def _sending(signs: list[Sign]) -> dict[str, str]:
    if settings.ENABLE_EMAIL_SCHEDULER and installation.waits(signs):
        return _state(gettext("Sending"), "bad", installation.WAITS)
    if settings.ENABLE_EMAIL_SCHEDULER:
        return _state(gettext("Sending"), "good", "on")
    return _state(gettext("Sending"), "warn", "switched off")


def _scheduler(signs: list[Sign]) -> dict[str, str]:
    schedulers = [sign for sign in signs if sign.kind == heartbeats.Kind.SCHEDULER]
    if not schedulers:
        if heartbeats.somebody_looks(signs):
            return _state(gettext("Scheduler"), "good", gettext("not needed, a worker looks by itself"))
        return _state(gettext("Scheduler"), "bad", gettext("nobody looks for due mail"))
    latest = min(schedulers, key=lambda sign: sign.age)
    tone, words = ("good", gettext("{name}, {age} ago"))
    if latest.is_late:
        tone, words = ("bad", gettext("late: {name}, {age} ago"))
    return _state(gettext("Scheduler"), tone, words.format(name=latest.name, age=in_words(latest.age)))


def _workers(signs: list[Sign]) -> dict[str, str]:
    workers = [sign for sign in signs if sign.kind == heartbeats.Kind.WORKER]
    late = sum(worker.is_late for worker in workers)
    alive = len(workers) - late
    if not workers:
        return _state(gettext("Workers"), "idle", gettext("none at the moment"))
    if late:
        return _state(
            gettext("Workers"),
            "warn" if alive else "bad",
            gettext("{alive} alive, {late} late").format(alive=alive, late=late),
        )
    return _state(gettext("Workers"), "good", gettext("{alive} alive").format(alive=alive))


def _database() -> dict[str, str]:
    return _state(gettext("Database"), "good", DATABASES.get(connection.vendor, connection.vendor))


def _redis(state: str) -> dict[str, str]:
    tones = {
        "ok": ("good", "answers"),
        "away": ("bad", gettext("does not answer")),
        "unused": ("idle", "not used"),
    }
    return _state(gettext("Redis"), *tones[state])


def _reports() -> dict[str, str]:
    """Providers' reports: how many wait, since when, and how many of the last day could not be read."""
    found = operations.reports()
    words = (
        gettext("{waiting} waiting").format(waiting=found.waiting)
        if found.waiting
        else gettext("all processed")
    )
    if found.age is not None:
        words += f" for {in_words(found.age)}"
    if found.given_up:
        words += f", {found.given_up:,} given up"
    late = found.age is not None and found.age > health.OVERDUE
    return _state(gettext("Provider reports"), "bad" if late else "warn" if found.given_up else "good", words)


def in_words(age: timedelta) -> str:
    """12 s, 5 min, 3 h, 2 days: one number is enough."""
    seconds = max(int(age.total_seconds()), 0)
    for length, unit in ((86_400, " days"), (3_600, " h"), (60, " min")):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds} s"
