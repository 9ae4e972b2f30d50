"""The whole pipeline under a machine that does everything to it, in any order, on the real database.

For a long run: PIPELINE_EXAMPLES=2000 pytest tests/delivery/test_pipeline_machine.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import Settings

from campaigns import lifecycle
from delivery import breaker, fill, handover, unknown
from delivery.models import SendLog
from delivery.transports.base import Answer, Leaving, Mail, Verdict
from tests.delivery.hand import LONG
from tests.delivery.pipeline import CUSTOMERS, STEPS, Pipeline
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, UserFactory

EXAMPLES = int(os.environ.get("PIPELINE_EXAMPLES", "40"))


class Accepting:
    """A provider in good order, for when everything has calmed down."""

    machine: Pipeline

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        for mail in mails:
            leaving(mail.row_id)
            self.machine.note_acceptance(mail.row_id, SendLog.objects.get(pk=mail.row_id).fence)
            yield Answer(mail.row_id, Verdict.ACCEPTED)

    def close(self) -> None:
        pass


@pytest.fixture
def standing_clock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """No step depends on how fast the machine is: time passes when a rule says so."""
    for name in ("PATIENCE_SECONDS", "SETTLE_SECONDS", "PORTION_SECONDS"):
        monkeypatch.setattr(handover, name, LONG)
    for name in ("FIRST_SECONDS", "LONGEST_SECONDS"):
        monkeypatch.setattr(breaker, name, 3600.0)
    monkeypatch.setattr(handover, "FIRST_PORTION", 2)
    monkeypatch.setattr(fill, "PAGE", 3)
    settings.SEND_BATCH_SIZE = 2


@pytest.fixture
def new_machine(db: None, standing_clock: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Pipeline]:
    """Makes machines on one active campaign, whose ledger is as empty each time."""
    CustomerFactory.create_batch(CUSTOMERS)
    UserFactory()
    lifecycle.activate(CampaignFactory(senders=[SenderFactory(), SenderFactory()]))
    provider = Accepting()
    monkeypatch.setattr(handover, "transport_for", lambda sender: provider)

    def make() -> Pipeline:
        provider.machine = Pipeline()
        return provider.machine

    return make


@pytest.fixture
def machine(new_machine: Callable[[], Pipeline]) -> Iterator[Pipeline]:
    """A machine to be taken through one story by hand, its ledger filled."""
    machine = new_machine()
    machine.fill_some_pages(3)
    yield machine
    machine.teardown()


def test_whatever_happens_nobody_is_mailed_twice_and_nobody_is_lost(
    new_machine: Callable[[], Pipeline],
) -> None:
    effort = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(new_machine, settings=effort)


def test_journal_of_a_dead_worker_takes_no_mail_from_the_worker_that_has_it_now(machine: Pipeline) -> None:
    machine.send_to_a_provider_in_trouble(0, Verdict.NOT_SENT, settled=True)
    machine.let_time_pass(mended=False)
    machine.try_one(1, Verdict.ACCEPTED)
    machine.die(0, "any", recovered=True)
    machine.look()


def test_thawed_worker_takes_no_mail_that_was_sent_again_meanwhile(machine: Pipeline) -> None:
    machine.pull(0)
    machine.leave(0)
    machine.let_leases_end()
    machine.look()
    machine.settle_the_unknown(unknown.send_again, None)
    machine.try_one(1, Verdict.ACCEPTED)
    machine.look()
    machine.answer(0, Verdict.NOT_SENT)
    machine.settle(0)
    machine.look()


def test_thawed_worker_that_gets_a_mail_anew_takes_no_old_answer_for_a_new_one(machine: Pipeline) -> None:
    machine.try_one(0, Verdict.NOT_SENT)
    machine.let_leases_end()
    machine.look()
    machine.settle_the_unknown(unknown.send_again, 0)
    for _ in range(len(machine.rows) + 1):
        machine.try_one(0, Verdict.ACCEPTED)
        machine.look()
    machine.settle(0)
    machine.look()


def test_journal_of_a_claim_that_was_never_committed_takes_no_mail_from_the_next(machine: Pipeline) -> None:
    machine.die(0, "claiming", recovered=False)
    machine.pull(1)
    machine.leave(1)
    machine.mend(journals=True)
    machine.answer(1, Verdict.ACCEPTED)
    machine.look()
