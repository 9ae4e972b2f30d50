"""Templates: checked at every save, shown as a customer would get them, and the start of a campaign."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audience import access
from audience.addresses import InvalidAddress, normalise
from audience.admin.base import ReadOnly, WorkspaceAdmin, WorkspaceForm, user_of
from audience.models import Customer, Workspace, workspaces_visible_to
from campaigns import attachments, content, drafts
from campaigns.admin.attachments import AttachmentPanel
from campaigns.content import qr
from campaigns.models import Attachment, Content, Flow, Sender, Template

SUGGESTED_CUSTOMERS = 10
PARTS = ("format", "subject", "preheader", "body")


class TemplateForm(WorkspaceForm):
    class Meta(WorkspaceForm.Meta):
        widgets = {
            "body": UnfoldAdminTextareaWidget(
                attrs={"rows": 28, "class": "drumbeat-code", "spellcheck": "false", "autocomplete": "off"}
            ),
            "subject": UnfoldAdminTextInputWidget(attrs={"class": "drumbeat-long"}),
            "preheader": UnfoldAdminTextInputWidget(attrs={"class": "drumbeat-long"}),
        }

    def clean(self) -> dict[str, Any]:
        """Errors of the template refuse it; warnings are kept to be said after it is saved."""
        cleaned = super().clean()
        self.warnings: list[content.Problem] = []
        if self.workspace is None or not cleaned.keys() >= set(PARTS):
            return cleaned
        for problem in content.check(self.workspace, *(cleaned[part] for part in PARTS)):
            if problem.severity == "error":
                self.add_error(problem.field, str(problem))
            else:
                self.warnings.append(problem)
        return cleaned


@admin.register(Template)
class TemplateAdmin(AttachmentPanel, WorkspaceAdmin):
    form = TemplateForm
    list_display = ("name", "format", "subject", "updated_at")
    list_filter = ("format",)
    search_fields = ("name", "subject")
    search_help_text = "Part of the name or subject"
    ordering = ("name",)
    fields = ("name", "format", "subject", "preheader", "body", "qr_inline")
    change_form_template = "admin/campaigns/template/change_form.html"

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "campaigns_template"
        return [
            path("preview/", wrap(require_POST(self.preview_view)), name=f"{name}_preview"),
            path(
                "<int:pk>/campaign/",
                wrap(require_POST(self.campaign_view)),
                name="campaigns_template_campaign",
            ),
            *self.attachment_urls(),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context["button"] = {}
        context["parts"] = [(part, getattr(obj, part)) for part in PARTS] if obj else []
        workspace = obj.workspace if obj else access.sole_workspace(request.user)
        if workspace is not None:
            context["merge_fields"] = content.merge_fields(workspace)
            context["preview_workspace"] = workspace
            customers = Customer.objects.of(workspace).order_by("-id")
            context["suggestions"] = customers.values_list("email", flat=True)[:SUGGESTED_CUSTOMERS]
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: Template, form: TemplateForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for problem in form.warnings:
            messages.warning(request, f"{problem.field.capitalize()}: {problem}")

    def delete_model(self, request: HttpRequest, obj: Template) -> None:
        for attachment in obj.attachments.all():
            attachments.remove(attachment)
        super().delete_model(request, obj)

    # --- Preview -----------------------------------------------------------------------------------

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What stands in the form, saved or not, as one customer would get it. Writes nothing."""
        workspace = self._workspace(request)
        parts = [request.POST.get(part, "") for part in PARTS]
        if not parts[-1].strip():
            return TemplateResponse(request, "admin/campaigns/template/preview.html", {"is_empty": True})
        try:
            customer = self._customer(workspace, request.POST.get("preview_as", "").strip())
            mail = render(workspace, parts, customer)
            context: dict[str, Any] = {
                "mail": mail,
                "customer": customer,
                "attached": self._attached(request),
            }
        except (Customer.DoesNotExist, content.ContentError, content.RenderError) as error:
            context = {"error": str(error)}
        return TemplateResponse(request, "admin/campaigns/template/preview.html", context)

    def _attached(self, request: HttpRequest) -> list[Attachment]:
        """The files of the template on whose page the preview stands; a new one has none."""
        pk = request.POST.get("template", "")
        template = self.get_object(request, pk) if pk.isdecimal() else None
        return list(template.attachments.select_related("file").defer("file__data")) if template else []

    def _workspace(self, request: HttpRequest) -> Workspace:
        chosen = request.POST.get("workspace", "")
        found = workspaces_visible_to(request.user).filter(pk=chosen).first() if chosen.isdecimal() else None
        if found is None:
            raise Http404("Choose a workspace first.")
        return found

    def _customer(self, workspace: Workspace, address: str) -> Customer | None:
        """The customer with this address; the newest for none; None in an empty audience."""
        customers = Customer.objects.of(workspace)
        if not address:
            newest: Customer | None = customers.order_by("-id").first()
            return newest
        try:
            found: Customer = customers.get(email=normalise(address))
        except (InvalidAddress, Customer.DoesNotExist) as error:
            raise Customer.DoesNotExist(
                f"{address} is no customer. Choose another address, or leave it empty."
            ) from error
        return found

    # --- A campaign from it --------------------------------------------------------------------------

    def campaign_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a draft that sends this template, and go on to its audience."""
        template = self.get_object(request, str(pk))
        if template is None:
            raise Http404("There is no such template.")
        if not access.may_edit(request.user, template.workspace_id):
            raise PermissionDenied("An analyst may read, not prepare campaigns.")
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
        messages.info(request, f"“{draft.campaign}” is a draft now. Choose its audience and its senders.")
        return redirect("admin:campaigns_campaign_change", draft.campaign.pk)


def render(workspace: Workspace, parts: list[str], customer: Customer | None) -> content.Rendered:
    """The mail that this customer would get; an example person's for None."""
    renderer = content.Renderer(content.compile_template(*parts))
    if customer is not None:
        data = {column: getattr(customer, column) for column in content.CUSTOMER_COLUMNS}
    else:
        samples = {
            field.name.removeprefix("customer."): field.sample for field in content.merge_fields(workspace)
        }
        data = {
            **{column: samples.get(column, "") for column in content.CUSTOMER_COLUMNS},
            "attributes": samples,
        }
    links = {"unsubscribe_link": "#unsubscribe", "view_in_browser_link": "#view-in-browser"}
    said = content.context(data, workspace, "Preview", **links)
    code = qr.of_customer(workspace.pk, customer.pk if customer else 0)
    return renderer.render(content.with_qr_code(said, code))


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

    @display(description="Text part")
    def text_source(self, frozen: Content) -> str:
        return format_html('<pre class="drumbeat-source" tabindex="0">{}</pre>', frozen.text)

    @display(description="HTML part")
    def html_source(self, frozen: Content) -> str:
        return format_html('<pre class="drumbeat-source" tabindex="0">{}</pre>', frozen.html)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context["subtitle"] = f"“{obj.template or 'A deleted template'}” as it was sent"
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(Flow)
class FlowAdmin(WorkspaceAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name",)
