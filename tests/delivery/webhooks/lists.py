"""Services that report many events in one call: Mailtrap, Mandrill, SparkPost, Unisender Go."""

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


def mailtrap(*events: dict[str, Any]) -> dict[str, Any]:
    """docs.mailtrap.io/email-api-smtp/advanced/webhooks"""
    common = {
        "message_id": "{id}",
        "sending_stream": "bulk",
        "email": "{email}",
        "timestamp": EPOCH,
        "custom_variables": {"row": "{row}"},
    }
    return {"events": [common | {"event_id": f"e{n}", **event} for n, event in enumerate(events)]}


def refused(event: str, words: str) -> dict[str, Any]:
    return {"event": event, "response": words, "response_code": 550, "bounce_category": "other"}


MAILTRAP = (
    ("hard", mailtrap(refused("bounce", UNKNOWN_USER)), (HARD,)),
    ("hard without words", mailtrap(refused("bounce", "")), (HARD,)),
    ("spam", mailtrap(refused("bounce", SPAM)), (BLOCK,)),
    ("soft", mailtrap(refused("soft bounce", FULL)), (DEFERRED,)),
    ("suspension", mailtrap({"event": "suspension"}), (DEFERRED,)),
    ("reject", mailtrap({"event": "reject", "reason": "unknown"}), (BLOCK,)),
    ("delivery", mailtrap({"event": "delivery"}), (DELIVERED,)),
    ("complaint", mailtrap({"event": "spam"}), (COMPLAINED,)),
    ("unsubscribe", mailtrap({"event": "unsubscribe"}), (UNSUBSCRIBED,)),
    ("open", mailtrap({"event": "open", "ip": "192.0.2.1", "user_agent": AGENT}), (OPENED,)),
    ("click", mailtrap({"event": "click", "url": LINK, "user_agent": AGENT}), (CLICKED,)),
    ("several", mailtrap({"event": "delivery"}, {"event": "open"}), (DELIVERED, OPENED)),
    ("none", mailtrap(), NOTHING),
)


def mandrill(event: str, **more: Any) -> dict[str, Any]:
    """mailchimp.com/developer/transactional/docs/webhooks; a form whose one field holds JSON."""
    message = {
        "_id": "{id}",
        "ts": EPOCH,
        "email": "{email}",
        "sender": "news@acme.example",
        "subject": "Spring",
        "state": "sent",
        "tags": [],
        "metadata": {"row": "{row}"},
        **more.pop("msg", {}),
    }
    return {"event": event, "_id": "{id}", "ts": EPOCH, "msg": message, **more}


def bounced(event: str, description: str, diag: str = "") -> list[dict[str, Any]]:
    return [mandrill(event, msg={"bounce_description": description, "bgtools_code": 10, "diag": diag})]


def rejected(reason: str) -> list[dict[str, Any]]:
    return [mandrill("reject", msg={"state": "rejected", "reject": {"reason": reason}})]


MANDRILL = (
    ("hard", bounced("hard_bounce", "bad_mailbox", f"smtp;{UNKNOWN_USER}"), (HARD,)),
    ("no such domain", bounced("hard_bounce", "invalid_domain"), (HARD,)),
    ("hard for spam", bounced("hard_bounce", "general", f"smtp;{SPAM}"), (BLOCK,)),
    ("soft", bounced("soft_bounce", "mailbox_full", f"smtp;{FULL}"), (SOFT,)),
    ("policy", bounced("soft_bounce", "policy_related"), (BLOCK,)),
    ("known to bounce", rejected("hard-bounce"), (HARD,)),
    ("known to complain", rejected("spam"), LEFT),
    ("known to have left", rejected("unsub"), LEFT),
    ("a rule", rejected("rule"), (BLOCK,)),
    ("deferral", [mandrill("deferral", msg={"state": "deferred"})], (DEFERRED,)),
    ("delivered", [mandrill("delivered")], (DELIVERED,)),
    ("spam", [mandrill("spam")], (COMPLAINED,)),
    ("unsub", [mandrill("unsub")], (UNSUBSCRIBED,)),
    ("open", [mandrill("open", ip="192.0.2.1", user_agent=AGENT)], (OPENED,)),
    ("click", [mandrill("click", url=LINK, user_agent=AGENT)], (CLICKED,)),
    ("send", [mandrill("send")], NOTHING),
    ("none", [], NOTHING),
)


def sparkpost(kind: str, event: str, **more: Any) -> dict[str, Any]:
    """developers.sparkpost.com/api/webhooks"""
    about = {
        "type": event,
        "event_id": f"92356927693813{event}",
        "timestamp": str(EPOCH),
        "raw_rcpt_to": "{email}",
        "rcpt_to": "{email}",
        "rcpt_meta": {"row": "{row}"},
        "transmission_id": "{id}",
        "message_id": "000443ee14578172be22",
        "campaign_id": "",
        **more,
    }
    return {"msys": {kind: about}}


def returned(bounce_class: str, words: str) -> list[dict[str, Any]]:
    return [sparkpost("message_event", "bounce", bounce_class=bounce_class, raw_reason=words)]


SPARKPOST = (
    ("hard", returned("10", UNKNOWN_USER), (HARD,)),
    ("full", returned("22", FULL), (SOFT,)),
    ("undetermined", returned("1", "550 sorry"), (SOFT,)),
    ("too large", returned("23", "552 5.3.4 too big"), (BLOCK,)),
    ("blocked", returned("50", "550 no"), (BLOCK,)),
    ("spam", returned("51", SPAM), (BLOCK,)),
    ("later", [sparkpost("message_event", "out_of_band", bounce_class="30", raw_reason="550")], (HARD,)),
    ("auto-reply", [sparkpost("message_event", "out_of_band", bounce_class="60")], NOTHING),
    ("policy", [sparkpost("message_event", "policy_rejection", raw_reason="550 5.7.1 policy")], (BLOCK,)),
    ("delay", [sparkpost("message_event", "delay", bounce_class="20", raw_reason=FULL)], (DEFERRED,)),
    ("delivery", [sparkpost("message_event", "delivery")], (DELIVERED,)),
    ("complaint", [sparkpost("message_event", "spam_complaint", fbtype="abuse")], (COMPLAINED,)),
    ("unsubscribe", [sparkpost("unsubscribe_event", "list_unsubscribe")], (UNSUBSCRIBED,)),
    ("failure", [sparkpost("gen_event", "generation_failure", raw_reason="no template")], (BLOCK,)),
    ("open", [sparkpost("track_event", "open", user_agent=AGENT)], (OPENED,)),
    ("click", [sparkpost("track_event", "click", target_link_url=LINK)], (CLICKED,)),
    ("injection", [sparkpost("message_event", "injection")], NOTHING),
    ("ping", [{"msys": {}}], NOTHING),
)


def unisender(status: str, delivery: str = "", **more: Any) -> dict[str, Any]:
    """godocs.unisender.ru/web-api-ref: callback format; `auth` is filled in when it is sent."""
    data = {
        "job_id": "{id}",
        "metadata": {"row": "{row}"},
        "email": "{email}",
        "status": status,
        "event_time": "2026-03-01 12:00:00",
        "delivery_info": {"delivery_status": delivery, "destination_response": "", "user_agent": AGENT},
        **more,
    }
    event = {"event_name": "transactional_email_status", "event_data": data}
    return {"auth": "", "events_by_user": [{"user_id": 456, "events": [event]}]}


UNISENDER = (
    ("hard", unisender("hard_bounced", "err_user_unknown"), (HARD,)),
    ("full", unisender("hard_bounced", "err_mailbox_full"), (SOFT,)),
    ("spam", unisender("hard_bounced", "err_spam_rejected"), (BLOCK,)),
    ("had left", unisender("hard_bounced", "err_unsubscribed"), LEFT),
    ("soft", unisender("soft_bounced", "err_will_retry"), (DEFERRED,)),
    ("delivered", unisender("delivered", "ok_delivered"), (DELIVERED,)),
    ("complaint", unisender("spam", "ok_fbl"), (COMPLAINED,)),
    ("unsubscribed", unisender("unsubscribed"), (UNSUBSCRIBED,)),
    ("opened", unisender("opened"), (OPENED,)),
    ("clicked", unisender("clicked", url=LINK), (CLICKED,)),
    ("sent", unisender("sent", "ok_sent"), NOTHING),
)

SAMPLES = [
    Sample(service, *rest)
    for service, samples in (
        ("mailtrap", MAILTRAP),
        ("mandrill", MANDRILL),
        ("sparkpost", SPARKPOST),
        ("unisender_go", UNISENDER),
    )
    for rest in samples
]
