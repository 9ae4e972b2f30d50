"""Celery's beat, by the schedule that stands in the database, where the admin shows it."""

from __future__ import annotations

from time import monotonic

from django_celery_beat.schedulers import DatabaseScheduler

# Seconds between two looks at whether somebody has changed the schedule.
LOOK_EVERY = 1.0


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Looks for changes once a second at most.

    Beat asks for its schedule over and over in the last milliseconds before something is due, and the
    scheduler of the library looks into the database each time.
    """

    _looked_at = float("-inf")

    def schedule_changed(self) -> bool:
        if monotonic() - self._looked_at < LOOK_EVERY:
            return False
        self._looked_at = monotonic()
        return bool(super().schedule_changed())
