"""The mail with its clicks: the number at the right link, and nothing that leads anywhere or runs."""

from __future__ import annotations

import re

import pytest

from analytics import click_map
from analytics.totals import LinkTotals
from campaigns.models import Campaign, Content
from tests.factories import CampaignFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
TRACKED = (
    "<html><head><title>x</title></head><body><p>Hello {{ customer_name }}</p>"
    '<a href="{{ click_base }}/1">One</a><a href="{{ click_base }}/2"><img src="https://x.example/a.png"></a>'
    '<a href="mailto:us@x.example">Write</a><a href="{{ unsubscribe_link }}">Unsubscribe</a>'
    '<a href="{{ click_base }}/0" style="display:none"></a></body></html>'
)


@pytest.fixture
def campaign() -> Campaign:
    frozen = Content.objects.create(
        workspace=WorkspaceFactory(), digest="d", subject="Hello", html="<p>untracked</p>", text="Hello"
    )
    frozen.tracked_html = TRACKED
    frozen.links = [
        {"url": "https://x.example/one", "text": "One"},
        {"url": "https://x.example/two", "text": ""},
    ]
    made: Campaign = CampaignFactory(content=frozen)
    return made


def test_each_link_shows_its_share_of_those_who_clicked(campaign: Campaign) -> None:
    page = click_map.shown(campaign, {1: LinkTotals(1, 30, 40), 2: LinkTotals(2, 5, 5)}, clicked=33)
    found = re.findall(r'data-counted="(\d)".*?Link \d: (\d+) people">([\d%]+)</span>', page, re.DOTALL)
    assert found == [("1", "30", "91%"), ("2", "5", "15%")]


def test_nothing_in_it_leads_anywhere(campaign: Campaign) -> None:
    page = click_map.shown(campaign, {}, clicked=0)
    assert "href" not in page
    assert page.count("0%</span>") == 2


def test_it_shows_nobodys_data(campaign: Campaign) -> None:
    assert "Hello Ada Lovelace" in click_map.shown(campaign, {}, clicked=0)


def test_a_mail_that_was_frozen_without_its_links_is_shown_as_it_was(campaign: Campaign) -> None:
    campaign.content.tracked_html = ""
    assert "untracked" in click_map.shown(campaign, {}, clicked=0)


def test_links_are_named_as_they_were_written(campaign: Campaign) -> None:
    named = click_map.links(campaign.content)
    assert [(link.number, link.url, link.text) for link in named] == [
        (1, "https://x.example/one", "One"),
        (2, "https://x.example/two", ""),
    ]


def test_a_campaign_without_a_mail_has_no_map() -> None:
    assert click_map.shown(CampaignFactory(), {}, clicked=0) == ""
