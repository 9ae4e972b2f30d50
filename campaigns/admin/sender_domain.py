"""The part of a sender's page that is about the domain of its From address."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from audience import access
from campaigns import domains
from campaigns.models import DomainCheck, Sender


class DomainPanel:
    """Mixed in before the admin of senders."""

    admin_site: Any
    get_object: Any

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.domain_view))
        urls: list[Any] = super().get_urls()  # type: ignore[misc]
        return [path("<int:pk>/domain/", view, name="campaigns_sender_domain"), *urls]

    def domain_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the last look at the domain found; a POST looks anew, which takes seconds."""
        sender: Sender | None = self.get_object(request, str(pk))
        if sender is None:
            raise Http404("There is no such sender.")
        may_edit = access.may_edit(request.user, sender.workspace_id)
        if request.method == "POST" and not may_edit:
            raise PermissionDenied(gettext("An analyst may read, not check domains."))
        if request.method == "POST":
            found: DomainCheck | None = domains.check(sender)
        else:
            found = DomainCheck.objects.filter(sender=sender).first()
        context = {
            "sender": sender,
            "domain": sender.from_email.rpartition("@")[2],
            "check": found,
            "may_edit": may_edit,
        }
        return TemplateResponse(request, "admin/campaigns/sender/domain.html", context)
