"""What the engine would be without each of its guards. No product code knows of this.

A guard is a set of patches: module -> function that changes it. Where a patch does not fit the engine
any more, nothing is taken away, the control stays green and is reported as failed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]


def statements(old: str, new: str) -> dict[str, Patch]:
    """Patches every SQL statement that has these words."""

    def patch(utils: ModuleType) -> None:
        execute = utils.CursorWrapper.execute

        def changed(self: Any, sql: str, params: Any = None) -> Any:
            return execute(self, sql.replace(old, new), params)

        utils.CursorWrapper.execute = changed

    return {"django.db.backends.utils": patch}


def resend_doubt(sweep: ModuleType) -> None:
    """1: what a dead worker had in hand is queued again, as by any queue with leases."""
    sweep._lost = lambda claims: [sweep.Settlement(c.row_id, c.fence, sweep.Status.QUEUED) for c in claims]


def refuse_on_silence(smtp: ModuleType) -> None:
    """2: a mail without an answer was not sent."""
    reply = smtp.MEANINGS[smtp.Phase.REPLY]
    smtp.MEANINGS[smtp.Phase.REPLY] = reply._replace(silence=smtp.Verdict.NOT_SENT)


def ring_once(celery: ModuleType) -> None:
    """3: the bell rings when the first worker starts, and a message that is lost is not rung again."""
    from celery.signals import worker_ready
    from django.conf import settings

    def ring(**_: object) -> None:
        # The signal comes again with every new connection to the broker and every process.
        try:
            (settings.DATA_DIR / "rung").touch(exist_ok=False)
        except FileExistsError:
            return
        celery.app.send_task("delivery.tasks.tick")

    worker_ready.connect(ring, weak=False)


def schedule_nothing(settings: ModuleType) -> None:
    settings.CELERY_BEAT_SCHEDULE = {}


def ring_from_pages(lifecycle: ModuleType) -> None:
    """4: whoever steers a campaign rings the bell at once, and waits until that has been heard."""

    def ringing(act: Any) -> Any:
        def act_and_ring(*args: Any, **kwargs: Any) -> None:
            from config.celery import app

            act(*args, **kwargs)
            app.send_task("delivery.tasks.tick")

        return act_and_ring

    lifecycle.pause, lifecycle.resume = ringing(lifecycle.pause), ringing(lifecycle.resume)


def wait_for_ever(settings: ModuleType) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = None


def forget_the_journal(journal: ModuleType) -> None:
    """5: what was in hand when the database went away is known to nobody."""
    journal.left_behind = lambda: iter(())


def knock_early(breaker: ModuleType) -> None:
    """6: a closed provider is tried again as after any failure, whatever it asked for."""
    open_for = breaker.open_for
    breaker.open_for = lambda failures, retry_after=None: open_for(failures)


def send_what_is_paused(campaign: ModuleType) -> None:
    """7: a paused campaign is due like an active one."""
    statuses = [campaign.Campaign.Status.ACTIVE, campaign.Campaign.Status.PAUSED]
    campaign.CampaignQuerySet.active = lambda self: self.filter(status__in=statuses)


def look_at_filling_only(claim: ModuleType) -> None:
    """8: who may be mailed was decided when the ledger was filled."""
    claim.refusal_sql = lambda customer, suppression: "''"


def count_no_crash(sweep: ModuleType) -> None:
    """10: a mail that stops its worker is tried again for ever."""
    sweep._crashed = lambda suspect: 0


REMOVED: dict[str, dict[str, Patch]] = {
    "doubt_is_not_resent": {"delivery.sweep": resend_doubt},
    "silence_is_not_refusal": {"delivery.errors.smtp": refuse_on_silence},
    "bell_rings_again": {"config.celery": ring_once, "config.settings": schedule_nothing},
    "pages_do_not_ring": {"campaigns.lifecycle": ring_from_pages, "config.settings": wait_for_ever},
    "answers_are_in_the_journal": {"delivery.journal": forget_the_journal},
    "retry_after_is_obeyed": {"delivery.breaker": knock_early},
    "pause_is_looked_at": {
        "campaigns.models.campaign": send_what_is_paused,
        **statements("status = 'active'", "status IN ('active', 'paused')"),
    },
    "gate_looks_at_refusals": {"delivery.claim": look_at_filling_only},
    # 9: a lease that ended in the middle of a hand-over is queued again.
    "ended_lease_is_doubt": statements("'unknown' AS status, 'lost' AS", "'queued' AS status, 'retry' AS"),
    "crashes_are_counted": {"delivery.sweep": count_no_crash},
}


def kill_whoever_builds(address: str) -> Patch:
    """Let the building of one recipient's mail end the process, as a bug in a C library would."""

    def patch(message: ModuleType) -> None:
        build = message.Builder.build

        def deadly(self: Any, to: Any) -> Any:
            if to.email == address:
                os.kill(os.getpid(), signal.SIGSEGV)
            return build(self, to)

        message.Builder.build = deadly

    return patch
