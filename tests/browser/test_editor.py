"""The editor in a browser: nothing is lost, nothing in a mail reaches the site, everybody can use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from audience.models import Membership, Workspace
from campaigns import starters, templates
from campaigns.models import Image, Template
from campaigns.templates import Sources
from delivery.mailbox.store import MailboxStore
from tests.campaigns.pictures import png
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    MembershipFactory,
    SenderFactory,
    WorkspaceFactory,
)
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)
BODY = '<p>Hello {{ customer_name }}</p>\n<p><a href="{{ unsubscribe_link }}">Unsubscribe</a></p>'


@pytest.fixture
def template() -> Template:
    workspace: Workspace = WorkspaceFactory(name="Needle & Groove", slug="needle")
    AttributeFactory(workspace=workspace, name="city", type="text")
    CustomerFactory(workspace=workspace, email="grace@example.com", name="Grace")
    CustomerFactory(workspace=workspace, email="ada@example.com", name="Ada")
    SenderFactory(workspace=workspace, name="Shop")
    return templates.create(workspace, "Spring", Sources("html", "Hello {{ customer_name }}", "", BODY))


def edit(page: Page, site: str, template: Template) -> Locator:
    """Open the editor; the body's text area, once the first preview is there."""
    page.goto(f"{site}/templates/{template.pk}/")
    expect(page.get_by_text("No problems found")).to_be_visible()
    expect(mail(page)).to_be_visible()
    return page.get_by_label("Body of the mail")


def mail(page: Page) -> Locator:
    """The mail in the newest frame."""
    return page.frame_locator("#frames iframe:not(.coming)").locator("body")


# --- Writing -------------------------------------------------------------------------------------------


def test_what_is_written_is_shown_checked_and_saved(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    expect(mail(page)).to_contain_text("Hello Ada")
    body.fill(BODY.replace("Hello", "Good morning"))
    expect(mail(page)).to_contain_text("Good morning Ada")
    expect(page.get_by_text("Changes that are not saved yet")).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_text(re.compile("Version 2, saved .* by ada"))).to_be_visible()
    expect(page.get_by_text("Changes that are not saved yet")).to_be_hidden()
    template.refresh_from_db()
    assert "Good morning" in template.body
    body.fill(BODY)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile("Version 3, saved"))).to_be_visible()


def test_an_error_is_said_at_its_line_and_gone_when_it_is_mended(
    page: Page, site: str, template: Template
) -> None:
    body = edit(page, site, template)
    body.fill("<p>\n</p>\n{% if customer_name %}\n")
    expect(page.locator(".gutter b.error")).to_have_text("3")
    expect(page.locator(".said .error")).to_contain_text("is never closed by {% endif %}")
    page.get_by_role("button", name="Line 3").click()
    expect(body).to_be_focused()
    assert page.evaluate("getSelection().toString()") == "{% if customer_name %}"
    # The mail of before stays, and is said to be old.
    expect(page.locator("#look")).to_have_class(re.compile("is-old"))
    expect(mail(page)).to_contain_text("Hello Ada")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Not saved.")).to_be_visible()
    body.fill(BODY)
    expect(page.locator(".gutter b")).to_have_count(0)
    expect(page.locator("#look")).not_to_have_class(re.compile("is-old"))
    assert Template.objects.get().version == 1


def test_what_is_painted_is_what_is_written(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    for starter in starters.designs():
        page.get_by_label("Format").select_option(starter.sources.format)
        body.fill(starter.sources.body)
        expect(page.locator(".paint .is-liquid").first).to_be_attached()
        page.wait_for_function(
            "document.querySelector('.paint').textContent === document.querySelector('#body').value + '\\n'"
        )
    for odd in ("<a <b> {{ x", "<!-- {{ y }} {% comment %} z", "{% raw %}<p>", 'a="b>\n<p title="', "\t{{"):
        body.fill(odd)
        page.wait_for_function(
            "document.querySelector('.paint').textContent === document.querySelector('#body').value + '\\n'"
        )


def test_leaving_with_unsaved_changes_asks_first(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    body.press("End")
    page.keyboard.type("x")
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="← Templates").click()
    page.wait_for_function("true")
    assert asked == ["beforeunload"]
    expect(body).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Version 2, saved")).to_be_visible()
    page.get_by_role("link", name="← Templates").click()
    page.wait_for_url("**/templates/")


def test_a_field_is_inserted_where_the_cursor_is_and_can_be_undone(
    page: Page, site: str, template: Template
) -> None:
    edit(page, site, template)
    subject = page.get_by_label("Subject")
    subject.fill("Dear ")
    subject.press("End")
    page.get_by_text("Insert field").click()
    page.get_by_label("Where it is empty, say").fill("there")
    page.get_by_label("Search the fields").fill("city")
    page.get_by_role("button", name="City").click()
    expect(subject).to_have_value('Dear {{ customer.city | default: "there" }}')
    expect(page.locator("#inbox")).to_contain_text("Dear there")
    page.keyboard.press("Control+z")
    expect(subject).to_have_value("Dear ")


def test_a_picture_is_uploaded_described_and_inserted(
    page: Page, site: str, template: Template, tmp_path: Path
) -> None:
    picture = tmp_path / "spring sale.png"
    picture.write_bytes(png(1200, 600))
    body = edit(page, site, template)
    body.press("Control+Home")
    page.get_by_role("button", name="Image", exact=True).click()
    dialog = page.get_by_role("dialog", name="Insert an image")
    expect(dialog.get_by_label("Upload a picture")).to_be_visible()
    # The form hears of a chosen file a moment after it is shown; only a program is quicker than that.
    page.wait_for_function("document.querySelector('#images form')['htmx-internal-data']?.listenerInfos")
    dialog.get_by_label("Upload a picture").set_input_files(picture)
    expect(dialog.get_by_label("What it shows")).to_have_value("Spring sale")
    dialog.get_by_label("What it shows").fill('A "spring" sale')
    dialog.get_by_label("Width in the mail").fill("400")
    dialog.get_by_role("button", name="Insert", exact=True).click()
    image = Image.objects.get()
    tag = f'<img src="{site}/i/{image.file_name}" alt="A &quot;spring&quot; sale" width="400" height="200"'
    expect(body).to_have_value(re.compile(re.escape(tag)))
    shown = mail(page).get_by_role("img", name='A "spring" sale')
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 1200


# --- Looking ---------------------------------------------------------------------------------------------


def test_it_is_seen_as_any_customer_in_both_schemes_widths_and_parts(
    page: Page, site: str, template: Template
) -> None:
    style = "<style>@media (prefers-color-scheme: dark) { p { color: rgb(1, 2, 3) } }</style>"
    body = edit(page, site, template)
    body.fill(f"<html><head>{style}</head><body>{BODY}</body></html>")
    paragraph = mail(page).locator("p").first
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(paragraph).to_have_css("color", "rgb(1, 2, 3)")
    page.get_by_role("button", name="Light", exact=True).click()
    expect(paragraph).not_to_have_css("color", "rgb(1, 2, 3)")
    page.get_by_label("Shown as which customer").fill("gra")
    suggested = page.locator("#customer-options option")
    expect(suggested).to_have_count(1)
    expect(suggested).to_have_attribute("value", "grace@example.com")
    page.get_by_label("Shown as which customer").fill("grace@example.com")
    page.keyboard.press("Tab")
    expect(mail(page)).to_contain_text("Hello Grace")
    expect(page.locator("#inbox")).to_contain_text("Hello Grace")
    page.get_by_role("button", name="Phone", exact=True).click()
    assert mail(page).evaluate("body => body.ownerDocument.defaultView.innerWidth") == 375
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.get_by_label("Text part")).to_contain_text("Hello Grace")
    assert Template.objects.get().body == BODY


def test_looking_leaves_the_way_back_alone(page: Page, site: str, template: Template) -> None:
    page.goto(f"{site}/templates/")
    page.get_by_role("link", name="Spring", exact=True).click()
    expect(mail(page)).to_contain_text("Hello Ada")
    steps = page.evaluate("history.length")
    body = page.get_by_label("Body of the mail")
    for word in ("one", "two", "three"):
        body.fill(f"<p>{word}</p>")
        expect(mail(page)).to_contain_text(word)
    assert page.evaluate("history.length") == steps


# What a hostile template tries. Each that worked would show in the page, its address or the log.
HOSTILE = """
<script>top.document.title = "taken"; top.location = "/admin/logout/"; fetch("/reached/script")</script>
<img src="/reached/broken" onerror="parent.document.body.innerHTML = 'taken'; fetch('/reached/onerror')">
<svg onload="fetch('/reached/svg')"></svg>
<meta http-equiv="refresh" content="0; url=/reached/refresh">
<iframe src="/reached/frame"></iframe>
<iframe srcdoc="<script>top.location = '/admin/logout/'</script>"></iframe>
<object data="/reached/object"></object><embed src="/reached/embed">
<link rel="stylesheet" href="/reached/style.css"><base href="/reached/base/">
<form action="/reached/form" id="f" target="_top"><button id="send">Send</button></form>
<a id="up" href="/reached/top" target="_top">Up</a>
<a id="js" href="javascript:top.location='/reached/js'">Run</a>
<p>Read on {{ customer_name }}</p>
"""


def test_nothing_in_a_template_reaches_the_site(
    page: Page, site: str, template: Template, caplog: pytest.LogCaptureFixture
) -> None:
    body = edit(page, site, template)
    body.fill(HOSTILE)
    expect(mail(page)).to_contain_text("Read on Ada")
    # Not shown smaller, so that a click hits what it is meant for.
    page.get_by_role("button", name="Phone", exact=True).click()
    for link in ("#up", "#js", "#send"):
        mail(page).locator(link).click()
        expect(mail(page)).to_contain_text("Read on Ada")
    with page.expect_response("**/preview/"):
        page.get_by_role("button", name="Dark", exact=True).click()
    expect(mail(page)).to_contain_text("Read on Ada")
    # Of a picture alone the site hears, as of one on any other site: without knowing who looks at it.
    refused = [record.request for record in caplog.records if record.name == "django.request"]
    assert {request.path: request.COOKIES for request in refused} == {"/reached/broken": {}}
    assert page.url == f"{site}/templates/{template.pk}/"
    assert page.title().strip().startswith("Spring")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_visible()


def test_the_frames_attribute_and_its_headers_hold_each_by_itself(
    page: Page, site: str, template: Template
) -> None:
    templates.save(template, "Spring", Sources("html", "Hi", "", HOSTILE), based_on=1, actor=None)
    page.goto(f"{site}/templates/{template.pk}/picture/")
    expect(page.locator("body")).to_contain_text("Read on Ada")
    assert page.url.endswith("/picture/")
    assert page.title() != "taken"
    page.goto(f"{site}/templates/{template.pk}/")
    for frame in page.locator("#frames iframe").all():
        assert frame.get_attribute("sandbox") == ""


# --- Testing, versions, the gallery ------------------------------------------------------------------------


def test_a_test_of_what_is_not_saved_goes_to_oneself(
    page: Page, site: str, template: Template, mailbox: MailboxStore
) -> None:
    edit(page, site, template)
    page.get_by_label("Subject").fill("Not saved, {{ customer_name }}")
    page.get_by_text("Send a test").first.click()
    expect(page.get_by_label("Send it to")).to_have_value("ada@example.org")
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_text("Sent to ada@example.org")).to_be_visible()
    [message] = mailbox.search().messages
    assert message.subject == "[Test] Not saved, Ada" or message.subject == "[Test] Not saved, Grace"


def test_an_older_version_is_compared_and_comes_back(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    body.fill(BODY.replace("Hello", "Good morning"))
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Version 2, saved")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.locator(".diff .new")).to_contain_text("Good morning")
    page.get_by_role("link", name="Version 1").click()
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_text("says again what it said in version 1")).to_be_visible()
    expect(page.get_by_label("Body of the mail")).to_have_value(BODY)
    assert Template.objects.get().version == 3


def test_a_site_that_does_not_answer_loses_nothing(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    body.fill(BODY.replace("Hello", "Good morning"))
    page.route(f"**/templates/{template.pk}/", lambda route: route.abort())
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Not saved: the site does not answer")).to_be_visible()
    page.unroute(f"**/templates/{template.pk}/")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Version 2, saved")).to_be_visible()


def test_an_analyst_looks_as_any_customer_and_has_nothing_to_save(
    page: Page, site: str, template: Template
) -> None:
    analyst = MembershipFactory(workspace=template.workspace, role=Membership.Role.ANALYST).user
    User.objects.filter(username="ada").update(is_superuser=False)
    Membership.objects.filter(user=analyst).update(user=User.objects.get(username="ada"))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    expect(edit(page, site, template)).not_to_be_editable()
    page.get_by_label("Shown as which customer").fill("grace@example.com")
    page.keyboard.press("Tab")
    expect(mail(page)).to_contain_text("Hello Grace")
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    assert problems == []


def test_two_people_who_write_at_once_lose_nothing(page: Page, site: str, template: Template) -> None:
    body = edit(page, site, template)
    templates.save(template, "Spring", Sources("html", "Theirs", "", BODY), based_on=1, actor=None)
    body.fill(BODY.replace("Hello", "Mine"))
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Somebody has saved version 2 since you opened this")).to_be_visible()
    assert Template.objects.get().subject == "Theirs"
    page.get_by_role("button", name="Save mine as the next version").click()
    expect(page.get_by_text("Version 3, saved")).to_be_visible()
    assert "Mine" in Template.objects.get().body


def test_a_template_starts_from_a_design_by_keyboard_alone(page: Page, site: str, template: Template) -> None:
    Template.objects.all().delete()
    page.goto(f"{site}/templates/")
    page.get_by_role("link", name="Choose a design").focus()
    page.keyboard.press("Enter")
    start = page.get_by_role("button", name="Start from “Newsletter”")
    start.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Newsletter")
    expect(mail(page)).to_contain_text("One thing worth telling")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_use_it(page: Page, site: str, template: Template, scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    templates.create(template.workspace, "Sale", starters.designs()[3].sources)
    templates.save(template, "Spring", Sources("html", "Hi", "", BODY), based_on=1, actor=None)
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def look(name: str) -> None:
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append((name, "is wider than the window"))
        options = {"iframes": False}
        found = axe.run(page, context=".delivery", options=options).response["violations"]
        problems.extend((name, each["id"], [node["html"] for node in each["nodes"]]) for each in found)

    for address in ("", "new/", f"{template.pk}/versions/", f"{template.pk}/delete/"):
        page.goto(f"{site}/templates/{address}")
        look(address)
    page.goto(f"{site}/templates/{template.pk}/")
    page.get_by_label("Body of the mail").fill("<p>\n{{ customer.ordres }} {% if %}</p>")
    expect(page.locator(".gutter b")).not_to_have_count(0)
    look("editor")
    page.get_by_text("Insert field").click()
    look("fields")
    page.get_by_role("button", name="Image", exact=True).click()
    expect(page.get_by_label("Upload a picture")).to_be_visible()
    look("images")
    assert problems == []
