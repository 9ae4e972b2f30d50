"""Amazon SES through SNS: docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html."""

from __future__ import annotations

import json
from typing import Any

from tests.delivery.webhooks.sample import (
    AGENT,
    BLOCK,
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    FULL,
    HARD,
    ISO,
    LINK,
    NOTHING,
    OPENED,
    SOFT,
    SPAM,
    UNKNOWN_USER,
    Sample,
)

TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
MAIL = {
    "timestamp": ISO,
    "source": "news@acme.example",
    "sendingAccountId": "123456789012",
    "messageId": "{id}",
    "destination": ["{email}"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "Acme <news@acme.example>"},
        {"name": "X-Metadata", "value": '{"row": "{row}"}'},
    ],
}


def notification(name: str, about: dict[str, Any], mail: dict[str, Any] = MAIL) -> dict[str, Any]:
    event = {"eventType": name, name[0].lower() + name[1:]: about, "mail": mail}
    return {
        "Type": "Notification",
        "MessageId": f"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf{len(json.dumps(event))}",
        "TopicArn": TOPIC,
        "Message": json.dumps(event),
        "Timestamp": "2026-03-01T12:00:00.000Z",
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    }


def bounce(kind: str, fine: str, words: str) -> dict[str, Any]:
    recipient = {"emailAddress": "{email}", "action": "failed", "status": "5.0.0", "diagnosticCode": words}
    return {
        "bounceType": kind,
        "bounceSubType": fine,
        "bouncedRecipients": [recipient],
        "timestamp": ISO,
        "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
    }


COMPLAINT = {
    "complainedRecipients": [{"emailAddress": "{email}"}],
    "timestamp": ISO,
    "userAgent": "ExampleCorp Feedback Loop (V0.01)",
    "complaintFeedbackType": "abuse",
}
DELIVERY = {"timestamp": ISO, "recipients": ["{email}"], "smtpResponse": "250 2.6.0 Message received"}
CLICK = {"timestamp": ISO, "ipAddress": "192.0.2.1", "userAgent": AGENT, "link": LINK, "linkTags": None}
OPEN = {"timestamp": ISO, "ipAddress": "192.0.2.1", "userAgent": AGENT}
# Its body stands under "deliveryDelay".
DELAY = {
    "delayType": "MailboxFull",
    "timestamp": ISO,
    "delayedRecipients": [{"emailAddress": "{email}", "status": "4.4.1", "diagnosticCode": FULL}],
}
# Without original headers a mail is known by Amazon's id alone.
BARE = {name: value for name, value in MAIL.items() if name != "headers"}

SAMPLES = [
    Sample("amazon_ses", name, notification(*event), told)
    for name, event, told in (
        ("hard", ("Bounce", bounce("Permanent", "General", f"smtp; {UNKNOWN_USER}")), (HARD,)),
        ("nobody", ("Bounce", bounce("Permanent", "NoEmail", "")), (HARD,)),
        ("on its own list", ("Bounce", bounce("Permanent", "OnAccountSuppressionList", "")), (HARD,)),
        ("full", ("Bounce", bounce("Transient", "MailboxFull", f"smtp; {FULL}")), (SOFT,)),
        ("undetermined", ("Bounce", bounce("Undetermined", "Undetermined", "")), (SOFT,)),
        ("blocked", ("Bounce", bounce("Permanent", "General", f"smtp; {SPAM}")), (BLOCK,)),
        ("content", ("Bounce", bounce("Transient", "ContentRejected", "smtp; 554 no")), (BLOCK,)),
        ("complaint", ("Complaint", COMPLAINT), (COMPLAINED,)),
        ("delivery", ("Delivery", DELIVERY), (DELIVERED,)),
        ("delivery by id", ("Delivery", DELIVERY, BARE), (DELIVERED,)),
        ("open", ("Open", OPEN), (OPENED,)),
        ("click", ("Click", CLICK), (CLICKED,)),
        ("reject", ("Reject", {"reason": "Bad content"}), (BLOCK,)),
        ("delay", ("DeliveryDelay", DELAY), (DEFERRED,)),
        ("send", ("Send", {}), NOTHING),
    )
]
