from __future__ import annotations

from collections.abc import Callable

import pytest

from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.finish import ALL_FAILED, describe, finish_done_campaigns
from delivery.models import Progress, SendLog

MakeCampaign = Callable[..., Campaign]


@pytest.mark.parametrize(
    ("sums", "says"),
    [
        ({}, "Nobody matched the audience: nothing was sent."),
        ({"matched": 50, "sent": 45, "failed": 5}, "45 of 50 sent"),
        ({"matched": 3, "failed": 3}, ALL_FAILED),
        ({"matched": 4, "failed": 3, "suppressed": 1}, ALL_FAILED),
        ({"matched": 2, "unknown": 1, "failed": 1}, "0 of 2 sent, 1 unknown"),
        (
            {"matched": 1200, "sent": 1100, "suppressed": 100},
            "1,100 of 1,100 sent, 100 suppressed or not opted in",
        ),
        (
            {"matched": 2, "suppressed": 2},
            "Nothing was sent: all 2 who matched are suppressed or have not opted in.",
        ),
    ],
)
def test_result_says_how_it_went(sums: dict[str, int], says: str) -> None:
    assert describe(Progress(**sums)) == says


@pytest.mark.django_db
def test_open_row_keeps_a_campaign_running_whatever_the_sums_say(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    Progress.objects.update(sent=2)
    for status in SendLog.OPEN:
        SendLog.objects.update(status=status)
        assert finish_done_campaigns() == 0
    SendLog.objects.update(status="sent")
    assert finish_done_campaigns() == 1
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "2 of 2 sent")


@pytest.mark.django_db
def test_campaign_that_is_still_being_filled_is_not_finished(active_campaign: MakeCampaign) -> None:
    active_campaign(1)
    SendLog.objects.update(status="sent")
    Progress.objects.update(sent=1, filled_at=None)
    assert finish_done_campaigns() == 0


@pytest.mark.django_db
def test_paused_campaign_is_not_finished(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    SendLog.objects.update(status="sent")
    Progress.objects.update(sent=1)
    lifecycle.pause(campaign)
    assert finish_done_campaigns() == 0
