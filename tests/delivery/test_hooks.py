"""The door for providers' reports: who gets in, and that nothing is left of those who do not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from campaigns.models import Campaign
from delivery.inbound import hooks, inbox
from delivery.inbound.services import REPORTING
from delivery.models import Event, Hook, Inbound, SendLog
from delivery.views.hooks import MAX_BYTES
from tests.delivery.webhooks import SAMPLES, signing
from tests.delivery.webhooks.amazon_host import Host, amazon_host
from tests.delivery.webhooks.mails import sent, told
from tests.delivery.webhooks.sample import filled
from tests.delivery.webhooks.signing import post, set_up, signed
from tests.factories import SenderFactory

__all__ = ["amazon_host"]

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]
SIGNING = sorted(name for name, reporting in REPORTING.items() if reporting.signs)
BARE = sorted(set(REPORTING) - set(SIGNING))


@pytest.fixture
def row(active_campaign: MakeCampaign, amazon_host: Host) -> SendLog:
    return sent(active_campaign(1))[0]


def report(row: SendLog, name: str) -> Any:
    sample = next(sample for sample in SAMPLES if str(sample) == name)
    return filled(sample.payload, row.pk, row.email, row.provider_id)


def harmful(row: SendLog, service: str) -> Any:
    """A report that would have consequences."""
    return report(row, next(str(s) for s in SAMPLES if s.service == service and s.reason == "complaint"))


def nothing_came_in() -> bool:
    inbox.process(1)
    return not Inbound.objects.exists() and not Event.objects.exists()


# --- Signatures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [name for name in SIGNING if name != "postal"])
def test_a_forged_signature_changes_nothing(row: SendLog, service: str) -> None:
    url = set_up(row.sender, service)
    body, headers = signed(service, harmful(row, service), url)
    other = body.replace(row.email.encode(), b"victim@example.com").replace(
        row.email.replace("@", "%40").encode(), b"victim%40example.com"
    )
    assert other != body
    if service == "mailgun":
        other = body.replace(b'"signature": "', b'"signature": "0')
    assert post(url, other, headers) == 403
    assert nothing_came_in()
    assert post(url, body, headers) == 200


@pytest.mark.parametrize("service", SIGNING)
def test_without_a_signature_nothing_is_taken(row: SendLog, service: str) -> None:
    url = set_up(row.sender, service)
    name = next(str(s) for s in SAMPLES if s.service == service)
    body = json.dumps(report(row, name)).encode()
    assert post(url, body, {"Content-Type": "application/json"}) in (400, 403)
    assert nothing_came_in()


@pytest.mark.parametrize("service", sorted(n for n, r in REPORTING.items() if r.key and r.key.required))
def test_before_the_key_is_entered_nothing_is_taken(row: SendLog, service: str) -> None:
    url = set_up(row.sender, service)
    hooks.set_key(Hook.objects.get(), "")
    name = next(str(s) for s in SAMPLES if s.service == service)
    assert post(url, *signed(service, report(row, name), url)) == 403
    assert nothing_came_in()


@pytest.mark.parametrize("service", BARE)
def test_a_password_is_asked_for_once_it_is_entered(row: SendLog, service: str) -> None:
    url = set_up(row.sender, service)
    hooks.set_key(Hook.objects.get(), "drum:beat")
    body, headers = signed(service, harmful(row, service), url)
    assert post(url, body, headers) == 403
    assert post(url, body, headers | {"Authorization": "Basic ZHJ1bTpiZWF0aw=="}) == 403
    assert nothing_came_in()
    assert post(url, body, headers | {"Authorization": "Basic ZHJ1bTpiZWF0"}) == 200


def test_a_token_of_mailgun_counts_once_whatever_body_comes_with_it(active_campaign: MakeCampaign) -> None:
    """Its signature does not cover the body: whoever has seen one could put another body to it."""
    row, victim = sent(active_campaign(2), 2)
    url = set_up(row.sender, "mailgun")
    body, headers = signed("mailgun", report(row, "mailgun delivered"), url)
    assert post(url, body, headers) == 200
    block = json.loads(body)["signature"]
    swapped = report(victim, "mailgun complained") | {"signature": block}
    post(url, json.dumps(swapped).encode(), headers)
    inbox.process(1)
    assert told() == [("delivered", "")]


@pytest.mark.parametrize(
    ("service", "age"),
    [("mailgun", 86_400 * 31), ("mailgun", -86_400 * 31), ("resend", 3600), ("resend", -3600)],
)
def test_a_signature_of_long_ago_is_refused(row: SendLog, service: str, age: int) -> None:
    url = set_up(row.sender, service)
    sign: Any = signing.SIGN[service]
    payload, key = harmful(row, service), signing.KEYS.get(service, "right-key")
    body, headers = sign(payload, key, url, time.time() - age)
    assert post(url, body, {"Content-Type": "application/json"} | headers) == 403
    assert nothing_came_in()


def test_another_topic_of_amazons_is_refused(row: SendLog) -> None:
    url = set_up(row.sender, "amazon_ses")
    hooks.set_key(Hook.objects.get(), "arn:aws:sns:eu-central-1:123456789012:other")
    call = signed("amazon_ses", report(row, "amazon_ses hard"), url)
    assert post(url, *call) == 403
    assert nothing_came_in()
    hooks.set_key(Hook.objects.get(), "arn:aws:sns:eu-central-1:123456789012:mail")
    assert post(url, *call) == 200


# --- Addresses ----------------------------------------------------------------------------------------------


def test_a_wrong_secret_finds_nothing(row: SendLog) -> None:
    url = set_up(row.sender, "postmark")
    call = signed("postmark", harmful(row, "postmark"), url)
    public_id = Hook.objects.get().public_id
    for wrong in (f"{url[:-2]}/", f"http://x/hooks/{public_id}/no/", "http://x/hooks/0/0/"):
        assert post(wrong, *call) == 404
        assert Client().get("/" + wrong.split("/", 3)[3]).status_code == 404
    assert nothing_came_in()


def test_a_replaced_secret_is_void_and_the_key_stays(row: SendLog) -> None:
    url = set_up(row.sender, "mailersend")
    hook = Hook.objects.get()
    hooks.rotate(hook)
    fresh = hooks.url(hook)
    call = signed("mailersend", harmful(row, "mailersend"), url)
    assert (post(url, *call), post(fresh, *call)) == (404, 200)


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_service_that_looks_whether_the_address_is_there_finds_it(row: SendLog, method: str) -> None:
    path = "/" + set_up(row.sender, "unisender_go").split("/", 3)[3]
    assert getattr(Client(), method)(path).status_code == 200
    assert Client().put(path).status_code == 405
    assert nothing_came_in()


def test_a_sender_that_uses_no_service_takes_nothing(row: SendLog) -> None:
    url = set_up(row.sender, "postmark")
    call = signed("postmark", harmful(row, "postmark"), url)
    row.sender.transport = "smtp"
    row.sender.save(update_fields=["transport"])
    assert post(url, *call) == 404
    assert nothing_came_in()


def test_secrets_that_cannot_be_read_let_the_service_try_again(row: SendLog, settings: Settings) -> None:
    url = set_up(row.sender, "postmark")
    settings.CREDENTIAL_KEYS = ["another"]
    assert post(url, *signed("postmark", harmful(row, "postmark"), url)) == 503


def test_the_secret_is_not_in_the_database(row: SendLog) -> None:
    url = set_up(row.sender, "postmark")
    secret = url.split("/")[-2]
    assert len(secret) >= 32
    assert not any(secret in str(value) for value in Hook.objects.values().get().values())


def test_the_secret_is_not_in_the_log(row: SendLog, caplog: pytest.LogCaptureFixture) -> None:
    url = set_up(row.sender, "postmark")
    secret = url.split("/")[-2]
    assert post(url, b"garbage", {"Content-Type": "application/json"}) == 400
    assert post(url.replace(secret, "wrong-secret"), b"", {}) == 404
    assert "provider report refused" in caplog.text
    assert secret not in caplog.text
    assert "wrong-secret" not in caplog.text


def test_while_the_database_cannot_write_the_service_is_asked_to_try_again(
    row: SendLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = set_up(row.sender, "postmark")

    def fail(*args: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(inbox, "take", fail)
    assert post(url, *signed("postmark", harmful(row, "postmark"), url)) == 503


def test_one_sender_has_one_address() -> None:
    sender = SenderFactory()
    assert hooks.url(hooks.make(sender)) == hooks.url(hooks.make(sender))
    assert hooks.url(hooks.make(sender)).startswith(f"{settings.SITE_URL}/hooks/")


# --- Bodies -------------------------------------------------------------------------------------------------

GARBAGE = [
    b"",
    b"hello",
    b"\0\xff\xfe",
    b"{",
    b"null",
    b"7",
    b'"x"',
    b"{}",
    b"[7]",
    b'[{"a": 1}]',
    b"[" * 20_000,
]


@pytest.mark.parametrize("service", sorted(REPORTING))
@pytest.mark.parametrize("body", GARBAGE, ids=[str(body[:8]) for body in GARBAGE])
def test_what_no_service_sends_is_refused(row: SendLog, service: str, body: bytes) -> None:
    url = set_up(row.sender, service)
    assert post(url, body, {"Content-Type": "application/json"}) in (400, 403)
    assert nothing_came_in()


def test_a_body_that_is_surely_the_services_is_kept_though_nobody_can_read_it(row: SendLog) -> None:
    url = set_up(row.sender, "mailersend")
    assert post(url, *signed("mailersend", {"type": "of the future"}, url)) == 200
    inbox.process(1)
    inbound = Inbound.objects.get()
    assert inbound.processed_at is None
    assert "KeyError" in inbound.error


def test_more_than_any_report_is_refused_before_it_is_read(row: SendLog) -> None:
    url = set_up(row.sender, "postmark")
    payload = harmful(row, "postmark") | {"Content": "x" * MAX_BYTES}
    assert post(url, *signed("postmark", payload, url)) == 413
    assert nothing_came_in()


def test_a_large_report_is_taken(row: SendLog) -> None:
    url = set_up(row.sender, "sparkpost")
    payload = report(row, "sparkpost open") * 8_000
    body, headers = signed("sparkpost", payload, url)
    assert 2_000_000 < len(body) < MAX_BYTES
    assert post(url, body, headers) == 200
    inbox.process(1)
    assert told() == [("opened", "")]


def test_the_door_costs_one_look_and_one_insert(row: SendLog) -> None:
    url = set_up(row.sender, "postmark")
    call = signed("postmark", harmful(row, "postmark"), url)
    with CaptureQueriesContext(connection) as captured:
        assert post(url, *call) == 200
    statements = [query["sql"] for query in captured.captured_queries]
    kinds = [sql.split()[0] for sql in statements if sql.split()[0] in ("SELECT", "INSERT", "UPDATE")]
    assert kinds == ["SELECT", "INSERT"]


def test_signatures_and_passwords_are_not_kept(row: SendLog) -> None:
    url = set_up(row.sender, "resend")
    body, headers = signed("resend", harmful(row, "resend"), url)
    post(url, body, headers | {"Authorization": "Basic ZHJ1bTpiZWF0", "Cookie": "a=b"})
    inbound = Inbound.objects.get()
    assert set(inbound.headers) == {"Content-Type", "Svix-Id"}
    assert bytes(inbound.body) == body
