"""What an e-mail service's answer over HTTP, or its silence, says about the mail in hand.

The rule behind the tables: a mail may be sent again only if it was surely not accepted. Before the
connection stands nothing can have been accepted; once the call has left, only the service's own
refusal proves that it was not. And a refusal that may be about the sender or its account is never
held against the recipient: the next thousand would get the same.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import requests
from django.core.exceptions import ImproperlyConfigured
from urllib3.exceptions import NewConnectionError

from campaigns import egress
from delivery.errors.base import CONTROL, Verdict

# Of a reply; more can be a page for people, made by some proxy.
BODY_LENGTH = 4000
# Nobody means longer, whatever the header says.
LONGEST_WAIT = 24 * 3600.0

# What a status code means by itself (RFC 9110, 15); see _without_code() for 400, 422 and their like.
STATUSES = {
    # The key is wrong, may not do this, or nobody has paid.
    **dict.fromkeys((401, 402, 403, 407), Verdict.SENDER),
    # There is no such API at this address, or no such domain or stream in this account.
    **dict.fromkeys((404, 405, 406, 410, 411, 415, 421, 426), Verdict.SENDER),
    # Larger than the service takes: this mail, and others may be smaller.
    413: Verdict.PERMANENT,
    # Said before the call was looked at. SparkPost and Mailgun say 420 for 429.
    **dict.fromkeys((408, 420, 425, 429), Verdict.UNAVAILABLE),
    # An earlier call with this idempotency key exists, and may have been accepted.
    409: Verdict.UNKNOWN,
    # Cloudflare, in front of several services: nobody behind it took the connection.
    **dict.fromkeys((521, 523, 525, 526), Verdict.UNAVAILABLE),
}
# Some services refuse under a status that says otherwise: Mandrill with 500, Postal with 200; a wrong
# path at Mailgun is greeted with 200.
REFUSALS = {
    "mandrill": re.compile(r'"name"\s*:\s*"(?!GeneralError|ServiceUnavailable)\w+'),
    "postal": re.compile(r'"status"\s*:\s*"(error|parameter-error)"'),
    "mailgun": re.compile(r"Mailgun Magnificent API"),
}
# Too much for now: it passes by itself.
LIMIT_WORDS = re.compile(
    r"throttl|too ?many ?requests|LimitExceeded"
    r"|\brate (limit )?exceeded\b|\b(limit|quota) (has been |was )?(exceeded|reached)\b"
    r"|\bexceed\w* (\w+ ){0,6}(limit|quota|rate)\b",
    re.IGNORECASE,
)
# The account, the key, the domain or the From address: every other mail would be refused as well.
SENDER_WORDS = re.compile(
    "|".join(
        (
            # The From address, its domain, the Reply-To.
            r"['\"`]from['\"`]|\bfrom( address|\.email|\.name| parameter| field)|FromAddress",
            r"\bsender\b|\bsending domain\b|\bunsigned\b|NotVerified|\bunverified\b|\breply-?to\b",
            r"\b(not|must be|isn't) (yet )?(been )?(verified|validated|confirmed|activated|approved)\b",
            r"\bnot authori[sz]ed\b",
            # The account: new, only for tests, or stopped.
            r"\bpending approval\b|\bsandbox\b|\btrial\b|\btest[- ]mode\b|\btesting emails\b",
            r"\baccount (\w+ ){0,4}(suspended|disabled|deactivated|paused|on hold)|Suspended|SendingPaused",
            # Its money.
            r"\bcredits?\b|\bpayment|PaymentRequired|\bbilling\b|\bupgrade\b|\b(your|pricing|current) plan\b",
            # The key, and what it may do.
            r"\b(api|access)[ _-]?(key|token)\b|Invalid_Key|InvalidServerAPIKey|AccessDenied|\bpermission",
            r"\bunauthori[sz]ed|\bunauthenticated",
            # What all mails of a campaign have in common.
            r"\bheaders?\b|\bmessage ?stream\b|Mailgun Magnificent API",
        )
    ),
    re.IGNORECASE,
)
# The key alone, where a call is refused for other reasons as well.
KEY_WORDS = re.compile(
    r"Invalid_Key|InvalidServerAPIKey|Mailgun Magnificent API|\bunauthori[sz]ed|\bunauthenticated"
    r"|\b(api|access)[ _-]?(key|token)\b[^.]{0,40}\b(invalid|not valid|not found|unknown|wrong|expired)\b"
    r"|\b(invalid|unknown|wrong|expired) (api|access)[ _-]?(key|token)\b",
    re.IGNORECASE,
)
# The recipient, in the words of those services that do not repeat the address.
RECIPIENT_WORDS = re.compile(
    r"['\"`]to(\[\d+\]|\.\d+)?(\.email)?['\"`]|\bto\.\d+\.email\b|\bvalid in to\b"
    r"|\b(invalid|illegal|inactive|suppressed|blacklisted|unsubscribed) (e-?mail|recipient|to) ?(address)?\b"
    r"|\brecipient (\w+ ){0,4}(invalid|rejected|suppressed|inactive|unsubscribed|does not exist)\b",
    re.IGNORECASE,
)


class Problem(NamedTuple):
    """Why a mail was not accepted. `error` is for people and the ledger row; it may hold credentials."""

    verdict: Verdict
    error: str
    # Seconds, where the service asks for them.
    retry_after: float | None = None


class Reply(NamedTuple):
    """What a service answered."""

    status: int
    body: str
    # As it stands in the header; empty when there is none.
    retry_after: str = ""


def classify(error: Exception, esp: str, recipient: str, *, called: bool) -> Problem:
    """What an exception means for the mail in hand. `called`: the service may have been called by then."""
    reply = _reply(getattr(error, "response", None))
    if reply is not None:
        return _of_reply(reply, esp, recipient)
    cause = error.__cause__ or error
    verdict = _without_reply(cause, called)
    root = _root(cause)
    below = isinstance(cause, requests.ConnectionError | requests.Timeout) or isinstance(root, egress.Refused)
    said = root if below else cause
    words = CONTROL.sub(" ", str(said)).strip() or type(said).__name__
    return Problem(verdict, f"{_explain(verdict, 0)} ({words[:BODY_LENGTH]})")


def refused(status: str, response: object, esp: str, recipient: str) -> Problem:
    """What it means that a service put the recipient down as anything but sent or queued.

    Mandrill rejects a recipient because the sending domain is unsigned, Mailjet fails one because the
    From address is unknown: the reason counts, not the word.
    """
    reply = _reply(response) or Reply(0, status)
    if reply.status >= 400 and status not in ("invalid", "rejected"):
        return _of_reply(reply, esp, recipient)
    if status not in ("invalid", "rejected", "failed"):
        return Problem(Verdict.UNKNOWN, "The service did not say what became of the mail.")
    words = _words(reply) or status
    about_sender = SENDER_WORDS.search(_without_address(reply.body, recipient))
    verdict = Verdict.SENDER if about_sender else Verdict.PERMANENT
    return Problem(verdict, _described(verdict, reply, words))


def own_words(response: requests.Response) -> str:
    """What a service said, after its status code."""
    reply = Reply(response.status_code, response.text[:BODY_LENGTH])
    return f"{reply.status} {_words(reply)}".strip()


def key_problem(answer: object, esp: str) -> Problem | None:
    """What the answer to a call that lacks all but the key says against the key; None: nothing.

    Such a call is refused in any case: only for what is said of the key, the account or the address that
    was called does it matter. An exception is an answer as well, or the lack of one.
    """
    if isinstance(answer, Exception) and getattr(answer, "response", None) is None:
        return _unanswered(answer)
    reply = _reply(getattr(answer, "response", answer)) or Reply(0, "")
    refusal = REFUSALS.get(esp)
    verdict = STATUSES.get(reply.status)
    if 300 <= reply.status < 400 or KEY_WORDS.search(reply.body):
        verdict = Verdict.SENDER
    elif reply.status >= 500 and not (refusal and refusal.search(reply.body)):
        verdict = Verdict.UNAVAILABLE
    if verdict not in (Verdict.SENDER, Verdict.UNAVAILABLE):
        return None
    return Problem(verdict, _described(verdict, reply, _words(reply)), seconds(reply.retry_after))


def _unanswered(error: Exception) -> Problem:
    """What kept a call from being answered that could do no harm."""
    cause = error.__cause__ or error
    verdict = _without_reply(cause, called=True)
    verdict = Verdict.UNAVAILABLE if verdict is Verdict.UNKNOWN else verdict
    words = CONTROL.sub(" ", str(_root(cause))).strip() or type(cause).__name__
    return Problem(verdict, f"{_explain(verdict, 0)} ({words[:BODY_LENGTH]})")


def seconds(retry_after: str) -> float | None:
    """The wait that a Retry-After header asks for: seconds or a date (RFC 9110, 10.2.3); None for neither."""
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    # Not a number compares false to everything.
    return min(max(wait, 0.0), LONGEST_WAIT) if wait == wait else None


def _of_reply(reply: Reply, esp: str, recipient: str) -> Problem:
    words = _words(reply)
    wait = seconds(reply.retry_after)
    refusal = REFUSALS.get(esp)
    if reply.status in STATUSES:
        verdict = STATUSES[reply.status]
    elif 300 <= reply.status < 400:
        verdict = Verdict.SENDER
    elif 400 <= reply.status < 500 or (refusal and refusal.search(reply.body)):
        verdict = _without_code(reply, words, recipient)
    elif reply.status == 503 and wait is not None:
        # Without Retry-After it may be a proxy's, which says so too when the service behind it hung up
        # in the middle of a call.
        verdict = Verdict.UNAVAILABLE
    else:
        # 500, 502, 504: it may have broken down after it had taken the mail. 2xx: it took something.
        verdict = Verdict.UNKNOWN
    return Problem(verdict, _described(verdict, reply, words), wait)


def _without_code(reply: Reply, words: str, recipient: str) -> Verdict:
    """A refusal whose reason stands in words only. The sender's reasons win over the recipient's."""
    said = _without_address(reply.body, recipient)
    if LIMIT_WORDS.search(said):
        return Verdict.UNAVAILABLE
    if SENDER_WORDS.search(said):
        return Verdict.SENDER
    if recipient.lower() in words.lower() or RECIPIENT_WORDS.search(words):
        return Verdict.PERMANENT
    # Nobody knows whose fault it is: another attempt, and the transport looks whether all fare so.
    return Verdict.NOT_SENT


def _without_reply(cause: BaseException, called: bool) -> Verdict:
    if isinstance(_root(cause), egress.Refused):
        return Verdict.SENDER
    if isinstance(cause, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return Verdict.UNAVAILABLE
    reason = getattr(cause.args[0] if cause.args else None, "reason", None)
    if isinstance(cause, requests.ConnectionError) and isinstance(reason, NewConnectionError):
        return Verdict.UNAVAILABLE
    name = type(cause).__name__
    if name in NEVER_LEFT:
        return NEVER_LEFT[name]
    if isinstance(cause, ImproperlyConfigured):
        return Verdict.SENDER
    # Before the call: something that this service, or our reading of the mail, cannot do with this mail.
    return Verdict.UNKNOWN if called else Verdict.PERMANENT


def _root(error: BaseException) -> BaseException:
    """What the system said, below the layers that passed it on."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return error


# Raised by requests and by botocore, which is imported by those who send through Amazon only.
NEVER_LEFT = {
    **dict.fromkeys(
        (
            "InvalidURL",
            "InvalidSchema",
            "MissingSchema",
            "InvalidHeader",
            "TooManyRedirects",
            "NoCredentialsError",
            "PartialCredentialsError",
            "NoRegionError",
            "InvalidRegionError",
        ),
        Verdict.SENDER,
    ),
    **dict.fromkeys(
        ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"), Verdict.UNAVAILABLE
    ),
    **dict.fromkeys(("AnymailSerializationError", "ParamValidationError"), Verdict.PERMANENT),
}


def _reply(response: object) -> Reply | None:
    if isinstance(response, requests.Response):
        return Reply(
            response.status_code, response.text[:BODY_LENGTH], response.headers.get("Retry-After", "")
        )
    if isinstance(response, dict) and "ResponseMetadata" in response:
        about, error = response["ResponseMetadata"], response.get("Error", {})
        return Reply(
            about.get("HTTPStatusCode", 0),
            f"{error.get('Code', '')}: {error.get('Message', '')}",
            about.get("HTTPHeaders", {}).get("retry-after", ""),
        )
    return None


def _without_address(body: str, recipient: str) -> str:
    """The body without what the recipient chose: an address may hold any word."""
    return re.sub(re.escape(recipient), "", body, flags=re.IGNORECASE)


# Under these keys services put their reasons into JSON.
REASONS = re.compile(r"message|error|detail|description|reason|name|title", re.IGNORECASE)


def _words(reply: Reply) -> str:
    """The service's own words, out of whatever it wrapped them in."""
    try:
        found = [*_reasons(json.loads(reply.body))]
    except ValueError:
        found = [re.sub(r"<[^>]*>", " ", reply.body)]
    return re.sub(r"\s+", " ", CONTROL.sub(" ", "; ".join(dict.fromkeys(found)))).strip()


def _reasons(value: Any, wanted: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _reasons(item, wanted or bool(REASONS.search(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _reasons(item, wanted)
    elif isinstance(value, str) and value and wanted:
        yield value


EXPLANATIONS = {
    401: "The service refused the key. Check it.",
    402: "The service wants to be paid first.",
    403: "The service does not let this key, domain or From address send. Check them with the service.",
    404: "The service knows no such address or domain. Check the API address and the sending domain.",
    429: "The service asks to slow down.",
}
BY_VERDICT = {
    Verdict.SENDER: "The service does not send for this sender as it is set.",
    Verdict.PERMANENT: "The service cannot send this mail to this recipient.",
    Verdict.NOT_SENT: "The service refused the mail.",
    Verdict.UNAVAILABLE: "The service cannot be reached, or takes no mail for the moment.",
    Verdict.UNKNOWN: "The service may have taken the mail, but did not say so.",
}


def _explain(verdict: Verdict, status: int) -> str:
    return EXPLANATIONS.get(status) or BY_VERDICT[verdict]


def _described(verdict: Verdict, reply: Reply, words: str) -> str:
    said = " ".join(filter(None, [str(reply.status) if reply.status else "", words]))
    return f"{_explain(verdict, reply.status)} ({said})"
