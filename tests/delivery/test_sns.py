"""Amazon's signatures, and the addresses that stand in its messages: followed to Amazon and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from delivery.inbound import inbox, sns
from delivery.inbound.receivers import Call
from delivery.models import Inbound
from tests.delivery.webhooks import signing
from tests.delivery.webhooks.amazon import TOPIC, notification
from tests.delivery.webhooks.amazon_host import Host, amazon_host
from tests.delivery.webhooks.signing import post, set_up
from tests.factories import SenderFactory

__all__ = ["amazon_host"]


def message(**changes: Any) -> dict[str, Any]:
    body, _ = signing.amazon(notification("Send", {}), "", "")
    return json.loads(body) | changes


def subscription(host: Host) -> dict[str, Any]:
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": f"{host.url}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        "Timestamp": "2026-03-01T12:00:00.000Z",
    }


def test_what_amazon_signed_is_genuine(amazon_host: Host) -> None:
    for _ in range(3):
        assert sns.is_genuine(message())
    assert amazon_host.asked == ["/SimpleNotificationService-abc123.pem"]


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": "{}"},
        {"TopicArn": "arn:aws:sns:eu-central-1:1:other"},
        {"Signature": "AAAA"},
        {"Signature": "not base64"},
        {"Signature": None},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"Type": "Other"},
        {"Subject": "added"},
    ],
    ids=str,
)
def test_what_was_changed_is_not(amazon_host: Host, changes: dict[str, Any]) -> None:
    assert not sns.is_genuine(message(**changes))


def test_a_certificate_that_has_ended_proves_nothing(amazon_host: Host) -> None:
    amazon_host.certificate = signing.certificate(days=0)
    assert not sns.is_genuine(message())


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-a.pem",
        "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-a.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.evil.example/SimpleNotificationService-a.pem",
        "https://127.0.0.1/SimpleNotificationService-a.pem",
        "file:///SimpleNotificationService-a.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-a.pem\n",
    ],
)
def test_no_address_but_amazons_is_followed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sns, "_fetch", asked.append)
    assert not sns.is_genuine(message(SigningCertURL=address))
    with pytest.raises(ValueError, match="not Amazon's"):
        sns.confirm({"SubscribeURL": address.replace("/Simple", "/?Action=ConfirmSubscription&Simple")})
    assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-9c6465fa.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-9c6465fa.pem",
    ],
)
def test_amazons_own_addresses_are(address: str) -> None:
    assert sns.CERTIFICATE.fullmatch(address)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_without_the_certificate_nobody_can_tell_and_no_redirect_is_followed(
    amazon_host: Host, status: int
) -> None:
    amazon_host.status = status
    with pytest.raises(sns.CannotTell):
        sns.is_genuine(message())
    assert len(amazon_host.asked) == 1
    amazon_host.status = 200
    assert sns.is_genuine(message())


@pytest.mark.django_db
def test_amazon_is_asked_to_try_again_while_its_certificate_cannot_be_fetched(amazon_host: Host) -> None:
    url = set_up(SenderFactory(), "amazon_ses")
    amazon_host.status = 500
    assert post(url, *signing.signed("amazon_ses", notification("Send", {}), url)) == 503
    assert not Inbound.objects.exists()


@pytest.mark.django_db
def test_a_subscription_is_confirmed_by_the_worker_and_tried_again(amazon_host: Host) -> None:
    sender = SenderFactory()
    url = set_up(sender, "amazon_ses")
    call = signing.signed("amazon_ses", subscription(amazon_host), url)
    assert post(url, *call) == 200
    assert len(amazon_host.asked) == 1
    amazon_host.status = 500
    inbox.process(1)
    inbound = Inbound.objects.get()
    assert "Amazon answered 500" in inbound.error
    Inbound.objects.update(due_at=inbound.received_at)
    amazon_host.status = 200
    inbox.process(1)
    assert [path[:27] for path in amazon_host.asked[1:]] == ["/?Action=ConfirmSubscription"[:27]] * 2
    assert Inbound.objects.get().processed_at


@pytest.mark.django_db
def test_a_subscription_to_elsewhere_is_never_confirmed(amazon_host: Host) -> None:
    told = subscription(amazon_host) | {
        "SubscribeURL": f"{amazon_host.url}/other?Action=ConfirmSubscription&"
    }
    body, headers = signing.signed("amazon_ses", told, "")
    inbox.take(SenderFactory(), "amazon_ses", Call(headers, body))
    inbox.process(1)
    assert amazon_host.asked == []
    assert "not Amazon's" in Inbound.objects.get().error
