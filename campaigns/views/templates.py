"""The list of templates, the gallery that new ones start from, and what is done to a whole one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audience import access
from audience.models import Workspace, workspaces_visible_to
from audience.views.frame import show, staff_page, user_of
from campaigns import preview, starters, templates
from campaigns.content import ContentError, RenderError
from campaigns.models import Campaign, Template
from campaigns.views.forms import NewTemplateForm
from campaigns.views.frame import find_own_template, find_template, sealed

PER_PAGE = 24
# A picture of a saved version never changes: its address names the version.
FOR_A_DAY = "private, max-age=86400"


@staff_page
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """All templates as pictures, those saved last first; searched by name and subject."""
    text = request.GET.get("q", "").strip()[:200]
    found = (
        Template.objects.visible_to(request.user).select_related("workspace").order_by("-updated_at", "-id")
    )
    if text:
        found = found.filter(Q(name__icontains=text) | Q(subject__icontains=text))
    page = Paginator(found.defer("body"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "title": gettext("Templates"),
        "q": text,
        "page": page,
        "may_edit": access.may_edit(request.user),
        "editable": {pk for pk in {row.workspace_id for row in page} if access.may_edit(request.user, pk)},
        "shows_workspace": access.sole_workspace(request.user) is None,
    }
    return show(request, "campaigns/templates.html", context)


@staff_page
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The gallery; a POST makes a template of what was chosen in it."""
    if not access.may_edit(request.user):
        raise PermissionDenied(gettext("An analyst may read, not write templates."))
    workspaces = _editable_workspaces(request)
    sole = access.sole_workspace(request.user)
    form = NewTemplateForm(request.POST if request.method == "POST" else None, workspaces, sole)
    if form.is_valid() and (starter := starters.find(form.cleaned_data["starter"])):
        name = starter.name if starter.is_design else gettext("New template")
        made = templates.create(form.chosen_workspace(), name, starter.sources, user_of(request))
        return redirect("campaigns:template", made.pk)
    context = {
        "title": gettext("New template"),
        "form": form,
        "designs": starters.designs(),
        "empty": starters.empty(),
        "workspaces": workspaces if sole is None else None,
        "error": " ".join(str(each) for found in form.errors.values() for each in found),
    }
    return show(request, "campaigns/gallery.html", context)


@staff_page
@require_safe
def starter(request: HttpRequest, key: str) -> HttpResponse:
    """A design of the gallery, as an example person would get it."""
    found = starters.find(key)
    if found is None or not found.is_design:
        raise Http404("There is no such design.")
    workspace = access.sole_workspace(request.user) or Workspace(pk=0, name=gettext("Your brand"))
    return _picture(workspace, found.sources, request)


@staff_page
@require_safe
def picture(request: HttpRequest, pk: int) -> HttpResponse:
    """A template as it was saved, as an example person would get it."""
    template = find_template(request, pk)
    return _picture(template.workspace, templates.Sources.of(template), request)


@staff_page
@require_POST
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a copy, and go on to it."""
    copy = templates.clone(find_own_template(request, pk), user_of(request))
    messages.success(
        request, gettext("This is “{copy}” now. The one that you copied stays as it is.").format(copy=copy)
    )
    return redirect("campaigns:template", copy.pk)


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what it means, then delete."""
    template = find_own_template(request, pk)
    if request.method == "POST":
        templates.delete(template)
        messages.success(request, gettext("“{template}” is deleted.").format(template=template))
        return redirect("campaigns:templates")
    context: dict[str, Any] = {
        "title": gettext("Delete “{template}”?").format(template=template),
        "template": template,
        "uses": templates.uses(template),
        "drafts": Campaign.objects.filter(template=template, content=None)[:5],
        "attached": template.attachments.count(),
    }
    return show(request, "campaigns/template_delete.html", context)


def _picture(workspace: Workspace, sources: templates.Sources, request: HttpRequest) -> HttpResponse:
    scheme = "dark" if request.GET.get("scheme") == "dark" else "light"
    try:
        document = preview.render(workspace, sources, None).html
    except (ContentError, RenderError):
        document = "<!DOCTYPE html><head></head><p>This one has an error. Open it to see where.</p>"
    response = sealed(document, scheme)
    response["Cache-Control"] = FOR_A_DAY
    return response


def _editable_workspaces(request: HttpRequest) -> QuerySet[Workspace]:
    seen = workspaces_visible_to(request.user)
    if request.user.is_superuser:
        return seen
    roles = access.roles_of(request.user)
    return seen.filter(pk__in=[pk for pk, role in roles.items() if role in access.EDITORS])
