"""What customers did elsewhere, to read. It comes in through audience.customer_events only."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from audience import access
from audience.addresses import InvalidAddress, normalise
from audience.admin.base import ReadOnly, WorkspaceAdmin
from audience.models import Customer, CustomerEvent, workspaces_visible_to


@admin.register(CustomerEvent)
class CustomerEventAdmin(ReadOnly, WorkspaceAdmin):
    list_display = ("name", "whose", "said", "at")
    sortable_by = ()
    search_fields = ("name",)
    search_help_text = _("A whole address, or the name of an event")
    fields = ("name", "whose", "said", "key", "at", "received_at")
    readonly_fields = ("whose", "said")

    @display(description=_("Customer"))
    def whose(self, event: CustomerEvent) -> str:
        try:
            return event.customer.email
        except Customer.DoesNotExist:
            return gettext("Deleted")

    @display(description=_("Properties"))
    def said(self, event: CustomerEvent) -> str:
        return ", ".join(f"{name}: {value}" for name, value in event.properties.items()) or "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Not joined, which would leave out what a customer did who was deleted meanwhile.
        return super().get_queryset(request).prefetch_related("customer")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By index: of one customer, or of one name."""
        term = search_term.strip()
        if "@" not in term:
            return (queryset.filter(name=term) if term else queryset), False
        try:
            address = normalise(term)
        except InvalidAddress:
            return queryset.none(), False
        seen = access.sole_workspace(request.user)
        workspaces = [seen] if seen is not None else list(workspaces_visible_to(request.user))
        people = Customer.objects.filter(workspace__in=workspaces, email=address)
        return queryset.filter(customer__in=list(people.values_list("pk", flat=True))), False
