"""A secret goes in and never comes out: looked for in everything that people, logs and brokers get to see."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.test import Client
from kombu import Connection, Queue
from pytest_django import Settings

from audience.models import Membership
from campaigns import lifecycle
from campaigns.models import Sender
from config.logs import FORMS
from delivery import senders, test_send
from delivery.models import SendLog
from delivery.tasks import tick
from delivery.worker import Worker
from tests.delivery.services import impatient  # noqa: F401 - a fixture
from tests.factories import CampaignFactory, CustomerFactory, MembershipFactory, SenderFactory
from tests.http_stub import KEY, HttpStub, Response
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)
# Of letters that neither JSON nor HTML writes in another way. The stub knows the key within it, and goes on
# to repeat it.
SECRET = f"zzMustNotComeOut-{KEY}"


@pytest.fixture
def services(caplog: pytest.LogCaptureFixture) -> Iterator[list[Sender]]:
    """An SMTP server and a service that repeat what they were told when they refuse it, and their senders."""
    caplog.set_level(logging.DEBUG)
    refusal = Response(401, {"ErrorCode": 10, "Message": f"The token {SECRET} is not valid."})
    smtp = SmtpStub(log_in=("shop", "another"), AUTH=f"535 5.7.8 {SECRET} is wrong")
    with HttpStub([refusal] * 9, for_nobody=refusal) as stub, smtp:
        by_smtp = SenderFactory(
            name="By SMTP",
            transport="smtp",
            host=smtp.host,
            port=smtp.port,
            security="none",
            username="shop",
        )
        by_smtp.set_password(SECRET)
        by_service = SenderFactory(name="By service", transport="esp", esp="postmark")
        by_service.api_url = stub.url("postmark")
        by_service.set_credentials({"server_token": SECRET})
        for sender in (by_smtp, by_service):
            sender.save(update_fields=["sealed_password", "sealed_credentials", "api_url"])
        yield [by_smtp, by_service]


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.MANAGER).user)
    return client


def form(sender: Sender, **entered: Any) -> dict[str, Any]:
    columns = ("name", "from_name", "from_email", "transport", "host", "port", "security", "username", "esp")
    kept = {name: getattr(sender, name) for name in (*columns, "api_url", "min_delay")}
    sets = {f"{name}-{kind}_FORMS": 0 for name in ("limits", "warm_up") for kind in ("TOTAL", "INITIAL")}
    return kept | sets | entered


def test_no_page_shows_a_secret_that_was_entered(manager: Client, services: list[Sender]) -> None:
    by_smtp, by_service = services
    pages = []
    for sender, name in ((by_smtp, "password"), (by_service, "postmark_server_token")):
        change = f"/admin/campaigns/sender/{sender.pk}/change/"
        pages += [
            manager.post(change, form(sender, from_email="", **{name: SECRET})),
            manager.post(change, form(sender, from_name="Shop", **{name: SECRET}), follow=True),
            manager.post(f"/senders/{sender.pk}/verify/", follow=True),
            manager.post(f"/senders/{sender.pk}/test/", {"address": "me@example.org"}),
            *map(
                manager.get,
                (
                    change,
                    f"/admin/campaigns/sender/{sender.pk}/history/",
                    f"/admin/campaigns/sender/{sender.pk}/delete/",
                    f"/admin/campaigns/sender/{sender.pk}/domain/",
                    f"/senders/{sender.pk}/limits/",
                ),
            ),
        ]
    pages.append(manager.get("/admin/campaigns/sender/"))
    assert {page.status_code for page in pages} == {200}
    for page in pages:
        assert SECRET not in page.text
    assert sum("Leave empty to keep the one that is stored." in page.text for page in pages) >= 2
    assert all(sender.last_error for sender in Sender.objects.all())


def test_the_history_of_a_sender_holds_no_secret(manager: Client, services: list[Sender]) -> None:
    for sender, name in zip(services, ("password", "postmark_server_token"), strict=True):
        manager.post(f"/admin/campaigns/sender/{sender.pk}/change/", form(sender, **{name: SECRET}))
    entries = list(LogEntry.objects.values())
    assert len(entries) == 2
    assert SECRET not in str(entries)


def test_no_row_holds_a_secret_in_clear(services: list[Sender]) -> None:
    for sender in services:
        senders.verify(sender)
        test_send.send_from(sender, "me@example.org")
    send_something(services)
    for model in apps.get_models():
        assert SECRET not in str(list(model._base_manager.values())), model


def test_neither_logs_nor_results_repeat_a_secret(
    services: list[Sender],
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for sender in services:
        assert SECRET not in str(senders.verify(sender))
        assert SECRET not in repr(test_send.send_from(sender, "me@example.org"))
        assert SECRET not in repr(sender)
    send_something(services)
    settings.CREDENTIAL_KEYS = ["new", *settings.CREDENTIAL_KEYS]
    call_command("rotate_keys")
    assert len(caplog.records) > 2
    for record in caplog.records:
        for make in FORMS.values():
            assert SECRET not in make().format(record)
    assert SECRET not in "".join(capfd.readouterr())


def send_something(of_it: list[Sender]) -> None:
    """A campaign through both senders, which both refuse their secret."""
    CustomerFactory.create_batch(4)
    lifecycle.activate(CampaignFactory(senders=of_it))
    with Worker() as worker:
        for _ in range(4):
            worker.run_once()
    assert SendLog.objects.exists()
    assert {sender.state for sender in Sender.objects.all()} == {"stopped"}


def test_a_task_carries_nothing_but_who_rang(services: list[Sender]) -> None:
    """What the broker keeps: a doorbell without recipients, senders or secrets."""
    send_something(services)
    with Connection("memory://") as broker:
        bell = Queue("celery")(broker.channel())
        bell.declare()
        tick.apply_async(("worker",), connection=broker, queue="celery")
        message = bell.get()
    assert message is not None
    told, named, _ = json.loads(message.body)
    assert (told, named) == (["worker"], {})
    assert SECRET not in str(message.body) + str(message.headers)
