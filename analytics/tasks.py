"""What the distributed mode counts from time to time, and learns at night; beat rings for it.

A message names a workspace and where to go on, no people. numpy is imported by the tasks that need it: the
processes that run them send mails as well (decision 11).
"""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from analytics import roll_up
from analytics.models import SendProfile
from audience.models import Workspace


@shared_task
def count() -> None:
    """Count what is new for the reports."""
    roll_up.run()


@shared_task
def learn_send_times() -> None:
    """Ring once for each workspace."""
    for pk in Workspace.objects.values_list("pk", flat=True):
        learn_workspace.delay(pk)


@shared_task
def learn_workspace(pk: int) -> None:
    """Learn an audience, then ring for its people. A workspace deleted meanwhile needs neither."""
    from analytics.send_time import learn

    workspace = Workspace.objects.filter(pk=pk).first()
    if workspace is not None and learn.learn_audience(workspace, timezone.now()) is not None:
        learn_people.delay(pk)


@shared_task
def learn_people(pk: int, after: int = 0) -> None:
    """Learn a portion of the people, and ring for the next: no task takes longer than it may."""
    from analytics.send_time import people

    profile = SendProfile.objects.select_related("workspace").filter(pk=pk).first()
    if profile is None:
        return
    _, last = people.learn(profile, profile.computed_at, after)
    if last:
        learn_people.delay(pk, last)
