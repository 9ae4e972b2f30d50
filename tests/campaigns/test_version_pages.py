"""The versions of a template on their page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import templates
from campaigns.models import Template, TemplateVersion
from campaigns.templates import Sources
from campaigns.views.frame import SEALED
from tests.factories import MembershipFactory, TemplateFactory, WorkspaceFactory

FIRST = Sources("html", "Hello", "", "<p>\nOne\n</p>")
SECOND = Sources("html", "Hello again", "", "<p>\nTwo\n</p>")


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(user__username="ada", role=Membership.Role.EDITOR).user)
    return client


@pytest.fixture
def template(staff: Client) -> Template:
    made = templates.create(WorkspaceFactory(), "Spring", FIRST)
    return templates.save(made, "Spring", SECOND, based_on=1, actor=None)


def version(template: Template, number: int, page: str = "template_version") -> str:
    return reverse(f"campaigns:{page}", args=[template.pk, number])


def test_a_template_without_versions_says_when_the_first_is_kept(staff: Client) -> None:
    url = reverse("campaigns:template_versions", args=[TemplateFactory().pk])
    assert "The first version is kept when you save" in staff.get(url, follow=True).text


def test_the_newest_is_shown_with_what_it_changed(staff: Client, template: Template) -> None:
    page = staff.get(reverse("campaigns:template_versions", args=[template.pk])).text
    assert "What version 2 changed" in page
    assert "Hello again" in page and "− </span>" not in page
    assert 'class="gone"' in page and 'class="new"' in page
    assert "Restore" not in page


def test_an_older_one_is_compared_with_now_and_restored(staff: Client, template: Template) -> None:
    page = staff.get(version(template, 1)).text
    assert "It is the first one that was kept" in page
    compared = staff.get(version(template, 1), {"against": "now"}).text
    assert "From version 1 to now" in compared and "Hello again" in compared
    assert "Restore version 1" in page
    restored = staff.post(version(template, 1, "template_restore"), follow=True)
    assert "says again what it said in version 1" in restored.text
    template.refresh_from_db()
    assert (template.subject, template.version) == ("Hello", 3)
    assert template.versions.get(number=3).saved_by.get_username() == "ada"


def test_versions_that_there_are_not_are_not_found(staff: Client, template: Template) -> None:
    assert staff.get(version(template, 9)).status_code == 404
    assert staff.get(version(template, 9, "template_version_picture")).status_code == 404
    assert staff.post(version(template, 9, "template_restore")).status_code == 404
    assert staff.get(version(template, 1, "template_restore")).status_code == 405


def test_a_version_that_compiles_no_more_is_not_restored(staff: Client, template: Template) -> None:
    TemplateVersion.objects.filter(number=1).update(body="{% if %}")
    page = staff.post(version(template, 1, "template_restore"), follow=True)
    assert "Version 1 cannot be used any more" in page.text
    template.refresh_from_db()
    assert template.version == 2
    assert "No mail can be made" in staff.get(version(template, 1, "template_version_picture")).text


def test_a_version_is_seen_in_a_frame_that_is_shut_off(staff: Client, template: Template) -> None:
    response = staff.get(version(template, 1, "template_version_picture"))
    assert "One" in response.text
    assert response["Content-Security-Policy"] == SEALED
