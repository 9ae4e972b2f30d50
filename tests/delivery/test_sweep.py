from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import lifecycle
from campaigns.models import Campaign
from delivery import journal, sweep
from delivery.claim import Claim, claim, gate
from delivery.journal import Journal
from delivery.models import Progress, SendLog
from delivery.transports.base import Answer, Verdict

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db


def expire_all() -> None:
    SendLog.objects.filter(lease_until__isnull=False).update(
        lease_until=timezone.now() - timedelta(seconds=5)
    )


def statuses() -> list[str]:
    return list(SendLog.objects.order_by("id").values_list("status", flat=True))


def test_expired_claim_is_queued_again(active_campaign: MakeCampaign) -> None:
    claim(active_campaign(1), "w1", 1)
    expire_all()
    sweep.expire_leases()
    assert statuses() == ["queued"]


def test_expired_hand_over_becomes_unknown_and_is_never_queued_again(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    gate(claim(campaign, "w1", 1))
    expire_all()
    sweep.expire_leases()
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("unknown", "lost")
    assert row.history[-1]["reason"] == "lost"
    assert Progress.objects.get().unknown == 1
    sweep.expire_leases()
    assert Progress.objects.get().unknown == 1


def test_lease_that_has_not_ended_is_left_alone(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(2)
    claims = claim(campaign, "w1", 2)
    gate(claims[:1])
    sweep.expire_leases()
    assert sorted(statuses()) == ["claimed", "sending"]


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
        self.claims: Sequence[Claim] = claim(campaign, "dead", 10)
        self.journal.took(list(self.claims))

    def die(self) -> None:
        self.journal.abandon()


@pytest.fixture
def dead(active_campaign: MakeCampaign) -> Iterator[DeadWorker]:
    return DeadWorker(active_campaign(3))


def test_killed_before_the_gate_all_rows_are_queued_again(dead: DeadWorker) -> None:
    dead.die()
    sweep.recover()
    assert statuses() == ["queued"] * 3


def test_killed_in_mid_batch_each_row_gets_what_is_true_of_it(dead: DeadWorker) -> None:
    gate(dead.claims)
    answered, in_doubt, untouched = (c.row_id for c in dead.claims)
    dead.journal.intend(answered)
    dead.journal.answered(Answer(answered, Verdict.ACCEPTED, "Q1"))
    dead.journal.intend(in_doubt)
    dead.die()
    sweep.recover()
    rows = SendLog.objects.in_bulk()
    assert (rows[answered].status, rows[answered].provider_id) == ("sent", "Q1")
    assert (rows[in_doubt].status, rows[in_doubt].reason) == ("unknown", "lost")
    assert (rows[untouched].status, rows[untouched].attempts) == ("queued", 0)
    progress = Progress.objects.get()
    assert (progress.sent, progress.unknown) == (1, 1)


def test_journal_corrects_what_the_lease_sweep_called_unknown(dead: DeadWorker) -> None:
    gate(dead.claims)
    answered, _, _ = (c.row_id for c in dead.claims)
    dead.journal.intend(answered)
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
    gate(dead.claims)
    dead.die()
    sweep.recover()
    taken = claim(Campaign.objects.get(), "w2", 1)
    sweep.recover()
    assert SendLog.objects.get(pk=taken[0].row_id).status == "claimed"
    assert list(journal.directory().iterdir()) == []


def test_journal_of_a_living_worker_is_left_alone(dead: DeadWorker) -> None:
    gate(dead.claims)
    sweep.recover()
    assert statuses() == ["sending"] * 3
    dead.die()


def test_after_a_restart_of_the_machine_only_what_the_journal_says_is_believed(
    dead: DeadWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(dead.claims)
    dead.journal.intend(dead.claims[0].row_id)
    dead.journal.answered(Answer(dead.claims[0].row_id, Verdict.ACCEPTED))
    dead.die()
    monkeypatch.setattr(journal, "_boot_id", lambda: "another boot")
    sweep.recover()
    assert sorted(statuses()) == ["sent", "unknown", "unknown"]


def test_half_written_line_is_passed_over(dead: DeadWorker) -> None:
    gate(dead.claims)
    dead.die()
    with dead.journal.path.open("ab") as file:
        file.write(b'{"intend":')
    sweep.recover()
    assert statuses() == ["queued"] * 3
