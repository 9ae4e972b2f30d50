"""Reports equal a recount from the raw rows, whatever the order in which things happened.

For a long run: HISTORY_EXAMPLES=500 pytest tests/analytics/test_roll_up_property.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from analytics import ledger_sums, models, retention, roll_up
from analytics.reactions import COUNTED
from audience.models import CustomerEvent
from delivery.models import Event, Progress, SendLog
from tests.analytics.history import (
    DOMAINS,
    all_counted,
    counted_goals,
    counted_ledger,
    counted_reactions,
    did,
    event,
    mail,
    recounted_goals,
    recounted_ledger,
    recounted_reactions,
)
from tests.factories import CampaignFactory, SenderFactory

EXAMPLES, STEPS = int(os.environ.get("HISTORY_EXAMPLES", "12")), 20
TYPES = st.sampled_from(["opened", "clicked"]) | st.sampled_from(["delivered", *COUNTED])
VERDICTS = st.sampled_from(["", *Event.Verdict.values])
MINUTES = st.integers(-90, 60 * 24 * 3)
STATUSES = st.sampled_from(SendLog.Status.values)
PICK = st.integers(0, 10**6)
BOUNCES = st.sampled_from(["", *Event.Bounce.values])
DETAILS = st.sampled_from(["", "550 5.1.1 unknown", "452-4.2.2 full", "550 no further code", "no code"])


class Fact(NamedTuple):
    """Something that comes back about one of the mails."""

    which: int
    type: str
    verdict: str
    minutes: int
    link: int
    bounce: str
    detail: str


FACTS = st.builds(Fact, PICK, TYPES, VERDICTS, MINUTES, st.integers(0, 3), BOUNCES, DETAILS)


class History(RuleBasedStateMachine):
    """Mails move, events arrive and are judged anew, old ones are pruned; somebody counts in between."""

    @initialize()
    def begin(self) -> None:
        senders = [SenderFactory(), SenderFactory()]
        goal = {"goal_event": "order_placed", "goal_days": 1, "goal_value": "total"}
        self.campaigns = [CampaignFactory(senders=senders, **goal), CampaignFactory(senders=senders)]
        self.rows: list[SendLog] = []
        for campaign in self.campaigns:
            Progress.objects.create(campaign=campaign)
            for status in (SendLog.Status.SENT, SendLog.Status.QUEUED, SendLog.Status.UNKNOWN):
                self.rows.append(mail(campaign, status=status))
        self.pruned: list[Event] = []

    @rule(which=PICK, provider=st.sampled_from(sorted(DOMAINS)), status=STATUSES, step=st.integers(1, 2))
    def fill(self, which: int, provider: str, status: str, step: int) -> None:
        campaign = self.campaigns[which % 2]
        sender = list(campaign.senders.order_by("pk"))[which // 2 % 2]
        at = timezone.now() if status == SendLog.Status.SENT else None
        self.rows.append(
            mail(
                campaign,
                sender=sender,
                mailbox_provider=provider,
                status=status,
                step=step,
                sent_at=at,
                round=len(self.rows) + 1,
                customer=self.rows[which % len(self.rows)].customer,
            )
        )
        self._moved(campaign.pk)

    @rule(which=PICK, to=STATUSES)
    def move(self, which: int, to: str) -> None:
        open_rows = SendLog.objects.filter(status__in=[*SendLog.OPEN, SendLog.Status.UNKNOWN]).order_by("pk")
        if found := list(open_rows):
            row = found[which % len(found)]
            SendLog.objects.filter(pk=row.pk).update(status=to, sent_at=timezone.now())
            self._moved(row.campaign_id)

    @rule(happened=st.lists(FACTS, min_size=1, max_size=6))
    def happen(self, happened: list[Fact]) -> None:
        for fact in happened:
            columns = {"link": fact.link or None} if fact.type == "clicked" else {}
            row = self.rows[fact.which % len(self.rows)]
            event(
                row,
                fact.type,
                minutes=fact.minutes,
                verdict=fact.verdict,
                bounce=fact.bounce,
                detail=fact.detail,
                **columns,
            )

    @rule(which=PICK, minutes=MINUTES, total=st.sampled_from([0.1, 0.2, 9, "x"]))
    def do(self, which: int, minutes: int, total: Any) -> None:
        """Somebody does elsewhere what a campaign is for, before or after its mail and a click."""
        did(self.rows[which % len(self.rows)], minutes, total=total)

    @rule(which=PICK, type_=TYPES)
    def forge(self, which: int, type_: str) -> None:
        """An event that names another customer than its mail's counts for nobody."""
        event(self.rows[which % len(self.rows)], type_, verdict="person", customer_id=0)

    @rule(which=PICK, verdict=VERDICTS)
    def judge_anew(self, which: int, verdict: str) -> None:
        judged = Event.objects.filter(type__in=["opened", "clicked"]).order_by("pk")
        ids = list(judged.values_list("pk", flat=True))[which % 2 :: 2]
        Event.objects.filter(pk__in=ids).update(verdict=verdict, rejudged_at=timezone.now())

    @rule()
    def count(self) -> None:
        roll_up.run()
        self._agrees()

    @rule()
    def count_twice(self) -> None:
        roll_up.run()
        once = all_counted()
        roll_up.run()
        assert all_counted() == once

    @rule()
    def rebuild(self) -> None:
        roll_up.run()
        before = all_counted()
        roll_up.rebuild()
        assert all_counted() == before
        self._agrees()

    @rule()
    def prune(self) -> None:
        roll_up.run()
        before, old = all_counted(), Event.objects.filter(type__in=retention.PRUNED)
        self.pruned += list(old.all())
        retention.prune(timezone.now() + timedelta(days=1))
        assert not old.exists()
        assert all_counted() == before

    @invariant()
    def sums_are_the_reactions(self) -> None:
        """Also in between two counts, whatever was pruned."""
        mails, events, hours = counted_reactions()
        reactions = list(models.Reaction.objects.filter(events__gt=0))
        people = [each for each in reactions if each.people_events]
        assert sum(mails.values()) == len(reactions) + len(people)
        assert sum(events.values()) == sum(each.events + each.people_events for each in reactions)
        assert sum(hours.values()) == sum(not each.link for each in [*reactions, *people])

    def _agrees(self) -> None:
        assert counted_ledger() == recounted_ledger()
        assert counted_reactions() == recounted_reactions(self.pruned)
        assert counted_goals() == recounted_goals()

    def _moved(self, campaign_id: int) -> None:
        """As the pipeline does: the sums move with the rows."""
        with transaction.atomic():
            Progress.objects.filter(pk=campaign_id).update(matched=0)


@pytest.fixture
def new_machine(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], History]:
    """Makes histories on empty tables, with blocks of four rows that are counted as often as they move."""
    monkeypatch.setattr(ledger_sums, "BLOCK", 4)
    monkeypatch.setattr(ledger_sums, "REST", 0)
    # Nobody else writes to the test's database.
    derived = list(apps.get_app_config("analytics").get_models())

    def make() -> History:
        for model in (Event, CustomerEvent, SendLog, Progress, *derived):
            model._base_manager.all().delete()
        return History()

    return make


def test_reports_equal_a_recount_from_the_raw_rows(new_machine: Callable[[], History]) -> None:
    effort = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(new_machine, settings=effort)
