"""Services whose reports are one event in JSON with the mail's metadata: Brevo, Mailgun, Mailjet."""

from __future__ import annotations

from typing import Any

from tests.delivery.webhooks.sample import (
    AGENT,
    BLOCK,
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    EPOCH,
    FULL,
    HARD,
    LEFT,
    LINK,
    NOTHING,
    OPENED,
    SOFT,
    SPAM,
    UNKNOWN_USER,
    UNSUBSCRIBED,
    Sample,
)


def brevo(event: str, **more: Any) -> dict[str, Any]:
    """developers.brevo.com/docs/transactional-webhooks"""
    return {
        "event": event,
        "email": "{email}",
        "id": 26224,
        "date": "2026-03-01 13:00:00",
        "ts": EPOCH,
        "ts_epoch": EPOCH * 1000,
        "message-id": "<{id}>",
        "subject": "Spring",
        "X-Mailin-custom": '{"row": "{row}"}',
        "template_id": 0,
        **more,
    }


BREVO = (
    ("hard", brevo("hard_bounce", reason=UNKNOWN_USER), (HARD,)),
    ("hard without words", brevo("hard_bounce"), (HARD,)),
    ("hard for spam", brevo("hard_bounce", reason=SPAM), (BLOCK,)),
    ("soft", brevo("soft_bounce", reason=FULL), (SOFT,)),
    ("invalid", brevo("invalid_email"), (HARD,)),
    ("blocked", brevo("blocked"), (BLOCK,)),
    ("error", brevo("error", reason="Server not reachable"), (BLOCK,)),
    ("deferred", brevo("deferred", reason=FULL), (DEFERRED,)),
    ("delivered", brevo("delivered"), (DELIVERED,)),
    ("spam", brevo("spam"), (COMPLAINED,)),
    ("unsubscribe", brevo("unsubscribe"), (UNSUBSCRIBED,)),
    ("open", brevo("unique_opened"), (OPENED,)),
    ("open by a proxy", brevo("proxy_open"), (OPENED,)),
    ("click", brevo("click", link=LINK), (CLICKED,)),
    ("request", brevo("request"), NOTHING),
    ("of the future", brevo("something_new"), NOTHING),
)


def mailgun(event: str, **more: Any) -> dict[str, Any]:
    """documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks; signed when it is sent."""
    return {
        "signature": {},
        "event-data": {
            "event": event,
            "id": f"Ase7i2zsRYeDXztHGENqRA{event}",
            "timestamp": EPOCH + 0.529,
            "recipient": "{email}",
            "user-variables": {"row": "{row}"},
            "message": {"headers": {"message-id": "{id}", "to": "{email}"}, "size": 5111},
            "tags": [],
            **more,
        },
    }


def failed(severity: str, reason: str, words: str = "", code: int = 550) -> dict[str, Any]:
    status = {"attempt-no": 1, "code": code, "message": words, "description": ""}
    return mailgun("failed", **{"severity": severity, "reason": reason, "delivery-status": status})


MAILGUN = (
    ("hard", failed("permanent", "bounce", UNKNOWN_USER), (HARD,)),
    ("hard without words", failed("permanent", "bounce"), (HARD,)),
    ("known to bounce", failed("permanent", "suppress-bounce", "Not delivering", 605), (HARD,)),
    ("known to complain", failed("permanent", "suppress-complaint", "Not delivering", 607), LEFT),
    ("known to have left", failed("permanent", "suppress-unsubscribe", "Not delivering", 606), LEFT),
    ("too old", failed("permanent", "old", "Too old", 602), (SOFT,)),
    ("full", failed("permanent", "generic", FULL), (SOFT,)),
    ("spam", failed("permanent", "generic", SPAM), (BLOCK,)),
    ("blocked", failed("permanent", "espblock", "no"), (BLOCK,)),
    ("temporary", failed("temporary", "generic", FULL, 452), (DEFERRED,)),
    ("rejected", mailgun("rejected", reject={"reason": "Sandbox", "description": ""}), (BLOCK,)),
    ("delivered", mailgun("delivered"), (DELIVERED,)),
    ("complained", mailgun("complained"), (COMPLAINED,)),
    ("unsubscribed", mailgun("unsubscribed"), (UNSUBSCRIBED,)),
    ("opened", mailgun("opened", **{"client-info": {"user-agent": AGENT}}), (OPENED,)),
    ("clicked", mailgun("clicked", url=LINK, **{"client-info": {"user-agent": AGENT}}), (CLICKED,)),
    ("accepted", mailgun("accepted"), NOTHING),
)


def mailjet(event: str, **more: Any) -> dict[str, Any]:
    """dev.mailjet.com/email/guides/webhooks"""
    return {
        "event": event,
        "time": EPOCH,
        "MessageID": 1152921504606846976,
        "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
        "email": "{email}",
        "mj_campaign_id": 7257,
        "customcampaign": "",
        "CustomID": "",
        "Payload": '{"row": "{row}"}',
        **more,
    }


def bounced(error: str, hard: bool = False, words: str = "") -> dict[str, Any]:
    return mailjet(
        "bounce", blocked=False, hard_bounce=hard, error_related_to="x", error=error, comment=words
    )


MAILJET = (
    ("hard", bounced("user unknown", hard=True), (HARD,)),
    ("hard in another way", bounced("", hard=True), (HARD,)),
    ("full", bounced("quota exceeded"), (SOFT,)),
    ("soft in another way", bounced("connection issue"), (SOFT,)),
    ("greylisted", bounced("greylisted"), (DEFERRED,)),
    ("content", bounced("content blocked"), (BLOCK,)),
    ("policy", bounced("policy issue", hard=True), (BLOCK,)),
    ("blocked", mailjet("blocked", error_related_to="mailjet", error="preblocked"), (BLOCK,)),
    ("complained before", mailjet("blocked", error_related_to="recipient", error="spam reporter"), LEFT),
    ("sent", mailjet("sent", smtp_reply="sent (250 2.0.0 OK)"), (DELIVERED,)),
    ("spam", mailjet("spam", source="JMRPP"), (COMPLAINED,)),
    ("unsub", mailjet("unsub", mj_list_id=1, ip="192.0.2.1"), (UNSUBSCRIBED,)),
    ("open", mailjet("open", ip="192.0.2.1", agent=AGENT), (OPENED,)),
    ("click", mailjet("click", url=LINK, ip="192.0.2.1", agent=AGENT), (CLICKED,)),
    ("several at once", [mailjet("sent"), mailjet("open", agent=AGENT)], (DELIVERED, OPENED)),
)

SAMPLES = [
    Sample(service, *rest)
    for service, samples in (("brevo", BREVO), ("mailgun", MAILGUN), ("mailjet", MAILJET))
    for rest in samples
]
