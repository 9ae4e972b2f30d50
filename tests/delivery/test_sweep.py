from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import journal, sweep
from delivery.claim import Passed
from delivery.finish import finish_done_campaigns
from delivery.journal import Journal
from delivery.models import Progress, SendLog
from delivery.transports.base import Answer, Verdict
from tests.delivery.lanes import take

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def expire_all() -> None:
    SendLog.objects.filter(lease_until__isnull=False).update(
        lease_until=timezone.now() - timedelta(seconds=5)
    )


def statuses() -> list[str]:
    return list(SendLog.objects.order_by("id").values_list("status", flat=True))


def test_expired_hand_over_becomes_unknown_and_is_never_queued_again(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    take(campaign)
    expire_all()
    sweep.expire_leases()
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("unknown", "lost")
    assert row.history[-1]["reason"] == "lost"
    assert Progress.objects.get().unknown == 1
    sweep.expire_leases()
    assert Progress.objects.get().unknown == 1


def test_lease_that_has_not_ended_is_left_alone(active_campaign: MakeCampaign) -> None:
    take(active_campaign(2))
    sweep.expire_leases()
    assert statuses() == ["sending", "sending"]


def test_rows_of_an_ended_campaign_are_cancelled(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    lifecycle.cancel(campaign)
    sweep.cancel_rows_of_ended_campaigns()
    assert set(SendLog.objects.values_list("status", "reason")) == {("cancelled", "ended")}
    assert Progress.objects.get().remaining == 0


def test_rows_of_a_running_campaign_are_not_cancelled(active_campaign: MakeCampaign) -> None:
    active_campaign(2)
    sweep.cancel_rows_of_ended_campaigns()
    assert statuses() == ["queued", "queued"]


class DeadWorker:
    """A worker that was killed at a point of its batch, with the journal it left behind."""

    def __init__(self, campaign: Campaign) -> None:
        self.journal = Journal("dead")
        self.rows: Sequence[Passed] = take(campaign, worker="dead", journal=self.journal)

    def die(self) -> None:
        self.journal.abandon()


@pytest.fixture
def dead(active_campaign: MakeCampaign) -> Iterator[DeadWorker]:
    return DeadWorker(active_campaign(3))


def test_killed_before_anything_left_all_rows_are_queued_again(dead: DeadWorker) -> None:
    dead.die()
    sweep.recover()
    assert statuses() == ["queued"] * 3


def test_killed_in_mid_batch_each_row_gets_what_is_true_of_it(dead: DeadWorker) -> None:
    answered, in_doubt, untouched = (row.row_id for row in dead.rows)
    dead.journal.leaving(answered)
    dead.journal.answered(Answer(answered, Verdict.ACCEPTED, "Q1"))
    dead.journal.leaving(in_doubt)
    dead.die()
    sweep.recover()
    rows = SendLog.objects.in_bulk()
    assert (rows[answered].status, rows[answered].provider_id) == ("sent", "Q1")
    assert (rows[in_doubt].status, rows[in_doubt].reason) == ("unknown", "lost")
    assert (rows[untouched].status, rows[untouched].attempts) == ("queued", 0)
    progress = Progress.objects.get()
    assert (progress.sent, progress.unknown) == (1, 1)


def test_journal_corrects_what_the_lease_sweep_called_unknown(dead: DeadWorker) -> None:
    answered, _, _ = (row.row_id for row in dead.rows)
    dead.journal.leaving(answered)
    dead.journal.answered(Answer(answered, Verdict.ACCEPTED))
    expire_all()
    sweep.expire_leases()
    assert statuses() == ["unknown"] * 3
    dead.die()
    sweep.recover()
    assert sorted(statuses()) == ["queued", "queued", "sent"]
    progress = Progress.objects.get()
    assert (progress.sent, progress.unknown) == (1, 0)


def test_recovering_twice_changes_nothing_more(dead: DeadWorker) -> None:
    dead.die()
    sweep.recover()
    [taken] = take(Campaign.objects.get(), 1, worker="w2")
    sweep.recover()
    assert SendLog.objects.get(pk=taken.row_id).status == "sending"
    assert list(journal.directory().iterdir()) == []


def test_journal_of_a_living_worker_is_left_alone(dead: DeadWorker) -> None:
    sweep.recover()
    assert statuses() == ["sending"] * 3
    dead.die()


def test_after_a_restart_of_the_machine_only_what_the_journal_says_is_believed(
    dead: DeadWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead.journal.leaving(dead.rows[0].row_id)
    dead.journal.answered(Answer(dead.rows[0].row_id, Verdict.ACCEPTED))
    dead.die()
    monkeypatch.setattr(journal, "_boot_id", lambda: "another boot")
    sweep.recover()
    assert sorted(statuses()) == ["sent", "unknown", "unknown"]


def test_half_written_line_is_passed_over(dead: DeadWorker) -> None:
    dead.die()
    with dead.journal.path.open("ab") as file:
        file.write(b"l12")
    sweep.recover()
    assert statuses() == ["queued"] * 3


def test_half_written_acceptance_leaves_the_mail_in_doubt(dead: DeadWorker) -> None:
    row_id = dead.rows[0].row_id
    dead.journal.leaving(row_id)
    dead.die()
    with dead.journal.path.open("ab") as file:
        file.write(b"a%d Q" % row_id)
    sweep.recover()
    assert SendLog.objects.get(pk=row_id).status == "unknown"


def test_row_that_was_given_back_and_taken_again_is_read_by_what_came_last(
    active_campaign: MakeCampaign,
) -> None:
    campaign = active_campaign(1)
    journal = Journal("dead")
    [first] = take(campaign, worker="dead", journal=journal)
    journal.leaving(first.row_id)
    journal.answered(Answer(first.row_id, Verdict.NOT_SENT, error="451 later"))
    SendLog.objects.update(status="queued")
    take(campaign, worker="dead", journal=journal)
    journal.abandon()
    sweep.recover()
    assert statuses() == ["queued"]


def test_mail_that_stops_its_worker_five_times_fails_as_poison(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(3)
    poison = SendLog.objects.order_by("id")[1].pk
    for crash in range(1, 6):
        journal = Journal("dead")
        take(campaign, worker="dead", journal=journal)
        journal.building(poison)
        journal.abandon()
        sweep.recover()
        assert SendLog.objects.get(pk=poison).crashes == crash
    row = SendLog.objects.get(pk=poison)
    assert (row.status, row.reason) == ("failed", "poison")
    assert sorted(statuses()) == ["failed", "queued", "queued"]
    assert set(SendLog.objects.exclude(pk=poison).values_list("crashes", "attempts")) == {(0, 0)}


def test_worker_that_dies_after_building_suspects_no_mail(dead: DeadWorker) -> None:
    dead.journal.building(dead.rows[0].row_id)
    dead.journal.built()
    dead.die()
    sweep.recover()
    assert set(SendLog.objects.values_list("status", "crashes")) == {("queued", 0)}


def test_campaign_that_ended_meanwhile_is_reopened_for_mails_that_never_left(dead: DeadWorker) -> None:
    expire_all()
    sweep.expire_leases()
    assert finish_done_campaigns() == 1
    dead.die()
    sweep.recover()
    campaign = Campaign.objects.get()
    assert campaign.status == Campaign.Status.ACTIVE
    assert statuses() == ["queued"] * 3
    sweep.cancel_rows_of_ended_campaigns()
    assert len(take(campaign)) == 3


def test_campaign_that_somebody_ended_stays_so(dead: DeadWorker, django_user_model: type[User]) -> None:
    expire_all()
    sweep.expire_leases()
    campaign = Campaign.objects.get()
    lifecycle.complete(campaign, django_user_model.objects.create(username="ada"))
    dead.die()
    sweep.recover()
    sweep.cancel_rows_of_ended_campaigns()
    campaign.refresh_from_db()
    assert (campaign.status, statuses()) == (Campaign.Status.COMPLETED, ["cancelled"] * 3)
