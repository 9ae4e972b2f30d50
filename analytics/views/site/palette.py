"""What Ctrl+K finds beside the pages of the menu: campaigns, templates, segments, senders, people, acts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import SearchResult

from audience import access
from audience import search as search_customers
from audience.models import Customer, Segment, workspaces_visible_to
from campaigns.models import Campaign, Sender, Template

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

EACH = 6
# Workspaces that are searched for people.
SEARCHED = 5
PAGES = (
    (_("Home"), "admin:index", "home"),
    (_("Campaigns"), "site:campaigns", "send"),
    (_("Customers"), "audience:customers", "group"),
    (_("Reports"), "analytics:overview", "monitoring"),
    (_("Audience report"), "analytics:audience", "group"),
    (_("Complaints"), "analytics:complaints", "report"),
    (_("Mailbox"), "delivery:mailbox", "inbox"),
    (_("Settings, members, sending hours"), "audience:settings", "tune"),
)
ACTS = (
    (_("New campaign"), "delivery:compose_new", "add"),
    (_("New template"), "campaigns:template_new", "add"),
    (_("New segment"), "admin:audience_segment_add", "add"),
    (_("Import customers"), "admin:audience_customerimport_add", "upload_file"),
)
NAMED: tuple[tuple[Any, StrOrPromise, str, str], ...] = (
    (Campaign, _("Campaign"), "site:campaign", "send"),
    (Template, _("Template"), "campaigns:template", "draft"),
    (Segment, _("Segment"), "admin:audience_segment_change", "filter_alt"),
    (Sender, _("Sender"), "admin:campaigns_sender_change", "badge"),
)


def search(request: HttpRequest, words: str) -> list[SearchResult]:
    """What the words name, of the user's own workspaces. Unfold calls it (UNFOLD["COMMAND"])."""
    return [*_pages(request, words), *_named(request, words), *_people(request, words)]


def _pages(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    pages_of = {
        "Page": PAGES if access.may_view(request.user) else (),
        "Act": ACTS if access.may_edit(request.user) else (),
    }
    for kind, pages in pages_of.items():
        for title, view, icon in pages:
            if words in title.lower():
                yield SearchResult(title=title, description=kind, link=reverse(view), icon=icon)


def _named(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    for model, kind, view, icon in NAMED:
        found = model.objects.visible_to(request.user).filter(name__icontains=words).order_by("-pk")
        for pk, name in found.values_list("pk", "name")[:EACH]:
            yield SearchResult(title=name, description=kind, link=reverse(view, args=[pk]), icon=icon)


def _people(request: HttpRequest, words: str) -> Iterator[SearchResult]:
    """As the list of customers finds them, in the workspaces of whoever asks."""
    if len(words) < 3:
        return
    for workspace in workspaces_visible_to(request.user)[:SEARCHED]:
        found = Customer.objects.of(workspace).filter(search_customers.about(workspace, words))
        for customer in search_customers.newest(found, None, EACH):
            link = reverse("delivery:person", args=[customer.pk])
            title = f"{customer.email} · {customer.name}" if customer.name else customer.email
            yield SearchResult(title=title, description=gettext("Customer"), link=link, icon="person")
