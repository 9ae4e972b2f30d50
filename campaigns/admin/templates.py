"""Templates, which are written elsewhere, as the start of a campaign; what was frozen of them; flows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from audience import access
from audience.admin.base import ReadOnly, WorkspaceAdmin, user_of
from campaigns import drafts
from campaigns.admin.attachments import AttachmentPanel
from campaigns.models import Content, Sender, Template


@admin.register(Template)
class TemplateAdmin(AttachmentPanel, ReadOnly, WorkspaceAdmin):
    """Templates are written on pages of their own (campaigns.views); the admin's addresses lead there."""

    def get_urls(self) -> list[Any]:
        start = path(
            "<int:pk>/campaign/",
            self.admin_site.admin_view(require_POST(self.campaign_view)),
            name="campaigns_template_campaign",
        )
        return [start, *self.attachment_urls(), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("campaigns:templates")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("campaigns:template_new")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("campaigns:template", self._found(request, object_id).pk)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("campaigns:template_delete", self._found(request, object_id).pk)

    def _found(self, request: HttpRequest, object_id: str) -> Template:
        template: Template | None = self.get_object(request, unquote(object_id))
        if template is None:
            raise Http404("There is no such template.")
        return template

    # --- A campaign from it --------------------------------------------------------------------------

    def campaign_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a draft that sends this template, and go on to its audience."""
        template = self._found(request, str(pk))
        if not access.may_edit(request.user, template.workspace_id):
            raise PermissionDenied(gettext("An analyst may read, not prepare campaigns."))
        usable = list(Sender.objects.of(template.workspace).usable().values_list("pk", flat=True)[:2])
        draft = drafts.create(
            template.workspace,
            template.name,
            template_id=template.pk,
            sender_ids=usable if len(usable) == 1 else (),
            actor=user_of(request),
        )
        if len(usable) == 1:
            return redirect("delivery:send", draft.campaign.pk)
        messages.info(
            request,
            gettext("“{campaign}” is a draft now. Choose its audience and its senders.").format(
                campaign=draft.campaign
            ),
        )
        return redirect("admin:campaigns_campaign_change", draft.campaign.pk)


@admin.register(Content)
class ContentAdmin(ReadOnly, WorkspaceAdmin):
    """What was frozen when a campaign was activated: the evidence of what was sent."""

    list_display = ("subject", "template", "created_at")
    list_select_related = ("template",)
    fields = ("template", "subject", "text_source", "html_source", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        """The list does not read whole documents."""
        rows = super().get_queryset(request)
        shows_one = request.resolver_match is not None and request.resolver_match.kwargs
        return rows if shows_one else rows.defer("html", "text")

    @display(description=_("Text part"))
    def text_source(self, frozen: Content) -> str:
        return format_html('<pre class="drumbeat-source" tabindex="0">{}</pre>', frozen.text)

    @display(description=_("HTML part"))
    def html_source(self, frozen: Content) -> str:
        return format_html('<pre class="drumbeat-source" tabindex="0">{}</pre>', frozen.html)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context["subtitle"] = gettext("“{template}” as it was sent").format(
            template=obj.template or gettext("A deleted template")
        )
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
