"""The hours at which people are best mailed: learnt downstream, kept here, where filling finds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from django.db import transaction

from audience.models import Customer, Workspace


def set_best_hours(workspace: Workspace, hours: Mapping[int, int | None]) -> int:
    """Note each customer's best hour by id, 0 to 23; None: the workspace's. How many have changed.

    Writes only what differs, and commits an UPDATE for each hour that occurs. Customers that somebody else
    is writing at this moment are left for the next time: this one never waits for an import that waits
    for it. May be repeated; ids of another workspace change nothing.
    """
    customers = Customer.objects.of(workspace)
    changed = defaultdict(list)
    for pk, hour in customers.filter(pk__in=hours).values_list("pk", "best_hour"):
        if hours[pk] != hour:
            changed[hours[pk]].append(pk)
    written = 0
    for hour, ids in changed.items():
        free = customers.filter(pk__in=ids).select_for_update(skip_locked=True).values("pk")
        with transaction.atomic():
            written += customers.filter(pk__in=free).update(best_hour=hour)
    return written


def set_usual_hour(workspace: Workspace, hour: int) -> None:
    """Note the hour for customers whose own is not known, 0 to 23."""
    Workspace.objects.filter(pk=workspace.pk).exclude(best_hour=hour).update(best_hour=hour)
