"""The versions of a template: who saved what and when, what it changed, and back to it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from audience import access
from audience.views.frame import show, staff_page, user_of
from campaigns import differences, preview, templates
from campaigns.content import ContentError, RenderError
from campaigns.models import Template, TemplateVersion
from campaigns.templates import Sources
from campaigns.views.frame import find_own_template, find_template, sealed

LISTED = 100


@staff_page
@never_cache
@require_safe
def versions(request: HttpRequest, pk: int, number: int | None = None) -> HttpResponse:
    """The list, newest first, and what one version changed; against what it says now on `?against=now`."""
    template = find_template(request, pk)
    listed = list(template.versions.select_related("saved_by").defer("body")[:LISTED])
    if not listed:
        messages.info(request, gettext("The first version is kept when you save."))
        return redirect("campaigns:template", template.pk)
    chosen = _version(template, number or listed[0].number)
    against_now = request.GET.get("against") == "now"
    context = {
        "title": gettext("Versions of “{template}”").format(template=template),
        "template": template,
        "versions": listed,
        "chosen": chosen,
        "against_now": against_now,
        "difference": _difference(template, chosen, against_now),
        "may_edit": access.may_edit(request.user, template.workspace_id),
    }
    return show(request, "campaigns/versions.html", context)


@staff_page
@require_safe
def picture(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """A version as an example person would have got it."""
    template = find_template(request, pk)
    try:
        document = preview.render(template.workspace, Sources.of(_version(template, number)), None).html
    except (ContentError, RenderError):
        document = "<!DOCTYPE html><head></head><p>No mail can be made of this version.</p>"
    return sealed(document)


@staff_page
@require_POST
def restore(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Go back to a version, by making a new one that says the same."""
    template = find_own_template(request, pk)
    try:
        restored = templates.restore(template, number, user_of(request))
    except TemplateVersion.DoesNotExist as error:
        raise Http404("There is no such version.") from error
    except ContentError as error:
        messages.error(
            request,
            gettext("Version {number} cannot be used any more: {error}").format(number=number, error=error),
        )
        return redirect("campaigns:template_version", template.pk, number)
    messages.success(
        request,
        gettext("“{restored}” says again what it said in version {number}.").format(
            restored=restored, number=number
        ),
    )
    return redirect("campaigns:template", template.pk)


def _version(template: Template, number: int) -> TemplateVersion:
    found: TemplateVersion = get_object_or_404(template.versions.select_related("saved_by"), number=number)
    return found


def _difference(
    template: Template, chosen: TemplateVersion, against_now: bool
) -> differences.Difference | None:
    """None for the first version, which changed nothing."""
    if against_now:
        return differences.between(Sources.of(chosen), Sources.of(template))
    before = template.versions.filter(number__lt=chosen.number).first()
    return differences.between(Sources.of(before), Sources.of(chosen)) if before else None
