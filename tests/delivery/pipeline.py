"""The pipeline machine: everything that can happen to a campaign, and what must hold after each of it.

Workers are taken through their turns a step at a time and die at any of them; the provider accepts,
refuses, is silent or accepts without a word; people pause, end, suppress, complain and settle what is
unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audience import suppression
from audience.models import Customer, Suppression
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery import feedback, fill, finish, journal, senders, sweep, unknown
from delivery.models import Circuit, Event, Progress, SenderDay, SendLog
from delivery.tokens import Reference
from delivery.transports.base import Verdict
from delivery.worker import Worker
from tests.delivery.hand import Hand
from tests.factories import CustomerFactory

STEPS = 50
CUSTOMERS = 4
WORKERS = st.integers(0, 1)
PICKS = st.integers(0, 3)
# A row in one of these stays there.
ENDS = {"sent", "failed", "suppressed", "cancelled"}
# Nearly all mails are accepted, or refused for a while.
VERDICTS = st.sampled_from([Verdict.NOT_SENT, Verdict.NOT_SENT, Verdict.UNKNOWN, *Verdict])


class Row(NamedTuple):
    """What is looked at of a ledger row."""

    pk: int
    customer_id: int
    status: str
    reason: str
    fence: int
    outcome: str


class Pipeline(RuleBasedStateMachine):
    """One campaign, two senders, two workers, and all that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.campaign = Campaign.objects.get()
        self.person = User.objects.get()
        self.workers = [Hand(0), Hand(1)]
        # Row -> the fences under which the provider accepted it, and the fences that choices gave it.
        self.accepted: dict[int, list[int]] = {}
        self.chosen: dict[int, list[int]] = {}
        # Mails of dead workers that may still reach the provider: (row, fence).
        self.adrift: list[tuple[int, int]] = []
        # Customers whom nothing may be sent any more.
        self.refused: set[int] = set()
        self.rows: dict[int, Row] = {}
        self.status = "active"
        self.steps = 0
        self.is_filled = False
        self.has_calmed_down = False

    def teardown(self) -> None:
        for worker in self.workers:
            worker.die()
        for path in journal.directory().iterdir():
            path.unlink()
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- Workers and the provider ------------------------------------------------------------------

    @initialize(pages=st.sampled_from([3, 3, 3, 1]))
    def fill_some_pages(self, pages: int) -> None:
        for _ in range(pages):
            fill.fill_page(self.campaign)

    @precondition(lambda self: not self.is_filled)
    @rule()
    def fill_a_page(self) -> None:
        self.is_filled = not fill.fill_page(self.campaign) and self.status == "active"

    @rule(number=WORKERS, mails=st.integers(1, 3), settled=st.booleans())
    def send(self, number: int, mails: int, settled: bool) -> None:
        """Some mails from the claim to the answer at once, so that long stories fit into few steps."""
        for _ in range(mails):
            self.try_one(number, Verdict.ACCEPTED)
        if settled:
            self.settle(number)

    @rule(number=WORKERS, verdict=VERDICTS, settled=st.booleans())
    def send_to_a_provider_in_trouble(self, number: int, verdict: Verdict, settled: bool) -> None:
        self.try_one(number, verdict)
        if settled:
            self.settle(number)

    def try_one(self, number: int, verdict: Verdict) -> None:
        self.pull(number)
        self.leave(number)
        self.answer(number, verdict)

    @rule(
        number=WORKERS,
        step=st.sampled_from(["pull", "leave", "accept", "answer", "settle"]),
        verdict=VERDICTS,
    )
    def take_a_step(self, number: int, step: str, verdict: Verdict) -> None:
        match step:
            case "answer":
                self.answer(number, verdict)
            case _:
                getattr(self, step)(number)

    def pull(self, number: int) -> None:
        self.workers[number].pull(self.campaign)

    def leave(self, number: int) -> None:
        if self.workers[number].pulled:
            self.workers[number].leave()

    def accept(self, number: int) -> None:
        """The provider accepts what is on its way, and says nothing yet."""
        for row_id, fence in self.workers[number].left.items():
            self.note_acceptance(row_id, fence)

    def answer(self, number: int, verdict: Verdict) -> None:
        """The provider answers; what it has accepted it does not refuse, but it may fall silent."""
        worker = self.workers[number]
        for row_id, fence in list(worker.left.items())[:1]:
            if self.is_accepted(row_id, fence) and verdict is not Verdict.UNKNOWN:
                verdict = Verdict.ACCEPTED
            if verdict is Verdict.ACCEPTED:
                self.note_acceptance(row_id, fence)
            worker.answered(row_id, verdict)

    def settle(self, number: int) -> None:
        self.workers[number].settle()

    @rule(number=WORKERS, moment=st.sampled_from(["any", "building", "claiming"]), recovered=st.booleans())
    def die(self, number: int, moment: str, recovered: bool) -> None:
        worker = self.workers[number]
        self.adrift += [item for item in worker.left.items() if not self.is_accepted(*item)]
        if moment == "claiming":
            worker.die_in_claim(self.campaign)
        else:
            worker.die(building=moment == "building")
        if recovered:
            sweep.recover()

    @precondition(lambda self: self.adrift)
    @rule()
    def accept_a_dead_workers_mail(self) -> None:
        self.note_acceptance(*self.adrift.pop())

    # --- Time and the sweeps -----------------------------------------------------------------------

    @rule(mended=st.booleans())
    def let_time_pass(self, mended: bool) -> None:
        SendLog.objects.filter(status="queued").update(due_at=timezone.now() - timedelta(hours=1))
        Circuit.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        if mended:
            Sender.objects.update(state=Sender.State.READY)

    @precondition(lambda self: self.has("sending"))
    @rule()
    def let_leases_end(self) -> None:
        over = timezone.now() - timedelta(seconds=1)
        SendLog.objects.filter(lease_until__isnull=False).update(lease_until=over)
        sweep.expire_leases()

    @rule(journals=st.booleans())
    def mend(self, journals: bool) -> None:
        if journals:
            sweep.recover()
        sweep.cancel_rows_of_ended_campaigns()
        senders.relieve_stopped()
        feedback.apply_left_over()
        finish.finish_done_campaigns()

    # --- People and what comes back ----------------------------------------------------------------

    @precondition(lambda self: self.accepted and self.status in ("active", "paused"))
    @rule()
    def pause_or_resume(self) -> None:
        (lifecycle.pause if self.status == "active" else lifecycle.resume)(self.campaign)

    @precondition(lambda self: self.steps > STEPS // 2 and self.status in ("active", "paused"))
    @rule(act=st.sampled_from([lifecycle.complete, lifecycle.cancel]))
    def end(self, act: Callable[[Campaign], None]) -> None:
        act(self.campaign)

    @precondition(lambda self: not self.is_filled)
    @rule()
    def somebody_joins(self) -> None:
        CustomerFactory()

    @precondition(lambda self: len(self.refused) < 2)
    @rule(pick=PICKS, how=st.sampled_from(["suppress", "unsubscribe", "delete"]))
    def somebody_goes(self, pick: int, how: str) -> None:
        people = list(Customer.objects.order_by("pk"))
        person = people[pick % len(people)]
        if how == "suppress":
            suppression.suppress(person.workspace, person.email, Suppression.Reason.MANUAL)
        elif how == "unsubscribe":
            # By the link in a mail of long ago, whose row is gone.
            about = Reference(person.workspace_id, person.pk, 10**9 + person.pk)
            feedback.unsubscribe(about, Event.Source.LINK)
        else:
            Customer.objects.filter(pk=person.pk).delete()
        self.refused.add(person.pk)

    @precondition(lambda self: self.accepted)
    @rule(pick=PICKS, type_=st.sampled_from(sorted(set(Event.Type))), permanent=st.booleans())
    def something_comes_back(self, pick: int, type_: Event.Type, permanent: bool) -> None:
        row = self.rows[list(self.accepted)[pick % len(self.accepted)]]
        forged = Reference(self.campaign.workspace_id, row.customer_id + 1, row.pk)
        assert not feedback.report(forged, type_, bounce="hard" if permanent else "")
        feedback.report(row.pk, type_, bounce="hard" if permanent else "")
        if type_ in feedback.OPT_OUTS or (type_ == Event.Type.BOUNCED and permanent):
            self.refused.add(row.customer_id)

    @precondition(lambda self: self.has("unknown"))
    @rule(act=st.sampled_from([unknown.send_again, unknown.count_as_sent]), pick=st.none() | PICKS)
    def settle_the_unknown(self, act: Callable[..., int], pick: int | None) -> None:
        doubtful = sorted(row.pk for row in self.rows.values() if row.status == "unknown")
        ids = None if pick is None else [doubtful[pick % len(doubtful)]]
        with suppress(unknown.CannotSendAgain):
            act(self.campaign, self.person, ids)
        for row in SendLog.objects.filter(pk__in=doubtful, status="queued"):
            self.chosen.setdefault(row.pk, []).append(row.fence)

    @precondition(lambda self: self.steps > STEPS * 3 // 4 and not self.has_calmed_down)
    @rule()
    def everything_calms_down(self) -> None:
        """The faults are over: whoever is left is sent to, and the campaign comes to its end."""
        self.has_calmed_down = True
        for number in range(len(self.workers)):
            self.die(number, "any", recovered=True)
        self.let_leases_end()
        self.let_time_pass(mended=True)
        with suppress(lifecycle.InvalidTransition):
            lifecycle.resume(self.campaign)
        self.look()
        with Worker() as worker:
            worker.run_until_idle()
        self.mend(journals=True)
        assert not SendLog.objects.filter(status__in=SendLog.OPEN).exists()
        self.campaign.refresh_from_db()
        assert self.campaign.status in ("completed", "failed", "cancelled")

    # --- What must be true after each step -----------------------------------------------------------

    @invariant()
    def look(self) -> None:
        found = SendLog.objects.values_list(*Row._fields)
        rows = {row[0]: Row(*row) for row in found}
        for row in rows.values():
            self.compare(self.rows.get(row.pk), row)
            self.fits_what_was_accepted(row)
        assert rows.keys() >= self.rows.keys()
        if rows != self.rows:
            self.sums_fit(rows)
        self.rows = rows
        self.steps += 1
        self.status = Campaign.objects.values_list("status", flat=True).get()

    def compare(self, before: Row | None, after: Row) -> None:
        if before is None:
            return
        assert after.fence >= before.fence, "the fence never falls"
        assert before.status not in ENDS or after.status == before.status, "an end is an end"
        ranks = feedback.RANKS
        assert ranks.get(after.outcome, 0) >= ranks.get(before.outcome, 0), "the outcome moves forward"
        if after.status == "sending" and after.fence > before.fence:
            assert self.status == "active", "nothing is taken of a campaign that is not active"
            assert after.customer_id not in self.refused, "who was refused before is not sent to"

    def fits_what_was_accepted(self, row: Row) -> None:
        fences = sorted(self.accepted.get(row.pk, []))
        choices = self.chosen.get(row.pk, [])
        # The claim that a row is in counts like one that was accepted: its mail may leave at any moment.
        claims = [*fences, row.fence] if row.status == "sending" and row.fence not in fences else fences
        for earlier, later in zip(claims, claims[1:], strict=False):
            assert any(earlier < choice < later for choice in choices), "accepted once, unless somebody chose"
        if fences and not any(choice > fences[-1] for choice in choices):
            assert row.status in ("sending", "sent", "unknown"), "what was accepted is known as such"
        if row.status == "sent" and row.reason != "counted":
            assert fences, "what counts as sent was accepted"

    def sums_fit(self, rows: dict[int, Row]) -> None:
        progress = Progress.objects.filter(pk=self.campaign.pk).first() or Progress(campaign=self.campaign)
        counts = Counter(row.status for row in rows.values())
        assert progress.matched == len(rows)
        for status in (*ENDS, "unknown"):
            assert getattr(progress, status) == counts[status]
        considered = set(Customer.objects.filter(pk__lte=progress.cursor).values_list("pk", flat=True))
        # Who unsubscribed before their page was filled is not in the audience any more.
        assert considered - self.refused <= {row.customer_id for row in rows.values()}, "nobody is lost"
        assert sum(SenderDay.objects.values_list("sent", flat=True)) == counts["sent"]

    def has(self, status: str) -> bool:
        return any(row.status == status for row in self.rows.values())

    # --- The provider's own record ---------------------------------------------------------------------

    def is_accepted(self, row_id: int, fence: int) -> bool:
        return fence in self.accepted.get(row_id, [])

    def note_acceptance(self, row_id: int, fence: int) -> None:
        if not self.is_accepted(row_id, fence):
            self.accepted.setdefault(row_id, []).append(fence)
