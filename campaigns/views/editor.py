"""The editor: a template is written, checked line by line, shown as a customer gets it, and saved."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audience import access
from audience.views.frame import show, staff_page, user_of
from campaigns import content, preview, templates
from campaigns.content import ContentError, Problem, RenderError
from campaigns.models import Sender, Template, TemplateVersion
from campaigns.templates import Sources
from campaigns.views.forms import SourcesForm, TemplateForm
from campaigns.views.frame import find_own_template, find_template, sealed

# Gmail shows no more of a mail's HTML, and hides the rest behind a link.
GMAIL_CLIPS_AT = 102 * 1024
SAVED = "template-saved"
# Roughly the pixels of a line of text, and of a picture, in a mail.
LINE, PICTURE, LEAST = 34, 260, 560


@staff_page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def template(request: HttpRequest, pk: int) -> HttpResponse:
    """The page; a POST saves what stands on it, and says what became of that."""
    if request.method == "POST":
        return _save(request, find_own_template(request, pk))
    found = find_template(request, pk)
    senders = Sender.objects.of(found.workspace).usable().order_by("name")
    context = {
        "title": found.name,
        "template": found,
        "formats": Template.Format.choices,
        "newest": _newest(found),
        "fields": content.merge_fields(found.workspace),
        "senders": senders,
        "may_edit": access.may_edit(request.user, found.workspace_id),
    }
    return show(request, "campaigns/editor.html", context)


@staff_page
@require_POST
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """What is wrong with what stands on the page, and how it looks in an inbox and as text."""
    found = find_template(request, pk)
    sources = _sources(request)
    problems = content.check(found.workspace, *sources.parts)
    context: dict[str, Any] = {"said": [_told(problem) for problem in problems]}
    if not any(problem.severity == "error" for problem in problems):
        context |= _rendered(found, sources, request.POST.get("preview_as", ""))
    return render(request, "campaigns/verdict.html", context)


@staff_page
@require_POST
def frame(request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML of what stands on the page, saved or not, as one customer would get it."""
    found = find_template(request, pk)
    try:
        customer = preview.find_customer(found.workspace, request.POST.get("preview_as", ""))
        document = preview.render(found.workspace, _sources(request), customer).html
    except (ContentError, RenderError, preview.NoCustomer) as error:
        document = f"<!DOCTYPE html><head></head><p>{escape(str(error))}</p>"
    return sealed(document, request.POST.get("scheme", "light"))


@staff_page
@require_safe
def customers(request: HttpRequest, pk: int) -> HttpResponse:
    """A few customers that a preview may be shown as."""
    found = find_template(request, pk)
    suggested = preview.suggest_customers(found.workspace, request.GET.get("preview_as", ""))
    return render(request, "delivery/customer_options.html", {"customers": suggested})


def _save(request: HttpRequest, found: Template) -> HttpResponse:
    form = TemplateForm(request.POST)
    if not form.is_valid():
        return _not_saved(request, found, form.said())
    data = form.cleaned_data
    try:
        saved = templates.save(
            found, data["name"], form.sources(), based_on=data["based_on"], actor=user_of(request)
        )
    except ContentError as error:
        return _not_saved(request, found, gettext("Mend this first: {error}").format(error=error))
    except templates.NameTaken as error:
        return _not_saved(request, found, str(error))
    except templates.Stale as error:
        return _not_saved(request, found, str(error), newest=error.newest)
    context = {"template": saved, "newest": _newest(saved)}
    response = render(request, "campaigns/saved.html", context)
    response["HX-Trigger"] = SAVED
    return response


def _not_saved(request: HttpRequest, found: Template, why: str, newest: int | None = None) -> HttpResponse:
    context = {"template": found, "not_saved": why, "overtaken_by": newest}
    return render(request, "campaigns/saved.html", context)


def _newest(found: Template) -> TemplateVersion | None:
    newest: TemplateVersion | None = found.versions.select_related("saved_by").defer("body").first()
    return newest


def _sources(request: HttpRequest) -> Sources:
    form = SourcesForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.said())
    return form.sources()


def _told(problem: Problem) -> dict[str, Any]:
    """A problem as the page's script reads it."""
    return {
        "field": problem.field,
        "line": problem.line,
        "message": problem.message,
        "severity": problem.severity,
    }


def _rendered(found: Template, sources: Sources, address: str) -> dict[str, Any]:
    """The mail as one customer would get it, but for its HTML, which stands in the frame."""
    try:
        customer = preview.find_customer(found.workspace, address)
        mail = preview.render(found.workspace, sources, customer)
        line = preview.preheader(found.workspace, sources, customer)
    except (ContentError, RenderError, preview.NoCustomer) as error:
        return {"preview_error": str(error)}
    size = len(mail.html.encode())
    return {
        "mail": mail,
        "preheader": line,
        "customer": customer,
        "is_newest": customer is not None and not address.strip(),
        "size": size,
        "is_clipped": size > GMAIL_CLIPS_AT,
        "knows_dark": preview.knows_dark(mail.html),
        "height": _height(mail),
        "from_name": _from_name(found),
    }


def _height(mail: content.Rendered) -> int:
    """About as many pixels as the mail is high: nobody may ask its frame, which has an origin of its own."""
    return LEAST + LINE * mail.text.count("\n") + PICTURE * mail.html.count("<img")


def _from_name(found: Template) -> str:
    sender = Sender.objects.of(found.workspace).usable().order_by("name").first()
    return (sender.from_name or sender.from_email) if sender else found.workspace.name
