"""The drawn editor of a flow: one page, whose steps are added, edited, moved and removed in place."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audience import access
from audience.models import workspaces_visible_to
from campaigns.admin import flow_criteria, flow_settings
from campaigns.flows import editing, publishing
from campaigns.flows.drawing import KINDS, Drawing
from campaigns.flows.editing import CannotEdit, Change, Place
from campaigns.flows.patterns import PATTERNS
from campaigns.models import Campaign, Flow

if TYPE_CHECKING:
    from campaigns.admin.flows import FlowAdmin


@require_safe
def page(request: HttpRequest, admin: FlowAdmin, pk: int) -> HttpResponse:
    """The flow as it is drawn, with its problems, its people, and the way to try it out."""
    flow = _flow(request, admin, pk)
    if not editing.can_be_drawn(flow.steps):
        return redirect("admin:campaigns_flow_change", pk)
    context = admin.admin_site.each_context(request) | _drawn(request, flow)
    context |= {
        "opts": admin.opts,
        "title": flow.name,
        "campaigns": Campaign.objects.filter(flow=flow).order_by("-id")[:5],
        "kinds": [(kind, *words) for kind, words in KINDS.items()],
    }
    return render(request, "admin/campaigns/flow/editor.html", context)


@require_POST
def act(request: HttpRequest, admin: FlowAdmin, pk: int) -> HttpResponse:
    """Add, move, shift or remove a step; the flow as it is then. What cannot be done is said above it."""
    flow = _editable(request, admin, pk)
    focus, problem = 0, ""
    try:
        focus, change = _change(request, flow)
        editing.edit(flow, request.POST.get("seen", ""), change)
    except CannotEdit as error:
        problem = str(error)
        flow.refresh_from_db()
    open_ = focus if request.POST.get("act") == "add" and not problem else 0
    context = _drawn(request, flow) | {"focus": focus, "opened": open_, "refused": problem}
    return render(request, "admin/campaigns/flow/canvas.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, admin: FlowAdmin, pk: int, key: int) -> HttpResponse:
    """The form of a step. On POST it is saved, or with `redraw` only drawn for what was chosen so far."""
    flow = _flow(request, admin, pk) if request.method != "POST" else _editable(request, admin, pk)
    try:
        step = editing.find(deepcopy(flow.steps), key)
    except CannotEdit as error:
        raise Http404(str(error)) from error
    if request.method == "POST":
        try:
            said = flow_settings.read(step["kind"], request.POST)
        except ValidationError as error:
            return _unreadable(request, flow, step, error)
        if "save" in request.POST:
            return _save(request, flow, key, said)
        step = editing.find(editing.replace(key, said)(deepcopy(flow.steps)), key)
    return render(request, "admin/campaigns/flow/settings.html", _form(request, flow, step))


@require_POST
def criteria(request: HttpRequest, admin: FlowAdmin, pk: int) -> HttpResponse:
    """The criteria that stand in a form, saved or not, in words, or what is wrong with them and where."""
    flow = _editable(request, admin, pk)
    context = flow_criteria.answer(flow, request.POST.get("criteria", ""))
    return render(request, "admin/campaigns/flow/asked.html", context)


def _form(request: HttpRequest, flow: Flow, step: editing.Raw) -> dict[str, Any]:
    return flow_settings.shown(flow, step, Drawing(flow)) | {
        "flow": flow,
        "may_edit": access.may_edit(request.user, flow.workspace_id),
        "seen": request.POST.get("seen") or editing.fingerprint(flow.steps),
    }


def _unreadable(request: HttpRequest, flow: Flow, step: editing.Raw, error: ValidationError) -> HttpResponse:
    """The form again, with criteria that are no JSON as they were written, and in place of the flow's."""
    context = _form(request, flow, step) | {
        "criteria_text": request.POST["criteria"],
        "criteria_problem": error.messages[0],
    }
    response = render(request, "admin/campaigns/flow/settings.html", context)
    response["HX-Retarget"] = f"#settings-{step['key']}"
    response["HX-Reswap"] = "innerHTML"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, admin: FlowAdmin) -> HttpResponse:
    """A new flow, from one of a few to begin with."""
    workspaces = admin.editable_workspaces(request)
    if not access.may_edit(request.user) or not workspaces.exists():
        raise PermissionDenied(gettext("Only an owner, a manager or an editor may make flows."))
    problem = ""
    if request.method == "POST":
        flow, problem = _made(request, workspaces)
        if flow is not None:
            return redirect("admin:campaigns_flow_editor", flow.pk)
    context = admin.admin_site.each_context(request) | {
        "opts": admin.opts,
        "title": gettext("New flow"),
        "patterns": PATTERNS.items(),
        "chosen": request.POST.get("pattern", "welcome"),
        "name": request.POST.get("name", ""),
        "workspaces": workspaces if access.sole_workspace(request.user) is None else [],
        "problem": problem,
    }
    return render(request, "admin/campaigns/flow/new.html", context)


def _made(request: HttpRequest, workspaces: Any) -> tuple[Flow | None, str]:
    """The flow, or why there is none."""
    sole = access.sole_workspace(request.user)
    chosen = request.POST.get("workspace", "")
    workspace = sole or workspaces.filter(pk=int(chosen) if chosen.isdecimal() else 0).first()
    name, pattern = request.POST.get("name", "").strip(), request.POST.get("pattern", "")
    if workspace is None or pattern not in PATTERNS:
        return None, gettext("Choose a workspace and what to begin with.")
    if not name or len(name) > 100 or not name.isprintable():
        return None, gettext("Give the flow a name, of one line and at most 100 characters.")
    flow, is_new = Flow.objects.get_or_create(
        workspace=workspace, name=name, defaults={"steps": PATTERNS[pattern].steps}
    )
    return (
        (flow, "")
        if is_new
        else (None, gettext("There is a flow “{name}” already. Choose another name.").format(name=name))
    )


def _change(request: HttpRequest, flow: Flow) -> tuple[int, Change]:
    """The step that is concerned, and what is done to it. Raises CannotEdit."""
    post, key = request.POST, _whole(request.POST.get("key"))
    owner = _whole(post.get("owner"))
    place = Place(owner or None, post.get("way", ""), _whole(post.get("index")))
    match post.get("act"):
        case "add":
            return editing.add(flow, post.get("kind", ""), place)
        case "move":
            return key, editing.move(key, place)
        case "up":
            return key, editing.shift(key, -1)
        case "down":
            return key, editing.shift(key, 1)
        case "remove":
            return 0, editing.remove(key)
    raise CannotEdit(gettext("Choose what to do. Nothing was changed."))


def _save(request: HttpRequest, flow: Flow, key: int, said: editing.Raw) -> HttpResponse:
    problem = ""
    try:
        editing.edit(flow, request.POST.get("seen", ""), editing.replace(key, said))
    except CannotEdit as error:
        problem = str(error)
        flow.refresh_from_db()
    context = _drawn(request, flow) | {"focus": key, "refused": problem}
    return render(request, "admin/campaigns/flow/canvas.html", context)


def _drawn(request: HttpRequest, flow: Flow) -> dict[str, Any]:
    return {
        "flow": flow,
        "drawing": Drawing(flow),
        "seen": editing.fingerprint(flow.steps),
        "version": publishing.latest(flow),
        "is_changed": publishing.is_changed(flow),
        "may_edit": access.may_edit(request.user, flow.workspace_id),
        "may_publish": access.may_send(request.user, flow.workspace_id),
    }


def _flow(request: HttpRequest, admin: FlowAdmin, pk: int) -> Flow:
    flow: Flow | None = admin.get_object(request, str(pk))
    if flow is None or not workspaces_visible_to(request.user).filter(pk=flow.workspace_id).exists():
        raise Http404("There is no such flow.")
    return flow


def _editable(request: HttpRequest, admin: FlowAdmin, pk: int) -> Flow:
    flow = _flow(request, admin, pk)
    if not access.may_edit(request.user, flow.workspace_id):
        raise PermissionDenied(gettext("You may look at this flow, not change it."))
    return flow


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
