"""Searching lists of many rows: by the beginning of an address, which an index answers, or else once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import chain

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience import access
from audience.addresses import InvalidAddress, normalise
from audience.customers import address_begins
from audience.models import workspaces_visible_to

MOST = 1_000


class SearchedOnce:
    """Mixed in before WorkspaceAdmin: a search that no index answers reads the rows once.

    Django would read them to count what it found, and again to list it.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        rows, is_doubled = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        if not search_term.strip():
            return rows, is_doubled
        return _listed(request, queryset, [rows.order_by("-pk")]), False


class AddressSearch:
    """Mixed in before WorkspaceAdmin: search by address, or its beginning, and by `also_exactly`."""

    search_fields = ("email",)
    search_help_text = _("An address, or how it begins")
    also_exactly: tuple[str, ...] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        rows = queryset.order_by()
        if access.sole_workspace(request.user) is None:
            # The indexes begin with the workspace.
            rows = rows.filter(workspace__in=list(workspaces_visible_to(request.user)))
        # Asked for apart from the list's order, which would lure the planner away from the index.
        return _listed(request, queryset, self._parts(rows, term)), False

    def _parts(self, rows: QuerySet, term: str) -> list[QuerySet]:
        with suppress(InvalidAddress):
            exact = rows.filter(email=normalise(term))
            if exact.exists():
                return [exact]
        exactly = [rows.filter(~Q(**{column: ""}), **{column: term}) for column in self.also_exactly]
        return [rows.filter(address_begins(term.lower())), *exactly]


def _listed(request: HttpRequest, queryset: QuerySet, parts: Iterable[QuerySet]) -> QuerySet:
    """Those of the rows that a part finds, MOST of each at most, to be counted, ordered and paged by id."""
    found = list(chain(*(part.values_list("pk", flat=True)[:MOST] for part in parts)))
    if len(found) >= MOST:
        words = gettext("Only {most:,} of those found are listed. Type more of what you look for.")
        messages.info(request, words.format(most=MOST))
    return queryset.filter(pk__in=found)
