"""Stage 3 of the pipeline for flows: from people who are due for a mail to ledger rows, and back.

Whoever stands at a send step gets a row, also who may not be mailed. When a row has come to its end, its
person goes on, in the transaction that has settled it: the next wait counts from the mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F

from audience import clock, sql
from audience.mailable import INVALID, OPTED_OUT, refusal_sql
from audience.mailbox_providers import domain_sql, provider_of_domain_sql
from audience.models import Suppression
from campaigns.content import with_utm
from campaigns.flows import advance, mails, runs, starts
from campaigns.flows.people import Party
from campaigns.models import Campaign, Content, Enrollment, FlowMail
from delivery.fill import sender_share
from delivery.models import Progress, SendLog
from delivery.progress import ENDS

Status = SendLog.Status
Reason = SendLog.Reason
# People who get their rows in one transaction.
PAGE = 10_000
# Who is refused for one of these is refused at the next step as well, and leaves the flow.
REFUSALS = frozenset({*Suppression.Reason.values, OPTED_OUT, INVALID, Reason.DELETED})

# For RETURNING: what a flow must know of a row. Reading a moment costs more than all the rest of it.
ENDED = """
    delivery_sendlog.enrollment_id, delivery_sendlog.round, delivery_sendlog.step, delivery_sendlog.status,
    delivery_sendlog.reason,
    CASE WHEN delivery_sendlog.enrollment_id <> 0 THEN delivery_sendlog.due_at END AS due_at"""


class Row(NamedTuple):
    """A ledger row as ENDED returns it."""

    enrollment_id: int
    round: int
    step: int
    status: str
    reason: str
    due_at: Any


def run(campaign: Campaign) -> bool:
    """Take a flow one round further: people begin, are moved on, and get their mails; False: nobody was due.

    Each part commits by itself and may be repeated, and run by several workers at once. Raises ValueError
    when the audience or a condition cannot be asked any more.
    """
    now = clock.now()
    Progress.objects.get_or_create(campaign=campaign)
    worked = starts.enter(campaign, now)
    worked = advance.advance(campaign, now) > 0 or worked
    worked = advance.watch(campaign, now) > 0 or worked
    worked = fill(campaign, now) > 0 or worked
    if not worked and not starts.may_still_enter(campaign) and not runs.is_anybody_open(campaign):
        # From here on the campaign is one whose ledger has been filled (delivery.finish).
        Progress.objects.filter(pk=campaign.pk, filled_at=None).update(filled_at=now)
    return worked


def fill(campaign: Campaign, now: datetime) -> int:
    """Write ledger rows for a batch of the people who are due for a mail; how many there were.

    Guards that each gets one row for this step and round (unique in the database). Commits rows, sums
    and the people's places together.
    """
    with transaction.atomic():
        taken = mails.take_ready(campaign, now, PAGE)
        if not taken:
            return 0
        written = _insert(campaign, taken)
        mails.begin(taken)
        end(written)
        counts = Counter(row.status for row in written)
        Progress.objects.filter(pk=campaign.pk).update(
            matched=F("matched") + counts.total(), suppressed=F("suppressed") + counts[Status.SUPPRESSED]
        )
    return sum(map(len, taken))


def end(rows: Iterable[Sequence[Any]]) -> None:
    """Let the people of flows go on whose rows, as ENDED returns them, have come to their end.

    In the caller's transaction.
    """
    of_flows = [Row(*row) for row in rows if row[0]]
    now = clock.now()
    mails.end([_ended(row, now) for row in of_flows if row.status in ENDS])


def events(enrollment_ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
    """The properties of the events that people entered by; who entered otherwise has none."""
    ids = [pk for pk in enrollment_ids if pk]
    if not ids:
        return {}
    found = Enrollment.objects.filter(pk__in=ids).exclude(context={})
    return dict(found.values_list("pk", "context"))


def _ended(row: Row, now: datetime) -> mails.Ended:
    due = sql.as_moment(row.due_at)
    is_refused = row.status == Status.SUPPRESSED and row.reason in REFUSALS
    return mails.Ended(
        row.enrollment_id, row.round, row.step, row.status, row.reason, min(due, now), is_refused
    )


_COLUMNS = {"id": "bigint"}


def _insert(campaign: Campaign, taken: Sequence[Party]) -> list[Row]:
    """INSERT ... SELECT the rows of these people, dealt out to senders; what came in."""
    sender, sender_params, weight = sender_share(campaign)
    step_sender, step_params = _own_sender(campaign)
    content, content_params = _content(campaign, taken)
    place = "row_number() OVER (PARTITION BY refusal = '' ORDER BY id) - 1 + sent"
    statement = f"""
        WITH judged AS (
            SELECT e.id, e.step, e.round, e.customer_id, e.due_at, m.content_id, m.sender_id AS wanted,
                {_cutoff()} AS cutoff_at, p.email, {domain_sql("p.email")} AS domain,
                {refusal_sql("p", "s")} AS refusal,
                (SELECT matched FROM delivery_progress WHERE campaign_id = %s) AS sent
            FROM {sql.table(_COLUMNS)} mine
            JOIN campaigns_enrollment e ON e.id = mine.id
            JOIN campaigns_flowmail m ON m.version_id = e.version_id AND m.step = e.step
            JOIN audience_customer p ON p.id = e.customer_id AND p.workspace_id = %s
            LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email),
        dealt AS (
            SELECT judged.*, {f"({place}) %% {weight:d}" if weight > 1 else 0} AS turn FROM judged)
        INSERT INTO delivery_sendlog
            (workspace_id, campaign_id, step, round, enrollment_id, customer_id, email, mailbox_provider,
             status, reason, sender_id, due_at, cutoff_at, content_id)
        SELECT %s, %s, step, round, id, customer_id, email, {provider_of_domain_sql("domain")},
            CASE WHEN refusal = '' THEN 'queued' ELSE 'suppressed' END, refusal,
            CASE {step_sender} ELSE {sender} END, due_at, cutoff_at, {content}
        FROM dealt WHERE true
        ON CONFLICT (campaign_id, step, round, customer_id, enrollment_id) DO NOTHING
        RETURNING {ENDED}"""  # noqa: S608 - constants of ours
    params = [
        campaign.pk,
        sql.rows({"id": pk} for party in taken for pk in party.members),
        campaign.workspace_id,
        campaign.workspace_id,
        campaign.pk,
        *step_params,
        *sender_params,
        *content_params,
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [Row(*row) for row in cursor.fetchall()]


def _own_sender(campaign: Campaign) -> tuple[str, list[Any]]:
    """SQL for the sender that a step names, where the campaign can send through it."""
    own = list(campaign.senders.values_list("pk", flat=True))
    return f"WHEN wanted IN ({', '.join(['%s'] * len(own))}) THEN wanted", own


def _content(campaign: Campaign, taken: Sequence[Party]) -> tuple[str, list[Any]]:
    """SQL for what these people are sent: that of their version, with the campaign's UTM parameters."""
    utm = campaign.utm_parameters()
    if not utm:
        return "content_id", []
    frozen = Content.objects.filter(
        pk__in=FlowMail.objects.filter(version__in={party.version for party in taken}).values("content")
    )
    cases = [value for content in frozen for value in (content.pk, with_utm(content, utm).pk)]
    return f"CASE content_id {'WHEN %s THEN %s ' * (len(cases) // 2)}ELSE content_id END", cases


def _cutoff() -> str:
    """SQL for the moment after which a mail is skipped; NULL where its step has no cutoff."""
    if sql.is_postgresql():
        return "e.due_at + m.cutoff * interval '1 minute'"
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', e.due_at, '+' || m.cutoff || ' minutes')"
