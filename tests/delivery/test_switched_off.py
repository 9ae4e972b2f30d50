"""ENABLE_EMAIL_SCHEDULER=false: through no door does a mail leave, and every page says so."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import senders, tasks, unknown
from delivery.fill import fill_page
from delivery.models import SendLog
from delivery.worker import Worker
from tests.delivery.staff import superuser
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)
SAID = "Sending is switched off for this installation (ENABLE_EMAIL_SCHEDULER=false)"


@pytest.fixture
def stub(settings: Settings) -> Iterator[SmtpStub]:
    """The mail server of every sender, the local mailbox of the demo among them."""
    settings.ENABLE_EMAIL_SCHEDULER = False
    with SmtpStub() as stub:
        settings.MAILBOX_PORT = stub.port
        yield stub


def draft(stub: SmtpStub) -> Campaign:
    CustomerFactory(), CustomerFactory()
    sender = SenderFactory(transport="smtp", host=stub.host, port=stub.port, security="none")
    campaign: Campaign = CampaignFactory(senders=[sender])
    return campaign


def active(stub: SmtpStub) -> Campaign:
    campaign = draft(stub)
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    return campaign


# --- The doors ----------------------------------------------------------------------------------------


def send_page(stub: SmtpStub) -> None:
    campaign = draft(stub)
    url = reverse("delivery:send", args=[campaign.pk])
    page = superuser().post(url, {"as_of": campaign.updated_at.isoformat()}, follow=True).text
    assert "Sending is switched off, so nothing leaves yet." in page


def send_page_test(stub: SmtpStub) -> None:
    """A test is one person's own click, and still a mail that leaves."""
    url = reverse("delivery:send_test", args=[draft(stub).pk])
    answer = superuser().post(url, {"address": "me@example.org"}).text
    assert SAID in answer


def admin_transitions(stub: SmtpStub) -> None:
    campaign = active(stub)
    for action, status in (("pause", "paused"), ("resume", "active")):
        superuser().post(reverse("delivery:steer", args=[campaign.pk, action]))
        campaign.refresh_from_db()
        assert campaign.status == status


def campaign_command(stub: SmtpStub) -> None:
    call_command("campaign", "activate", str(draft(stub).pk))


def sender_test(stub: SmtpStub) -> None:
    """Testing the connection is allowed: it sends no mail."""
    assert senders.verify(draft(stub).senders.get()) is None


def unknown_page(stub: SmtpStub) -> None:
    campaign = active(stub)
    SendLog.objects.update(status=SendLog.Status.UNKNOWN)
    user = get_user_model().objects.create_superuser("root")
    assert unknown.send_again(campaign, user) == 2


def send_due(stub: SmtpStub) -> None:
    active(stub)
    call_command("send_due")


def send_due_loop(stub: SmtpStub) -> None:
    """It stays, and looks again and again; told to stop, it stops."""
    active(stub)
    before, look = signal.getsignal(signal.SIGTERM), Worker.run_once

    def look_once(worker: Worker) -> bool:
        worked = look(worker)
        signal.raise_signal(signal.SIGTERM)
        return worked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run_once", look_once)
        call_command("send_due", "--loop")
    signal.signal(signal.SIGTERM, before)


def doorbell(stub: SmtpStub) -> None:
    active(stub)
    assert tasks.tick() == {}


def embedded_worker(stub: SmtpStub) -> None:
    """As `manage.py serve` runs it."""
    active(stub)
    asked = itertools.count()
    with Worker() as worker:
        worker.run_forever(lambda seconds: next(asked) > 5)


def demo(stub: SmtpStub) -> None:
    active(stub)
    with pytest.raises(CommandError, match="switched off"):
        call_command("demo")


DOORS = [
    send_page,
    send_page_test,
    admin_transitions,
    campaign_command,
    sender_test,
    unknown_page,
    send_due,
    send_due_loop,
    doorbell,
    embedded_worker,
    demo,
]


@pytest.mark.parametrize("door", DOORS)
def test_no_mail_leaves(door: Callable[[SmtpStub], None], stub: SmtpStub, settings: Settings) -> None:
    door(stub)
    tasks.tick()
    assert stub.received == []
    assert not SendLog.objects.exclude(status=SendLog.Status.QUEUED).exists()
    settings.ENABLE_EMAIL_SCHEDULER = True
    tasks.tick()
    is_live = Campaign.objects.exclude(status=Campaign.Status.DRAFT).exists()
    assert len(stub.accepted) == (2 if is_live else 0)


@pytest.mark.parametrize(
    "url", ["/admin/", "/admin/campaigns/campaign/", "/mailbox/", "/operations/", "/admin/audience/segment/"]
)
def test_every_page_says_so(url: str, settings: Settings) -> None:
    client: Client = superuser()
    assert SAID not in client.get(url).text
    settings.ENABLE_EMAIL_SCHEDULER = False
    assert SAID in client.get(url).text
    assert SAID not in Client().get("/admin/login/").text


def test_a_sender_is_not_stopped_by_the_switch(stub: SmtpStub) -> None:
    active(stub)
    tasks.tick()
    assert Sender.objects.get().is_usable
