"""Why mails did not arrive: by reason, each with an example in the provider's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from analytics import people, totals
from analytics.people import Question
from analytics.totals import Reason, Scope
from delivery.models import Event, SendLog

# Reasons that are shown with an example: each is one more look-up in one query.
EXAMPLES = 15
KINDS = {
    "failed": _("Failed"),
    "suppressed": _("Not sent"),
    "unknown": _("Unknown"),
    "cancelled": _("Cancelled"),
    "bounced": _("Bounced"),
}
BOUNCES = dict(Event.Bounce.choices)
# RFC 3463, and what the large providers mean by it.
MEANINGS = {
    "5.1.1": _("No such mailbox"),
    "5.1.2": _("No such domain"),
    "5.1.10": _("The domain takes no mail"),
    "5.2.1": _("The mailbox is closed"),
    "5.2.2": _("The mailbox is full"),
    "4.2.2": _("The mailbox is full"),
    "5.4.1": _("The mail server knows no such recipient"),
    "5.7.1": _("Refused by the provider's rules"),
    "5.7.26": _("Not authenticated: check SPF and DKIM"),
    "5.7.515": _("Not authenticated: check SPF, DKIM and DMARC"),
    "4.7.0": _("Slowed down by the provider"),
}


@dataclass(frozen=True)
class Failure:
    """One reason, how many mails it kept from arriving, and how a provider put it."""

    found: Reason
    kind: str
    words: str
    # The mail server's own code, without what we call the bounce.
    code: str
    example: str


def by_reason(scope: Scope, campaign_id: int) -> list[Failure]:
    """The reasons, the most frequent first. The frequent ones come with an example. Three queries."""
    found = totals.reasons(scope)
    examples = _examples(found[:EXAMPLES], scope, campaign_id)
    return [
        Failure(
            reason,
            str(KINDS.get(reason.kind, reason.kind)),
            _words(reason),
            _bounce(reason)[1],
            examples.get(place, ""),
        )
        for place, reason in enumerate(found)
    ]


def question(reason: Reason, scope: Scope, campaign_id: int) -> Question:
    """Who is behind a reason."""
    why = None if reason.kind == "bounced" else reason.reason
    return Question(campaign_id, reason.kind, scope.step, scope.people, reason=why, code=reason.code)


def _words(reason: Reason) -> str:
    if reason.kind == "bounced":
        kind = BOUNCES.get(_bounce(reason)[0], "Bounce")
        return " · ".join(filter(None, (str(kind), meaning(reason.code))))
    label = dict(SendLog.Reason.choices).get(reason.reason, "")
    return " · ".join(filter(None, (str(label), meaning(reason.code)))) or str(KINDS[reason.kind])


def _bounce(reason: Reason) -> tuple[str, str]:
    """What "hard 550 5.1.1" says of the bounce, and the code; without the former, nothing and the code."""
    bounce, _, code = reason.code.partition(" ")
    return (bounce, code) if bounce in BOUNCES else ("", reason.code)


def meaning(code: str) -> str:
    """What the last part of "550 5.1.1" says; empty when it is not a known one."""
    return str(MEANINGS.get(code.rpartition(" ")[2], ""))


def _examples(found: Sequence[Reason], scope: Scope, campaign_id: int) -> dict[int, str]:
    """How a provider put each of these reasons, by their place among them."""
    parts, params = [], list[Any]()
    for place, reason in enumerate(found):
        sql, own = _example(reason, question(reason, scope, campaign_id)).query.sql_with_params()
        parts.append(f"SELECT {place:d}, one.words FROM ({sql}) AS one")  # noqa: S608 - the ORM's own
        params += own
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        return {place: words or "" for place, words in cursor.fetchall()}


def _example(reason: Reason, asked: Question) -> QuerySet[Any, Any]:
    """The words about the first mail of a reason."""
    if reason.kind != "bounced":
        return people.in_blocks(asked, reason.block, reason.block).values(words=F("error"))[:1]
    events = Event.objects.filter(sendlog=OuterRef("sendlog_id"), type=Event.Type.BOUNCED)
    first = Subquery(events.order_by("detail").values("detail")[:1])
    return people.reactions(asked).values(words=first)[:1]
