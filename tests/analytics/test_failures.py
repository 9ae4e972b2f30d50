"""Why mails did not arrive: each reason with the words of one of its mails, in as many queries as for one."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from analytics import failures, roll_up
from analytics.totals import Scope
from campaigns.models import Campaign
from tests.analytics.history import event, mail
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

# Codes of mail servers, the most frequent first.
CODES = ("550 5.1.1", "554 5.7.1", "452 4.2.2")


def failed(campaign: Campaign) -> None:
    for times, code in zip((3, 2, 1), CODES, strict=True):
        for number in range(times):
            mail(campaign, status="failed", sent_at=None, reason="refused", error=f"{code} no, {number}")


def test_each_reason_has_the_words_of_its_first_mail() -> None:
    campaign = CampaignFactory()
    failed(CampaignFactory(workspace=campaign.workspace))
    failed(campaign)
    bounced = mail(campaign)
    event(bounced, "bounced", bounce="hard", detail="550 5.1.1 gone")
    mail(campaign, status="suppressed", sent_at=None, reason="opted_out")
    roll_up.run()
    found = {(one.found.kind, one.code): one for one in failures.by_reason(Scope([campaign.pk]), campaign.pk)}
    assert {key: one.example for key, one in found.items()} == {
        **{("failed", code): f"{code} no, 0" for code in CODES},
        ("bounced", "550 5.1.1"): "550 5.1.1 gone",
        ("suppressed", ""): "",
    }
    assert found["failed", CODES[0]].found.mails == 3


def test_many_reasons_take_as_many_queries_as_one(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    campaign = CampaignFactory()
    failed(campaign)
    roll_up.run()
    with django_assert_num_queries(3):
        assert len(failures.by_reason(Scope([campaign.pk]), campaign.pk)) == 3


def test_without_failures_nothing_is_looked_up() -> None:
    assert failures.by_reason(Scope([0]), 0) == []
