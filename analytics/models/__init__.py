"""What is counted and learnt from mails and what came back about them; all of it can be made again."""

from analytics.models.goals import THOUSANDTHS, Goal, GoalSum
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
    "THOUSANDTHS",
    "WAITING",
    "AudienceCount",
    "AudienceDay",
    "Goal",
    "GoalSum",
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
