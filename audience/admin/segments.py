"""Segments: criteria written as JSON, with what may be asked beside it and the answer below it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget

from audience import access, segments
from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from audience.models import Segment, Workspace, workspaces_visible_to

EXAMPLE = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
SHOWN_PEOPLE = 10


class CriteriaField(forms.CharField):
    """JSON as a person wrote it: what is wrong with it is said with its line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        try:
            return json.loads(super().to_python(value) or "null")
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValidationError(not_json(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


def not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"Line {error.lineno}, column {error.colno}: this is not JSON ({error.msg})."
    return "This is nested too deeply."


class SegmentForm(WorkspaceForm):
    criteria = CriteriaField(
        initial=EXAMPLE,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 16, "class": "drumbeat-code", "spellcheck": "false", "autocomplete": "off"}
        ),
        help_text='{"all": [...]}: every rule must hold. {"any": [...]}: one is enough. They may be nested.',
    )

    def clean_criteria(self) -> Any:
        criteria = self.cleaned_data["criteria"]
        if self.workspace is not None:
            try:
                segments.validate(self.workspace, criteria)
            except segments.InvalidCriteria as error:
                raise ValidationError(str(error)) from error
        return criteria


@admin.register(Segment)
class SegmentAdmin(WorkspaceAdmin):
    deletion = "The people in it stay customers. A segment that a campaign was sent to cannot be deleted."
    form = SegmentForm
    list_display = ("name", "updated_at")
    search_fields = ("name",)
    search_help_text = "Part of the name"
    ordering = ("name",)
    fields = ("name", "criteria")
    list_select_related = ("workspace",)
    change_form_outer_after_template = "admin/audience/segment/beside.html"

    def get_urls(self) -> list[Any]:
        preview = self.admin_site.admin_view(require_POST(self.preview))
        return [path("preview/", preview, name="audience_segment_preview"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        name, *others = super().get_list_display(request)
        return [name, in_words(), *others]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        workspace = obj.workspace if obj else access.sole_workspace(request.user)
        context["segment_fields"] = segments.fields(workspace) if workspace else []
        context["segment_workspace"] = workspace
        if obj and not self.has_change_permission(request, obj):
            context["criteria_to_read"] = json.dumps(obj.criteria)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Who meets the criteria that stand in the form, saved or not: count, sample, and in words."""
        context = self._answer(self._workspace(request), request.POST.get("criteria", ""))
        return TemplateResponse(request, "admin/audience/segment/preview.html", context)

    def _workspace(self, request: HttpRequest) -> Workspace:
        chosen = request.POST.get("workspace", "")
        seen = workspaces_visible_to(request.user)
        found = seen.filter(pk=chosen).first() if chosen.isdecimal() else None
        if found is None:
            raise Http404("Choose a workspace first.")
        return found

    def _answer(self, workspace: Workspace, text: str) -> dict[str, Any]:
        try:
            criteria = json.loads(text)
            return {
                "words": segments.describe(workspace, criteria),
                "count": segments.count(workspace, criteria),
                "people": segments.sample(workspace, criteria, SHOWN_PEOPLE),
            }
        except (json.JSONDecodeError, RecursionError) as error:
            return {"error": not_json(error)}
        except segments.InvalidCriteria as error:
            return {"error": str(error)}


def in_words() -> Callable[[Segment], str]:
    """A column for one page: it asks what may be asked once for each workspace, not for each row."""
    fields_of = cache(segments.fields)

    @admin.display(description="Who is in it")
    def column(segment: Segment) -> str:
        try:
            return segments.describe(segment.workspace, segment.criteria, fields_of(segment.workspace))
        except segments.InvalidCriteria as error:
            return f"Cannot be used: {error}"

    return column
