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
from audience.models.events import CustomerEvent
from audience.models.policy import ContactPolicy
from audience.models.audit import AuditEntry
from audience.models.erased import ErasedAddress
from audience.models.api_key import ApiKey, StoredAnswer
from audience.models.authenticator import Authenticator

__all__ = [
    "ApiKey",
    "Attribute",
    "AuditEntry",
    "Authenticator",
    "ConsentRecord",
    "ContactPolicy",
    "Customer",
    "CustomerEvent",
    "CustomerImport",
    "ErasedAddress",
    "Membership",
    "Segment",
    "StoredAnswer",
    "Suppression",
    "Workspace",
    "WorkspaceModel",
    "WorkspaceQuerySet",
    "workspaces_visible_to",
]
