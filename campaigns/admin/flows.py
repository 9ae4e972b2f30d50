"""Flows: their steps as text, what is wrong with them, and the page that publishes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from audience import access
from audience.admin.audit import Audited
from audience.admin.base import WorkspaceAdmin, WorkspaceForm, user_of
from audience.admin.criteria import CriteriaField
from campaigns.admin import flow_editor
from campaigns.flows import checks, publishing
from campaigns.flows.problems import InvalidFlow
from campaigns.flows.reader import read
from campaigns.models import Flow

EXAMPLE = [
    {"key": 1, "kind": "send", "template": None},
    {"key": 2, "kind": "wait", "for": {"days": 3}},
    {"key": 3, "kind": "send", "template": None},
    {"key": 4, "kind": "exit"},
]


class FlowForm(WorkspaceForm):
    steps = CriteriaField(
        initial=EXAMPLE,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 24, "class": "drumbeat-code", "spellcheck": "false", "autocomplete": "off"}
        ),
        help_text=_(
            "Steps one below the other, each with a key of its own. People run on what is published."
        ),
    )


class FlowList(ChangeList):
    """The list leads to the drawn editor."""

    def url_for_result(self, result: Flow) -> str:
        return reverse("admin:campaigns_flow_editor", args=[result.pk])


@admin.register(Flow)
class FlowAdmin(Audited, WorkspaceAdmin):
    form = FlowForm
    list_display = ("name", "published", "updated_at")
    search_fields = ("name",)
    search_help_text = _("Part of the name")
    ordering = ("name",)
    fields = ("name", "steps")
    list_select_related = ("workspace",)
    change_form_template = "admin/campaigns/flow/change_form.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(version=Max("versions__number"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FlowList

    @display(description=_("Published"))
    def published(self, flow: Any) -> str:
        return gettext("Version {version}").format(version=flow.version) if flow.version else gettext("Never")

    def get_urls(self) -> list[Any]:
        publish = self.admin_site.admin_view(self.publish_view)
        return [
            path("<int:pk>/publish/", publish, name="campaigns_flow_publish"),
            path("<int:pk>/editor/", self._page(flow_editor.page), name="campaigns_flow_editor"),
            path("<int:pk>/editor/act/", self._page(flow_editor.act), name="campaigns_flow_act"),
            path(
                "<int:pk>/editor/criteria/", self._page(flow_editor.criteria), name="campaigns_flow_criteria"
            ),
            path("<int:pk>/editor/<int:key>/", self._page(flow_editor.settings), name="campaigns_flow_step"),
            *super().get_urls(),
        ]

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """A view of the editor, behind the admin's door."""

        def page(request: HttpRequest, **where: int) -> HttpResponse:
            return view(request, self, **where)

        return self.admin_site.admin_view(page)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: HttpResponse = flow_editor.new(request, self)
        return response

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say on GET what publishing means for people on their way; publish on POST."""
        response: HttpResponse = _publish(request, self, pk)
        return response

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        if obj is not None:
            context |= {
                "problems": checks.problems(obj.workspace, obj.steps),
                "version": publishing.latest(obj),
                "is_changed": publishing.is_changed(obj),
                "may_publish": access.may_send(request.user, obj.workspace_id),
                "steps_to_read": json.dumps(obj.steps, indent=2, ensure_ascii=False),
            }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@require_http_methods(["GET", "HEAD", "POST"])
def _publish(request: HttpRequest, admin: FlowAdmin, pk: int) -> HttpResponse:
    flow = admin.get_object(request, str(pk))
    if flow is None:
        raise Http404("There is no such flow.")
    if not access.may_send(request.user, flow.workspace_id):
        raise PermissionDenied(gettext("Only an owner or a manager may publish flows."))
    if request.method == "POST":
        return _make_version(request, flow)
    problems = publishing.problems(flow)
    context = admin.admin_site.each_context(request) | {
        "opts": admin.opts,
        "flow": flow,
        "title": gettext("Publish “{flow}”?").format(flow=flow),
        "problems": problems,
        "version": publishing.latest(flow),
        "is_changed": publishing.is_changed(flow),
        "standing": publishing.standing(flow),
        "targets": [] if problems else list(read(flow.steps).steps.values()),
    }
    return TemplateResponse(request, "admin/campaigns/flow/publish.html", context)


def _make_version(request: HttpRequest, flow: Flow) -> HttpResponse:
    try:
        version = publishing.publish(flow, user_of(request), _choices(request, flow))
    except InvalidFlow as error:
        messages.error(request, gettext("Nothing was published. {error}").format(error=error))
        return redirect("admin:campaigns_flow_publish", flow.pk)
    messages.success(
        request,
        gettext("“{flow}” is published as version {number}.").format(flow=flow, number=version.number),
    )
    return redirect("admin:campaigns_flow_change", flow.pk)


def _choices(request: HttpRequest, flow: Flow) -> dict[int, publishing.Choice]:
    """What was chosen for people at each step; whatever makes no sense is taken for "stay"."""
    choices: dict[int, publishing.Choice] = {}
    for line in publishing.standing(flow):
        chosen = request.POST.get(f"step-{line.step}", "stay")
        if chosen == "leave":
            choices[line.step] = publishing.Leave()
        elif chosen.isdecimal():
            choices[line.step] = publishing.MoveTo(int(chosen))
    return choices
