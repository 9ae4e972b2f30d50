"""Flows: who begins one. Each entry has a key, and is made once however often it is found.

A campaign's audience enters at its start; an automation's people enter one by one, as they come into its
segment, as events come in about them, or as a date comes that they have. All of it is set-based, a page
at a time, and the row of the run is locked meanwhile, so that one worker at a time lets people in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Subquery, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Substr
from django.db.models.lookups import Exact, In

from audience import audiences, clock, customer_events, sql
from audience.audiences import Audience
from audience.models import Attribute, Customer, CustomerEvent
from audience.segments.sql import attribute_value, is_of_type
from campaigns import schedule
from campaigns.flows import publishing, times
from campaigns.models import Automation, Campaign, Enrollment, FlowRun, SegmentMark
from campaigns.schedule import Due

Start = Automation.Start
Again = Automation.Again
# Customers, or events, considered in one transaction.
PAGE = 20_000
# Seconds between two looks at all customers, and the most of all time that looking may take.
LOOK_EVERY = 60.0
MOST_LOOKING = 0.05
# Nobody's calendar is further ahead of UTC than this; a date begins there first.
AHEAD = schedule.EARLIEST_OFFSET
DAY = timedelta(days=1)
# SQL for those who enter, and its parameters: customer_id, due, key and context.
Source = tuple[str, list[Any]]


def begin(campaign: Campaign) -> None:
    """Open the run of a campaign that is being activated, within the caller's transaction.

    What happened before does not start anybody: events so far are passed over.
    """
    cursor = 0
    if campaign.kind == Campaign.Kind.AUTOMATION and campaign.automation.start == Start.EVENT:
        cursor = customer_events.settled_until(campaign.workspace_id)
    FlowRun.objects.create(campaign=campaign, activated_at=clock.now(), cursor=cursor)


def enter(campaign: Campaign, now: datetime) -> bool:
    """Let the next page of people begin the flow; False when there was nobody to consider.

    Guards that the campaign is active. Commits entries and cursor together; may be repeated, and by
    several workers at once: the page that another one has is left to it. Raises ValueError when the
    audience cannot be found any more.
    """
    start = _start(campaign)
    # Before the transaction: whoever reports events waits while this is asked.
    until = _settled_until(campaign) if start == Start.EVENT else 0
    with transaction.atomic():
        runs = FlowRun.objects.select_for_update(skip_locked=True, of=("self",))
        run = runs.filter(pk=campaign.pk, campaign__status=Campaign.Status.ACTIVE).first()
        if run is None:
            return False
        if start == Start.EVENT:
            return _events(campaign, run, until, now)
        return _STARTS[start](campaign, run, now)


def enter_these(
    campaign: Campaign, customer_ids: Collection[int], now: datetime, context: Mapping[str, Any]
) -> None:
    """Let just these customers begin, and nobody else, as if by an event with these properties."""
    ids = RawSQL(sql.ids(), [str(list(customer_ids))])  # noqa: S611 - constants of ours
    customers = Customer.objects.of(campaign.workspace).filter(pk__in=ids)
    _insert(campaign, _people(customers, _at(now), "'start'"), now)
    Enrollment.objects.filter(campaign=campaign).update(context=dict(context))
    FlowRun.objects.filter(pk=campaign.pk).update(entered_at=now)


def may_still_enter(campaign: Campaign) -> bool:
    """Whether anybody may still begin the flow: of an audience until all of it has, of others always."""
    if campaign.kind == Campaign.Kind.AUTOMATION:
        return True
    return FlowRun.objects.filter(pk=campaign.pk, entered_at=None).exists()


def _start(campaign: Campaign) -> str:
    return campaign.automation.start if campaign.kind == Campaign.Kind.AUTOMATION else ""


# --- A campaign's audience ---------------------------------------------------------------------------


def _audience(campaign: Campaign, run: FlowRun, now: datetime) -> bool:
    if run.entered_at is not None:
        return False
    last = audiences.end_of_page(campaign.workspace, run.cursor, PAGE)
    if last is None:
        FlowRun.objects.filter(pk=run.pk).update(entered_at=now)
        return True
    matched = campaign.matching().filter(id__gt=run.cursor, id__lte=last)
    due = schedule.due_sql(campaign, matched, _at(now))
    _insert(campaign, _people(matched, due, "'start'"), now)
    FlowRun.objects.filter(pk=run.pk).update(cursor=last)
    return True


# --- Entering a segment ------------------------------------------------------------------------------


def _segment(campaign: Campaign, run: FlowRun, now: datetime) -> bool:
    """A page of a look at all customers: who is in the segment and was not at the last look enters.

    The first look only marks who is in it, unless they are meant too.
    """
    if run.cursor == 0 and not _is_time(run, now):
        return False
    last = audiences.end_of_page(campaign.workspace, run.cursor, PAGE)
    if last is None:
        return _end_look(run, now)
    begun = time.monotonic()
    page = {"id__gt": run.cursor, "id__lte": last}
    inside = audiences.customers(campaign.workspace, Audience.SEGMENT, campaign.segment, now).filter(**page)
    marks = SegmentMark.objects.filter(campaign=campaign, customer__gt=run.cursor, customer__lte=last)
    marks.exclude(customer__in=inside.values("pk")).delete()
    entering = _mark(campaign, inside)
    if entering and (run.entered_at is not None or campaign.automation.includes_present):
        customers = Customer.objects.filter(pk__in=RawSQL(sql.ids(), [str(entering)]))  # noqa: S611 - ours
        key = "'once'" if campaign.automation.again == Again.ONCE else f"'segment:{now:%Y%m%dT%H%M%S%f}'"
        _insert(campaign, _people(customers, _at(now), key), now)
    _advance_look(run, last, time.monotonic() - begun)
    return True


def _mark(campaign: Campaign, inside: QuerySet[Customer]) -> list[int]:
    """Mark who is in the segment; those who had no mark."""
    found, params = inside.order_by().values("id").query.sql_with_params()
    statement = f"""
        INSERT INTO campaigns_segmentmark (campaign_id, customer_id)
        SELECT %s, f.id FROM ({found}) f WHERE true
        ON CONFLICT (campaign_id, customer_id) DO NOTHING
        RETURNING customer_id"""  # noqa: S608 - compiled by the ORM
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk, *params])
        return [customer for (customer,) in cursor.fetchall()]


# --- Events ------------------------------------------------------------------------------------------


def _settled_until(campaign: Campaign) -> int:
    """The event up to which none can come in any more, if there is a new one at all; else 0."""
    cursor = FlowRun.objects.filter(pk=campaign.pk).values("cursor")
    new = CustomerEvent.objects.of(campaign.workspace).filter(name=campaign.automation.event)
    if not new.filter(id__gt=Subquery(cursor)).exists():
        return 0
    return customer_events.settled_until(campaign.workspace_id)


def _events(campaign: Campaign, run: FlowRun, until: int, now: datetime) -> bool:
    """The next events; those from before the activation start nobody."""
    events = CustomerEvent.objects.of(campaign.workspace).filter(
        name=campaign.automation.event, id__gt=run.cursor, id__lte=until
    )
    page = list(events.order_by("id").values_list("id", flat=True)[:PAGE])
    if not page:
        return False
    recent = events.filter(id__lte=page[-1], at__gte=run.activated_at)
    _insert(campaign, _of_events(campaign, recent), now)
    FlowRun.objects.filter(pk=run.pk).update(cursor=page[-1] if len(page) == PAGE else until)
    return True


def _of_events(campaign: Campaign, events: QuerySet[CustomerEvent]) -> Source:
    """Who enters by events. Unless each event counts, the first of each customer does."""
    columns = events.order_by().values("id", "customer_id", "properties", "at")
    found, params = columns.query.sql_with_params()
    again = campaign.automation.again
    key = "'once'" if again == Again.ONCE else "'event:' || ev.id"
    ranked = f"""
        SELECT e.*, row_number() OVER (PARTITION BY customer_id ORDER BY id) AS place
        FROM ({found}) e"""  # noqa: S608 - compiled by the ORM
    source = f"""
        SELECT ev.customer_id, ev.at AS due, {key} AS key, ev.properties AS context
        FROM ({ranked}) ev
        JOIN audience_customer c ON c.id = ev.customer_id AND c.workspace_id = %s
        WHERE {"true" if again == Again.ALWAYS else "ev.place = 1"}"""  # noqa: S608 - compiled by the ORM
    return source, [*params, campaign.workspace_id]


# --- Dates -------------------------------------------------------------------------------------------


def _date(campaign: Campaign, run: FlowRun, now: datetime) -> bool:
    """A look at yesterday, today and tomorrow, somewhere on earth: whose date it is, with the offset, enters.

    They arrive ahead of their moment, and wait for it by their own clock.
    """
    if not _is_time(run, now):
        return False
    begun = time.monotonic()
    today = now.date()
    for day in (today - DAY, today, (now + AHEAD).date()):
        _enter_on(campaign, run, day, now)
    _advance_look(run, 0, time.monotonic() - begun)
    return _end_look(run, now)


def _enter_on(campaign: Campaign, run: FlowRun, day: date, now: datetime) -> None:
    automation = campaign.automation
    theirs = day - timedelta(days=automation.offset_days)
    value = attribute_value(automation.attribute, Attribute.Type.DATE)
    customers = Customer.objects.of(campaign.workspace).filter(
        is_of_type(automation.attribute, Attribute.Type.DATE)
    )
    if automation.is_yearly:
        customers = customers.filter(Q(In(Substr(value, 6), [Value(text) for text in _days(theirs)])))
    else:
        customers = customers.filter(Q(Exact(value, Value(theirs.isoformat()))))
    names = customers.exclude(time_zone="").order_by().values_list("time_zone", flat=True).distinct()
    at = datetime.combine(day, automation.at)
    due = schedule.by_zone(names, campaign.workspace.zone, lambda zone: schedule.moment_in(zone, at))
    source, source_params = _people(customers, due, f"'date:{theirs}'")
    ahead = f"SELECT * FROM ({source}) found WHERE due >= %s"  # noqa: S608 - compiled by the ORM
    _insert(campaign, (ahead, [*source_params, sql.moment(run.activated_at)]), now)


def _days(day: date) -> list[str]:
    """The days of a year that are kept on this one: also 29 February, on the 28th of a year without."""
    kept = [day.strftime("%m-%d")]
    if kept == ["02-28"] and times.anniversary(date(2000, 2, 29), day.year) == day:
        kept.append("02-29")
    return kept


# --- What all have in common -------------------------------------------------------------------------


def _is_time(run: FlowRun, now: datetime) -> bool:
    pause = timedelta(seconds=max(LOOK_EVERY, run.look_seconds / MOST_LOOKING))
    return run.looked_at is None or run.looked_at <= now - pause


def _advance_look(run: FlowRun, cursor: int, seconds: float) -> None:
    spent = seconds if run.cursor == 0 else run.look_seconds + seconds
    FlowRun.objects.filter(pk=run.pk).update(cursor=cursor, look_seconds=spent)


def _end_look(run: FlowRun, now: datetime) -> bool:
    FlowRun.objects.filter(pk=run.pk).update(cursor=0, looked_at=now, entered_at=run.entered_at or now)
    return True


def _may_enter(campaign: Campaign, now: datetime) -> tuple[str, list[Any]]:
    """SQL for whether the customer of `s` may enter; the key of the entry keeps out who may do so once."""
    if campaign.kind != Campaign.Kind.AUTOMATION or campaign.automation.again != Again.AFTER:
        return "true", []
    since = sql.moment(now - timedelta(days=campaign.automation.again_days))
    return (
        "NOT EXISTS (SELECT 1 FROM campaigns_enrollment n WHERE n.campaign_id = %s"
        " AND n.customer_id = s.customer_id AND n.entered_at > %s)",
        [campaign.pk, since],
    )


def _at(moment: datetime) -> Due:
    return Due("%s", [sql.moment(moment)])


def _people(customers: QuerySet[Customer], due: Due, key: str) -> Source:
    """Customers who enter, with SQL for when and by which key."""
    columns = customers.order_by().values("id", "time_zone", "best_hour")
    found, found_params = columns.query.sql_with_params()
    source = f"""
        SELECT id AS customer_id, {due.at} AS due, {key} AS key, {_NO_CONTEXT[sql.is_postgresql()]} AS context
        FROM ({found}) found {due.join}"""  # noqa: S608 - compiled by the ORM
    return source, [*due.params, *found_params, *due.join_params]


# SQLite's, then PostgreSQL's.
_NO_CONTEXT = ("'{}'", "'{}'::jsonb")


def _insert(campaign: Campaign, people: Source, now: datetime) -> None:
    """Let people enter the newest version."""
    assert campaign.flow is not None  # noqa: S101 - a campaign with a run has a flow
    version = publishing.latest(campaign.flow)
    assert version is not None  # noqa: S101 - readiness has seen to it
    first = publishing.program(version).first
    source, params = people
    may_enter, may_params = _may_enter(campaign, now)
    due = "CAST(s.due AS timestamptz)" if sql.is_postgresql() else "s.due"
    statement = f"""
        INSERT INTO campaigns_enrollment
            (campaign_id, version_id, customer_id, key, step, state, due_at, entered_at, context)
        SELECT %s, %s, s.customer_id, s.key, %s, 'arriving', {due}, {due}, s.context
        FROM ({source}) s WHERE {may_enter}
        ON CONFLICT (campaign_id, customer_id, key) DO NOTHING"""  # noqa: S608 - compiled by the ORM
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk, version.pk, first, *params, *may_params])


_STARTS: dict[str, Callable[[Campaign, FlowRun, datetime], bool]] = {
    "": _audience,
    Start.SEGMENT: _segment,
    Start.DATE: _date,
}
