"""The order between "this person must not be mailed" and "this mail goes out": one before the other.

A statement sees what was committed when it began. Without an order, the gate could look, somebody
could be suppressed, and the gate's commit could come last. SQLite has one writer and needs none.
"""

from __future__ import annotations

from audience import sql


def hold(workspace_id: int) -> None:
    """Let no refusal be committed in the workspace until the caller's transaction has ended.

    For the gate, before it looks; waits for refusals that are about to be committed. Any number of
    gates hold at once. Take it before any lock on a ledger row or a sum.
    """
    sql.wait_for_lock(sql.Lock.REFUSALS, workspace_id, shared=True)


def announce(workspace_id: int) -> None:
    """Wait for the gates that have looked already, before a refusal is committed.

    For whoever opts people out or suppresses addresses, in the same transaction. May be repeated.
    Take it before any lock on a ledger row or a sum.
    """
    sql.wait_for_lock(sql.Lock.REFUSALS, workspace_id)
