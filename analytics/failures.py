"""Why mails did not arrive: by reason, each with an example in the provider's own words."""

from __future__ import annotations

from dataclasses import dataclass

from analytics import people, totals
from analytics.people import Question
from analytics.totals import Reason, Scope
from delivery.models import Event, SendLog

# Reasons that are shown with an example; each costs a look-up.
EXAMPLES = 15
KINDS = {
    "failed": "Failed",
    "suppressed": "Not sent",
    "unknown": "Unknown",
    "cancelled": "Cancelled",
    "bounced": "Bounced",
}
BOUNCES = dict(Event.Bounce.choices)
# RFC 3463, and what the large providers mean by it.
MEANINGS = {
    "5.1.1": "No such mailbox",
    "5.1.2": "No such domain",
    "5.1.10": "The domain takes no mail",
    "5.2.1": "The mailbox is closed",
    "5.2.2": "The mailbox is full",
    "4.2.2": "The mailbox is full",
    "5.4.1": "The mail server knows no such recipient",
    "5.7.1": "Refused by the provider's rules",
    "5.7.26": "Not authenticated: check SPF and DKIM",
    "5.7.515": "Not authenticated: check SPF, DKIM and DMARC",
    "4.7.0": "Slowed down by the provider",
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
    """The reasons, the most frequent first. The frequent ones come with an example."""
    found = totals.reasons(scope)
    return [
        Failure(
            reason,
            KINDS.get(reason.kind, reason.kind),
            _words(reason),
            _bounce(reason)[1],
            _example(question(reason, scope, campaign_id)) if place < EXAMPLES else "",
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
        return " · ".join(filter(None, (kind, meaning(reason.code))))
    label = dict(SendLog.Reason.choices).get(reason.reason, "")
    return " · ".join(filter(None, (label, meaning(reason.code)))) or KINDS[reason.kind]


def _bounce(reason: Reason) -> tuple[str, str]:
    """What "hard 550 5.1.1" says of the bounce, and the code; without the former, nothing and the code."""
    bounce, _, code = reason.code.partition(" ")
    return (bounce, code) if bounce in BOUNCES else ("", reason.code)


def meaning(code: str) -> str:
    """What the last part of "550 5.1.1" says; empty when it is not a known one."""
    return MEANINGS.get(code.rpartition(" ")[2], "")


def _example(asked: Question) -> str:
    lines = people.behind(asked, size=1)
    if not lines:
        return ""
    if asked.number != "bounced":
        return SendLog.objects.filter(pk=lines[0].id).values_list("error", flat=True).first() or ""
    events = Event.objects.filter(sendlog=lines[0].id, type=Event.Type.BOUNCED).order_by("detail")
    return events.values_list("detail", flat=True).first() or ""
