"""The suppression list in the admin: many addresses at once, and lifting with a confirmation."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from audience import suppression
from audience.models import Membership, Suppression
from tests.factories import MembershipFactory, SuppressionFactory, WorkspaceFactory

ADD = "admin:audience_suppression_add"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


def test_many_addresses_are_suppressed_at_once(staff: Client) -> None:
    SuppressionFactory(email="a@example.com", reason=Suppression.Reason.COMPLAINT)
    data = {"addresses": "A@example.com\n\n b@example.com \r\nb@example.com", "note": "Called us"}
    page = staff.post(reverse(ADD), data, follow=True)
    assert "1 addresses will get no mail any more. 1 were on the list already." in page.text
    rows = Suppression.objects.order_by("email").values_list("email", "reason", "note")
    assert list(rows) == [("a@example.com", "complaint", ""), ("b@example.com", "manual", "Called us")]


def test_the_pages_buttons_say_what_they_do(staff: Client) -> None:
    assert re.search(r">\s*Suppress\s*</button>", staff.get(reverse(ADD)).text)
    row = SuppressionFactory(email="a@example.com")
    page = staff.get(reverse("admin:audience_suppression_change", args=[row.pk])).text
    assert "Lift the suppression" in page and "Delete suppression" not in page


def test_one_bad_address_refuses_all_with_its_line(staff: Client) -> None:
    page = staff.post(reverse(ADD), {"addresses": "a@example.com\nnobody\n" + "x\n" * 9})
    assert "Line 2: " in page.text and "has no @" in page.text
    assert "And 5 more lines like these." in page.text
    assert not Suppression.objects.exists()


def test_lifting_asks_first_and_is_logged(staff: Client) -> None:
    row = SuppressionFactory(email="a@example.com")
    url = reverse("admin:audience_suppression_delete", args=[row.pk])
    assert "Lift the suppression" in staff.get(url).text
    assert Suppression.objects.exists()
    assert staff.post(url, {"reason": row.reason}).status_code == 302
    assert not Suppression.objects.exists()
    assert LogEntry.objects.get().object_repr == "a@example.com"


def test_a_suppression_that_became_stronger_is_not_lifted(staff: Client) -> None:
    """The page showed an unsubscribe; a complaint has come since."""
    row = suppression.suppress(WorkspaceFactory(), "a@example.com", Suppression.Reason.UNSUBSCRIBE)
    suppression.suppress(WorkspaceFactory(), "a@example.com", Suppression.Reason.COMPLAINT)
    url = reverse("admin:audience_suppression_delete", args=[row.pk])
    page = staff.post(url, {"reason": "unsubscribe"}, follow=True)
    assert "has changed in the meantime" in page.text
    assert Suppression.objects.get().reason == Suppression.Reason.COMPLAINT


def test_a_member_of_several_says_for_which_workspace(staff: Client) -> None:
    second = WorkspaceFactory(slug="second")
    MembershipFactory(user=Membership.objects.get().user, workspace=second)
    data = {"addresses": "a@example.com"}
    assert "This field is required" in staff.post(reverse(ADD), data).text
    staff.post(reverse(ADD), data | {"workspace": second.pk})
    assert Suppression.objects.get().workspace == second
