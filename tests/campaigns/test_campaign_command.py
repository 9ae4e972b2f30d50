from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign
from tests.factories import CampaignFactory, SegmentFactory, SenderFactory, TemplateFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


def test_campaign_is_made_and_activated_from_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"segment": SegmentFactory(), "template": TemplateFactory(), "sender": SenderFactory()}
    call_command("campaign", "create", "Spring", *[f"--{name}={row.pk}" for name, row in parts.items()])
    campaign = Campaign.objects.get()
    call_command("campaign", "activate", str(campaign.pk))
    campaign.refresh_from_db()
    assert campaign.status == "active"
    assert capsys.readouterr().out.endswith(f"Campaign {campaign.pk}, “Spring”, is active.\n")


def test_missing_segment_is_refused_and_a_missing_flow_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    WorkspaceFactory()
    with pytest.raises(CommandError, match="no segment 99"):
        call_command("campaign", "create", "Spring", "--segment=99")
    assert not Campaign.objects.exists()
    call_command("campaign", "create", "Spring", "--flow=99")
    assert "Flow 99 does not exist" in capsys.readouterr().err
    assert Campaign.objects.get().flow is None


def test_refused_action_says_what_is_possible() -> None:
    campaign = CampaignFactory()
    with pytest.raises(CommandError, match="is draft and cannot be paused. It can be activated"):
        call_command("campaign", "pause", str(campaign.pk))
    with pytest.raises(CommandError, match="There is no campaign 0"):
        call_command("campaign", "cancel", "0")


def test_workspace_must_be_named_when_there_are_several() -> None:
    WorkspaceFactory(slug="one")
    WorkspaceFactory(slug="two")
    with pytest.raises(CommandError, match="with one of: one, two"):
        call_command("campaign", "create", "Spring")
    call_command("campaign", "create", "Spring", "--workspace=two", "--audience=both")
    assert Campaign.objects.get().workspace.slug == "two"
