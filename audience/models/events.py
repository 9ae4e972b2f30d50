"""What customers did elsewhere: orders, visits, renewals."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.customer import Customer
from audience.models.workspace import Workspace, WorkspaceModel

EVENT_NAME = r"[a-z][a-z0-9_.]{0,62}"


class CustomerEvent(WorkspaceModel):
    """A fact about one customer, such as `order_placed`, with its properties.

    Append-only; audience.customer_events writes it. A repeated `key` is the same fact. Its foreign keys
    carry no database constraint, as in the ledger: docs/decisions/0003.
    """

    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(Customer, models.DO_NOTHING, related_name="+", db_constraint=False)
    name = models.CharField(max_length=63)
    # One level of texts, numbers and booleans, by name.
    properties = models.JSONField(default=dict)
    key = models.CharField(max_length=100)
    at = models.DateTimeField(help_text=_("When it happened, as the source says."))
    received_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        ordering = ["-id"]
        verbose_name = _("customer event")
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="customer_event_once")]
        indexes = [
            # What automations have not seen yet.
            models.Index(fields=["workspace", "name", "id"], name="customer_event_new"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
