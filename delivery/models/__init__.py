"""Each message out once, and what comes back about it."""

from delivery.models.sendlog import SendLog
from delivery.models.progress import Progress
from delivery.models.event import Event

__all__ = ["Event", "Progress", "SendLog"]
