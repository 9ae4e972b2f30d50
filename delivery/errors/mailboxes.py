"""What Gmail's and Microsoft Graph's answers say about the mail in hand: the reasons they name.

What they name no reason for is read like any service's answer (delivery.errors.http).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import requests
from django.utils import timezone

from delivery.errors import http
from delivery.errors.base import Verdict
from delivery.errors.http import Problem

# A day's allowance comes back bit by bit; asking sooner only tells what is known.
DAY_IS_OVER = 3600.0


class Meaning(NamedTuple):
    """What a reason means, and what to tell the marketer where the provider's words do not."""

    verdict: Verdict
    words: str = ""
    # Seconds, unless the provider says itself.
    wait: float | None = None


SLOW_DOWN = Meaning(Verdict.UNAVAILABLE)
USED_UP = Meaning(
    Verdict.UNAVAILABLE,
    "The mailbox has sent all that its provider lets it send for now. Drumbeat tries again by itself.",
    DAY_IS_OVER,
)
NOT_PERMITTED = Meaning(
    Verdict.SENDER,
    "The mailbox was connected without the permission to send. Reconnect it, and leave all boxes ticked.",
)
NO_MAILBOX = Meaning(
    Verdict.SENDER, "The provider has no mailbox that can be used for this account. Ask who administers it."
)
BLOCKED = Meaning(
    Verdict.SENDER,
    "The provider does not let this mailbox send. Log in to it, or ask who administers it, and look why.",
)
NOT_SWITCHED_ON = Meaning(
    Verdict.SENDER, "The Gmail API is not switched on for this installation's project at Google."
)
# A token that was renewed a moment ago.
REFUSED = Meaning(
    Verdict.SENDER,
    "The provider refuses the access that this mailbox was connected with. Reconnect the mailbox.",
)

# Only of refusals (4xx): what breaks down inside the provider (5xx) proves nothing, whatever it is called.
REASONS: dict[str, dict[str, Meaning]] = {
    # https://developers.google.com/workspace/gmail/api/guides/handle-errors
    "gmail": {
        **dict.fromkeys(("rateLimitExceeded", "userRateLimitExceeded", "RESOURCE_EXHAUSTED"), SLOW_DOWN),
        **dict.fromkeys(("dailyLimitExceeded", "quotaExceeded"), USED_UP),
        **dict.fromkeys(("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), NOT_PERMITTED),
        "domainPolicy": BLOCKED,
        "delegationDenied": BLOCKED,
        "failedPrecondition": NO_MAILBOX,
        "FAILED_PRECONDITION": NO_MAILBOX,
        "accessNotConfigured": NOT_SWITCHED_ON,
        "SERVICE_DISABLED": NOT_SWITCHED_ON,
    },
    # https://learn.microsoft.com/graph/errors, and Exchange's own codes.
    "microsoft": {
        **dict.fromkeys(
            (
                "ApplicationThrottled",
                "ErrorServerBusy",
                "ErrorTooManyObjectsOpened",
                "ErrorMailboxStoreUnavailable",
                "ErrorMailboxMoveInProgress",
                "MailboxConcurrency",
                "TooManyRequests",
                "activityLimitReached",
            ),
            SLOW_DOWN,
        ),
        **dict.fromkeys(("ErrorExceededMessageLimit", "ErrorSubmissionQuotaExceeded"), USED_UP),
        "ErrorAccessDenied": NOT_PERMITTED,
        "Authorization_RequestDenied": NOT_PERMITTED,
        "ErrorSendAsDenied": Meaning(
            Verdict.SENDER, "This account may not send as the From address. Enter its own address."
        ),
        **dict.fromkeys(("ErrorMessageSubmissionBlocked", "ErrorAccountSuspend"), BLOCKED),
        "ErrorQuotaExceeded": Meaning(Verdict.SENDER, "The mailbox is full. Make room in it."),
        **dict.fromkeys(("MailboxNotEnabledForRESTAPI", "ErrorNonExistentMailbox"), NO_MAILBOX),
        "ErrorInvalidRecipients": Meaning(Verdict.PERMANENT),
        "ErrorRecipientNotFound": Meaning(Verdict.PERMANENT),
        "ErrorMessageSizeExceeded": Meaning(Verdict.PERMANENT),
        # Of the draft that was to be sent: nothing is sent that is not there.
        "ErrorItemNotFound": Meaning(Verdict.NOT_SENT),
    },
}
# Gmail says in its words, and in no header, when it will listen again.
RETRY_AFTER = re.compile(r"Retry after (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))", re.IGNORECASE)
# Gmail's other refusals, which it gives no reason of their own: all about the one recipient.
GMAIL_RECIPIENT = re.compile(r"Invalid (To|Cc|Bcc) header|Recipient address required", re.IGNORECASE)


class Broken(requests.RequestException):
    """A reply that is none: a page for people, or a success that does not name what was made."""


def classify(error: Exception, provider: str, recipient: str) -> Problem:
    """What an exception means for the mail that a mailbox provider was called with."""
    usual = http.classify(error, provider, recipient, called=True)
    response = getattr(error, "response", None)
    if not isinstance(response, requests.Response) or not 400 <= response.status_code < 500:
        return usual
    wait = usual.retry_after if usual.retry_after is not None else _told_wait(response)
    meaning = _meaning(response, provider)
    if meaning is None:
        return usual._replace(retry_after=wait)
    words = f"{meaning.words} ({http.own_words(response)})" if meaning.words else usual.error
    return Problem(meaning.verdict, words, meaning.wait if wait is None else wait)


def _meaning(response: requests.Response, provider: str) -> Meaning | None:
    if response.status_code == 401:
        return REFUSED
    table = REASONS[provider]
    found = next((table[name] for name in _names(response) if name in table), None)
    if found is None and provider == "gmail" and GMAIL_RECIPIENT.search(response.text[: http.BODY_LENGTH]):
        return Meaning(Verdict.PERMANENT)
    return found


def _names(response: requests.Response) -> list[str]:
    """The reasons that a reply names, the most exact first.

    Google: error.errors[].reason, error.details[].reason, error.status. Graph: error.code.
    """
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return []
    if not isinstance(error, Mapping):
        return []
    lists = [*_listed(error, "details"), *_listed(error, "errors")]
    found = [item.get("reason") for item in lists if isinstance(item, Mapping)]
    return [name for name in (*found, error.get("code"), error.get("status")) if isinstance(name, str)]


def _listed(error: Mapping[str, Any], name: str) -> list[Any]:
    found = error.get(name)
    return found if isinstance(found, list) else []


def _told_wait(response: requests.Response) -> float | None:
    told = RETRY_AFTER.search(response.text[: http.BODY_LENGTH])
    if told is None:
        return None
    try:
        wait = (datetime.fromisoformat(told[1]) - timezone.now()).total_seconds()
    except ValueError:
        return None
    return min(max(wait, 0.0), http.LONGEST_WAIT)
