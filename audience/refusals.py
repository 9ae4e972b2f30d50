"""The order between "this person must not be mailed" and "this mail goes out": one before the other.

A statement sees what was committed when it began. Without an order, the gate could look, somebody
could be suppressed, and the gate's commit could come last. SQLite has one writer and needs none.
"""

from __future__ import annotations

from django.db import connection

# Of PostgreSQL's advisory locks, those with this first key are about refusals; the second is the workspace.
_KEY = 7362


def hold(workspace_id: int) -> None:
    """Let no refusal be committed in the workspace until the caller's transaction has ended.

    For the gate, before it looks; waits for refusals that are about to be committed. Any number of
    gates hold at once. Take it before any lock on a ledger row or a sum.
    """
    _lock("pg_advisory_xact_lock_shared", workspace_id)


def announce(workspace_id: int) -> None:
    """Wait for the gates that have looked already, before a refusal is committed.

    For whoever opts people out or suppresses addresses, in the same transaction. May be repeated.
    Take it before any lock on a ledger row or a sum.
    """
    _lock("pg_advisory_xact_lock", workspace_id)


def _lock(function: str, workspace_id: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, %s)", [_KEY, workspace_id])
