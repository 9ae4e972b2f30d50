"""The inbox of provider reports: one insert at the door, and everything else later, from a worker.

A report is claimed for a while, read, acted on and marked; a process that dies in between leaves it to
the next. All of that may happen twice: what a report tells is kept once (delivery.events).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now

from campaigns.models import Sender
from delivery import feedback, sql
from delivery.errors.base import CONTROL, ERROR_LENGTH
from delivery.events import Report
from delivery.inbound import mail, receivers, shelf, sns
from delivery.inbound.reading import Told, read
from delivery.inbound.receivers import Call
from delivery.inbound.services import MAIL
from delivery.models import Inbound, SendLog
from delivery.tokens import Reference

logger = logging.getLogger(__name__)

# Reports claimed by one statement, and facts that are acted on together.
BATCH = 500
FACTS = 2_000
# Seconds after which what a process had claimed is another's.
LEASE = 300
# Minutes until a report that failed is looked at again; after the last it is given up.
WAITS = (1, 5, 30, 120)
# Looks at a report that names its mail by an id that nobody knows: the worker that sent it may not have
# written it down yet. After them it was never ours.
LOOKS = 3
# Bodies, of up to some megabytes each, in memory at once.
READ_TOGETHER = 25

Group = list[tuple[Inbound, list[Told]]]


def take(sender: Sender, service: str, call: Call) -> None:
    """Keep a report as it came; one that is there already stays one. One insert, committed at once."""
    Inbound.objects.bulk_create(
        [
            Inbound(
                workspace_id=sender.workspace_id,
                sender=sender,
                service=service,
                headers=call.kept_headers(),
                body=call.body,
                digest=receivers.digest(service, call),
            )
        ],
        ignore_conflicts=True,
    )


def take_mail(raw: bytes) -> bool:
    """Keep a report that came as a mail; False when it is none, or about no mail of ours. Commits."""
    rows = [found.about.row_id for found in mail.read(raw)]
    sent = SendLog.objects.filter(pk__in=rows).select_related("sender").first()
    if sent is None:
        return False
    take(sent.sender, MAIL, Call({}, raw))
    return True


def process(seconds: float) -> int:
    """Act on what waits, until nothing does or the time is over; return how many reports were looked at.

    Commits a claim, then what follows from the reports (delivery.feedback), then that they are done.
    Any number of processes may do this at once.
    """
    end, done = time.monotonic() + seconds, 0
    while shelf.is_waiting():
        claimed = _claim()
        for group in _read(claimed):
            _act_or_postpone(group)
        done += len(claimed)
        if len(claimed) < BATCH or time.monotonic() > end:
            break
    return done


def _claim() -> list[int]:
    """Take reports that wait, oldest first; each attempt is counted before it is made."""
    statement = f"""
        WITH waiting AS MATERIALIZED (
          SELECT id FROM delivery_inbound WHERE processed_at IS NULL AND due_at <= {sql.now()}
          ORDER BY due_at LIMIT {BATCH} {sql.skip_locked()})
        UPDATE delivery_inbound SET attempts = attempts + 1, due_at = {sql.in_seconds(LEASE)}
        WHERE id IN (SELECT id FROM waiting) AND processed_at IS NULL
        RETURNING id"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        return [ident for (ident,) in cursor.fetchall()]


def _read(claimed: Sequence[int]) -> Iterator[Group]:
    """What the reports tell, in groups that are acted on together; those that failed before, one by one."""
    group: Group = []
    facts = 0
    for inbound in _bodies(claimed):
        try:
            told = read(inbound)
            _confirm_subscription(inbound)
        except Exception as error:
            # A body that nobody can read, or Amazon away: the others are none the worse for it.
            _postpone(inbound, f"It cannot be read ({type(error).__name__}: {error}).")
            continue
        if inbound.error:
            yield [(inbound, told)]
            continue
        group.append((inbound, told))
        facts += len(told)
        if facts >= FACTS:
            yield group
            group, facts = [], 0
    if group:
        yield group


def _bodies(claimed: Sequence[int]) -> Iterator[Inbound]:
    for start in range(0, len(claimed), READ_TOGETHER):
        yield from Inbound.objects.filter(pk__in=claimed[start : start + READ_TOGETHER]).order_by("pk")


def _confirm_subscription(inbound: Inbound) -> None:
    if inbound.headers.get("X-Amz-Sns-Message-Type") == "SubscriptionConfirmation":
        sns.confirm(json.loads(bytes(inbound.body)))


def _act_or_postpone(group: Group) -> None:
    """Act on a group; when that fails, on each report by itself, so that one holds up no other."""
    try:
        _act(group)
    except (OperationalError, InterfaceError):
        # The database itself: whoever calls waits for it, and the lease gives the reports back.
        raise
    except Exception as error:
        if len(group) > 1:
            for one in group:
                _act_or_postpone([one])
            return
        logger.exception("a provider report cannot be processed", extra={"report": group[0][0].pk})
        _postpone(group[0][0], f"It cannot be processed ({type(error).__name__}: {error}).")


def _act(group: Group) -> None:
    rows = _rows_by_provider_id(group)
    reports: list[Report] = []
    early: list[Inbound] = []
    done: list[Inbound] = []
    for inbound, facts in group:
        known = [(told.about or rows.get((inbound.sender_id, told.provider_id)), told) for told in facts]
        reports += [_report(inbound, about, told) for about, told in known if about is not None]
        is_open = any(about is None and told.provider_id for about, told in known)
        (early if is_open and inbound.attempts < LOOKS else done).append(inbound)
    feedback.report_many(reports)
    Inbound.objects.filter(pk__in=[inbound.pk for inbound in done]).update(processed_at=Now(), error="")
    for attempts in {inbound.attempts for inbound in early}:
        again = [inbound.pk for inbound in early if inbound.attempts == attempts]
        Inbound.objects.filter(pk__in=again).update(due_at=Now() + _wait(attempts), error="")


def _report(inbound: Inbound, about: Reference | int, told: Told) -> Report:
    return Report(
        about,
        told.type,
        told.at,
        told.fact,
        told.detail,
        told.bounce,
        sender_id=inbound.sender_id,
        user_agent=told.user_agent,
    )


def _rows_by_provider_id(group: Group) -> dict[tuple[int, str], int]:
    """The rows of mails that are known by the provider's id alone, by sender and that id. One query."""
    asked = {
        (inbound.sender_id, told.provider_id)
        for inbound, facts in group
        for told in facts
        if told.about is None and told.provider_id
    }
    if not asked:
        return {}
    found = SendLog.objects.exclude(provider_id="").filter(provider_id__in={ident for _, ident in asked})
    senders = {sender_id for sender_id, _ in asked}
    rows = found.filter(sender__in=senders).values_list("sender_id", "provider_id", "pk")
    return {(sender_id, ident): pk for sender_id, ident, pk in rows}


def _postpone(inbound: Inbound, error: str) -> None:
    """Note what went wrong, and look at the report again later, or never."""
    row = Inbound.objects.filter(pk=inbound.pk, processed_at=None)
    words = CONTROL.sub(" ", error.encode("utf-8", "replace").decode())[:ERROR_LENGTH]
    if inbound.attempts > len(WAITS):
        row.update(processed_at=Now(), error=words)
    else:
        row.update(due_at=Now() + _wait(inbound.attempts), error=words)


def _wait(attempts: int) -> timedelta:
    return timedelta(minutes=WAITS[attempts - 1])
