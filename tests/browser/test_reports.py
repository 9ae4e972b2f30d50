"""The reports in a browser: the charts are drawn, and everybody can read them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from analytics import roll_up
from campaigns.models import Campaign
from tests.analytics.sample import Sample
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaigns() -> list[Campaign]:
    sample = Sample(people=120)
    made = [sample.campaign(name, days, charm=1.6) for name, days in (("Before", 20), ("One", 3))]
    roll_up.run()
    return made


def addresses(campaigns: list[Campaign]) -> list[str]:
    one = f"/reports/campaigns/{campaigns[1].pk}"
    both = "&".join(f"campaign={campaign.pk}" for campaign in campaigns)
    return [
        "/reports/",
        f"{one}/",
        f"{one}/delivery/",
        f"{one}/links/",
        f"{one}/people/?number=opened",
        f"/reports/compare/?{both}",
        "/reports/audience/",
        "/reports/complaints/",
    ]


# How many pixels of a chart are not empty.
INK = """canvas => {
    const { width, height } = canvas;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return pixels.filter((value, place) => place % 4 === 3 && value > 0).length;
}"""


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_read_them(
    page: Page, site: str, campaigns: list[Campaign], scheme: Any, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for address in addresses(campaigns):
        page.goto(f"{site}{address}")
        for chart in page.locator("canvas[data-chart]").all():
            assert chart.evaluate(INK) > 500, address
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append((address, "is wider than the window"))
        found = axe.run(page, context=".delivery").response["violations"]
        problems += [(address, each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert problems == []


def test_campaigns_are_compared_in_two_clicks_and_the_switch_stays(
    page: Page, site: str, campaigns: list[Campaign]
) -> None:
    page.goto(f"{site}/reports/?who=all")
    compare = page.get_by_role("button", name="Compare", exact=True)
    expect(compare).to_be_disabled()
    for campaign in campaigns:
        page.get_by_role("checkbox", name=f"Compare {campaign.name}").check()
    compare.click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    expect(page.get_by_role("link", name="All", exact=True)).to_have_attribute("aria-current", "true")


def test_the_table_behind_a_chart_opens_by_keyboard(page: Page, site: str, campaigns: list[Campaign]) -> None:
    page.goto(f"{site}/reports/campaigns/{campaigns[1].pk}/")
    page.get_by_text("Show as a table").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="First opens")).to_be_visible()


def test_charts_follow_the_theme(page: Page, site: str, campaigns: list[Campaign]) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{site}/reports/campaigns/{campaigns[1].pk}/")
    chart = page.locator("canvas[data-chart]")
    light = chart.evaluate("canvas => canvas.toDataURL()")
    page.evaluate("document.documentElement.classList.add('dark')")
    expect(chart).to_be_visible()
    page.wait_for_function("light => document.querySelector('canvas').toDataURL() !== light", arg=light)
