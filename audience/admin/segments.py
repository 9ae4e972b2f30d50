"""Segments: criteria built by clicking or written as text, with who meets them beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from audience import access, segments
from audience.admin.audit import AuditedDeletion
from audience.admin.base import WorkspaceAdmin, WorkspaceForm
from audience.admin.criteria import CriteriaField, by_place, parse, written
from audience.models import Segment, Workspace, workspaces_visible_to

BEGINNING = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
SHOWN_PEOPLE = 20


class SegmentForm(WorkspaceForm):
    criteria = CriteriaField(
        initial=BEGINNING,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 16, "class": "drumbeat-code", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    aware = forms.BooleanField(
        label=_("Change it for what runs, too"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Needed to change the criteria while something runs on them."),
    )

    def clean_criteria(self) -> Any:
        criteria = self.cleaned_data["criteria"]
        if self.workspace is not None:
            try:
                segments.validate(self.workspace, criteria)
            except segments.InvalidCriteria as error:
                raise ValidationError(str(error)) from error
        return criteria

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "criteria" in self.changed_data and not cleaned.get("aware"):
            running = [f"“{use.name}”" for use in uses_of(self.instance) if use.is_running]
            if running:
                self.add_error(
                    "aware",
                    gettext(
                        "Nothing was changed yet. {listed} would go by the new criteria at once: say "
                        "that you mean so."
                    ).format(listed=_listed(running)),
                )
        return cleaned


@admin.register(Segment)
class SegmentAdmin(AuditedDeletion, WorkspaceAdmin):
    form = SegmentForm
    list_display = ("name", "used_by", "updated_at")
    search_fields = ("name",)
    search_help_text = _("Part of the name")
    ordering = ("name",)
    list_select_related = ("workspace",)
    change_form_outer_before_template = "admin/audience/segment/above.html"
    change_form_outer_after_template = "admin/audience/segment/beside.html"

    # --- The list ------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        name, *others = super().get_list_display(request)
        return [name, in_words(), *others]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with what uses each of its segments, and examples for whoever has none."""
        found = super().get_changelist_instance(request)
        uses = segments.uses([segment.pk for segment in found.result_list])
        for segment in found.result_list:
            segment.used_by_all = uses[segment.pk]
        if not found.result_list and self.has_add_permission(request):
            sole = access.sole_workspace(request.user)
            found.examples = segments.examples(sole) if sole else segments.EXAMPLES
        return found

    @admin.display(description=_("Used by"))
    def used_by(self, segment: Any) -> SafeString:
        return render_to_string("admin/audience/segment/uses.html", {"uses": segment.used_by_all})

    # --- One segment ---------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        running = obj is not None and any(use.is_running for use in uses_of(obj))
        may_change = self.has_change_permission(request, obj)
        return ["name", "criteria", *(["aware"] if running and may_change else [])]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        key = initial.pop("example", None)
        example = next((each for each in segments.EXAMPLES if each.key == key), None)
        return initial | ({"name": example.name, "criteria": example.criteria} if example else {})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        workspace = obj.workspace if obj else self._chosen(request)
        form = context["adminform"].form
        uses = uses_of(obj) if obj else []
        running = [use for use in uses if use.is_running]
        context |= {"segment_workspace": workspace, "uses": uses, "running": running}
        if workspace is None:
            context["segment_workspaces"] = self.editable_workspaces(request)
            context["segment_example"] = request.GET.get("example", "")
        elif "criteria" in form.fields:
            context["vocabulary"] = vocabulary(workspace, form["criteria"].value())
            form.fields["criteria"].widget.attrs |= {
                "data-vocabulary": "criteria-vocabulary",
                "data-ask": reverse("admin:audience_segment_preview"),
                "data-suggest": reverse("admin:audience_segment_suggestions"),
                "data-answer": "#segment-preview",
            }
        else:
            context["criteria_to_read"] = written(obj.criteria)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: Segment, form: Any, change: bool) -> None:
        columns = {name: form.cleaned_data[name] for name in ("name", "criteria")}
        obj.pk = segments.save(obj.workspace, obj if change else None, **columns).pk

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        segment = self.get_object(request, object_id)
        context = {"deletion": deletion(segment)} if segment else {}
        return super().delete_view(request, object_id, context | (extra_context or {}))

    def _chosen(self, request: HttpRequest) -> Workspace | None:
        """The workspace of a new segment: the only one, or the one that was chosen first."""
        asked = request.POST.get("workspace") or request.GET.get("workspace", "")
        chosen = self.editable_workspaces(request).filter(pk=int(asked) if asked.isdecimal() else 0)
        return access.sole_workspace(request.user) or chosen.first()

    # --- What the page asks while somebody builds ------------------------------------------------

    def get_urls(self) -> list[Any]:
        preview = self.admin_site.admin_view(require_POST(self.preview))
        suggest = self.admin_site.admin_view(require_safe(self.suggest))
        return [
            path("preview/", preview, name="audience_segment_preview"),
            path("suggestions/", suggest, name="audience_segment_suggestions"),
            *super().get_urls(),
        ]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Who meets the criteria that stand in the form, saved or not: count, sample, and in words."""
        context = answer(_workspace(request, request.POST), request.POST.get("criteria", ""))
        return TemplateResponse(request, "admin/audience/segment/preview.html", context)

    def suggest(self, request: HttpRequest) -> HttpResponse:
        """Values for a rule that somebody writes: each with what people call it."""
        workspace = _workspace(request, request.GET)
        asked = [request.GET.get(name, "") for name in ("field", "operator", "search")]
        return JsonResponse(segments.suggestions(workspace, *asked), safe=False)


def _workspace(request: HttpRequest, data: Any) -> Workspace:
    chosen = data.get("workspace", "")
    seen = workspaces_visible_to(request.user)
    found = seen.filter(pk=chosen).first() if chosen.isdecimal() else None
    if found is None:
        raise Http404("Choose a workspace first.")
    return found


def answer(workspace: Workspace, text: str) -> dict[str, Any]:
    """Who is meant by criteria, or what is wrong with them and where."""
    try:
        criteria = parse(text)
        return {
            "words": segments.describe(workspace, criteria),
            "count": segments.count(workspace, criteria),
            "people": segments.sample(workspace, criteria, SHOWN_PEOPLE),
        }
    except ValidationError as error:
        return {"error": error.messages[0]}
    except segments.InvalidCriteria as error:
        return {"error": str(error), "problems": by_place(error.problems)}


def vocabulary(workspace: Workspace, text: str) -> dict[str, Any]:
    """What the builder needs to know to show and to offer rules."""
    known = segments.fields(workspace)
    try:
        labels = segments.labels(workspace, parse(text), known)
    except ValidationError:
        labels = []
    return segments.vocabulary(known) | {"workspace": workspace.pk, "labels": labels}


def uses_of(segment: Segment) -> list[segments.Use]:
    """What uses a segment; nothing uses one that is still to be made."""
    return segments.uses([segment.pk])[segment.pk] if segment.pk else []


def deletion(segment: Segment) -> str:
    """What deleting a segment means for people, and for what uses it."""
    names = [f"“{use.name}” ({use.state})" for use in uses_of(segment)]
    if not names:
        return gettext("The people in it stay customers. No campaign and no automation uses it.")
    return gettext(
        "It is used by {listed}, and cannot be deleted before these are, or ask something else."
    ).format(listed=_listed(names))


def _listed(names: list[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def in_words() -> Callable[[Segment], str]:
    """A column for one page: it asks what may be asked once for each workspace, not for each row."""
    fields_of = cache(segments.fields)

    @admin.display(description=gettext("Who is in it"))
    def column(segment: Segment) -> str:
        try:
            return segments.describe(segment.workspace, segment.criteria, fields_of(segment.workspace))
        except segments.InvalidCriteria as error:
            return gettext("Cannot be used: {error}").format(error=error)

    return column
