"""Every page: no query for each row, headings in order, a label on every field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from lxml import html as lxml_html

from analytics import roll_up
from campaigns.models import Campaign
from tests.factories import UserFactory
from tests.pages import addresses, more, pages
from tests.world import World

# What a look at a page may do once more when there is more: a page of a list, a choice that is offered.
SLACK = 3
# The site's own parts of a page.
OWN = "*[contains(concat(' ', @class, ' '), ' delivery ')]"
OWN_HEADINGS = f"//{OWN}//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6]"
# The hidden name on Django's password form is there for password managers.
NO_FIELD = "@type='hidden' or @type='submit' or @type='button' or @name='username'"
FIELDS = f"//input[not({NO_FIELD})] | //select | //textarea"


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(UserFactory(is_superuser=True))
    return client


def test_no_page_asks_more_for_many_rows_than_for_few(
    world: World, elsewhere: Campaign, client: Client
) -> None:
    urls = addresses(world, elsewhere)
    more(world.other, 2)
    few = queries(client, urls)
    more(world.other, 5)
    many = queries(client, urls)
    assert len(few) > 100
    grown = {url: (few[url], many[url]) for url in urls if many[url] > few[url] + SLACK}
    assert grown == {}


def test_headings_come_in_order_and_every_field_has_a_label(
    world: World, elsewhere: Campaign, client: Client
) -> None:
    seen = list(pages(client, addresses(world, elsewhere)))
    assert len(seen) > 60
    assert [(url, problem) for url, page in seen for problem in problems(page)] == []


def test_a_heading_out_of_order_and_a_field_without_a_label_are_found() -> None:
    fields = "<input name=x placeholder=x><label for=y>y</label><input id=y><input aria-label=z>"
    page = f"<html><body><h1>a</h1><div class='delivery site'><h3>b</h3>{fields}</div></body></html>"
    assert list(problems(page)) == ["h3 after h1: b", "no label: x"]


def queries(client: Client, urls: list[str]) -> dict[str, int]:
    """How many each takes when all that is counted is counted."""
    roll_up.run()
    found = {}
    for url in urls:
        with CaptureQueriesContext(connection) as asked:
            client.get(url)
        found[url] = len(asked)
    return found


def problems(page: str) -> Iterator[str]:
    """What is wrong in the site's own parts; the frame is the admin's, whose heading is the first."""
    root = lxml_html.document_fromstring(page)
    level = 1
    for heading in root.xpath(OWN_HEADINGS):
        its_level = int(heading.tag[1])
        if its_level > level + 1:
            yield f"{heading.tag} after h{level}: {heading.text_content().strip()[:40]}"
        level = its_level
    for field in root.xpath(FIELDS):
        if not is_named(root, field):
            yield f"no label: {field.get('name') or field.get('id')}"


def is_named(root: lxml_html.HtmlElement, field: lxml_html.HtmlElement) -> bool:
    """By a label; the admin's own search fields have a placeholder only, which is read out as well."""
    if any(field.get(name) for name in ("aria-label", "aria-labelledby", "title")):
        return True
    if field.get("placeholder") and not field.xpath(f"ancestor::{OWN}"):
        return True
    if any(parent.tag == "label" for parent in field.iterancestors()):
        return True
    return field.get("id") is not None and bool(root.xpath("//label[@for=$id]", id=field.get("id")))
