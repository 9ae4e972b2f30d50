"""What is said, to whom, when. Each file holds one topic; none imports a later one of this list."""

from campaigns.models.template import Content, Template
from campaigns.models.sender import Sender
from campaigns.models.grant import Grant
from campaigns.models.limits import SenderLimit, WarmUp
from campaigns.models.flow import Flow
from campaigns.models.campaign import Campaign, CampaignSender, CampaignTransition

__all__ = [
    "Campaign",
    "CampaignSender",
    "CampaignTransition",
    "Content",
    "Flow",
    "Grant",
    "Sender",
    "SenderLimit",
    "Template",
    "WarmUp",
]
