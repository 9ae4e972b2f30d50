from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audience.models import Suppression
from audience.suppression import suppress
from campaigns.models import Campaign
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, SendLog
from tests.api.program import Program, fields, problem
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db
Filled = Callable[..., Campaign]


def test_the_funnel_says_who_would_not_be_mailed_and_why() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, audience="all_subscribed", segment=None)
    CustomerFactory(workspace=program.workspace)
    CustomerFactory(workspace=program.workspace, subscribed=False, sms_subscribed=True)
    suppress(program.workspace, CustomerFactory().email, Suppression.Reason.COMPLAINT)
    answer = program.get(f"/campaigns/{campaign.pk}/funnel").json()
    assert answer == {"matched": 3, "will_be_sent": 1, "refused": {"opted_out": 1, "complaint": 1}}


def test_a_funnel_without_a_segment_says_what_to_do() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, segment=None)
    problem(program.get(f"/campaigns/{campaign.pk}/funnel"), 422, "no-audience")


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_to_the_address_as_the_customer(mailbox: MailboxStore) -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    customer = CustomerFactory(workspace=program.workspace)
    path = f"/campaigns/{campaign.pk}/test"
    answer = program.post(path, {"address": "ME@example.org", "render_as": customer.email})
    assert (answer.json()["address"], answer.json()["rendered_as"]) == ("me@example.org", customer.email)
    assert [message.recipient for message in mailbox.search().messages] == ["me@example.org"]
    assert not SendLog.objects.exists()
    wrong = program.post(path, {"address": "me@example.org", "render_as": "nobody@example.org"})
    assert fields(problem(wrong, 422, "refused")) == ["render_as"]
    assert fields(problem(program.post(path, {"address": "nobody"}), 422, "refused")) == ["address"]


def test_progress_is_read_from_the_sums(active_campaign: Filled) -> None:
    campaign = active_campaign(3)
    program = Program(campaign.workspace)
    answer = program.get(f"/campaigns/{campaign.pk}/progress").json()
    assert (answer["status"], answer["is_filled"], answer["matched"], answer["remaining"]) == (
        "active", True, 3, 3,
    )  # fmt: skip


def test_every_recipient_is_listed_once_with_the_reason(active_campaign: Filled) -> None:
    campaign = active_campaign(7)
    first = SendLog.objects.order_by("id")[0]
    SendLog.objects.filter(pk=first.pk).update(status="suppressed", reason="complaint")
    program = Program(campaign.workspace)
    path = f"/campaigns/{campaign.pk}/recipients"
    seen, cursor = [], ""
    while cursor is not None:
        page = program.get(f"{path}?limit=3&cursor={cursor}").json()
        seen += page["items"]
        cursor = page["next"]
    assert len(seen) == len({row["id"] for row in seen}) == 7
    [refused] = program.get(f"{path}?status=suppressed").json()["items"]
    assert refused["explanation"] == "No: complained before."
    [found] = program.get(f"{path}?email={first.email.upper()}").json()["items"]
    assert found["id"] == first.pk
    problem(program.get(f"{path}?cursor=1"), 422, "refused")


def test_recipients_of_several_steps_come_step_by_step(active_campaign: Filled) -> None:
    campaign = active_campaign(3)
    for row in list(SendLog.objects.all()):
        row.pk, row.step = None, 2
        row.save()
    program, seen, cursor = Program(campaign.workspace), [], ""
    while cursor is not None:
        page = program.get(f"/campaigns/{campaign.pk}/recipients?limit=2&cursor={cursor}").json()
        seen += [(row["step"], row["customer_id"]) for row in page["items"]]
        cursor = page["next"]
    assert seen == sorted(seen) and len(set(seen)) == 6


def test_events_come_newest_first_and_each_once(active_campaign: Filled) -> None:
    campaign = active_campaign(2)
    rows = list(SendLog.objects.order_by("id"))
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for n, type_ in enumerate(["opened", "clicked", "opened", "bounced", "clicked", "opened"]):
        row = rows[n % 2]
        # Two of them at one moment.
        at = moment + timedelta(microseconds=n // 2)
        Event.objects.create(
            workspace=campaign.workspace, sendlog=row, customer_id=row.customer_id, type=type_,
            source="tracker", key=f"k{n}", at=at,
        )  # fmt: skip
    program, seen, cursor = Program(campaign.workspace), [], ""
    while cursor is not None:
        page = program.get(f"/events?limit=2&cursor={cursor}").json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == list(Event.objects.order_by("-at", "-id").values_list("pk", flat=True))
    clicks = program.get("/events?type=clicked").json()["items"]
    assert [item["type"] for item in clicks] == ["clicked", "clicked"]
    mine = program.get(f"/events?recipient_id={rows[0].pk}&customer_id={rows[0].customer_id}").json()["items"]
    assert {item["recipient_id"] for item in mine} == {rows[0].pk} and len(mine) == 3


@pytest.mark.parametrize("cursor", ["1", "1.", ".1", "x.y", "9" * 18 + ".1", "1.1.1"])
def test_a_cursor_of_ones_own_breaks_nothing(cursor: str) -> None:
    assert Program().get(f"/events?cursor={cursor}").status_code in (200, 422)


def test_a_page_of_recipients_costs_the_same_however_many_there_are(active_campaign: Filled) -> None:
    campaign = active_campaign(9)
    program = Program(campaign.workspace)

    def statements(limit: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            program.get(f"/campaigns/{campaign.pk}/recipients?limit={limit}")
        return len(seen)

    statements(1)
    assert statements(9) == statements(2)


def test_a_report_says_what_the_pages_say(active_campaign: Filled) -> None:
    campaign = active_campaign(2)
    SendLog.objects.update(status="sent", sent_at=timezone.now())
    program = Program(campaign.workspace)
    answer = program.get(f"/campaigns/{campaign.pk}/report").json()
    assert answer.keys() >= {"counted_at", "totals", "senders", "hours", "links", "reasons"}
    problem(program.get(f"/campaigns/{campaign.pk}/report?step=0"), 422, "refused")
