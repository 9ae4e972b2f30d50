"""Flows: sequences of steps that a campaign may run instead of one mail."""

from __future__ import annotations

from django.db import models

from audience.models import WorkspaceModel


class Flow(WorkspaceModel):
    """A named flow. Its steps are not part of this version: a campaign on a flow cannot be activated."""

    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="flow_once")]

    def __str__(self) -> str:
        return self.name
