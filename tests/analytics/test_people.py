"""Behind every number are the people it counts, all of them and nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analytics import ledger_sums, people, roll_up, totals
from analytics.people import NUMBERS, Question
from analytics.totals import Scope
from campaigns.models import Campaign
from tests.analytics.history import event, mail
from tests.analytics.sample import Sample
from tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ledger_sums, people):
        monkeypatch.setattr(module, "BLOCK", 7)


def numbers_of(question: Question) -> list[int]:
    return [line.id for line in people.everybody(question)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("is_people", [True, False])
def test_every_number_has_as_many_people_behind_it(is_people: bool) -> None:
    sample = Sample(people=80)
    sample.campaign("Another", 9)
    campaign = sample.campaign("One", 3, charm=1.8)
    roll_up.run()
    whole = totals.of(Scope([campaign.pk], people=is_people))
    for number in NUMBERS:
        found = numbers_of(Question(campaign.pk, number, people=is_people))
        assert len(found) == len(set(found)) == getattr(whole, number), number
    for column in ("sender_id", "mailbox_provider"):
        for place, sums in totals.by(column, Scope([campaign.pk], people=is_people)).items():
            for number in ("sent", "delivered", "opened", "clicked", "failed"):
                asked = Question(campaign.pk, number, people=is_people, **{column: place})
                assert len(numbers_of(asked)) == getattr(sums, number), (column, place, number)


@pytest.mark.usefixtures("small_blocks")
def test_every_reason_and_link_has_as_many_people_behind_it() -> None:
    campaign = Sample(people=80).campaign("One", 3)
    roll_up.run()
    scope = Scope([campaign.pk])
    for reason in totals.reasons(scope):
        why = {} if reason.kind == "bounced" else {"reason": reason.reason}
        asked = Question(campaign.pk, reason.kind, code=reason.code, **why)
        assert len(numbers_of(asked)) == reason.mails, reason
    for link, found in totals.links(scope).items():
        assert len(numbers_of(Question(campaign.pk, "clicked", link=link))) == found.mails


@pytest.mark.usefixtures("small_blocks")
def test_pages_follow_one_another_without_gap_or_repetition() -> None:
    campaign = Sample(people=40).campaign("One", 3)
    roll_up.run()
    for number in ("sent", "opened"):
        asked, pages, after = Question(campaign.pk, number, people=False), [], 0
        while lines := people.behind(asked, after, 3):
            pages.append(lines)
            after = lines[-1].id
        assert [line.id for page in pages for line in page] == numbers_of(asked)
        assert all(len(page) == 3 for page in pages[:-1])


def test_a_page_reads_a_few_rows_of_a_long_ledger(django_assert_max_num_queries: object) -> None:
    campaign = Sample(people=40).campaign("One", 3)
    roll_up.run()
    with django_assert_max_num_queries(2):  # type: ignore[operator]
        assert len(people.behind(Question(campaign.pk, "sent"), size=10)) == 10


def test_who_opened_by_a_machine_is_behind_all_and_not_behind_people() -> None:
    campaign: Campaign = CampaignFactory()
    event(mail(campaign), "opened", verdict="apple")
    roll_up.run()
    asked = Question(campaign.pk, "opened")
    assert numbers_of(asked) == []
    assert len(numbers_of(replace(asked, people=False))) == 1
