"""What segments may ask about mails: sent, opened, clicked, bounced.

audience.segments must not know of the ledger, so delivery registers these when it starts. Each is an
EXISTS on one customer's rows of this workspace, which joins nothing to the customers. Opens and clicks
are those of people, unless the machines' are asked for too (delivery.verdicts). The same for
campaigns.flows, whose conditions ask about the mails of one enrollment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from audience.models import Workspace
from audience.segments import Condition, Field, InvalidCriteria, Operator, Scope, register
from audience.segments.values import DAYS, NOTHING, Kind, shown
from campaigns.flows import conditions
from campaigns.models import Campaign
from delivery.models import Event, SendLog

Rows = Callable[[Scope], QuerySet[Any]]
# Whose opens and clicks count, unless somebody asks for machines' too.
PEOPLE = (Event.Verdict.PERSON,)
SHOWN_CAMPAIGNS = 50


def register_fields() -> None:
    """Let segments ask about engagement; called once, when Django starts."""
    register(_field("sent", "mail sent", _ledger(status=SendLog.Status.SENT), "sent_at", "campaign"))
    # What follow-ups ask (delivery.follow_ups).
    register(_field("failed", "mail failed", _ledger(status=SendLog.Status.FAILED), "created_at", "campaign"))
    register(_field("planned", "mail planned", _ledger(), "created_at", "campaign"))
    may_have = [*SendLog.OPEN, SendLog.Status.SENT, SendLog.Status.UNKNOWN]
    reached = _ledger(status__in=may_have)
    register(_field("reached", "mail sent, on its way or in doubt", reached, "created_at", "campaign"))
    bounced = _ledger(outcome=SendLog.Outcome.BOUNCED)
    register(_field("bounced", "mail bounced", bounced, "outcome_at", "campaign"))
    for type_ in (Event.Type.OPENED, Event.Type.CLICKED):
        people, everything = _events(type_, PEOPLE), _events(type_, Event.Verdict.values)
        register(_field(type_, f"mail {type_}", people, "at", "sendlog__campaign"))
        label = f"mail {type_}, machines included,"
        register(_field(f"{type_}_all", label, everything, "at", "sendlog__campaign"))


def register_flow_fields() -> None:
    """Let flows ask what came of their own mails; called once, when Django starts."""
    mails = Q(customer=OuterRef("customer_id"), enrollment_id=OuterRef("pk"), round=OuterRef("round"))
    about = Q(customer_id=OuterRef("customer_id"), verdict__in=PEOPLE)
    about &= Q(sendlog__enrollment_id=OuterRef("pk"), sendlog__round=OuterRef("round"))

    def ledger(**state: str) -> Callable[[int], Q]:
        return lambda step: Q(Exists(SendLog.objects.filter(mails, step=step, **state)))

    def events(type_: str) -> Callable[[int], Q]:
        return lambda step: Q(Exists(Event.objects.filter(about, sendlog__step=step, type=type_)))

    for name, asks in {
        "sent": ledger(status=SendLog.Status.SENT),
        "bounced": ledger(outcome=SendLog.Outcome.BOUNCED),
        "opened": events(Event.Type.OPENED),
        "clicked": events(Event.Type.CLICKED),
    }.items():
        conditions.register(_flow_field(name, asks))


def _flow_field(name: str, asks: Callable[[int], Q]) -> Field:
    def since(scope: Scope, step: int) -> Q:
        return asks(step)

    operators = {
        "since_step": Operator("since", conditions.STEP, since),
        "not_since_step": Operator("not since", conditions.STEP, _not(since)),
    }
    return Field(f"mail.{name}", f"this flow's mail {name}", "flow", operators)


def _ledger(**state: Any) -> Rows:
    return lambda scope: SendLog.objects.of(scope.workspace).filter(customer=OuterRef("pk"), **state)


def _events(type_: str, verdicts: Sequence[str]) -> Rows:
    return lambda scope: Event.objects.of(scope.workspace).filter(
        customer_id=OuterRef("pk"), type=type_, verdict__in=verdicts
    )


def _field(name: str, label: str, rows: Rows, at: str, campaign: str) -> Field:
    def ever(scope: Scope, value: None) -> Q:
        return Q(Exists(rows(scope)))

    def in_last_days(scope: Scope, days: int) -> Q:
        since = scope.midnight(scope.first_of_last(days))
        return Q(Exists(rows(scope).filter(**{f"{at}__gte": since})))

    def in_campaign(scope: Scope, chosen: Campaign) -> Q:
        return Q(Exists(rows(scope).filter(**{campaign: chosen})))

    operators = {
        "ever": Operator("at any time", NOTHING, ever),
        "never": Operator("never", NOTHING, _not(ever)),
        "in_last_days": Operator("in the last", DAYS, in_last_days),
        "not_in_last_days": Operator("not in the last", DAYS, _not(in_last_days)),
        "campaign": Operator("in campaign", CAMPAIGN, in_campaign),
        "not_campaign": Operator("not in campaign", CAMPAIGN, _not(in_campaign)),
    }
    return Field(f"engagement.{name}", label, "engagement", operators)


def _not(condition: Condition) -> Condition:
    """The opposite; an EXISTS is never NULL, and NOT EXISTS lets the database join the other way."""
    return lambda scope, value: ~condition(scope, value)


def _campaign(workspace: Workspace, raw: object) -> Campaign:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise InvalidCriteria(f"needs the id of a campaign, not {shown(raw)}")
    found: Campaign | None = Campaign.objects.of(workspace).filter(pk=raw).first()
    if found is None:
        raise InvalidCriteria(f"needs a campaign of this workspace, and {shown(raw)} is none")
    return found


def _campaigns(workspace: Workspace, search: str) -> list[tuple[int, str]]:
    """The newest campaigns whose names hold what was typed."""
    rows = Campaign.objects.of(workspace).filter(name__icontains=search).order_by("-id")
    return list(rows.values_list("pk", "name")[:SHOWN_CAMPAIGNS])


CAMPAIGN = Kind(
    "campaign", _campaign, lambda campaign: f'"{campaign}"', "Choose a campaign.", choices=_campaigns
)
