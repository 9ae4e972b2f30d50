"""Stage 3 of the pipeline: from an audience to ledger rows, a page of customers at a time.

Everyone who matches gets a row, also those who may not be mailed: theirs says why. The cursor moves
in the transaction that writes the rows, so a filler that dies costs nothing and two at once write
each row once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from audience.audiences import end_of_page
from audience.mailable import refusal_sql
from audience.mailbox_providers import domain_sql, provider_of_domain_sql
from campaigns import schedule
from campaigns.models import Campaign, CampaignSender, Sender
from delivery import sql
from delivery.models import Progress, SendLog

# Customers considered in one transaction.
PAGE = 20_000


def fill_page(campaign: Campaign) -> bool:
    """Write ledger rows for the next page of the campaign's audience; False when nothing was left.

    Guards that each customer gets one row (unique in the database) and that the campaign is active.
    Commits rows, cursor and sums together. May be repeated and run by several workers at once: a
    page that another one is filling is left to it. The sums are locked at the end only, since workers
    that settle this campaign's mails wait for them.
    """
    Progress.objects.get_or_create(campaign=campaign)
    with transaction.atomic():
        if not sql.try_lock(sql.Lock.FILLING, campaign.pk):
            return False
        progress = Progress.objects.filter(
            pk=campaign.pk, filled_at=None, campaign__status=Campaign.Status.ACTIVE
        ).first()
        if progress is None:
            return False
        if not campaign.sender_shares.exists():
            return False  # delivery.senders ends it.
        last = end_of_page(campaign.workspace, progress.cursor, PAGE)
        if last is None:
            Progress.objects.filter(pk=campaign.pk).update(filled_at=timezone.now())
            return True
        written = _insert(campaign, progress, last)
        Progress.objects.filter(pk=campaign.pk).update(
            cursor=last,
            matched=F("matched") + written.total(),
            suppressed=F("suppressed") + written[SendLog.Status.SUPPRESSED],
        )
    return True


def _insert(campaign: Campaign, progress: Progress, last: int) -> Counter[str]:
    """INSERT ... SELECT the page's rows; how many came in with which status."""
    matched = campaign.matching().filter(id__gt=progress.cursor, id__lte=last)
    columns = ("id", "workspace_id", "email", "time_zone", "best_hour", "subscribed", "unmailable")
    page, page_params = matched.order_by().values(*columns).query.sql_with_params()
    sender, sender_params, weight = sender_share(campaign)
    due = schedule.due_sql(campaign, matched, schedule.Due(sql.now()))
    # `turn` is everybody's place in the round of senders, which goes on where the last page stopped.
    place = f"row_number() OVER (PARTITION BY refusal = '' ORDER BY id) - 1 + {progress.matched:d}"
    statement = f"""
        WITH judged AS (
            SELECT p.id, p.email, {domain_sql("p.email")} AS domain, p.time_zone, p.best_hour,
                {refusal_sql("p", "s")} AS refusal
            FROM ({page}) p
            LEFT JOIN audience_suppression s ON s.workspace_id = p.workspace_id AND s.email = p.email),
        dealt AS (
            SELECT judged.*, {f"({place}) %% {weight:d}" if weight > 1 else 0} AS turn FROM judged)
        INSERT INTO delivery_sendlog
            (workspace_id, campaign_id, step, customer_id, email, mailbox_provider, status, reason,
             sender_id, due_at)
        SELECT %s, %s, 1, id, email, {provider_of_domain_sql("domain")},
            CASE WHEN refusal = '' THEN 'queued' ELSE 'suppressed' END, refusal, {sender}, {due.at}
        FROM dealt {due.join} WHERE true
        ON CONFLICT (campaign_id, step, round, customer_id, enrollment_id) DO NOTHING
        RETURNING status"""  # noqa: S608 - compiled by the ORM; values are parameters
    params = [*page_params, campaign.workspace_id, campaign.pk, *sender_params]
    params += [*due.params, *due.join_params]
    with connection.cursor() as cursor:
        if not sql.is_postgresql():
            cursor.execute(statement, params)
            return Counter(status for (status,) in cursor)
        # Counted where the rows are, which spares carrying a million words here.
        counted = f"WITH written AS ({statement}) SELECT status, count(*) FROM written GROUP BY 1"  # noqa: S608
        cursor.execute(counted, params)
        return Counter(dict(cursor.fetchall()))


def sender_share(campaign: Campaign) -> tuple[str, list[Any], int]:
    """SQL that gives each turn of the round to a sender by weight, its parameters, and the round's length.

    Senders that cannot be used get nobody, unless none can: then the rows wait for them.
    """
    shares = CampaignSender.objects.filter(campaign=campaign).order_by("id")
    usable = list(shares.filter(sender__state__in=Sender.USABLE)) or list(shares)
    cases, params, edge = "", [], 0
    for share in usable:
        edge += share.weight
        cases += " WHEN turn < %s THEN %s"
        params += [edge, share.sender_id]
    return f"CASE{cases} END", params, edge
