"""What is said, to whom, when. Each file holds one topic; none imports a later one of this list."""

from campaigns.models.template import Content, Template
from campaigns.models.attachment import AttachedFile, Attachment, ContentAttachment
from campaigns.models.sender import Sender
from campaigns.models.grant import Grant
from campaigns.models.domain_check import DomainCheck
from campaigns.models.limits import SenderLimit, WarmUp
from campaigns.models.flow import Flow
from campaigns.models.campaign import Campaign, CampaignSender, CampaignTransition

__all__ = [
    "AttachedFile",
    "Attachment",
    "Campaign",
    "CampaignSender",
    "CampaignTransition",
    "Content",
    "ContentAttachment",
    "DomainCheck",
    "Flow",
    "Grant",
    "Sender",
    "SenderLimit",
    "Template",
    "WarmUp",
]
