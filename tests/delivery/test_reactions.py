"""From the spool to the events: once each, about the mail that the token names, whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign
from delivery import events, feedback, reactions, spool, unknown
from delivery.models import Event, Progress, SendLog
from delivery.tokens import Reference
from delivery.worker import Worker
from tests.factories import CustomerFactory, WorkspaceFactory

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def about(row: SendLog) -> dict[str, int]:
    return {"workspace_id": row.workspace_id, "customer_id": row.customer_id, "row_id": row.pk}


def note(row: SendLog, link: int | None = None, **changes: int) -> None:
    spool.note(Reference(**about(row) | changes), link, "", AGENT, "192.0.2.1")


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    active_campaign(1)
    return SendLog.objects.get()


def test_a_hit_becomes_an_event_with_all_that_is_known(row: SendLog) -> None:
    note(row, 2)
    assert reactions.take_in() == 1
    event = Event.objects.get()
    assert (event.type, event.source, event.link, event.verdict) == ("clicked", "tracker", 2, "person")
    assert (event.user_agent, event.ip, event.detail) == (AGENT, "192.0.2.1", "")
    assert (event.workspace_id, event.customer_id, event.sendlog_id) == (
        row.workspace_id,
        row.customer_id,
        row.pk,
    )
    assert event.applied_at is not None


@pytest.mark.parametrize("wrong", ["workspace_id", "customer_id", "row_id"])
def test_a_hit_about_no_mail_of_ours_leaves_no_trace(row: SendLog, wrong: str) -> None:
    other = CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    foreign = {"workspace_id": other.workspace_id, "customer_id": other.pk, "row_id": 10**9}
    note(row, 1, **{wrong: foreign[wrong]})
    assert reactions.take_in() == 0
    assert not Event.objects.exists() and spool.is_empty()


def test_a_customer_who_is_gone_is_not_watched_any_more(row: SendLog) -> None:
    note(row)
    row.customer.delete()
    assert reactions.take_in() == 0


def test_what_is_taken_in_twice_is_kept_once(row: SendLog) -> None:
    for link in (None, 1, 2):
        note(row, link)
    [chunk] = spool.chunks(100)
    assert [len(events.record_hits(chunk)) for _ in range(3)] == [3, 0, 0]
    assert Event.objects.count() == 3


def test_a_database_that_fails_loses_nothing(row: SendLog, monkeypatch: pytest.MonkeyPatch) -> None:
    note(row)
    with monkeypatch.context() as patch:
        patch.setattr(events, "record_hits", lambda hits: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reactions.take_in()
    note(row)
    assert reactions.take_in() == 2


def test_a_large_spool_is_taken_in_some_at_a_time(row: SendLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "CHUNK", 4)
    for _ in range(7):
        note(row)
    taken = []
    while not spool.is_empty():
        taken.append(reactions.take_in(seconds=0))
    assert sum(taken) == 7 and max(taken) == 2


def test_an_empty_spool_costs_no_query(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert reactions.take_in() == 0
    assert len(queries) == 0


def test_many_hits_take_as_many_queries_as_one(active_campaign: MakeCampaign) -> None:
    active_campaign(20)
    rows = list(SendLog.objects.all())
    counts = []
    for some in (rows[:1], rows):
        for row in some:
            note(row)
        with CaptureQueriesContext(connection) as queries:
            assert reactions.take_in() == len(some)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_an_earlier_click_is_judged_again_when_a_burst_shows(row: SendLog) -> None:
    note(row, 1)
    reactions.take_in()
    assert Event.objects.get().verdict == "person"
    note(row, 2)
    note(row, 3)
    reactions.take_in()
    assert set(Event.objects.values_list("verdict", "verdict_reason")) == {("scanner", "burst")}


def test_a_mail_that_was_seen_had_been_accepted(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    SendLog.objects.update(status="unknown", reason="lost")
    Progress.objects.filter(pk=campaign.pk).update(unknown=1)
    note(SendLog.objects.get())
    reactions.take_in()
    assert SendLog.objects.get().status == "sent"
    assert Progress.objects.get().unknown == 0


def test_a_process_that_died_before_that_is_made_up_for(active_campaign: MakeCampaign) -> None:
    campaign = active_campaign(1)
    SendLog.objects.update(status="unknown", reason="lost")
    Progress.objects.filter(pk=campaign.pk).update(unknown=1)
    note(SendLog.objects.get())
    [chunk] = spool.chunks(10)
    events.record_hits(chunk)
    assert unknown.rows(campaign).count() == 1
    feedback.apply_left_over()
    assert unknown.rows(campaign).count() == 0


def test_nobody_is_opted_out_by_an_open_or_a_click(row: SendLog) -> None:
    note(row)
    note(row, 1)
    reactions.take_in()
    row.refresh_from_db()
    assert (row.outcome, row.customer.subscribed) == ("", True)


def test_a_worker_takes_in_also_while_sending_is_off(row: SendLog, settings: object) -> None:
    settings.ENABLE_EMAIL_SCHEDULER = False  # type: ignore[attr-defined]
    note(row)
    with Worker() as worker:
        assert worker.run_once()
        assert not worker.run_once()
    assert Event.objects.count() == 1
