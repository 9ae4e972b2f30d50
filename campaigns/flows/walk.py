"""Flows: people who are in hand go their way, together, until each waits, is to be mailed or has ended.

A walk goes through a version step by step with everybody who stands there, and asks the database once a
step, never once a person. What it decides is written by the caller (people.write).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from campaigns.flows import conditions, shares, updates
from campaigns.flows.people import Party, Reason, State
from campaigns.flows.steps import Condition, Exit, Jump, Program, Send, Split, Step, Update, WaitFor
from campaigns.models import Campaign

Parties = list[Party]


class Walk:
    """One version of one campaign's flow, gone by some people at one moment."""

    def __init__(
        self, campaign: Campaign, program: Program, now: datetime, skip_before: datetime | None
    ) -> None:
        self.passed: Counter[int] = Counter()
        self.left: Counter[int] = Counter()
        # Where everybody has come to, when the walk is over.
        self.ends: Parties = []
        self._campaign = campaign
        self._flow = campaign.flow_id or 0
        self._program = program
        self._now = now
        self._skip_before = skip_before
        self._arrived: dict[int, Parties] = defaultdict(list)

    def go(self, parties: Iterable[Party]) -> None:
        """Move people on who are due: who arrives begins their step, who has waited leaves theirs."""
        waited: dict[int, Parties] = defaultdict(list)
        for party in parties:
            if party.zone is None:
                self._leave(party, Reason.DELETED)
            elif party.state == State.ARRIVING:
                self._arrived[party.step].append(party)
            else:
                waited[party.step].append(party)
        for key, some in waited.items():
            self._go_on(self._program.steps[key], some)
        self._walk()

    def happened(self, parties: Iterable[Party]) -> None:
        """Move people on for whom that has happened which they have waited for."""
        for party in parties:
            self._pass(self._program.steps[party.step], party, "yes", "happened")
        self._walk()

    def _walk(self) -> None:
        while self._arrived:
            key, parties = self._arrived.popitem()
            self._begin(self._program.steps[key], parties)

    # --- Beginning a step ----------------------------------------------------------------------------

    def _begin(self, step: Step, parties: Parties) -> None:
        for party in parties:
            party.step = step.key
        match step.what:
            case Send():
                self._send(step, step.what, parties)
            case Condition():
                self._part(step, parties, step.what.criteria, yes="yes", no="no")
            case WaitFor():
                self._wait_for(step, step.what, parties)
            case Split():
                self._split(step, step.what, parties)
            case Update():
                updates.apply(step.what, [pk for party in parties for pk in party.members.values()])
                for party in parties:
                    self._pass(step, party, "next", "updated")
            case Jump():
                self._jump(step.what, parties)
            case Exit():
                self._finish(parties)
            case _:
                self._wait(step, parties)

    def _send(self, step: Step, send: Send, parties: Parties) -> None:
        """Make a mail due, unless it is past its cutoff, or was overdue when that was to be skipped."""
        for party in parties:
            if reason := self._too_late(send, party):
                self._pass(step, party, "next", "skipped", why=reason)
            else:
                party.note("mail")
                self._rest(party, State.READY, party.base)

    def _too_late(self, send: Send, party: Party) -> str:
        if self._skip_before is not None and party.was_due < self._skip_before:
            return "overdue"
        if send.cutoff is not None and self._now > party.was_due + timedelta(minutes=send.cutoff):
            return "cutoff"
        return ""

    def _wait(self, step: Step, parties: Parties) -> None:
        for party in parties:
            until = step.what.end(party.base, party.zone)
            if until <= party.base:
                self._pass(step, party, "next")
            else:
                self._wait_until(party, until)

    def _wait_for(self, step: Step, wait: WaitFor, parties: Parties) -> None:
        for party, met in self._parted(parties, wait.criteria):
            if met:
                self._pass(step, party, "yes", "happened")
            elif party.zone is not None:
                self._wait_until(party, wait.at_most.end(party.base, party.zone))

    def _wait_until(self, party: Party, until: datetime) -> None:
        party.note("waits", until=until.isoformat())
        self._rest(party, State.WAITING, until)

    def _split(self, step: Step, split: Split, parties: Parties) -> None:
        for party in parties:
            branches: dict[int, list[int]] = defaultdict(list)
            for pk, customer in party.members.items():
                branches[shares.branch(self._flow, step.key, customer, split.weights)].append(pk)
            for number, ids in branches.items():
                name = split.names[number] or str(number + 1)
                self._pass(step, party.part(ids), str(number), "branch", which=name)

    def _jump(self, jump: Jump, parties: Parties) -> None:
        for party in parties:
            self.passed[party.step] += len(party)
            party.begin_round()
            party.note("jumped")
            self._arrived[jump.to].append(party)

    def _finish(self, parties: Parties) -> None:
        for party in parties:
            self.passed[party.step] += len(party)
            party.note("finished")
            self._rest(party, State.FINISHED, party.base)

    # --- Leaving a step ------------------------------------------------------------------------------

    def _go_on(self, step: Step, parties: Parties) -> None:
        """Who has waited leaves the step; one last look whether what was waited for has happened."""
        if isinstance(step.what, WaitFor):
            self._part(step, parties, step.what.criteria, yes="happened", no="timed_out")
            return
        for party in parties:
            self._pass(step, party, "next")

    def _part(self, step: Step, parties: Parties, criteria: object, *, yes: str, no: str) -> None:
        for party, met in self._parted(parties, criteria):
            self._pass(step, party, "yes" if met else "no", yes if met else no)

    def _parted(self, parties: Parties, criteria: object) -> Iterable[tuple[Party, bool]]:
        """The parties as those who meet the criteria and those who do not. One query."""
        ids = [pk for party in parties for pk in party.members]
        met = conditions.who_meets(self._campaign.workspace, criteria, ids, self._now)
        for party in parties:
            for is_met, some in ((True, party.members.keys() & met), (False, party.members.keys() - met)):
                if some:
                    yield party.part(some), is_met

    def _pass(self, step: Step, party: Party, outcome: str, did: str = "", **more: Any) -> None:
        if did:
            party.note(did, **more)
        self.passed[step.key] += len(party)
        self._arrived[step.exits[outcome]].append(party)

    def _rest(self, party: Party, state: State, due: datetime) -> None:
        party.rest(state, due)
        self.ends.append(party)

    def _leave(self, party: Party, reason: Reason) -> None:
        self.left[party.step] += len(party)
        party.leave(reason)
        self.ends.append(party)
