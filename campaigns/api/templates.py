"""Templates: checked at every save, and shown as a customer would get them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from audience.api.frame import (
    CHANGING,
    WRITING,
    Allowed,
    ApiRequest,
    Page,
    PageQuery,
    answers,
    find,
    hold,
    page,
    require_scope,
    require_version,
    tagged,
)
from audience.api.problems import Problem, refused
from audience.api.schemas import Body, Id, Out, example
from audience.models import Customer, Workspace
from campaigns import content, preview, templates
from campaigns.models import Template
from campaigns.templates import Sources

router = Router(tags=["Templates"])

Format = Literal["mjml", "html", "markdown", "plain"]
MAX_BODY = 1_000_000
EXAMPLE = {
    "name": "Spring",
    "format": "markdown",
    "subject": "Hello {{ customer_name | default: 'you' }}",
    "preheader": "",
    "body": "Spring is here.\n\n[Unsubscribe]({{ unsubscribe_link }})",
    "qr_inline": False,
}


class TemplateOut(Out):
    """Reusable content."""

    model_config = example(
        {
            "id": 1,
            "version": 1,
            **EXAMPLE,
            "created_at": "2026-11-01T09:30:00Z",
            "updated_at": "2026-11-01T09:30:00Z",
        }
    )

    id: int
    version: int = Field(description="Grows with every save that changes what it says; older ones are kept.")
    name: str
    format: Format
    subject: str
    preheader: str
    body: str
    qr_inline: bool
    created_at: datetime
    updated_at: datetime


class Warning(BaseModel):
    """Something that the author should look at."""

    field: str
    line: int | None
    detail: str


class SavedTemplateOut(TemplateOut):
    """A template that was saved, with what its author should look at."""

    warnings: list[Warning] = []


class TemplateIn(Body):
    """Content in Liquid, in one of four formats. What could not be sent is refused, with its line."""

    model_config = example(EXAMPLE)

    name: str = Field(min_length=1, max_length=100)
    format: Format = "mjml"
    subject: str = Field(min_length=1, max_length=255)
    preheader: str = Field("", max_length=255)
    body: str = Field(min_length=1, max_length=MAX_BODY)
    qr_inline: bool = Field(False, description="QR codes travel inside the mail.")


class TemplateChange(Body):
    model_config = example({"subject": "Spring is here"})

    name: str = Field("", min_length=1, max_length=100)
    format: Format = "mjml"
    subject: str = Field("", min_length=1, max_length=255)
    preheader: str = Field("", max_length=255)
    body: str = Field("", min_length=1, max_length=MAX_BODY)
    qr_inline: bool = False


class TemplateQuery(PageQuery):
    name: str = Field("", max_length=100, description="Exactly this name.")


class PreviewIn(Body):
    """Whom the mail is shown for; an example person without anybody."""

    model_config = example({"customer_id": None})

    customer_id: Id | None = None


class PreviewOut(Out):
    """The mail that this person would get. It is made of customers' data: show it in a sandbox."""

    subject: str
    html: str
    text: str


def shown(template: Template) -> TemplateOut:
    return TemplateOut.model_validate(template)


def checked(workspace: Workspace, sources: Sources) -> list[Warning]:
    """What the author should look at; refuses what could not be sent."""
    found = content.check(workspace, *sources.parts)
    if errors := [(problem.field, str(problem)) for problem in found if problem.severity == "error"]:
        raise refused(errors)
    return [Warning(field=problem.field, line=problem.line, detail=problem.message) for problem in found]


def saved(response: HttpResponse, template: Template, warnings: list[Warning]) -> SavedTemplateOut:
    """The template as it is now, tagged as when it is read."""
    template.refresh_from_db()
    out = tagged(response, shown(template))
    return SavedTemplateOut(**out.model_dump(), warnings=warnings)


@router.get("/templates", auth=Allowed("templates:read"), response=answers(Page[TemplateOut]))
def list_templates(request: ApiRequest, asked: Query[TemplateQuery]) -> Page[TemplateOut]:
    """List templates, the newest first."""
    rows = Template.objects.of(request.auth.workspace)
    if asked.name:
        rows = rows.filter(name=asked.name)
    return page(rows, asked, shown, newest_first=True)


@router.post(
    "/templates",
    auth=Allowed("templates:write"),
    response=answers(SavedTemplateOut, status=201, errors=WRITING),
)
def create_template(
    request: ApiRequest, given: TemplateIn, response: HttpResponse
) -> Status[SavedTemplateOut]:
    """Create a template."""
    caller, sources = request.auth, _sources(given.model_dump(exclude={"name"}))
    warnings = checked(caller.workspace, sources)
    created = templates.create(caller.workspace, given.name, sources, caller.user)
    if created.name != given.name:
        # The editor numbers it; a program would not know that it has made another one.
        raise templates.NameTaken(given.name)
    return Status(201, saved(response, created, warnings))


@router.get("/templates/{template_id}", auth=Allowed("templates:read"), response=answers(TemplateOut))
def read_template(request: ApiRequest, template_id: Id, response: HttpResponse) -> TemplateOut:
    """Read one template."""
    return tagged(response, shown(find(Template.objects.of(request.auth.workspace), template_id)))


@router.patch(
    "/templates/{template_id}",
    auth=Allowed("templates:write"),
    response=answers(SavedTemplateOut, errors=CHANGING),
)
def change_template(
    request: ApiRequest, template_id: Id, given: TemplateChange, response: HttpResponse
) -> SavedTemplateOut:
    """Change a template. Campaigns that have been activated keep what they send."""
    caller = request.auth
    template = hold(Template.objects.of(caller.workspace), template_id)
    require_version(request, shown(template))
    changes = given.model_dump(exclude_unset=True)
    name = changes.pop("name", template.name)
    sources = _sources(asdict(Sources.of(template)) | changes)
    warnings = checked(caller.workspace, sources)
    changed = templates.save(template, name, sources, based_on=template.version, actor=caller.user)
    return saved(response, changed, warnings)


@router.post(
    "/templates/{template_id}/preview",
    auth=Allowed("templates:read"),
    response=answers(PreviewOut, errors=WRITING),
)
def preview_template(request: ApiRequest, template_id: Id, given: PreviewIn) -> PreviewOut:
    """Show the mail that a customer would get. Writes nothing."""
    workspace = request.auth.workspace
    template = find(Template.objects.of(workspace), template_id)
    customer = None
    if given.customer_id is not None:
        require_scope(request.auth, "customers:read")
        customer = find(Customer.objects.of(workspace), given.customer_id)
    try:
        mail = preview.render(workspace, Sources.of(template), customer)
    except (content.ContentError, content.RenderError) as error:
        raise Problem(422, "not-rendered", f"The template cannot be rendered: {error}") from error
    return PreviewOut(subject=mail.subject, html=mail.html, text=mail.text)


def _sources(columns: dict[str, Any]) -> Sources:
    """What a template is to say; line breaks as the editor has them."""
    return Sources(**columns | {"body": columns["body"].replace("\r\n", "\n")})
