"""The part of a template's page that is about its attachments. They change at once, not on saving."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from audience import access
from campaigns import attachments
from campaigns.models import Attachment, Sender, Template

PAGE = "admin/campaigns/template/attachments.html"


class AttachmentPanel:
    """Mixed in before the admin of templates."""

    admin_site: Any
    get_object: Any

    def attachment_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "campaigns_template_attachments"
        listed = require_http_methods(["GET", "POST"])(self.attachments_view)
        return [
            path("<int:pk>/attachments/", wrap(listed), name=name),
            path(
                "<int:pk>/attachments/<int:attachment>/remove/",
                wrap(require_POST(self.remove_attachment_view)),
                name=f"{name}_remove",
            ),
        ]

    def attachments_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The list; a POST attaches a file to it first."""
        template = self._attaching_to(request, pk)
        if request.method != "POST":
            return self._panel(request, template)
        uploaded = request.FILES.get("file")
        if uploaded is None:
            return self._panel(request, template, error=gettext("Choose a file first."))
        if (uploaded.size or 0) > attachments.MAIL_LIMIT:
            too_large = gettext(
                "“{name}” is larger than any mail may be. Make it smaller, or link to it."
            ).format(name=uploaded.name)
            return self._panel(request, template, error=too_large)
        try:
            attached = attachments.attach(template, uploaded.name or "", uploaded.read())
        except attachments.Unfit as error:
            return self._panel(request, template, error=str(error))
        return self._panel(
            request, template, done=gettext("“{attached}” is attached.").format(attached=attached)
        )

    def remove_attachment_view(self, request: HttpRequest, pk: int, attachment: int) -> HttpResponse:
        template = self._attaching_to(request, pk)
        found = Attachment.objects.filter(template=template, pk=attachment).first()
        if found is not None:
            attachments.remove(found)
        return self._panel(
            request, template, done=gettext("“{found}” is removed.").format(found=found) if found else ""
        )

    def _attaching_to(self, request: HttpRequest, pk: int) -> Template:
        """The template, if the user may see it, and may change it when that is asked."""
        template: Template | None = self.get_object(request, str(pk))
        if template is None:
            raise Http404("There is no such template.")
        if request.method == "POST" and not access.may_edit(request.user, template.workspace_id):
            raise PermissionDenied(gettext("An analyst may read, not change templates."))
        return template

    def _panel(
        self, request: HttpRequest, template: Template, *, error: str = "", done: str = ""
    ) -> HttpResponse:
        attached = list(template.attachments.select_related("file").defer("file__data"))
        together = attachments.encoded_size(each.file.size for each in attached)
        senders = Sender.objects.of(template.workspace).usable()
        context = {
            "template": template,
            "attached": attached,
            "in_a_mail": attachments.in_mb(together) if together else "",
            "too_large": attachments.too_large_for(template, senders),
            "kinds": ",".join(attachments.KINDS),
            "may_edit": access.may_edit(request.user, template.workspace_id),
            "error": error,
            "done": done,
        }
        return TemplateResponse(request, PAGE, context)
