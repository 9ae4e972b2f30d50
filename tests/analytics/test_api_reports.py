from __future__ import annotations

import pytest
from django.utils import timezone

from analytics import roll_up
from campaigns import lifecycle
from delivery.fill import fill_page
from delivery.models import SendLog
from tests.api.program import Program
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_report_is_what_was_counted() -> None:
    program = Program()
    CustomerFactory.create_batch(3, workspace=program.workspace)
    campaign = CampaignFactory(workspace=program.workspace)
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    one = SendLog.objects.order_by("pk")[0]
    SendLog.objects.exclude(pk=one.pk).update(status="sent", sent_at=timezone.now())
    SendLog.objects.filter(pk=one.pk).update(
        status="failed", reason="refused", error="550 5.1.1 No such user"
    )
    roll_up.run()
    report = program.get(f"/campaigns/{campaign.pk}/report").json()
    totals = report["totals"]
    assert (totals["audience"], totals["sent"], totals["failed"], totals["delivered"]) == (3, 2, 1, 2)
    assert report["counted_at"] is not None
    assert [place["place"] for place in report["senders"]] == [str(one.sender_id)]
    assert [(reason["kind"], reason["mails"]) for reason in report["reasons"]] == [("failed", 1)]
    assert sum(hour["sent"] for hour in report["hours"]) == 2
    nothing = program.get(f"/campaigns/{campaign.pk}/report?step=2").json()
    assert nothing["totals"]["audience"] == 0
