"""What providers report: kept once, acted on at once, the same end in whichever order it comes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience.models import ConsentRecord, Customer, Suppression
from campaigns.models import Campaign
from delivery import events, feedback, why
from delivery.events import Report
from delivery.finish import finish_done_campaigns
from delivery.models import Event, Progress, SenderDay, SendLog
from delivery.settle import Settlement, settle
from delivery.tokens import Reference
from tests.delivery.doubt import in_doubt, in_hand
from tests.factories import CustomerFactory, WorkspaceFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db

Type = Event.Type
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROVIDERS = (Type.DEFERRED, Type.DELIVERED, Type.BOUNCED, Type.COMPLAINED)
PROOFS = (*PROVIDERS, Type.OPENED, Type.CLICKED)


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    """A mail that was sent."""
    [row] = in_hand(active_campaign(1), 1)
    settle([Settlement(row.pk, row.fence, "sent")], "w1")
    return row


def state_of(row: SendLog) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.outcome


def suppressions() -> dict[str, str]:
    return dict(Suppression.objects.values_list("email", "reason"))


def reference(row: SendLog) -> Reference:
    return Reference(row.workspace_id, row.customer_id, row.pk)


# --- The outcome ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(PROVIDERS)))
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_the_outcome_only_moves_forward_whatever_the_order(
    row: SendLog, order: tuple[Type, ...], together: bool
) -> None:
    reports = [Report(row.pk, type_) for type_ in order]
    for batch in [reports] if together else [[report] for report in reports]:
        feedback.report_many(batch)
    assert state_of(row) == ("sent", "complained")
    assert Event.objects.filter(applied_at__isnull=False).count() == 4


@pytest.mark.parametrize("type_", PROVIDERS)
def test_the_outcome_has_the_moment_at_which_it_happened(row: SendLog, type_: Type) -> None:
    feedback.report(row.pk, type_, at=AT)
    assert state_of(row) == ("sent", type_)
    assert row.outcome_at == AT


def test_opens_and_clicks_are_no_outcome(row: SendLog) -> None:
    for type_ in (Type.OPENED, Type.CLICKED):
        assert feedback.report(row.pk, type_)
    assert state_of(row) == ("sent", "")


def test_a_report_that_comes_three_times_acts_once(row: SendLog) -> None:
    news = [feedback.report(row.pk, Type.COMPLAINED, fact="c1") for _ in range(3)]
    assert news == [True, False, False]
    assert feedback.report_many([Report(row.pk, Type.BOUNCED)] * 3) == 1
    assert Event.objects.count() == 2
    assert ConsentRecord.objects.count() == 1
    assert SenderDay.objects.get().complained == 1


def test_facts_of_the_provider_tell_events_apart(row: SendLog) -> None:
    for fact in ("a", "b", "x" * 500, "x" * 501, "\0"):
        assert feedback.report(row.pk, Type.OPENED, fact=fact)
    assert Event.objects.count() == 5


def test_bounces_and_complaints_count_for_the_sender(active_campaign: MakeCampaign) -> None:
    rows = in_hand(active_campaign(4), 4)
    feedback.report_many(Report(row.pk, Type.BOUNCED) for row in rows[:3])
    feedback.report_many(Report(row.pk, Type.COMPLAINED) for row in rows[3:])
    feedback.report_many(Report(row.pk, Type.BOUNCED, fact="again") for row in rows)
    day = SenderDay.objects.get()
    assert (day.bounced, day.complained) == (4, 1)


# --- Upstream ---------------------------------------------------------------------------------------------


def test_a_complaint_suppresses_and_opts_out_at_once(row: SendLog) -> None:
    feedback.report(row.pk, Type.COMPLAINED)
    assert suppressions() == {row.email: "complaint"}
    assert not Customer.objects.get().subscribed
    record = ConsentRecord.objects.get()
    assert (record.granted, record.source, record.evidence) == (
        False, "api", f"complaint about mail {row.pk}"
    )  # fmt: skip


def test_a_hard_bounce_suppresses_and_a_soft_one_does_not(active_campaign: MakeCampaign) -> None:
    hard, soft = in_hand(active_campaign(2), 2)
    words = "550 5.1.1 No such user"
    feedback.report_many(
        [
            Report(hard.pk, Type.BOUNCED, detail=words, bounce="hard"),
            Report(soft.pk, Type.BOUNCED, detail=f"Hard bounce: {words}"),
        ]
    )
    assert suppressions() == {hard.email: "hard_bounce"}
    assert Customer.objects.filter(subscribed=True).count() == 2
    assert list(Event.objects.order_by("pk").values_list("bounce", "detail")) == [
        ("hard", words), ("soft", f"Hard bounce: {words}")
    ]  # fmt: skip


def test_an_address_that_bounced_and_complained_is_suppressed_for_the_complaint(row: SendLog) -> None:
    for order in itertools.permutations([Type.BOUNCED, Type.COMPLAINED]):
        Suppression.objects.all().delete()
        Event.objects.all().delete()
        feedback.report_many(Report(row.pk, type_, bounce="hard") for type_ in order)
        assert suppressions() == {row.email: "complaint"}


def test_of_a_deleted_customer_the_address_is_suppressed(row: SendLog) -> None:
    Customer.objects.all().delete()
    feedback.report(row.pk, Type.COMPLAINED)
    assert suppressions() == {row.email: "complaint"}


def test_the_address_that_was_mailed_is_suppressed_when_the_customer_has_another_now(row: SendLog) -> None:
    Customer.objects.update(email="new@example.com")
    feedback.report(row.pk, Type.COMPLAINED)
    assert suppressions() == {row.email: "complaint", "new@example.com": "unsubscribe"}


def test_an_unsubscribe_that_the_provider_reports_opts_out(row: SendLog) -> None:
    feedback.report(row.pk, Type.UNSUBSCRIBED)
    assert suppressions() == {row.email: "unsubscribe"}


# --- Proof ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", PROOFS)
def test_whatever_comes_back_proves_an_unknown_mail(active_campaign: MakeCampaign, type_: Type) -> None:
    campaign = active_campaign(2)
    row, other = in_doubt(campaign, 2)
    feedback.report(row.pk, type_, at=AT)
    row.refresh_from_db()
    assert (row.status, row.reason, row.sent_at) == ("sent", "proven", AT)
    assert [past["reason"] for past in row.history] == ["lost", "proven"]
    assert state_of(other) == ("unknown", "")
    progress = Progress.objects.get()
    assert (progress.sent, progress.unknown) == (1, 1)
    assert SenderDay.objects.get().sent == 1
    assert "A later report proves it" in why.sentence(row)


def test_an_unsubscribe_by_the_link_in_the_mail_proves_it(active_campaign: MakeCampaign) -> None:
    [row] = in_doubt(active_campaign(1), 1)
    feedback.unsubscribe(reference(row), Event.Source.LINK)
    assert state_of(row) == ("sent", "")


def test_a_report_before_the_settlement_moves_no_status(active_campaign: MakeCampaign) -> None:
    [row] = in_hand(active_campaign(1), 1)
    feedback.report(row.pk, Type.DELIVERED)
    assert state_of(row) == ("sending", "delivered")
    settle([Settlement(row.pk, row.fence, "sent")], "w1")
    feedback.apply_left_over()
    assert state_of(row) == ("sent", "delivered")
    assert Progress.objects.get().sent == 1


@pytest.mark.parametrize("type_", [Type.DELIVERED, Type.OPENED])
def test_a_report_before_its_worker_died_proves_the_mail_afterwards(
    active_campaign: MakeCampaign, type_: Type
) -> None:
    [row] = in_hand(active_campaign(1), 1)
    feedback.report(row.pk, type_, at=AT)
    in_doubt(row.campaign, 0)
    assert state_of(row)[0] == "unknown"
    feedback.apply_left_over()
    row.refresh_from_db()
    assert (row.status, row.reason, row.sent_at) == ("sent", "proven", AT)


def test_a_proof_corrects_what_the_campaign_says(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    [row] = in_doubt(campaign, 1)
    finish_done_campaigns()
    feedback.report(row.pk, Type.DELIVERED)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.result) == ("completed", "1 of 1 sent")


@pytest.mark.parametrize("status", sorted(set(SendLog.Status) - {SendLog.Status.UNKNOWN}))
def test_a_proof_moves_no_other_status(active_campaign: MakeCampaign, status: str) -> None:
    active_campaign(1)
    SendLog.objects.update(status=status)
    row = SendLog.objects.get()
    feedback.report(row.pk, Type.DELIVERED)
    assert state_of(row) == (status, "delivered")
    assert Progress.objects.get().done == 0


# --- Forged, lost and many --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["workspace_id", "customer_id", "row_id"])
@pytest.mark.parametrize("type_", [Type.DELIVERED, Type.BOUNCED, Type.COMPLAINED])
def test_a_report_that_fits_no_mail_changes_nothing(
    active_campaign: MakeCampaign, type_: Type, wrong: str
) -> None:
    [row] = in_doubt(active_campaign(1), 1)
    foreign = CustomerFactory(workspace=WorkspaceFactory(slug="elsewhere"))
    right = {"workspace_id": row.workspace_id, "customer_id": row.customer_id, "row_id": row.pk}
    other = {"workspace_id": foreign.workspace_id, "customer_id": foreign.pk, "row_id": row.pk + 1}
    assert not feedback.report(Reference(**right | {wrong: other[wrong]}), type_, bounce="hard")
    assert not feedback.report(row.pk + 1, type_)
    assert state_of(row) == ("unknown", "")
    assert not Event.objects.exists()
    assert not suppressions()
    assert feedback.report(Reference(**right), type_)


def test_an_event_that_names_another_workspaces_row_does_not_touch_it(row: SendLog) -> None:
    elsewhere = WorkspaceFactory(slug="elsewhere")
    event = Event.objects.create(
        workspace=elsewhere, sendlog=row, customer_id=row.customer_id, type=Type.COMPLAINED,
        source="provider", key="k", at=AT,
    )  # fmt: skip
    feedback.apply([event.pk])
    assert state_of(row) == ("sent", "")
    assert not suppressions()


def test_what_a_dead_process_left_unapplied_is_applied_once(row: SendLog) -> None:
    events.record_reports([Report(row.pk, Type.COMPLAINED), Report(row.pk, Type.BOUNCED, bounce="hard")])
    assert state_of(row) == ("sent", "")
    for _ in range(2):
        feedback.apply_left_over()
    assert state_of(row) == ("sent", "complained")
    assert suppressions() == {row.email: "complaint"}
    assert SenderDay.objects.get().complained == 1


@pytest.mark.parametrize("words", ["550 no\0 such \ud800 user", "\r\nX: y", "x" * 5000])
def test_odd_words_of_a_provider_are_kept_as_far_as_they_can_be(row: SendLog, words: str) -> None:
    assert feedback.report(row.pk, Type.BOUNCED, detail=words)
    assert len(Event.objects.get().detail) <= 1000


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


@pytest.mark.parametrize("type_", [Type.DELIVERED, Type.BOUNCED, Type.OPENED])
def test_three_hundred_reports_cost_the_queries_of_three(active_campaign: MakeCampaign, type_: Type) -> None:
    rows = in_doubt(active_campaign(303), 303)
    few = queries(lambda: feedback.report_many(Report(row.pk, type_, bounce="hard") for row in rows[:3]))
    many = queries(lambda: feedback.report_many(Report(row.pk, type_, bounce="hard") for row in rows[3:]))
    assert many == few
    assert Progress.objects.get().sent == 303
