"""Mails of which nobody knows whether they were accepted: what settles them, and what does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns import lifecycle
from campaigns.models import Campaign, CampaignTransition
from delivery import sweep, unknown, why
from delivery.fill import fill_page
from delivery.finish import finish_done_campaigns
from delivery.models import Progress, SenderDay, SendLog
from delivery.settle import Settlement, settle
from tests.delivery.doubt import in_doubt
from tests.factories import CustomerFactory, UserFactory

MakeCampaign = Callable[..., Campaign]
Act = Callable[..., int]
pytestmark = pytest.mark.django_db

SETTLED = {unknown.send_again: ("queued", "resent"), unknown.count_as_sent: ("sent", "counted")}


@pytest.fixture
def ada(db: None) -> User:
    user: User = UserFactory(username="ada")
    return user


def states(campaign: Campaign) -> list[tuple[str, str]]:
    rows = SendLog.objects.filter(campaign=campaign).order_by("pk")
    return list(rows.values_list("status", "reason"))


def sums(campaign: Campaign) -> dict[str, int]:
    progress = Progress.objects.get(pk=campaign.pk)
    return {
        name: getattr(progress, name) for name in ("sent", "unknown", "cancelled") if getattr(progress, name)
    }


def finished(campaign: Campaign) -> Campaign:
    """The campaign when the worker has seen that nothing is open."""
    assert finish_done_campaigns() == 1
    campaign.refresh_from_db()
    return campaign


# --- By choice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", SETTLED)
def test_a_choice_is_kept_with_who_and_when(active_campaign: MakeCampaign, ada: User, act: Act) -> None:
    campaign = active_campaign(2)
    in_doubt(campaign, 1)
    before = timezone.now()
    assert act(campaign, ada) == 1
    row = SendLog.objects.order_by("pk").first()
    assert (row.status, row.reason) == SETTLED[act]
    chosen = row.history[-1]
    assert (chosen["status"], chosen["reason"], chosen["by"]) == (*SETTLED[act], "ada")
    assert why.since(row) >= before.replace(microsecond=0)
    note = CampaignTransition.objects.latest("pk")
    assert (note.action, note.actor, note.from_status, note.to_status) == ("note", ada, "active", "active")
    assert note.reason.startswith("1 unknown mail is ")


def test_a_mail_sent_again_is_due_at_once_with_all_its_attempts(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    unknown.send_again(campaign, ada)
    again = SendLog.objects.get()
    assert (again.attempts, again.sent_at) == (0, None)
    assert again.due_at <= timezone.now()
    assert again.fence > row.fence
    assert sums(campaign) == {}


def test_a_mail_counted_as_sent_moves_all_sums(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(3)
    in_doubt(campaign, 2)
    unknown.count_as_sent(campaign, ada)
    assert sums(campaign) == {"sent": 2}
    assert SenderDay.objects.get().sent == 2
    assert SendLog.objects.filter(sent_at__isnull=False).count() == 2


@pytest.mark.parametrize("act", SETTLED)
def test_only_the_chosen_ones_are_settled(active_campaign: MakeCampaign, ada: User, act: Act) -> None:
    campaign, other = active_campaign(3), active_campaign(0)
    first, second, _ = in_doubt(campaign, 3)
    [elsewhere] = in_doubt(other, 1)
    assert act(campaign, ada, [second.pk, elsewhere.pk]) == 1
    assert states(campaign) == [("unknown", "lost"), SETTLED[act], ("unknown", "lost")]
    assert states(other)[0] == ("unknown", "lost")


@pytest.mark.parametrize("act", SETTLED)
def test_a_second_click_changes_nothing(active_campaign: MakeCampaign, ada: User, act: Act) -> None:
    campaign = active_campaign(2)
    in_doubt(campaign, 2)
    act(campaign, ada)
    before = list(SendLog.objects.values()), sums(campaign), CampaignTransition.objects.count()
    assert act(campaign, ada) == 0
    assert (list(SendLog.objects.values()), sums(campaign), CampaignTransition.objects.count()) == before


def test_what_is_not_unknown_is_not_touched(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(7)
    rows = SendLog.objects.order_by("pk")
    for row, status in zip(rows, set(SendLog.Status.values) - {"unknown"}, strict=False):
        SendLog.objects.filter(pk=row.pk).update(status=status)
    before = list(rows.values())
    ids = [row["id"] for row in before]
    assert unknown.send_again(campaign, ada, ids) == unknown.count_as_sent(campaign, ada, ids) == 0
    assert list(rows.values()) == before


def test_many_are_settled_chunk_by_chunk_in_the_same_queries(
    active_campaign: MakeCampaign, ada: User, monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    campaign = active_campaign(45)
    in_doubt(campaign, 45)
    few = [row.pk for row in unknown.rows(campaign)[:5]]
    with django_assert_num_queries(8):
        unknown.send_again(campaign, ada, few)
    many = [row.pk for row in unknown.rows(campaign)[:20]]
    with django_assert_num_queries(8):
        unknown.send_again(campaign, ada, many)
    monkeypatch.setattr(unknown, "CHUNK", 6)
    assert unknown.count_as_sent(campaign, ada) == 20
    assert sums(campaign) == {"sent": 20}


@pytest.mark.django_db(transaction=True)
def test_two_people_who_choose_differently_settle_each_mail_once(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(40)
    in_doubt(campaign, 40)
    barrier, settled = threading.Barrier(2), {}

    def choose(act: Act, user: Any) -> None:
        barrier.wait()
        settled[act] = act(campaign, user)
        connection.close()

    people = [threading.Thread(target=choose, args=(act, UserFactory())) for act in SETTLED]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sum(settled.values()) == 40
    progress = Progress.objects.get()
    assert (progress.unknown, progress.sent) == (0, settled[unknown.count_as_sent])
    assert SendLog.objects.filter(status="sent").count() == progress.sent
    assert all(len(row.history) == 2 for row in SendLog.objects.all())


def test_a_worker_that_comes_back_cannot_settle_a_mail_that_is_sent_again(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    unknown.send_again(campaign, ada)
    for known_as in SendLog.Status:
        assert not settle([Settlement(row.pk, row.fence, "failed", "refused")], "w1", known_as=known_as)
    assert states(campaign) == [("queued", "resent")]


# --- Campaigns that have ended, or wait ------------------------------------------------------------------


def test_an_ended_campaign_is_reopened_and_ends_again(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(3)
    in_doubt(campaign, 3)
    assert finished(campaign).result == "0 of 3 sent, 3 unknown"
    frozen = campaign.content_id
    unknown.send_again(campaign, ada, [SendLog.objects.first().pk])
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result, campaign.finished_at) == ("active", "", None)
    assert campaign.content_id == frozen
    reopened = CampaignTransition.objects.latest("pk")
    assert (reopened.action, reopened.actor, reopened.reason) == (
        "reopen", ada, "1 unknown mail is sent again."
    )  # fmt: skip
    assert finish_done_campaigns() == 0
    SendLog.objects.filter(status="queued").update(status="sent")
    Progress.objects.update(sent=1)
    assert finished(campaign).result == "1 of 3 sent, 2 unknown"


def test_a_reopened_campaign_reaches_nobody_else(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)
    Progress.objects.update(filled_at=None)
    lifecycle.complete(campaign)
    CustomerFactory()
    unknown.send_again(campaign, ada)
    assert not fill_page(campaign)
    assert SendLog.objects.count() == 1


def test_a_campaign_that_is_still_ending_is_not_reopened(active_campaign: MakeCampaign, ada: User) -> None:
    """Its queued mails must not leave after somebody has ended it."""
    campaign = active_campaign(3)
    in_doubt(campaign, 1)
    lifecycle.complete(campaign, ada, "Enough.")
    with pytest.raises(unknown.CannotSendAgain, match="only just ended"):
        unknown.send_again(campaign, ada)
    assert states(campaign)[0] == ("unknown", "lost")
    sweep.cancel_rows_of_ended_campaigns()
    assert unknown.send_again(campaign, ada) == 1
    assert states(campaign) == [("queued", "resent"), ("cancelled", "ended"), ("cancelled", "ended")]


def test_a_sweep_that_saw_the_campaign_ended_leaves_its_reopened_mails_alone(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)
    finished(campaign)
    unknown.send_again(campaign, ada)
    # What the sweep does after it has looked which campaigns have ended.
    sweep._cancel_chunk(campaign.pk)
    assert states(campaign) == [("queued", "resent")]


@pytest.mark.django_db(transaction=True)
def test_a_campaign_does_not_end_over_a_mail_that_is_being_sent_again(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)

    def finish() -> None:
        finish_done_campaigns()
        connection.close()

    worker = threading.Thread(target=finish)
    with transaction.atomic():
        unknown.send_again(campaign, ada)
        worker.start()
        # It has seen no open row, or waits until this is over. SQLite lets it begin after it.
        while connection.vendor == "postgresql" and not somebody_waits():
            assert worker.is_alive()
    worker.join()
    campaign.refresh_from_db()
    assert campaign.status == "active"


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


def test_a_cancelled_campaigns_mails_can_only_be_counted(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(2)
    in_doubt(campaign, 1)
    lifecycle.cancel(campaign)
    with pytest.raises(unknown.CannotSendAgain, match="was cancelled"):
        unknown.send_again(campaign, ada)
    assert unknown.count_as_sent(campaign, ada) == 1
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("cancelled", "Cancelled.")


def test_a_paused_campaign_stays_paused(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)
    lifecycle.pause(campaign)
    assert unknown.send_again(campaign, ada) == 1
    campaign.refresh_from_db()
    assert campaign.status == "paused"


def test_a_campaign_that_ended_by_itself_says_how_it_went_by_the_sums_of_now(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(2)
    in_doubt(campaign, 2)
    finished(campaign)
    unknown.count_as_sent(campaign, ada)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "2 of 2 sent")


def test_a_persons_words_about_the_end_stay(active_campaign: MakeCampaign, ada: User) -> None:
    campaign = active_campaign(1)
    in_doubt(campaign, 1)
    lifecycle.complete(campaign, ada, "Ended by hand.")
    unknown.count_as_sent(campaign, ada)
    campaign.refresh_from_db()
    assert campaign.result == "Ended by hand."


# --- By the worker that was taken for dead, or its journal ------------------------------------------


def test_who_knows_better_corrects_mail_sums_and_sentence(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    finished(campaign)
    unknown.correct([Settlement(row.pk, row.fence, "sent")], "w1")
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "1 of 1 sent")
    assert sums(campaign) == {"sent": 1}


def test_a_mail_that_never_left_reopens_its_campaign_and_one_of_an_older_claim_does_not(
    active_campaign: MakeCampaign,
) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    finished(campaign)
    for fence, status in ((row.fence - 1, "completed"), (row.fence, "active")):
        unknown.correct([Settlement(row.pk, fence, "queued", given_back=1)], "w1")
        campaign.refresh_from_db()
        assert campaign.status == status


def test_a_campaign_that_somebody_ended_is_not_reopened_by_itself(
    active_campaign: MakeCampaign, ada: User
) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    lifecycle.complete(campaign, ada, "Enough.")
    unknown.correct([Settlement(row.pk, row.fence, "queued", given_back=1)], "w1")
    sweep.cancel_rows_of_ended_campaigns()
    campaign.refresh_from_db()
    assert (campaign.status, states(campaign)) == ("completed", [("cancelled", "ended")])
