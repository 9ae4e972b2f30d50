"""A flow tried out on its pages: one person's dates, and many people's by day. Nothing leaves."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audience.models import Membership
from campaigns.models import Campaign, Enrollment, Flow
from delivery.models import SendLog
from tests.factories import MembershipFactory, SegmentFactory
from tests.flows import cast, leave, make_flow, send, split, wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    return client


@pytest.fixture
def flow(staff: Client) -> Flow:
    return make_flow(send(1, name="Welcome"), wait(2, days=3, at="09:00"), send(3), leave(4))


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_preview_says_the_real_dates_by_the_customers_clock(staff: Client, flow: Flow) -> None:
    cast(ada="Europe/Berlin")
    page = text(
        staff.get(f"/flows/{flow.pk}/preview/", {"email": "ada@example.com", "start": "2026-03-09T10:00"})
    )
    assert "“Welcome” goes to Ada on Mon 9 March 2026, 11:00, Berlin time" in page
    assert "Step 3 goes to Ada on Thu 12 March 2026, 09:00, Berlin time" in page
    assert not SendLog.objects.exists() and not Enrollment.objects.exists() and not Campaign.objects.exists()


def test_the_preview_says_why_there_is_nothing_to_show(staff: Client, flow: Flow) -> None:
    assert "There is nobody to show it for" in text(staff.get(f"/flows/{flow.pk}/preview/"))
    cast(ada="")
    unknown = text(staff.get(f"/flows/{flow.pk}/preview/", {"email": "bo@example.com"}))
    assert "bo@example.com is not in this audience" in unknown
    Flow.objects.update(steps=[])
    assert "nothing is left to mend" in text(staff.get(f"/flows/{flow.pk}/preview/"))


def test_the_simulator_shows_mails_by_day_and_who_goes_where(staff: Client) -> None:
    flow = make_flow(
        split(1, (1, [send(2, name="A")]), (1, [send(3, name="B")])), wait(4, days=2), send(5), leave(6)
    )
    # So many that no way of the split stays empty by chance.
    cast(**{f"person{n}": "" for n in range(50)})
    page = staff.get(f"/flows/{flow.pk}/simulate/", {"run": "yes", "start": "2027-03-26T09:00"})
    days = page.context["days"]
    assert [(str(day.day), day.total) for day in days.days] == [("2027-03-26", 50), ("2027-03-28", 50)]
    assert days.steps == ["A", "B", "Step 5"] and sum(days.days[0].counts[:2]) == 50
    assert dict(page.context["places"])["Step 5"] == 50
    assert page.context["chart"].as_data["labels"] == ["26 Mar", "27 Mar", "28 Mar"]
    assert "data-chart" in page.text and "Came to the end" in page.text
    assert not SendLog.objects.exists() and not Campaign.objects.exists()


def test_the_simulator_is_asked_for_a_segment_and_says_what_is_missing(staff: Client, flow: Flow) -> None:
    cast(ada="", bo="")
    rule = {"field": "email", "operator": "equals", "value": "ada@example.com"}
    segment = SegmentFactory(criteria={"all": [rule]})
    page = staff.get(f"/flows/{flow.pk}/simulate/", {"run": "yes", "segment": segment.pk})
    assert page.context["count"] == 1
    segment.criteria = {"all": [rule | {"value": "zoe@example.com"}]}
    segment.save(update_fields=["criteria"])
    nobody = staff.get(f"/flows/{flow.pk}/simulate/", {"run": "yes", "segment": segment.pk})
    assert "There is nobody to simulate it for" in nobody.text
    assert staff.get(f"/flows/{flow.pk}/simulate/", {"run": "yes", "segment": "99"}).status_code == 404
    Flow.objects.update(steps=[])
    assert "Mend the flow first" in staff.get(f"/flows/{flow.pk}/simulate/", {"run": "yes"}).text
