"""Merge fields: what a template may say of a customer, the workspace and the campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audience.models import Attribute, Workspace
from campaigns.content.qr import Code

# The columns of Customer that context() reads.
CUSTOMER_COLUMNS = ("email", "name", "external_id", "phone", "language", "time_zone", "attributes")


@dataclass(frozen=True, slots=True)
class MergeField:
    """A name that templates may use, and a value to show it with."""

    name: str
    label: str
    sample: str | int | bool


CORE_FIELDS = (
    MergeField("customer_name", "Name", "Ada Lovelace"),
    MergeField("unsubscribe_link", "Unsubscribe link", "https://example.com/unsubscribe"),
    MergeField("view_in_browser_link", "Link to the mail in a browser", "https://example.com/view"),
    MergeField("customer.email", "E-mail address", "ada@example.com"),
    MergeField("customer.name", "Name", "Ada Lovelace"),
    MergeField("customer.external_id", "External id", "10042"),
    MergeField("customer.phone", "Phone", "+44 20 7946 0000"),
    MergeField("customer.language", "Language", "en"),
    MergeField("customer.time_zone", "Time zone", "Europe/London"),
    MergeField("customer.qr_code", "QR code that names the customer", "an image"),
    MergeField("workspace.name", "Name of your brand", "Needle & Groove"),
    MergeField("workspace.postal_address", "Postal address", "12 Turntable Lane, London"),
    MergeField("campaign.name", "Campaign", "Spring mailing"),
)
CORE_NAMES = frozenset(field.name for field in CORE_FIELDS)
SAMPLES: dict[str, str | int | bool] = {
    Attribute.Type.TEXT: "text",
    Attribute.Type.NUMBER: 42,
    Attribute.Type.DATE: "2026-01-31",
    Attribute.Type.BOOLEAN: True,
}


def merge_fields(workspace: Workspace) -> list[MergeField]:
    """Everything that templates of `workspace` may say: the core fields, then its attributes by name."""
    attributes = Attribute.objects.filter(workspace=workspace).order_by("name").values_list("name", "type")
    return [
        *CORE_FIELDS,
        *(
            MergeField(f"customer.{name}", name.replace("_", " ").capitalize(), SAMPLES[type_])
            for name, type_ in attributes
            if f"customer.{name}" not in CORE_NAMES
        ),
    ]


def context(
    customer: Mapping[str, object],
    workspace: Workspace,
    campaign_name: str,
    unsubscribe_link: str,
    **links: str,
) -> dict[str, object]:
    """Plain data for one recipient, from a row of CUSTOMER_COLUMNS. An attribute never hides a column.

    `links` are further ones that a mail has of its own, such as `view_in_browser_link`. The QR code is not in
    it, since few templates show one: see with_qr_code().
    """
    own = {"unsubscribe_link": unsubscribe_link, "view_in_browser_link": "", **links}
    return personal_context(customer, own, shared_context(workspace, campaign_name))


def shared_context(workspace: Workspace, campaign_name: str) -> dict[str, object]:
    """What a context says to all recipients of a campaign."""
    return {
        "workspace": {"name": workspace.name, "postal_address": workspace.postal_address},
        "campaign": {"name": campaign_name},
    }


def personal_context(
    customer: Mapping[str, object], links: Mapping[str, str], shared: Mapping[str, object]
) -> dict[str, object]:
    """The context for one of them, with the links of this mail."""
    name = customer["name"]
    return {
        **shared,
        **links,
        "customer_name": name,
        "customer": {
            **customer["attributes"],  # type: ignore[dict-item]
            "email": customer["email"],
            "name": name,
            "external_id": customer["external_id"],
            "phone": customer["phone"],
            "language": customer["language"],
            "time_zone": customer["time_zone"],
        },
    }


def with_qr_code(data: dict[str, object], code: Code) -> dict[str, object]:
    """A context that also says `customer.qr_code`."""
    return {**data, "customer": {**data["customer"], "qr_code": code}}  # type: ignore[dict-item]
