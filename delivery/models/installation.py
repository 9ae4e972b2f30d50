"""Which installation a database belongs to."""

from __future__ import annotations

import uuid

from django.db import models


class Installation(models.Model):
    """One row, written by delivery.installation: what a copy or an old dump of this database still says."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    key = models.UUIDField(default=uuid.uuid4)
    # Counts the minutes in which a worker lived; a restored dump has fewer than the file beside it.
    minutes = models.BigIntegerField(default=0)
    # Until then a host that finds otherwise takes this database for its own: somebody has confirmed.
    open_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="installation_once")]

    def __str__(self) -> str:
        return str(self.key)
