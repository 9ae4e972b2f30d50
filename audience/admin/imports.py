"""Imports from the browser: upload, say what each column is, then watch it; a worker does the work."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from unfold.decorators import display
from unfold.widgets import (
    SELECT_CLASSES,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from audience import access, audit, imports
from audience.admin import uploads
from audience.admin.base import ReadOnly, WorkspaceAdmin, WorkspaceChoice, user_of
from audience.imports.mapping import FIELDS
from audience.models import Attribute, CustomerImport, Workspace

Status = CustomerImport.Status
LABELS = {
    Status.PENDING: "default",
    Status.RUNNING: "primary",
    Status.COMPLETED: "success",
    Status.FAILED: "danger",
}
NOT_UTF_8 = _("The file is not UTF-8. Save it again as “CSV UTF-8” and upload that.")
FIELD_LABELS = {
    "email": _("E-mail address"),
    "external_id": _("External id"),
    "name": _("Name"),
    "phone": _("Phone"),
    "time_zone": _("Time zone"),
    "language": _("Language"),
    "subscribed": _("E-mail opt-in (yes or no)"),
    "sms_subscribed": _("SMS opt-in (yes or no)"),
}


class UploadForm(WorkspaceChoice):
    file = forms.FileField(
        label=_("CSV file"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv"}),
        help_text=_("UTF-8, with the names of the columns in its first line."),
        error_messages={
            "empty": _("The file is empty. Choose another."),
            "required": _("Choose a file first."),
        },
    )
    subscribe = forms.BooleanField(
        label=_("They agreed to e-mail"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=_("Opts these people in. Nobody who is suppressed or has unsubscribed is opted in again."),
    )
    consent_note = forms.CharField(
        label=_("Where and how they agreed"),
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": _("Check-out of our shop, box not pre-ticked")}
        ),
        help_text=_("Needed when they agreed: it is kept with each person as evidence."),
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > settings.IMPORT_MAX_BYTES:
            megabytes = settings.IMPORT_MAX_BYTES // 1_000_000
            raise ValidationError(
                gettext(
                    "The file is larger than {megabytes:,} MB. Upload it in parts, or let whoever runs this "
                    "site import it with `manage.py import_customers`."
                ).format(megabytes=megabytes)
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("subscribe") and not cleaned.get("consent_note", "").strip():
            self.add_error("consent_note", gettext("Say where and how they agreed, or untick the box above."))
        return cleaned


class MappingForm(forms.Form):
    """A choice for every column of the file; the fields are named after the column's place."""

    def __init__(
        self, *args: Any, columns: list[uploads.Column], workspace: Workspace, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.columns = columns
        suggested = imports.suggest_mapping([column.name for column in columns])
        attributes = Attribute.objects.of(workspace).values_list("name", flat=True)
        names = {*(f"attributes.{name}" for name in attributes), *suggested.values()} - {"", *FIELDS}
        choices = [
            ("", gettext("Leave out")),
            (gettext("Customer"), [(field, FIELD_LABELS[field]) for field in FIELDS]),
            (gettext("Attribute"), [(name, name.removeprefix("attributes.")) for name in sorted(names)]),
        ]
        for place, column in enumerate(columns):
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=column.name,
                required=False,
                choices=choices,
                initial=suggested[column.name],
                widget=UnfoldAdminSelectWidget(attrs={"class": " ".join(SELECT_CLASSES)}),
            )

    def rows(self) -> list[tuple[forms.BoundField, uploads.Column]]:
        return [(self[f"column_{place}"], column) for place, column in enumerate(self.columns)]

    def mapping(self) -> dict[str, str]:
        return {
            column.name: self.cleaned_data[f"column_{place}"] for place, column in enumerate(self.columns)
        }


@admin.register(CustomerImport)
class CustomerImportAdmin(ReadOnly, WorkspaceAdmin):
    list_display = ("name", "status_label", "new", "changed", "refused", "stay_out", "created_at")
    list_filter = ("status",)
    change_form_template = "admin/audience/customerimport/progress_page.html"

    @display(description=_("Status"), label=LABELS)
    def status_label(self, row: CustomerImport) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description=_("New customers"))
    def new(self, row: CustomerImport) -> str:
        return f"{row.created:,}"

    @display(description=_("Updated customers"))
    def changed(self, row: CustomerImport) -> str:
        return f"{row.updated:,}"

    @display(description=_("Rejected rows"))
    def refused(self, row: CustomerImport) -> str:
        return f"{row.rejected:,}"

    @display(description=_("Kept out"))
    def stay_out(self, row: CustomerImport) -> str:
        return f"{row.kept_out:,}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_edit(request.user)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "audience_customerimport"
        return [
            path("map/<str:upload_id>/", wrap(self.map_view), name=f"{name}_map"),
            path("<int:pk>/progress/", wrap(require_safe(self.progress_view)), name=f"{name}_progress"),
            path("<int:pk>/rejected/", wrap(require_safe(self.rejected_view)), name=f"{name}_rejected"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(
            request.POST or None,
            request.FILES or None,
            workspaces=self.editable_workspaces(request),
            sole=access.sole_workspace(request.user),
        )
        if form.is_valid():
            upload = uploads.keep(
                request.session,
                form.cleaned_data["file"],
                workspace_id=form.chosen_workspace().pk,
                subscribe=form.cleaned_data["subscribe"],
                consent_note=form.cleaned_data["consent_note"],
            )
            return redirect("admin:audience_customerimport_map", upload.id)
        return self._page(request, "upload.html", gettext("Import customers"), form=form)

    def map_view(self, request: HttpRequest, upload_id: str) -> HttpResponse:
        """Say what each column is; then the import is made, and a worker runs it."""
        upload = uploads.find(request.session, upload_id)
        if upload is None or not access.may_edit(request.user, upload.workspace_id):
            raise Http404("This upload is gone. Upload the file again.")
        try:
            columns = uploads.columns(upload)
        except (imports.ImportRefused, UnicodeDecodeError) as error:
            uploads.forget(request.session, upload)
            messages.error(request, str(error) if isinstance(error, imports.ImportRefused) else NOT_UTF_8)
            return redirect("admin:audience_customerimport_add")
        workspace = Workspace.objects.get(pk=upload.workspace_id)
        form = MappingForm(request.POST or None, columns=columns, workspace=workspace)
        if form.is_valid():
            created = self._create(request, upload, workspace, form)
            if created is not None:
                return redirect("admin:audience_customerimport_change", created.pk)
        return self._page(request, "map.html", gettext("What is in the columns?"), form=form, upload=upload)

    def _create(
        self, request: HttpRequest, upload: uploads.Upload, workspace: Workspace, form: MappingForm
    ) -> CustomerImport | None:
        """The import that waits for a worker; None when it is refused, and then the form says why."""
        try:
            created = imports.create(
                workspace,
                upload.path,
                name=upload.name,
                mapping=form.mapping(),
                subscribe=upload.subscribe,
                consent_note=upload.consent_note,
                actor=user_of(request),
            )
        except imports.ImportRefused as error:
            form.add_error(None, str(error))
            return None
        uploads.forget(request.session, upload)
        return created

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        return super().render_change_form(request, context | _progress(obj), *args, obj=obj, **kwargs)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The panel by itself; it asks again while the import runs."""
        return TemplateResponse(
            request, "admin/audience/customerimport/progress.html", _progress(self._find(request, pk))
        )

    def rejected_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The rejected rows with their lines and reasons, as far as they are committed."""
        found = self._find(request, pk)
        path = imports.rejected_path(found)
        if not found.rejected or not path.exists():
            raise Http404("This import has no rejected rows.")
        about = {"list": "rejected rows"}
        audit.record("exported", found, workspace=found.workspace_id, name=f"Import {found.pk}", after=about)
        return FileResponse(
            path.open("rb"),
            as_attachment=True,
            filename=f"rejected rows of {found.name}",
        )

    def _find(self, request: HttpRequest, pk: int) -> CustomerImport:
        found: CustomerImport | None = self.get_object(request, str(pk))
        if found is None:
            raise Http404("There is no such import.")
        return found

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        context |= self.admin_site.each_context(request) | {"opts": self.opts, "title": title}
        context["back"] = self.changelist_url()
        return TemplateResponse(request, f"admin/audience/customerimport/{template}", context)


def _progress(found: CustomerImport) -> dict[str, Any]:
    return {
        "import": found,
        "percent": 100 if found.status == Status.COMPLETED else found.position * 100 // max(found.size, 1),
        "goes_on": found.status in (Status.PENDING, Status.RUNNING),
    }
