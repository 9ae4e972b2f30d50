"""The editor: what is written is checked, shown and saved."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import templates
from campaigns.models import Template
from campaigns.templates import Sources
from campaigns.views.frame import SEALED
from tests.factories import AttributeFactory, CustomerFactory, MembershipFactory, WorkspaceFactory

GOOD = {
    "name": "Spring",
    "format": "html",
    "subject": "Hello {{ customer_name }}",
    "preheader": "",
    "body": '<p>Hi {{ customer_name }} <a href="{{ unsubscribe_link }}">out</a></p>',
    "based_on": 1,
}


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(user__username="ada", role=Membership.Role.EDITOR).user)
    return client


@pytest.fixture
def template(staff: Client) -> Template:
    return templates.create(WorkspaceFactory(), "Spring", Sources("html", "Hello", "", "<p>Hi</p>"))


def url(template: Template, page: str = "template") -> str:
    return reverse(f"campaigns:{page}", args=[template.pk])


def problems(page: Any) -> list[tuple[str, int | None, str]]:
    [said] = re.findall(r'<script id="problems"[^>]*>(.*?)</script>', page.text)
    return [(each["field"], each["line"], each["severity"]) for each in json.loads(said)]


def test_the_page_shows_the_template_and_what_it_may_say(staff: Client, template: Template) -> None:
    AttributeFactory(name="city", type="text")
    Template.objects.filter(pk=template.pk).update(body="\n<p>&amp; </textarea></p>")
    page = staff.get(url(template)).text
    # HTML drops the first line break after a textarea's tag: it is not the body's own.
    assert "\n\n&lt;p&gt;&amp;amp; &lt;/textarea&gt;&lt;/p&gt;</textarea>" in page
    assert 'data-insert="customer.city"' in page
    assert "Version 1, saved" in page


def test_saving_keeps_a_version_and_says_so(staff: Client, template: Template) -> None:
    page = staff.post(url(template), GOOD)
    assert "Version 2, saved" in page.text and "by ada" in page.text
    assert 'name="based_on" value="2"' in page.text
    assert page["HX-Trigger"] == "template-saved"
    template.refresh_from_db()
    assert (template.body, template.subject) == (GOOD["body"], GOOD["subject"])


def test_line_breaks_of_a_form_are_no_change(staff: Client, template: Template) -> None:
    staff.post(url(template), GOOD | {"body": "<p>Hi</p>\r\n", "based_on": 1})
    assert Template.objects.get().body == "<p>Hi</p>\n"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"body": "<p>Hi</p>\n\n{% if customer_name %}"}, "Line 3"),
        ({"subject": ""}, "Give the mail a subject"),
        ({"name": " "}, "Give the template a name"),
        ({"name": "Taken"}, "There is a template “Taken” already"),
        ({"format": "pdf"}, "pdf is not one of the available choices"),
        ({"based_on": "0"}, "has saved version 1 since you opened this"),
    ],
)
def test_what_cannot_be_saved_says_why_and_changes_nothing(
    staff: Client, template: Template, changed: dict[str, str], says: str
) -> None:
    templates.create(template.workspace, "Taken", Sources.of(template))
    page = staff.post(url(template), GOOD | changed)
    assert "Not saved." in page.text and says in page.text
    assert "HX-Trigger" not in page
    template.refresh_from_db()
    assert (template.name, template.body, template.version) == ("Spring", "<p>Hi</p>", 1)


def test_who_was_overtaken_may_look_and_then_save_over_it(staff: Client, template: Template) -> None:
    staff.post(url(template), GOOD)
    page = staff.post(url(template), GOOD | {"body": "<p>Mine</p>"})
    assert "ada has saved version 2 since you opened this." in page.text
    assert 'data-overtake="2"' in page.text
    staff.post(url(template), GOOD | {"body": "<p>Mine</p>", "based_on": 2})
    assert Template.objects.get().body == "<p>Mine</p>"
    assert template.versions.count() == 3


# --- Checked while it is written ---------------------------------------------------------------------------


def test_problems_are_told_with_their_lines(staff: Client, template: Template) -> None:
    check = url(template, "template_check")
    assert problems(staff.post(check, GOOD)) == []
    page = staff.post(check, GOOD | {"body": "<p>\n{{ customer.ordres }}\n</p>", "subject": "{{ naem }}"})
    assert problems(page) == [
        ("subject", 1, "warning"),
        ("body", 2, "warning"),
        ("body", None, "warning"),
    ]
    page = staff.post(check, GOOD | {"format": "mjml", "body": "<mjml>\n<mj-body>\n<mj-txt>\n"})
    assert problems(page)[0] == ("body", 3, "error")
    assert 'data-go="3"' in page.text
    assert not re.search(r"hx-swap-oob", page.text)


def test_the_inbox_line_and_the_text_are_a_customers(staff: Client, template: Template) -> None:
    CustomerFactory(email="ada@example.com", name="Ada & <b>Co</b>")
    CustomerFactory(email="grace@example.com", name="Grace")
    check = url(template, "template_check")
    page = staff.post(check, GOOD | {"preheader": "For {{ customer_name }}"}).text
    assert "<b>Hello Grace</b>" in page and "For Grace" in page
    assert "grace@example.com, the newest customer, gets it" in " ".join(page.split())
    page = staff.post(check, GOOD | {"preview_as": "ADA@example.com"}).text
    assert "Hello Ada &amp; &lt;b&gt;Co&lt;/b&gt;" in page
    assert "is no customer" in staff.post(check, GOOD | {"preview_as": "x@example.com"}).text


def test_a_mail_that_gmail_clips_is_said_to_be(staff: Client, template: Template) -> None:
    long = GOOD | {"body": "<p>" + "long " * 25_000 + "</p>"}
    assert "Gmail clips mails above" in staff.post(url(template, "template_check"), long).text


def test_nothing_is_saved_by_looking(staff: Client, template: Template) -> None:
    for page in ("template_check", "template_preview"):
        staff.post(url(template, page), GOOD)
        assert staff.get(url(template, page)).status_code == 405
    template.refresh_from_db()
    assert (template.body, template.versions.count()) == ("<p>Hi</p>", 1)


def test_what_is_no_template_at_all_is_refused(staff: Client, template: Template) -> None:
    for page in ("template_check", "template_preview"):
        assert staff.post(url(template, page), {"format": "pdf"}).status_code == 400


# --- The frame ---------------------------------------------------------------------------------------------


def test_the_frame_is_shut_off_from_the_site(staff: Client, template: Template) -> None:
    CustomerFactory(name="Grace")
    page = staff.post(url(template, "template_preview"), GOOD)
    assert "Hi Grace" in page.text
    assert page["Content-Security-Policy"] == SEALED
    assert page["X-Frame-Options"] == "SAMEORIGIN"


def test_an_error_in_the_frame_is_text(staff: Client, template: Template) -> None:
    data = GOOD | {"body": "{% <script>alert(1)</script> %}"}
    page = staff.post(url(template, "template_preview"), data)
    assert "&lt;script&gt;" in page.text and "<script>" not in page.text
    assert page["Content-Security-Policy"] == SEALED


def test_the_frame_is_light_or_dark(staff: Client, template: Template) -> None:
    style = "<style>@media (prefers-color-scheme: dark) { p { color: red } }</style>"
    body = f"<html><head>{style}</head><body><p>Hi</p></body></html>"
    frame = url(template, "template_preview")
    assert "@media (min-width: 0)" in staff.post(frame, GOOD | {"body": body, "scheme": "dark"}).text
    assert "@media (max-width: 0)" in staff.post(frame, GOOD | {"body": body}).text


def test_customers_to_preview_as_are_suggested(staff: Client, template: Template) -> None:
    CustomerFactory(email="ada@example.com", name="Ada")
    CustomerFactory(workspace=WorkspaceFactory(slug="other"), email="adam@example.com")
    page = staff.get(url(template, "template_customers"), {"preview_as": "ad"}).text
    assert "ada@example.com" in page and "adam@example.com" not in page
