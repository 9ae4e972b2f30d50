"""What is counted and learnt from mails and what came back about them; all of it can be made again."""

from analytics.models.send_time import SendProfile, SendTime
from analytics.models.sums import (
    BLOCK,
    WAITING,
    AudienceCount,
    AudienceDay,
    LedgerCount,
    LedgerHour,
    LedgerSum,
    Reaction,
    ReactionHour,
    ReactionSum,
    RollUp,
)

__all__ = [
    "BLOCK",
    "WAITING",
    "AudienceCount",
    "AudienceDay",
    "LedgerCount",
    "LedgerHour",
    "LedgerSum",
    "Reaction",
    "ReactionHour",
    "ReactionSum",
    "RollUp",
    "SendProfile",
    "SendTime",
]
