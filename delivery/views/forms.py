"""What the steps of a campaign ask: for whom, what, when, and where a test goes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.addresses import InvalidAddress, normalise
from audience.audiences import Audience
from audience.models import Customer, Segment, Workspace
from campaigns.models import Campaign, Flow, Sender, Template


class AudienceForm(forms.Form):
    """What the campaign is called, and whom it is meant for; segments of its workspace only."""

    name = forms.CharField(max_length=150, error_messages={"required": _("Give the campaign a name.")})
    audience = forms.ChoiceField(choices=Audience.choices)
    segment = forms.ModelChoiceField(Segment.objects.none(), required=False)

    def __init__(self, campaign: Campaign, data: Any) -> None:
        super().__init__(data)
        segments = Segment.objects.of(campaign.workspace).select_related("workspace")
        self.fields["segment"].queryset = segments  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, Any]:
        """The campaign's columns by name. A segment belongs to the choice of a segment only."""
        audience = Audience(self.cleaned_data["audience"])
        segment = self.cleaned_data["segment"] if audience == Audience.SEGMENT else None
        return {"name": self.cleaned_data["name"], "audience": audience, "segment": segment}


def _column(name: str) -> Any:
    """A field that asks what the campaign's column takes."""
    column: Any = Campaign._meta.get_field(name)
    return column.formfield(required=False, validators=column.validators)


class ContentForm(forms.Form):
    """What is sent and from whom, of the campaign's workspace only; nothing need be chosen to be saved."""

    MAIL, FLOW = "mail", "flow"
    TRACKING = ("tracked", "utm", "utm_source", "utm_medium", "utm_campaign")
    GOAL = ("goal_event", "goal_days", "goal_value")

    what = forms.ChoiceField(choices=[(MAIL, _("One mail")), (FLOW, _("A flow"))], required=False)
    template = forms.ModelChoiceField(Template.objects.none(), required=False)
    flow = forms.ModelChoiceField(Flow.objects.none(), required=False)
    senders = forms.ModelMultipleChoiceField(Sender.objects.none(), required=False)
    tracked = forms.BooleanField(required=False)
    utm = forms.BooleanField(required=False)
    utm_source = forms.CharField(max_length=100, required=False)
    utm_medium = forms.CharField(max_length=100, required=False)
    utm_campaign = forms.CharField(max_length=100, required=False)
    goal_event = _column("goal_event")
    goal_days = _column("goal_days")
    goal_value = _column("goal_value")

    def __init__(self, campaign: Campaign, data: Any) -> None:
        super().__init__(data)
        workspace = campaign.workspace
        self._campaign = campaign
        self.fields["template"].queryset = Template.objects.of(workspace)  # type: ignore[attr-defined]
        self.fields["flow"].queryset = Flow.objects.of(workspace)  # type: ignore[attr-defined]
        self.fields["senders"].queryset = Sender.objects.of(workspace)  # type: ignore[attr-defined]

    def clean_goal_days(self) -> int:
        return self.cleaned_data["goal_days"] or self._campaign.goal_days

    def chosen(self) -> tuple[list[int], dict[str, Any]]:
        """The ids of the senders, and the campaign's columns by name. A template or a flow, never both."""
        senders = [sender.pk for sender in self.cleaned_data["senders"]]
        columns = {name: self.cleaned_data[name] for name in ("template", "flow", *self.TRACKING, *self.GOAL)}
        columns["template" if self.is_flow() else "flow"] = None
        return senders, columns

    def is_flow(self) -> bool:
        """Whether a flow is sent; an automation has nothing else."""
        is_automation = self._campaign.kind == Campaign.Kind.AUTOMATION
        return is_automation or self.cleaned_data["what"] == self.FLOW


class ScheduleForm(forms.Form):
    """When the campaign starts, and by whose clock; without a date at once."""

    start_date = forms.DateField(
        required=False, error_messages={"invalid": _("Write the date as 2026-12-31.")}
    )
    start_time = forms.TimeField(required=False, error_messages={"invalid": _("Write the time as 09:30.")})
    clock = forms.ChoiceField(choices=Campaign.Clock.choices)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("start_time") and not cleaned.get("start_date") and "start_date" not in self.errors:
            self.add_error(
                "start_date", gettext("The start time has no date. Choose one, or clear the time.")
            )
        return cleaned


class TestForm(forms.Form):
    """Where a test mail goes, and as whom it is rendered; empty: as somebody of the audience."""

    __test__ = False  # No test, whatever pytest thinks of its name.

    address = forms.CharField(max_length=300)
    render_as = forms.CharField(max_length=300, required=False)

    def __init__(self, campaign: Campaign, data: Any) -> None:
        super().__init__(data)
        self._workspace = campaign.workspace
        self.fields["address"].error_messages["required"] = gettext(
            "Enter the address that the test goes to."
        )

    def clean_address(self) -> str:
        return _address(self.cleaned_data["address"])

    def clean_render_as(self) -> Customer | None:
        return _customer(self._workspace, self.cleaned_data["render_as"])


class TemplateTestForm(forms.Form):
    """Where a test of a template goes, from which sender, and as whom it is rendered; empty: as somebody."""

    address = forms.CharField(
        max_length=300, error_messages={"required": _("Enter the address that the test goes to.")}
    )
    sender = forms.ModelChoiceField(
        Sender.objects.none(),
        error_messages={
            "required": _("Choose a sender."),
            "invalid_choice": _("That sender cannot be used now."),
        },
    )
    preview_as = forms.CharField(max_length=300, required=False)

    def __init__(self, workspace: Workspace, data: Any) -> None:
        super().__init__(data)
        self._workspace = workspace
        self.fields["sender"].queryset = Sender.objects.of(workspace).usable()  # type: ignore[attr-defined]

    def clean_address(self) -> str:
        return _address(self.cleaned_data["address"])

    def clean_preview_as(self) -> Customer | None:
        return _customer(self._workspace, self.cleaned_data["preview_as"])


def _customer(workspace: Workspace, address: str) -> Customer | None:
    if not address:
        return None
    email = _address(address)
    customer: Customer | None = Customer.objects.of(workspace).filter(email=email).first()
    if customer is None:
        raise forms.ValidationError(
            gettext("There is no customer {email}. Choose one from the list.").format(email=email)
        )
    return customer


def _address(text: str) -> str:
    try:
        return normalise(text)
    except InvalidAddress as error:
        raise forms.ValidationError(str(error)) from error
