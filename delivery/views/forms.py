"""What the send page asks: for whom, and where a test goes."""

from __future__ import annotations

from typing import Any

from django import forms

from audience.addresses import InvalidAddress, normalise
from audience.audiences import Audience
from audience.models import Customer, Segment
from campaigns.models import Campaign


class AudienceForm(forms.Form):
    """Whom the campaign is meant for; segments of its workspace only."""

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
        return {"audience": audience, "segment": segment}


class ScheduleForm(forms.Form):
    """When the campaign starts, and by whose clock; without a date at once."""

    start_date = forms.DateField(required=False, error_messages={"invalid": "Write the date as 2026-12-31."})
    start_time = forms.TimeField(required=False, error_messages={"invalid": "Write the time as 09:30."})
    clock = forms.ChoiceField(choices=Campaign.Clock.choices)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("start_time") and not cleaned.get("start_date") and "start_date" not in self.errors:
            self.add_error("start_date", "The start time has no date. Choose one, or clear the time.")
        return cleaned


class TestForm(forms.Form):
    """Where a test mail goes, and as whom it is rendered; empty: as somebody of the audience."""

    __test__ = False  # No test, whatever pytest thinks of its name.

    address = forms.CharField(max_length=300)
    render_as = forms.CharField(max_length=300, required=False)

    def __init__(self, campaign: Campaign, data: Any) -> None:
        super().__init__(data)
        self._workspace = campaign.workspace
        self.fields["address"].error_messages["required"] = "Enter the address that the test goes to."

    def clean_address(self) -> str:
        return _address(self.cleaned_data["address"])

    def clean_render_as(self) -> Customer | None:
        if not self.cleaned_data["render_as"]:
            return None
        email = _address(self.cleaned_data["render_as"])
        customer: Customer | None = Customer.objects.of(self._workspace).filter(email=email).first()
        if customer is None:
            raise forms.ValidationError(f"There is no customer {email}. Choose one from the list.")
        return customer


def _address(text: str) -> str:
    try:
        return normalise(text)
    except InvalidAddress as error:
        raise forms.ValidationError(str(error)) from error
