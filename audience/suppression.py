"""The list of addresses that must not be mailed. Staff, consent and delivery's feedback write it here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import DELETION, LogEntry
from django.db import connection, transaction

from audience import audit, refusals
from audience.addresses import normalise
from audience.models import Suppression, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Reason = Suppression.Reason

CHUNK = 5000
MAX_NOTE = 300

# One statement, so that neither a concurrent suppression nor a concurrent lift can fall in between.
_SUPPRESS = """
    INSERT INTO audience_suppression (workspace_id, email, reason, note, created_by_id)
    SELECT %(workspace)s, value, %(reason)s, %(note)s, %(actor)s FROM {addresses} WHERE true
    ON CONFLICT (workspace_id, email) DO UPDATE
    SET reason = excluded.reason, note = excluded.note, created_by_id = excluded.created_by_id
    WHERE audience_suppression.reason IN (SELECT value FROM {weaker})
"""
_ROWS_OF = {"postgresql": "json_array_elements_text(%({})s::json)", "sqlite": "json_each(%({})s)"}


def suppress(
    workspace: Workspace, email: str, reason: Reason, *, note: str = "", actor: User | None = None
) -> Suppression:
    """Suppress one address; a stronger reason replaces a weaker one, never the other way round.

    One transaction; may be repeated. Raises InvalidAddress.
    """
    address = normalise(email)
    with transaction.atomic():
        written = _write(workspace, [address], reason, note, actor)
        # The statement has locked the row, changed or not: a concurrent lift cannot take it away.
        row: Suppression = Suppression.objects.of(workspace).get(email=address)
        _tell(workspace, reason, written, actor, row)
    return row


@transaction.atomic
def suppress_many(
    workspace: Workspace,
    emails: Iterable[str],
    reason: Reason,
    *,
    note: str = "",
    actor: User | None = None,
) -> int:
    """Suppress any number of addresses, all or none; returns how many rows are new or now stronger.

    One statement per 5,000 addresses, flat memory; may be repeated. Raises InvalidAddress.
    """
    addresses = map(normalise, emails)
    written = 0
    while chunk := list(islice(addresses, CHUNK)):
        written += _write(workspace, chunk, reason, note, actor)
    _tell(workspace, reason, written, actor)
    return written


@transaction.atomic
def lift(suppression: Suppression, actor: User) -> bool:
    """Take an address off the list, and note in the site's log who did it. Opts nobody in.

    False, and nothing is done, when the row is gone or its reason is no longer the one that was shown.
    """
    row = Suppression.objects.select_for_update().filter(pk=suppression.pk, reason=suppression.reason).first()
    if row is None:
        return False
    message = f"Suppression lifted ({row.get_reason_display()})."
    LogEntry.objects.log_actions(actor.pk, [row], DELETION, change_message=message, single_object=True)
    # Without the address, which may have to be erased; the customer's history has it.
    about = {"reason": row.reason, "since": row.created_at}
    name = f"Suppression {row.pk}"
    audit.record("suppression lifted", row, workspace=row.workspace_id, actor=actor, name=name, before=about)
    row.delete()
    return True


def lift_unsubscribe(workspace: Workspace, email: str) -> bool:
    """Take an unsubscribe off the list, never a stronger reason. For audience.consent, which records it."""
    rows = Suppression.objects.of(workspace).filter(email=email, reason=Reason.UNSUBSCRIBE)
    lifted, _ = rows.delete()
    return bool(lifted)


def lift_soft_bounces(workspace_id: int, emails: Iterable[str]) -> int:
    """Take addresses off the list that are on it for soft bounces alone. For delivery.soft_bounces.

    May be repeated. Any other reason is stronger and stays, so nothing is lost that somebody asked for.
    """
    rows = Suppression.objects.filter(workspace_id=workspace_id, reason=Reason.SOFT_BOUNCE)
    lifted, _ = rows.filter(email__in=[*emails]).delete()
    return lifted


def _write(workspace: Workspace, addresses: list[str], reason: Reason, note: str, actor: User | None) -> int:
    rows_of = _ROWS_OF[connection.vendor]
    statement = _SUPPRESS.format(addresses=rows_of.format("addresses"), weaker=rows_of.format("weaker"))
    values: dict[str, Any] = {
        "workspace": workspace.pk,
        # In one order, so that two writers wait for each other instead of deadlocking.
        "addresses": json.dumps(sorted(set(addresses))),
        "reason": reason.value,
        "weaker": json.dumps(_weaker_than(reason)),
        "note": note[:MAX_NOTE],
        "actor": actor.pk if actor else None,
    }
    refusals.announce(workspace.pk)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _tell(
    workspace: Workspace, reason: Reason, written: int, actor: User | None, row: Suppression | None = None
) -> None:
    """Note what somebody has put on the list, without addresses; what mails bring in is told by events."""
    if actor is None or not written:
        return
    name = f"Suppression {row.pk}" if row else "Suppressions"
    after = {"reason": reason.value, "addresses": written}
    audit.record("suppressed", row, workspace=workspace, actor=actor, name=name, after=after)


def _weaker_than(reason: Reason) -> list[str]:
    strongest_last = list(Reason)
    return [weaker.value for weaker in strongest_last[: strongest_last.index(reason)]]
