"""Each message out once, and what comes back about it."""

from delivery.models.sendlog import SendLog
from delivery.models.look_up import LookUp
from delivery.models.progress import Progress
from delivery.models.event import Event
from delivery.models.sender_state import Circuit, SenderDay
from delivery.models.heartbeat import Heartbeat
from delivery.models.inbound import Hook, Inbound
from delivery.models.installation import Installation
from delivery.models.signup import Signup, SignupForm

__all__ = [
    "Circuit",
    "Event",
    "Heartbeat",
    "Hook",
    "Inbound",
    "Installation",
    "LookUp",
    "Progress",
    "SendLog",
    "SenderDay",
    "Signup",
    "SignupForm",
]
