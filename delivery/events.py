"""Stage 9 of the pipeline, first half: keep what came back, once, before anything follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from delivery import sql, verdicts
from delivery.errors.base import CONTROL, ERROR_LENGTH
from delivery.models import Event
from delivery.spool import Hit
from delivery.tokens import Reference
from delivery.verdicts import Fact

Bounce = Event.Bounce
# A longer name of a fact, or an odd one, stands in the key by its digest.
MAX_FACT = 64
MAX_USER_AGENT = 255


class Report(NamedTuple):
    """What a provider reports about one mail, known by its ledger row or by the signed reference in it.

    `fact` is the provider's own id of what happened, where it can happen to a mail more than once.
    `bounce` says whose fault a bounce is; without it, it is soft. With `sender_id` the mail must be that
    sender's: who reports through one sender knows nothing about the mails of another.
    `user_agent` is the program that opened or clicked, where the provider says.
    """

    about: Reference | int
    type: Event.Type
    at: datetime | None = None
    fact: str = ""
    detail: str = ""
    bounce: str = ""
    sender_id: int | None = None
    user_agent: str = ""


def record(
    about: Reference, type_: Event.Type, source: Event.Source, *, fact: str, at: datetime | None = None
) -> Event:
    """Keep an event about a ledger row; a repeated report gives the event that is there already.

    `fact` tells one happening from another of the same type; a report that is repeated repeats it.
    Commits by itself, so that nothing is lost when what follows from the event fails.
    """
    event, _ = Event.objects.get_or_create(
        key=_key(source, about.row_id, type_, fact),
        defaults={
            "workspace_id": about.workspace_id,
            "sendlog_id": about.row_id,
            "customer_id": about.customer_id,
            "type": type_,
            "source": source,
            "at": at or timezone.now(),
        },
    )
    return event


_REPORTED = {
    "row_id": "bigint",
    "workspace_id": "bigint",
    "customer_id": "bigint",
    "type": "text",
    "sender_id": "bigint",
    "key": "text",
    "bounce": "text",
    "detail": "text",
    "user_agent": "text",
    "at": "timestamptz",
}


def record_reports(reports: Sequence[Report]) -> list[int]:
    """Keep what a provider reports, in one transaction; return the ids of the events that are new.

    Guards that the ledger row exists and is the one that the reference names, of that workspace, customer
    and sender: a report that fits no row leaves no trace. Commits by itself; may be repeated. Opens and
    clicks are judged, and do not count where our own tracking does (delivery.verdicts).
    """
    statement = f"""
        INSERT INTO delivery_event
            (workspace_id, sendlog_id, customer_id, type, source, key, bounce, detail, user_agent, at)
        SELECT l.workspace_id, l.id, l.customer_id, r.type, '{Event.Source.PROVIDER}', r.key,
            r.bounce, r.detail, r.user_agent, r.at
        FROM {sql.table(_REPORTED)} r
        JOIN delivery_sendlog l ON l.id = r.row_id
          AND l.workspace_id = COALESCE(r.workspace_id, l.workspace_id)
          AND l.customer_id = COALESCE(r.customer_id, l.customer_id)
          AND l.sender_id = COALESCE(r.sender_id, l.sender_id)
        ORDER BY r.key
        ON CONFLICT (key) DO NOTHING
        RETURNING id"""  # noqa: S608 - constants of ours
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows(map(_reported, reports))])
        new = [event_id for (event_id,) in cursor.fetchall()]
        if any(report.type in verdicts.JUDGED for report in reports):
            verdicts.judge_reported(new)
    return new


_HIT = {
    "row_id": "bigint",
    "workspace_id": "bigint",
    "customer_id": "bigint",
    "type": "text",
    "key": "text",
    "detail": "text",
    "link": "smallint",
    "verdict": "text",
    "reason": "text",
    "agent": "text",
    "ip": "inet",
    "at": "timestamptz",
}


def record_hits(hits: Sequence[Hit]) -> list[int]:
    """Keep what our own pixels and links saw, judged, in one transaction; return their mails' row ids.

    Guards that each hit's row is of the workspace and customer that its token names, that the customer
    exists, and that tracking is not switched off by now for any of them or the campaign: any other hit
    leaves no trace. Earlier hits of the same mails are judged again. May be repeated: returns a row
    once for each hit that is new. They need not be applied (feedback.seen).
    """
    statement = f"""
        INSERT INTO delivery_event
            (workspace_id, sendlog_id, customer_id, type, source, key, detail, link, verdict,
             verdict_reason, user_agent, ip, at, applied_at)
        SELECT l.workspace_id, l.id, l.customer_id, r.type, '{Event.Source.TRACKER}', r.key, r.detail,
            r.link, r.verdict, r.reason, r.agent, r.ip, r.at, {sql.now()}
        FROM {sql.table(_HIT)} r
        JOIN delivery_sendlog l
          ON l.id = r.row_id AND l.workspace_id = r.workspace_id AND l.customer_id = r.customer_id
        JOIN audience_customer p ON p.id = l.customer_id AND p.workspace_id = l.workspace_id AND p.tracked
        JOIN audience_workspace w ON w.id = l.workspace_id AND w.tracked
        JOIN campaigns_campaign c ON c.id = l.campaign_id AND c.tracked
        ORDER BY r.key
        ON CONFLICT (key) DO NOTHING
        RETURNING sendlog_id"""  # noqa: S608 - constants of ours
    facts = [_fact(-number, hit) for number, hit in enumerate(hits, start=1)]
    with transaction.atomic(), connection.cursor() as cursor:
        judged = verdicts.judge_new(facts)
        rows = [_hit(fact, hit) | judged[fact.id]._asdict() for fact, hit in zip(facts, hits, strict=True)]
        cursor.execute(statement, [sql.rows(rows)])
        return [row_id for (row_id,) in cursor.fetchall()]


def _reported(report: Report) -> dict[str, Any]:
    about = report.about if isinstance(report.about, Reference) else None
    row_id = about.row_id if about else report.about
    return {
        "row_id": row_id,
        "workspace_id": about.workspace_id if about else None,
        "customer_id": about.customer_id if about else None,
        "sender_id": report.sender_id,
        "type": report.type,
        "key": _key(Event.Source.PROVIDER, row_id, report.type, report.fact),
        "bounce": (report.bounce or Bounce.SOFT) if report.type == Event.Type.BOUNCED else "",
        "detail": _words(report.detail, ERROR_LENGTH),
        "user_agent": _words(report.user_agent, MAX_USER_AGENT),
        "at": sql.moment(report.at or timezone.now()),
    }


def _words(said: str, length: int) -> str:
    """What a provider says, without what a database cannot hold."""
    return CONTROL.sub(" ", said.encode("utf-8", "replace").decode())[:length].strip()


def _fact(number: int, hit: Hit) -> Fact:
    return Fact(
        id=number,
        row_id=hit.row_id,
        type=Event.Type.OPENED if hit.link is None else Event.Type.CLICKED,
        source=Event.Source.TRACKER,
        link=hit.link,
        sign=hit.sign,
        agent=_words(hit.agent, MAX_USER_AGENT),
        at=datetime.fromtimestamp(hit.at, UTC),
    )


def _hit(fact: Fact, hit: Hit) -> dict[str, Any]:
    return {
        "row_id": hit.row_id,
        "workspace_id": hit.workspace_id,
        "customer_id": hit.customer_id,
        "type": fact.type,
        "key": _key(Event.Source.TRACKER, hit.row_id, Event.Type(fact.type), hit.id),
        "detail": fact.sign,
        # The hidden link is none of the content's.
        "link": fact.link or None,
        "agent": fact.agent,
        "ip": _address(hit.ip),
        "at": sql.moment(fact.at),
    }


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _key(source: Event.Source, row_id: object, type_: Event.Type, fact: str) -> str:
    if len(fact) > MAX_FACT or not fact.isprintable():
        fact = hashlib.blake2b(fact.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{source}:{row_id}:{type_}:{fact}"
