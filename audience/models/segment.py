"""Segments: saved questions about the audience."""

from __future__ import annotations

from django.db import models

from audience.models.workspace import WorkspaceModel


class Segment(WorkspaceModel):
    """A saved AND/OR tree of criteria, evaluated in SQL each time it is used (audience.segments)."""

    name = models.CharField(max_length=100)
    # {"all": [node, ...]} or {"any": [node, ...]}; a leaf is {"field", "operator", "value"}.
    criteria = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="segment_once")]

    def __str__(self) -> str:
        return self.name
