"""What the editor sends: a template as it stands on the page, saved or not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from audience.models import Workspace
from campaigns import starters
from campaigns.models import Template
from campaigns.templates import NAME_LENGTH, Sources


class SourcesForm(forms.Form):
    """What the template says. Nothing of it is asked for here: campaigns.content says what is missing."""

    format = forms.ChoiceField(choices=Template.Format.choices)
    subject = forms.CharField(max_length=255, required=False)
    preheader = forms.CharField(max_length=255, required=False)
    body = forms.CharField(required=False, strip=False)
    qr_inline = forms.BooleanField(required=False)

    def sources(self) -> Sources:
        """What was sent; line breaks as editors write them."""
        data = self.cleaned_data
        body = data["body"].replace("\r\n", "\n")
        return Sources(data["format"], data["subject"], data["preheader"], body, data["qr_inline"])

    def said(self) -> str:
        """Its errors in one sentence each."""
        errors = self.errors.items()
        return " ".join(f"{name.capitalize()}: {each}" for name, found in errors for each in found)


class TemplateForm(SourcesForm):
    """A save: the template, its name, and the version that the author began with."""

    name = forms.CharField(
        max_length=NAME_LENGTH, error_messages={"required": _("Give the template a name, then save.")}
    )
    based_on = forms.IntegerField(min_value=0)


class NewTemplateForm(forms.Form):
    """What a new template starts from, and whose it is where that does not go without saying."""

    starter = forms.ChoiceField(
        error_messages={
            "required": _("Choose what to start from."),
            "invalid_choice": _("There is no such start."),
        }
    )
    workspace = forms.ModelChoiceField(Workspace.objects.none())

    def __init__(self, data: Any, workspaces: QuerySet[Workspace], sole: Workspace | None) -> None:
        super().__init__(data)
        self.sole = sole
        fields: dict[str, Any] = self.fields
        fields["starter"].choices = [(starter.key, starter.name) for starter in starters.every()]
        fields["workspace"].queryset = workspaces
        if sole is not None:
            del self.fields["workspace"]

    def chosen_workspace(self) -> Workspace:
        chosen: Workspace = self.sole or self.cleaned_data["workspace"]
        return chosen
