"""Services that report one event a call: MailerSend, Postal, Postmark, Resend."""

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
    ISO,
    LINK,
    NOTHING,
    OPENED,
    SOFT,
    SPAM,
    UNKNOWN_USER,
    UNSUBSCRIBED,
    Sample,
)


def mailersend(activity: str, morph: dict[str, Any] | None = None) -> dict[str, Any]:
    """developers.mailersend.com/api/v1/webhooks; it keeps no metadata, but gives our tag back."""
    return {
        "type": f"activity.{activity}",
        "created_at": ISO,
        "data": {
            "object": "activity",
            "id": f"62f114f8165fe0d8db0288e3{activity}",
            "type": activity,
            "created_at": "2026-03-01T12:00:00.000000Z",
            "email": {
                "message": {"object": "message", "id": "{id}"},
                "status": "rejected",
                "tags": ["row-{row}"],
                "recipient": {"object": "recipient", "email": "{email}"},
            },
            "morph": morph,
        },
    }


def returned(words: str) -> dict[str, Any]:
    return {"object": "recipient_bounce", "reason": words, "readable_reason": words}


MAILERSEND = (
    ("hard", mailersend("hard_bounced", returned(UNKNOWN_USER)), (HARD,)),
    ("hard without words", mailersend("hard_bounced"), (HARD,)),
    ("hard for spam", mailersend("hard_bounced", returned(SPAM)), (BLOCK,)),
    ("soft", mailersend("soft_bounced", returned(FULL)), (SOFT,)),
    ("delivered", mailersend("delivered"), (DELIVERED,)),
    ("complaint", mailersend("spam_complaint", {"object": "spam_complaint"}), (COMPLAINED,)),
    ("unsubscribed", mailersend("unsubscribed", {"object": "recipient_unsubscribe"}), (UNSUBSCRIBED,)),
    ("opened", mailersend("opened", {"object": "open", "ip": "192.0.2.1"}), (OPENED,)),
    ("clicked", mailersend("clicked", {"object": "click", "url": LINK}), (CLICKED,)),
    ("sent", mailersend("sent"), NOTHING),
)


def postal(event: str, **payload: Any) -> dict[str, Any]:
    """docs.postalserver.io/developer/webhooks; it keeps no metadata, but gives our tag back."""
    message = {
        "id": "{id}",
        "token": "qUYtHpWZ4FGUAy7x",
        "direction": "outgoing",
        "message_id": "f0a9c1e2@rp.acme.example",
        "to": "{email}",
        "from": "news@acme.example",
        "subject": "Spring",
        "tag": "row-{row}",
    }
    about = "original_message" if "bounce" in payload else "message"
    return {"event": event, "timestamp": EPOCH, "uuid": f"u-{event}", "payload": {about: message, **payload}}


POSTAL = (
    ("hard", postal("MessageDeliveryFailed", status="HardFail", output=UNKNOWN_USER), (HARD,)),
    ("hard for spam", postal("MessageDeliveryFailed", status="HardFail", output=SPAM), (BLOCK,)),
    (
        "given up",
        postal("MessageDeliveryFailed", status="HardFail", output="", details="18 times"),
        (SOFT,),
    ),
    ("bounce", postal("MessageBounced", bounce={"id": 12, "subject": "Undelivered"}), (SOFT,)),
    ("delayed", postal("MessageDelayed", status="SoftFail", output=FULL), (DEFERRED,)),
    ("sent", postal("MessageSent", status="Sent", output="250 OK"), (DELIVERED,)),
    ("clicked", postal("MessageLinkClicked", url=LINK, ip_address="192.0.2.1", user_agent=AGENT), (CLICKED,)),
    ("held", postal("MessageHeld", status="Held", details="credential"), NOTHING),
)


def postmark(record: str, **more: Any) -> dict[str, Any]:
    """postmarkapp.com/developer/webhooks/webhooks-overview"""
    return {
        "RecordType": record,
        "MessageID": "{id}",
        "ServerID": 23,
        "MessageStream": "broadcast",
        "Tag": "",
        "Metadata": {"row": "{row}"},
        **more,
    }


def bounced(kind: str, words: str = "", text: str = "", ident: int = 4323372036854775807) -> dict[str, Any]:
    more = {"ID": ident, "Type": kind, "Email": "{email}", "BouncedAt": ISO, "Details": words}
    return postmark("Bounce", Description=text, Inactive=True, **more)


def subscription(reason: str | None, suppressed: bool = True) -> dict[str, Any]:
    more = {"Recipient": "{email}", "ChangedAt": ISO, "Origin": "Recipient"}
    return postmark(
        "SubscriptionChange", SuppressSending=suppressed, SuppressionReason=reason, **more
    )  # fmt: skip


COMPLAINT = {"ID": 42, "Type": "SpamComplaint", "Email": "{email}", "BouncedAt": ISO}
OPEN = {"Recipient": "{email}", "ReceivedAt": ISO, "UserAgent": AGENT, "FirstOpen": True}
MAILBOX = "The server was unable to deliver your message (ex: unknown user, mailbox not found)."
POSTMARK = (
    ("hard", bounced("HardBounce", UNKNOWN_USER, MAILBOX), (HARD,)),
    ("hard in general", bounced("HardBounce", "", MAILBOX), (HARD,)),
    ("hard for spam", bounced("HardBounce", SPAM, MAILBOX), (BLOCK,)),
    ("soft", bounced("SoftBounce", FULL), (SOFT,)),
    ("no address", bounced("BadEmailAddress"), (HARD,)),
    ("blocked", bounced("Blocked", "550 user unknown or blocked"), (BLOCK,)),
    ("deactivated", bounced("ManuallyDeactivated"), (BLOCK,)),
    ("transient", bounced("Transient", FULL), (DEFERRED,)),
    ("auto-reply", bounced("AutoResponder"), NOTHING),
    # Called spam by the server, not by the person.
    ("spam notification", bounced("SpamNotification"), (BLOCK,)),
    ("complaint", postmark("SpamComplaint", **COMPLAINT), (COMPLAINED,)),
    ("delivery", postmark("Delivery", Recipient="{email}", DeliveredAt=ISO, Details="250 OK"), (DELIVERED,)),
    ("unsubscribed", subscription("ManualSuppression"), (UNSUBSCRIBED,)),
    ("suppressed for a bounce", subscription("HardBounce"), (HARD,)),
    ("subscribed again", subscription(None, suppressed=False), NOTHING),
    ("open", postmark("Open", **OPEN), (OPENED,)),
    ("click", postmark("Click", Recipient="{email}", ReceivedAt=ISO, OriginalLink=LINK), (CLICKED,)),
)


def resend(kind: str, **more: Any) -> dict[str, Any]:
    """resend.com/docs/dashboard/webhooks/event-types"""
    return {
        "type": f"email.{kind}",
        "created_at": "2026-03-01T12:00:00.000Z",
        "data": {
            "email_id": "{id}",
            "created_at": "2026-03-01 11:59:00.000+00",
            "from": "Acme <news@acme.example>",
            "to": ["{email}"],
            "subject": "Spring",
            "headers": [{"name": "X-Metadata", "value": '{"row": "{row}"}'}],
            **more,
        },
    }


def bounce(
    kind: str, fine: str, message: str = "The recipient's email provider sent a bounce message"
) -> dict[str, Any]:
    return resend("bounced", bounce={"type": kind, "subType": fine, "message": message})


RESEND = (
    ("hard", bounce("Permanent", "General"), (HARD,)),
    (
        "suppressed",
        bounce("Permanent", "Suppressed", "It has suppressed sending"),
        (HARD,),
    ),
    ("full", bounce("Transient", "MailboxFull"), (SOFT,)),
    ("undetermined", bounce("Undetermined", "Undetermined"), (SOFT,)),
    ("content", bounce("Transient", "ContentRejected"), (BLOCK,)),
    ("delayed", resend("delivery_delayed"), (DEFERRED,)),
    ("delivered", resend("delivered"), (DELIVERED,)),
    ("complained", resend("complained"), (COMPLAINED,)),
    ("failed", resend("failed", failed={"reason": "reached_daily_quota"}), (BLOCK,)),
    ("opened", resend("opened"), (OPENED,)),
    ("clicked", resend("clicked", click={"link": LINK, "userAgent": AGENT, "timestamp": ISO}), (CLICKED,)),
    ("sent", resend("sent"), NOTHING),
    ("about a domain", {"type": "domain.updated", "created_at": ISO, "data": {"id": "d"}}, NOTHING),
)

SAMPLES = [
    Sample(service, *rest)
    for service, samples in (
        ("mailersend", MAILERSEND),
        ("postal", POSTAL),
        ("postmark", POSTMARK),
        ("resend", RESEND),
    )
    for rest in samples
]
