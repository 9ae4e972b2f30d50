"""Where people clicked: the frozen mail with a number at each of its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext
from lxml import html
from lxml.html import HtmlElement

from analytics.totals import LinkTotals
from audience.models import Workspace
from campaigns import content
from campaigns.models import Campaign, Content, FlowMail

# Stands for the counting links while the mail is shown here; nothing leads to it.
BASE = "https://counted.invalid"
MARK = (
    "position:absolute;top:-1.2em;left:calc(100% - .8em);z-index:9;padding:1px 7px;border-radius:999px;"
    "font:600 12px/18px system-ui,sans-serif;letter-spacing:0;text-decoration:none;text-transform:none;"
    "white-space:nowrap;color:#fff;box-shadow:0 1px 3px rgba(0,0,0,.35);background:{}"
)
STYLE = "body{pointer-events:none}a[data-counted]{position:relative;outline:2px solid {};outline-offset:2px}"
# From few clicks to many; white text is readable on each.
COLOURS = ("#64748b", "#4f63b8", "#4338ca", "#a21caf", "#be123c")


@dataclass(frozen=True)
class Link:
    """A link of a frozen mail, by the number that a click on it carries."""

    number: int
    url: str
    text: str


def content_of(campaign: Campaign, step: int | None) -> Content | None:
    """What a campaign's mail says; of a flow that of one step, as the newest version has it."""
    if campaign.flow_id is None:
        return campaign.content
    mails = FlowMail.objects.filter(version__flow=campaign.flow_id, step=step or 0)
    newest = mails.select_related("content").order_by("-version__number").first()
    return newest.content if newest else None


def links(frozen: Content) -> list[Link]:
    """The links of a frozen mail, from 1."""
    return [Link(number, link["url"], link["text"]) for number, link in enumerate(frozen.links, 1)]


def shown(campaign: Campaign, clicks: Mapping[int, LinkTotals], clicked: int, step: int | None = None) -> str:
    """The mail as a page of its own, for a frame without scripts; `clicked` is who clicked anything."""
    frozen = content_of(campaign, step)
    if frozen is None:
        return ""
    sources = content.Compiled("", frozen.tracked_html or frozen.html, "")
    rendered = content.Renderer(sources).render(_somebody(campaign.workspace, campaign.name))
    page = html.document_fromstring(rendered.html)
    most = max((found.mails for found in clicks.values()), default=0)
    for anchor in page.iter("a", "area"):
        _mark(anchor, clicks, clicked, most)
    head = page.find("head")
    if head is not None:
        head.append(html.fragment_fromstring(f"<style>{STYLE.replace('{}', COLOURS[2])}</style>"))
    document: str = html.tostring(page, doctype="<!DOCTYPE html>", encoding="unicode")
    return document


def _somebody(workspace: Workspace, name: str) -> dict[str, object]:
    """An example person, so that the report shows nobody's data."""
    samples = {f.name.removeprefix("customer."): f.sample for f in content.merge_fields(workspace)}
    columns = {column: samples.get(column, "") for column in content.CUSTOMER_COLUMNS}
    data = content.context({**columns, "attributes": samples}, workspace, name, "#unsubscribe")
    return data | {"click_base": BASE, "pixel_link": BASE, "view_in_browser_link": "#view-in-browser"}


def _mark(anchor: HtmlElement, clicks: Mapping[int, LinkTotals], clicked: int, most: int) -> None:
    """Put the number at a link that counts; nothing in the frame leads anywhere."""
    number = anchor.get("href", "").removeprefix(f"{BASE}/")
    if "href" in anchor.attrib:
        del anchor.attrib["href"]
    if not number.isdecimal() or number == "0":
        return
    found = clicks.get(int(number))
    mails = found.mails if found else 0
    share = f"{mails / clicked:.0%}" if clicked else "0%"
    heat = COLOURS[min(int(mails / most * len(COLOURS)), len(COLOURS) - 1)] if most else COLOURS[0]
    anchor.set("data-counted", number)
    badge = html.Element(
        "span",
        style=MARK.format(heat),
        title=gettext("Link {number}: {mails:,} people").format(number=number, mails=mails),
    )
    badge.text = share
    anchor.append(badge)
