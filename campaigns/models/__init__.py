"""What is said, to whom, when. Each file holds one topic; none imports a later one of this list."""

from campaigns.models.template import Content, Template, TemplateVersion
from campaigns.models.image import Image
from campaigns.models.attachment import AttachedFile, Attachment, ContentAttachment
from campaigns.models.sender import Sender
from campaigns.models.grant import Grant
from campaigns.models.domain_check import DomainCheck
from campaigns.models.limits import SenderLimit, WarmUp
from campaigns.models.flow import Flow, FlowMail, FlowVersion
from campaigns.models.campaign import Campaign, CampaignSender, CampaignTransition
from campaigns.models.enrollment import Automation, Enrollment, FlowRun, SegmentMark, StepSum

__all__ = [
    "AttachedFile",
    "Attachment",
    "Automation",
    "Campaign",
    "CampaignSender",
    "CampaignTransition",
    "Content",
    "ContentAttachment",
    "DomainCheck",
    "Enrollment",
    "Flow",
    "FlowMail",
    "FlowRun",
    "FlowVersion",
    "Grant",
    "Image",
    "SegmentMark",
    "Sender",
    "SenderLimit",
    "StepSum",
    "Template",
    "TemplateVersion",
    "WarmUp",
]
