"""Who may be written to. Each file holds one topic; none imports a later one of this list."""

from audience.models.workspace import (
    Membership,
    Workspace,
    WorkspaceModel,
    WorkspaceQuerySet,
    workspaces_visible_to,
)
from audience.models.customer import Attribute, Customer
from audience.models.imports import CustomerImport
from audience.models.consent import ConsentRecord, Suppression
from audience.models.segment import Segment

__all__ = [
    "Attribute",
    "ConsentRecord",
    "Customer",
    "CustomerImport",
    "Membership",
    "Segment",
    "Suppression",
    "Workspace",
    "WorkspaceModel",
    "WorkspaceQuerySet",
    "workspaces_visible_to",
]
