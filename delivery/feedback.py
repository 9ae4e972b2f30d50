"""Stage 9 of the pipeline, second half: the one place through which events act upstream."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from audience import consent, refusals, suppression
from audience.models import ConsentRecord, Customer, Suppression, Workspace
from delivery import events, sender_days, soft_bounces, sql, unknown
from delivery.events import Report
from delivery.models import Event, SendLog
from delivery.tokens import Reference

Type = Event.Type
Bounce = Event.Bounce
# Events recorded, and applied, in one transaction.
CHUNK = 500
# Events after which the person is not mailed any more.
OPT_OUTS = (Type.UNSUBSCRIBED, Type.COMPLAINED)
# The outcomes, which are named like the events that lead to them, in the order they move in.
RANKS = {outcome.value: rank for rank, outcome in enumerate(SendLog.Outcome, start=1)}


def unsubscribe(about: Reference, source: Event.Source, ip: str | None = None) -> None:
    """Opt the person behind a link out of e-mail, at once; harmless when repeated.

    Commits the event first, then its consequences. Works for as long as the customer exists, also
    when the campaign and its ledger are gone, and again for one who opted in anew.
    """
    now = timezone.now()
    fact = now.strftime("%Y%m%dT%H%M%S")
    event = events.record(about, Type.UNSUBSCRIBED, source, fact=fact, at=now)
    apply([event.pk], ip=ip)


def report_many(reports: Iterable[Report]) -> int:
    """Take in what a provider reports about mails and act on it at once; return how many were news.

    Guards that each report's row is of the workspace and customer that its reference names; others
    are passed over. Commits the events first, then their consequences, 500 at a time. May be
    repeated, in any order, before or after the mail is settled: the end is the same.
    """
    waiting, news = iter(reports), 0
    while chunk := list(islice(waiting, CHUNK)):
        new = events.record_reports(chunk)
        apply(new)
        news += len(new)
    return news


def report(
    about: Reference | int,
    type_: Event.Type,
    *,
    at: datetime | None = None,
    fact: str = "",
    detail: str = "",
    bounce: str = "",
) -> bool:
    """Take in one report, as report_many does; False when it was known already or fits no mail."""
    return report_many([Report(about, type_, at, fact, detail, bounce)]) == 1


def apply(event_ids: Sequence[int], *, ip: str | None = None) -> None:
    """Do what follows from events, and note that it is done, in one transaction.

    May be repeated: an event that was applied is passed over, and each consequence is harmless when it
    comes twice. Locks refusals, ledger rows and customers, in this order and each in the order of ids.
    """
    with transaction.atomic():
        waiting = Event.objects.select_for_update().filter(pk__in=event_ids, applied_at=None)
        mine = list(waiting.order_by("pk"))
        Event.objects.filter(pk__in=[event.pk for event in mine]).update(applied_at=Now())
        # What was made up moves figures and keeps nobody from being mailed.
        real = [event for event in mine if event.source != Event.Source.SIMULATED]
        worn_out, alive = soft_bounces.judge(real)
        refusing = {event.workspace_id for event in real if _refuses(event)}
        for workspace_id in sorted(refusing | {address.workspace_id for address in worn_out}):
            refusals.announce(workspace_id)
        rows = _lock_rows(mine)
        _opt_out(real, rows, ip)
        _suppress(real, rows)
        soft_bounces.suppress(worn_out)
        soft_bounces.lift(alive)
        proven = unknown.prove({row.pk for row in rows.values()})
        _move_outcomes(mine, rows)
        _count_for_senders(mine, rows)
    unknown.restate(proven)
    soft_bounces.review(worn_out)


def seen(row_ids: Collection[int]) -> None:
    """Do what follows from opens and clicks of these mails: one that was seen had been accepted.

    Whoever saw it, a machine as well. Nothing else follows by itself. May be repeated; what a process
    that died has left is done by apply_left_over().
    """
    with transaction.atomic():
        proven = unknown.prove(row_ids)
    unknown.restate(proven)


def apply_left_over() -> None:
    """Apply the events that were recorded but not applied, because a process died in between.

    Also settles the unknown mails whose proof was there before they became unknown.
    """
    left = Event.objects.filter(applied_at=None).order_by("id").values_list("pk", flat=True)[:CHUNK]
    if left:
        apply(list(left))
    unknown.prove_left_over()


def _refuses(event: Event) -> bool:
    return event.type in OPT_OUTS or event.bounce == Bounce.HARD


def _lock_rows(mine: list[Event]) -> dict[int, SendLog]:
    """The ledger row that each event is about, by event; an event that names another's row has none."""
    ids = {event.sendlog_id for event in mine}
    found = SendLog.objects.select_for_update(of=("self",)).select_related("workspace").filter(pk__in=ids)
    rows = {row.pk: row for row in found.order_by("pk")}
    return {
        event.pk: row
        for event in mine
        if (row := rows.get(event.sendlog_id))
        and (row.workspace_id, row.customer_id) == (event.workspace_id, event.customer_id)
    }


def _opt_out(mine: list[Event], rows: dict[int, SendLog], ip: str | None) -> None:
    """Opt people out, each with the evidence; of one who was deleted, suppress the address of the mail."""
    for event in sorted(mine, key=lambda event: event.customer_id):
        if event.type not in OPT_OUTS:
            continue
        customers = Customer.objects.filter(pk=event.customer_id, workspace_id=event.workspace_id)
        if customer := customers.first():
            about = "complaint about mail" if event.type == Type.COMPLAINED else "mail"
            consent.unsubscribe(
                customer,
                channel=ConsentRecord.Channel.EMAIL,
                source=_consent_source(event),
                evidence=f"{about} {event.sendlog_id}",
                ip=ip,
            )
        elif row := rows.get(event.pk):
            suppression.suppress(row.workspace, row.email, Suppression.Reason.UNSUBSCRIBE)


def _consent_source(event: Event) -> ConsentRecord.Source:
    if event.source == Event.Source.PROVIDER:
        return ConsentRecord.Source.API
    return ConsentRecord.Source(event.source)


def _suppress(mine: list[Event], rows: dict[int, SendLog]) -> None:
    """Suppress the addresses of complaints and hard bounces, a workspace at a time.

    After opting out: a complaint is the stronger reason, and replaces the unsubscribe.
    """
    sets: dict[tuple[Workspace, Suppression.Reason], set[str]] = {}
    for event in mine:
        row, reason = rows.get(event.pk), _suppressed_for(event)
        if row is not None and reason is not None:
            sets.setdefault((row.workspace, reason), set()).add(row.email)
    for (workspace, reason), addresses in sets.items():
        suppression.suppress_many(workspace, addresses, reason)


def _suppressed_for(event: Event) -> Suppression.Reason | None:
    if event.type == Type.COMPLAINED:
        return Suppression.Reason.COMPLAINT
    return Suppression.Reason.HARD_BOUNCE if event.bounce == Bounce.HARD else None


def _move_outcomes(mine: list[Event], rows: dict[int, SendLog]) -> None:
    """Move each mail's outcome as far forward as the events say, never back."""
    furthest: dict[int, Event] = {}
    for event in sorted(mine, key=lambda event: RANKS.get(event.type, 0)):
        if event.type in RANKS and event.pk in rows:
            furthest[event.sendlog_id] = event
    ranks = " ".join(f"WHEN '{outcome}' THEN {rank}" for outcome, rank in RANKS.items())
    statement = f"""
        UPDATE delivery_sendlog SET outcome = r.outcome, outcome_at = r.at
        FROM {sql.table({"id": "bigint", "outcome": "text", "rank": "integer", "at": "timestamptz"})} AS r
        WHERE delivery_sendlog.id = r.id
          AND CASE delivery_sendlog.outcome {ranks} ELSE 0 END < r.rank"""  # noqa: S608 - constants of ours
    moves = [
        {"id": row_id, "outcome": event.type, "rank": RANKS[event.type], "at": sql.moment(event.at)}
        for row_id, event in furthest.items()
    ]
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows(moves)])


def _count_for_senders(mine: list[Event], rows: dict[int, SendLog]) -> None:
    """Count the mails that bounced or were complained about, each once for each.

    By its first such event and not by its outcome: what had moved further already would not be counted.
    """
    told = {
        (event.sendlog_id, event.type): rows[event.pk].sender_id
        for event in mine
        if event.pk in rows and event.type in sender_days.COUNTED
    }
    if not told:
        return
    earlier = Event.objects.filter(sendlog__in={row_id for row_id, _ in told}, applied_at__isnull=False)
    known = set(earlier.exclude(pk__in=[event.pk for event in mine]).values_list("sendlog", "type"))
    sender_days.count((sender_id, key[1]) for key, sender_id in told.items() if key not in known)
