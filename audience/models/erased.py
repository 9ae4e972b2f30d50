"""What is left of people who were erased: that they must not be mailed, and nothing that names them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from audience.models.consent import Suppression
from audience.models.workspace import WorkspaceModel


class ErasedAddress(WorkspaceModel):
    """The keyed hash of an address whose owner was erased. Written by audience.erasure.

    When the address comes back, in an import or by hand, its suppression comes back with it.
    """

    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=12, choices=Suppression.Reason)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="erased_once")]

    def __str__(self) -> str:
        return self.digest[:8]
