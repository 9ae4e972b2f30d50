"""The links and the pixel of a mail, asked for by people, machines and strangers."""

from __future__ import annotations

import json
import quopri
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from audience.models import Customer
from campaigns.models import Campaign, Content
from delivery import reactions, spool, tokens
from delivery.message import Builder, Recipient
from delivery.models import Event, SendLog
from delivery.test_send import columns
from tests.factories import CampaignFactory, TemplateFactory, WorkspaceFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BODY = (
    '<p>Hello {{ customer_name }} <a href="https://shop.example/a?b=1&amp;c=2">A</a>'
    '<a href="https://shop.example/{{ customer.plan }}?w={{ workspace.name }}&amp;c={{ campaign.name }}">'
    "B</a>"
    '<a href="{{ view_in_browser_link }}">View</a> <a href="{{ unsubscribe_link }}">Bye</a></p>'
)


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    """A mail to somebody, in the ledger."""
    active_campaign(1, name="Spring", template=TemplateFactory(body=BODY))
    Customer.objects.update(attributes={"plan": "pro"})
    return SendLog.objects.get()


def token(row: SendLog, **changes: int) -> str:
    about = {
        "workspace_id": row.workspace_id,
        "customer_id": row.customer_id,
        "row_id": row.pk,
        "content_id": row.campaign.content_id,
    }
    return tokens.make(tokens.Reference(**about | changes))


def get(path: str, method: str = "get", **headers: str) -> Any:
    return getattr(Client(headers={"User-Agent": AGENT}), method)(path, headers=headers)


def noted() -> list[tuple[int | None, str]]:
    return [(hit.link, hit.sign) for chunk in spool.chunks(100) for hit in chunk]


def kept() -> list[tuple[str, int | None, str]]:
    reactions.take_in()
    return list(Event.objects.order_by("at").values_list("type", "link", "verdict"))


# --- Clicks -------------------------------------------------------------------------------------------


def test_a_click_leads_to_the_link_and_asks_no_database(row: SendLog) -> None:
    link = f"/c/{token(row)}/1"
    get(link)
    with CaptureQueriesContext(connection) as queries:
        response = get(link)
    assert (response.status_code, response["Location"]) == (302, "https://shop.example/a?b=1&c=2")
    assert len(queries) == 0
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies
    assert kept() == [("clicked", 1, "person")] * 2


def test_a_link_with_merge_fields_leads_to_the_customers_own(row: SendLog) -> None:
    response = get(f"/c/{token(row)}/2")
    assert response["Location"] == "https://shop.example/pro?w=Acme&c=Spring"
    Customer.objects.update(attributes={"plan": "\r\nX: y//evil.example"})
    assert (
        get(f"/c/{token(row)}/2")["Location"] == "https://shop.example/X:%20y//evil.example?w=Acme&c=Spring"
    )
    Customer.objects.all().delete()
    assert get(f"/c/{token(row)}/2")["Location"] == "https://shop.example/?w=Acme&c=Spring"


def test_the_same_number_of_a_foreign_content_leads_nowhere(row: SendLog) -> None:
    other = WorkspaceFactory(slug="other")
    foreign = Content.objects.create(
        workspace=other, subject="x", html="x", text="x", links=[{"url": "https://evil.example/", "text": ""}]
    )
    assert get(f"/c/{token(row, content_id=foreign.pk)}/1").status_code == 404
    assert noted() == []


@pytest.mark.parametrize("stored", ["javascript:alert(1)", "//evil.example/", "data:text/html,x", "evil"])
def test_a_target_that_is_no_web_address_is_never_led_to(row: SendLog, stored: str) -> None:
    Content.objects.update(links=[{"url": stored, "text": "x"}])
    assert get(f"/c/{token(row)}/1").status_code == 404


@pytest.mark.parametrize("number", ["3", "99999", "10000000000000000000000"])
def test_an_unknown_number_is_not_found_and_counts_nothing(row: SendLog, number: str) -> None:
    response = get(f"/c/{token(row)}/{number}")
    assert (response.status_code, response.content) == (404, b"Not found.\n")
    assert noted() == []


@pytest.mark.parametrize(
    "changed", [lambda t: t[:-2] + "xx", lambda t: t[:-1], lambda t: "A" * 48, lambda t: "é"]
)
@pytest.mark.parametrize("path", ["/c/{}/1", "/v/{}"])
def test_a_bad_token_is_not_found(row: SendLog, path: str, changed: Callable[[str], str]) -> None:
    response = get(path.format(changed(token(row))))
    assert (response.status_code, response.content) == (404, b"Not found.\n")
    assert noted() == []


def test_a_key_that_signs_no_more_still_counts(row: SendLog, settings: Settings) -> None:
    settings.LINK_KEYS = ["old"]
    link = f"/c/{token(row)}/1"
    settings.LINK_KEYS = ["new", "old"]
    assert get(link).status_code == 302
    settings.LINK_KEYS = ["new"]
    assert get(link).status_code == 404


def test_nothing_but_a_look_is_taken(row: SendLog) -> None:
    for path in (f"/c/{token(row)}/1", f"/o/{token(row)}.gif", f"/v/{token(row)}"):
        assert get(path, "post").status_code == 405
    assert noted() == []


@pytest.mark.parametrize(
    ("method", "headers", "verdict"),
    [
        ("head", {}, "scanner"),
        ("get", {"Sec-Purpose": "prefetch;prerender"}, "prefetch"),
        ("get", {"Purpose": "prefetch"}, "prefetch"),
        ("get", {"X-Moz": "prefetch"}, "prefetch"),
        ("get", {"Purpose": "preview"}, "prefetch"),
        ("get", {"User-Agent": "curl/8.0"}, "scanner"),
        ("get", {"User-Agent": "a\x01" * 300}, "person"),
    ],
)
def test_a_machine_is_led_on_and_judged(
    row: SendLog, method: str, headers: dict[str, str], verdict: str
) -> None:
    assert get(f"/c/{token(row)}/1", method, **headers).status_code == 302
    assert kept() == [("clicked", 1, verdict)]


def test_the_hidden_link_leads_nowhere_and_gives_its_visitor_away(row: SendLog) -> None:
    get(f"/c/{token(row)}/1")
    response = get(f"/c/{token(row)}/0")
    assert (response.status_code, response.content) == (404, b"Not found.\n")
    assert kept() == [("clicked", 1, "scanner"), ("clicked", None, "scanner")]


# --- Opens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("path", ["/o/{}.gif", "/o/{}"])
def test_a_pixel_is_a_pixel_and_counts(row: SendLog, path: str, method: str) -> None:
    url = path.format(token(row))
    with CaptureQueriesContext(connection) as queries:
        response = get(url, method)
    assert (response.status_code, response["Content-Type"], len(queries)) == (200, "image/gif", 0)
    assert "no-store" in response["Cache-Control"]
    assert kept() == [("opened", None, "person" if method == "get" else "scanner")]


@pytest.mark.parametrize("name", ["x", "x.gif", ".gif", "%00", "é", "A" * 48, "a" * 5000])
def test_any_other_token_gets_the_same_pixel(row: SendLog, name: str) -> None:
    expected = get(f"/o/{token(row)}.gif").content
    assert len(noted()) == 1
    response = get(f"/o/{name}")
    assert (response.status_code, response.content) == (200, expected)
    assert noted() == []


def test_a_test_mail_counts_nothing(row: SendLog) -> None:
    own = tokens.make(tokens.Reference(row.workspace_id, 0, 0))
    assert get(f"/o/{own}.gif").status_code == 200
    assert get(f"/c/{own}/1").status_code == get(f"/v/{own}").status_code == 404
    assert noted() == []


# --- In the browser -------------------------------------------------------------------------------------


def test_the_mail_is_shown_as_it_was_written_and_counts_nothing(row: SendLog) -> None:
    Customer.objects.update(name="Ada <b>")
    response = get(f"/v/{token(row)}")
    page = response.content.decode()
    assert "Hello Ada &lt;b&gt;" in page
    assert 'href="https://shop.example/a?b=1&amp;c=2"' in page and "/pro?w=Acme&amp;c=Spring" in page
    assert "/c/" not in page and "/o/" not in page and f"/u/{token(row)}" in page
    assert response["Content-Security-Policy"].startswith("sandbox ")
    assert "script" not in response["Content-Security-Policy"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in response["Cache-Control"]
    assert noted() == []


def test_a_link_of_before_shows_what_its_campaign_sent(row: SendLog) -> None:
    assert "Hello" in get(f"/v/{token(row, content_id=0)}").content.decode()


@pytest.mark.parametrize("wrong", ["customer_id", "workspace_id", "row_id", "content_id"])
def test_a_mail_of_somebody_else_is_not_shown(row: SendLog, wrong: str) -> None:
    assert get(f"/v/{token(row, **{wrong: 10**6})}").status_code == 404


def test_a_mail_whose_customer_is_gone_is_not_shown(row: SendLog) -> None:
    Customer.objects.all().delete()
    assert get(f"/v/{token(row)}").status_code == 404


# --- The mail itself ------------------------------------------------------------------------------------


def mail(row: SendLog, *, tracked: bool = True) -> str:
    customer = Customer.objects.get()
    to = Recipient(row.pk, row.customer_id, row.email, columns(customer), tracked)
    message = Builder(row.campaign, row.campaign.senders.get()).build(to).message
    return quopri.decodestring(message).decode()


def test_a_mail_carries_links_that_count_and_a_pixel(row: SendLog) -> None:
    said = mail(row)
    for number in (0, 1, 2):
        assert f"/c/{token(row)}/{number}" in said
    assert f"/o/{token(row)}.gif" in said and f"/v/{token(row)}" in said
    text, html = said.split("text/html")
    assert "https://shop.example/a?b" in text and "https://shop.example" not in html
    assert get(f"/c/{token(row)}/1").status_code == 302


@pytest.mark.parametrize("off", ["workspace", "campaign", "customer"])
def test_where_tracking_is_off_nothing_is_rewritten_and_nothing_kept(row: SendLog, off: str) -> None:
    if off == "workspace":
        row.campaign.workspace.tracked = False
        row.campaign.workspace.save(update_fields=["tracked"])
    elif off == "campaign":
        row.campaign.tracked = False
        row.campaign.save(update_fields=["tracked"])
    else:
        Customer.objects.update(tracked=False)
    said = mail(row, tracked=Customer.objects.get().tracked)
    assert "/c/" not in said and "/o/" not in said and "https://shop.example/a?b" in said
    get(f"/o/{token(row)}.gif")
    assert get(f"/c/{token(row)}/1").status_code == 302
    assert kept() == []


def test_a_campaign_of_a_workspace_without_tracking_is_activated_without() -> None:
    from campaigns import lifecycle

    campaign = CampaignFactory(workspace=WorkspaceFactory(slug="quiet", tracked=False))
    lifecycle.activate(campaign)
    assert campaign.tracked is False


def test_the_spool_says_nothing_of_the_person(row: SendLog) -> None:
    get(f"/c/{token(row)}/1")
    [chunk] = spool.chunks(10)
    assert row.email not in json.dumps(chunk)
