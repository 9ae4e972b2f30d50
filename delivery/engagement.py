"""What segments may ask about mails: sent, opened, clicked, bounced.

audience.segments must not know of the ledger, so delivery registers these when it starts. Each is an
EXISTS on one customer's rows of this workspace, which joins nothing to the customers. Opens and clicks
are those of people, unless the machines' are asked for too (delivery.verdicts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from audience.models import Workspace
from audience.segments import Condition, Field, InvalidCriteria, Operator, Scope, register
from audience.segments.values import DAYS, NOTHING, Kind, shown
from campaigns.models import Campaign
from delivery.models import Event, SendLog

Rows = Callable[[Scope], QuerySet[Any]]


def register_fields() -> None:
    """Let segments ask about engagement; called once, when Django starts."""
    register(_field("sent", "mail sent", _ledger(status=SendLog.Status.SENT), "sent_at", "campaign"))
    bounced = _ledger(outcome=SendLog.Outcome.BOUNCED)
    register(_field("bounced", "mail bounced", bounced, "outcome_at", "campaign"))
    for type_ in (Event.Type.OPENED, Event.Type.CLICKED):
        people, everything = _events(type_, [Event.Verdict.PERSON]), _events(type_, Event.Verdict.values)
        register(_field(type_, f"mail {type_}", people, "at", "sendlog__campaign"))
        label = f"mail {type_}, machines included,"
        register(_field(f"{type_}_all", label, everything, "at", "sendlog__campaign"))


def _ledger(**state: str) -> Rows:
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


CAMPAIGN = Kind("campaign", _campaign, lambda campaign: f'"{campaign}"')
