"""Mails of flows have all that a campaign's own mail has: tracking, attachments, codes, UTM parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.test import Client

from analytics import roll_up
from analytics.models import LedgerSum
from audience import clock, customer_events
from audience.customer_events import Happening
from audience.models import Workspace
from campaigns import attachments, lifecycle
from campaigns.models import Automation, Campaign
from delivery import reactions, replay
from delivery.handover import Hands
from delivery.journal import Journal
from delivery.limits import limiter
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, SendLog
from tests.delivery.services import impatient  # noqa: F401 - a fixture
from tests.delivery.test_replay import left, sender_at
from tests.factories import TemplateFactory
from tests.flows import (
    START,
    activated,
    ask,
    cast,
    days,
    leave,
    make_flow,
    on_flow,
    send,
    sent,
    wait,
    work,
    work_at,
)
from tests.http_stub import Act, HttpStub

Mails = Callable[[], list[Any]]
pytestmark = pytest.mark.django_db(transaction=True)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BODY = '<p>Hello <a href="https://shop.example/a?b=1">A</a> <a href="{{ unsubscribe_link }}">Bye</a></p>'


def template(**columns: Any) -> Any:
    return TemplateFactory(**{"body": BODY} | columns)


@pytest.fixture
def mails(mailbox: MailboxStore) -> Mails:
    def read() -> list[Any]:
        found = [mailbox.find(message.id) for message in mailbox.search().messages]
        return [message_from_bytes(one[1], policy=policy.default) for one in found if one]

    return read


def html(message: Any) -> str:
    return str(message.get_body(("html",)).get_content())


def counting_link(text: str) -> str:
    return re.findall(r"/c/[\w-]+/1", text)[0]


def test_a_click_on_a_tracked_link_in_a_flows_mail_is_counted_and_branches_the_flow(
    begun: None, mails: Mails
) -> None:
    cast(ada="")
    campaign = activated(
        send(1, template=template().pk),
        wait(2, days=1),
        ask(3, ("mail.clicked", "since_step", 1), yes=[send(4), leave(5)]),
        leave(6),
        tracked=True,
    )
    work()
    answer = Client(headers={"User-Agent": AGENT}).get(counting_link(html(mails()[0])))
    assert answer.status_code == 302 and answer["Location"] == "https://shop.example/a?b=1"
    assert reactions.take_in() == 1
    assert Event.objects.get().verdict == Event.Verdict.PERSON
    work_at(days(1))
    assert sent(campaign) == [("ada", 1), ("ada", 4)]


@pytest.mark.parametrize("off", ["workspace", "campaign"])
def test_where_tracking_is_off_a_flows_links_are_as_they_were_written(
    begun: None, mails: Mails, off: str
) -> None:
    cast(ada="")
    if off == "workspace":
        Workspace.objects.update(tracked=False)
    activated(send(1, template=template().pk), leave(2), tracked=off == "workspace")
    work()
    assert "/c/" not in html(mails()[0]) and "https://shop.example/a?b=1" in html(mails()[0])


def test_campaigns_on_one_flow_have_their_own_utm_parameters(begun: None, mails: Mails) -> None:
    cast(ada="")
    flow = make_flow(send(1, template=template().pk), leave(2))
    for number, utm in enumerate((True, False, True)):
        lifecycle.activate(on_flow(flow, name=f"C{number}", utm=utm, utm_source="shop"))
    work()
    found = [Client().get(counting_link(html(message)))["Location"] for message in mails()]
    plain, utm = "https://shop.example/a?b=1", "&utm_source=shop&utm_medium=email&utm_campaign="
    assert sorted(found) == [plain, f"{plain}{utm}C0", f"{plain}{utm}C2"]
    assert SendLog.objects.values("content").distinct().count() == 3


def test_a_flows_mails_carry_their_attachments_and_codes(begun: None, mails: Mails) -> None:
    cast(ada="")
    with_file = template(body=BODY + "{{ customer.qr_code }}", qr_inline=True)
    attachments.attach(with_file, "prices.pdf", b"%PDF-1.7 prices")
    activated(send(1, template=with_file.pk), send(2, template=template().pk), leave(3))
    work()
    work()
    first, second = sorted(mails(), key=lambda message: -len(message.as_bytes()))
    assert [part.get_filename() for part in first.iter_attachments()] == ["prices.pdf"]
    assert any(part.get_content_type() == "image/png" for part in first.walk())
    assert list(second.iter_attachments()) == []


def test_a_mail_that_names_an_event_shows_it_in_a_browser_too(begun: None, mails: Mails) -> None:
    ada = cast(ada="")["ada"]
    page = template(body=BODY + '{{ event.number }} <a href="{{ view_in_browser_link }}">View</a>')
    campaign = on_flow(make_flow(send(1, template=page.pk), leave(2)))
    Campaign.objects.filter(pk=campaign.pk).update(kind=Campaign.Kind.AUTOMATION)
    Automation.objects.create(campaign=campaign, start=Automation.Start.EVENT, event="order_placed")
    lifecycle.activate(Campaign.objects.get(pk=campaign.pk))
    happening = Happening("order_placed", "k1", email=ada.email, properties={"number": "A-17"}, at=START)
    assert not customer_events.ingest(ada.workspace, [happening]).errors
    work()
    said = html(mails()[0])
    assert "A-17" in said
    shown = Client().get(re.findall(r"/v/[\w-]+", said)[0])
    assert shown.status_code == 200 and "A-17" in shown.text


def test_a_doubtful_mail_of_a_flow_is_asked_about_with_its_own_content(impatient: None) -> None:  # noqa: F811
    cast(ada="")
    with HttpStub([Act.RESET]) as stub:
        campaign = activated(send(1), leave(2), senders=[sender_at(stub)])
        work()
        assert SendLog.objects.get().status == "unknown"
        left(seconds_ago=130)
        Campaign.objects.update(status="active")
        hands = Hands("w9", Journal("w9"), limiter())
        assert replay.replay_unknown(lambda: hands) == 1
        hands.close()
        subjects = [request.json["subject"] for request in stub.requests]
    assert subjects == ["Mail 1", "Mail 1"]
    assert [row.status for row in SendLog.objects.filter(campaign=campaign)] == ["sent"]


def test_what_becomes_of_a_flows_mails_reaches_the_reports(begun: None, mails: Mails) -> None:
    cast(ada="", bo="")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))

    def counted() -> list[tuple[int, str, int]]:
        roll_up.run()
        sums = LedgerSum.objects.filter(campaign=campaign).order_by("step", "status")
        return list(sums.values_list("step", "status", "mails"))

    work()
    assert counted() == [(1, "sent", 2)]
    with clock.at(days(1)):
        lifecycle.pause(campaign)
        lifecycle.resume(campaign)
    work_at(days(1))
    assert counted() == [(1, "sent", 2), (3, "sent", 2)]
