"""A worker of the pipeline machine, that stops wherever the machine wants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress

from django.utils import timezone

from campaigns.models import Campaign
from delivery import breaker, limits
from delivery.claim import Claim, claim
from delivery.handover import Hands, _Stream
from delivery.journal import Journal
from delivery.lanes import due_lanes
from delivery.transports.base import Answer, Mail, Verdict

# The turn does not end by itself.
LONG = 1e9
LIVES = itertools.count()


class Killed(BaseException):
    """The worker's process is gone."""


class Hand:
    """A worker, taken through a turn a step at a time: the machine stands where the transport does."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._begin()

    def _begin(self) -> None:
        """Begin a life: a new process, with a name of its own and nothing in hand."""
        self._name = f"w{self._number}-{next(LIVES)}"
        self._hands: Hands | None = None
        self._stream: _Stream | None = None
        self._mails: Iterator[Mail] = iter(())
        # Built, but not on its way yet.
        self.pulled: list[Mail] = []
        # On its way, without an answer: row -> fence.
        self.left: dict[int, int] = {}

    @property
    def hands(self) -> Hands:
        self._hands = self._hands or Hands(self._name, Journal(self._name), limits.limiter())
        return self._hands

    def pull(self, campaign: Campaign) -> None:
        """Pull the next mail, in a new turn if need be; the turn ends when there is none."""
        if self._stream is None:
            lanes = due_lanes(Campaign.objects.active().filter(pk=campaign.pk), timezone.now())
            if not lanes or (lanes[0].on_probation and not breaker.may_probe(lanes[0].sender)):
                return
            self._lane = lanes[0]
            self._stream = _Stream(self._lane, self.hands, limits.Rules(self._lane.sender.pk), LONG)
            self._mails = self._stream.mails()
        mail = next(self._mails, None)
        if mail is not None:
            self.pulled.append(mail)
        elif not (self.pulled or self.left):
            self._stream.finish()
            if self._lane.on_probation and self._stream.answers and self._stream.trouble is None:
                breaker.recovered(self._lane.sender)
            self._stream = None

    def leave(self) -> None:
        assert self._stream is not None
        mail = self.pulled.pop()
        self._stream.leaving(mail.row_id)
        self.left[mail.row_id] = self._stream._in_hand[mail.row_id].fence

    def answered(self, row_id: int, verdict: Verdict) -> None:
        assert self._stream is not None
        del self.left[row_id]
        self._stream.answered(Answer(row_id, verdict, error="" if verdict is Verdict.ACCEPTED else "no"))

    def settle(self) -> None:
        if self._stream is not None:
            self._stream._settle()

    def die_in_claim(self, campaign: Campaign) -> None:
        """Die when the rows are noted and the gate has not committed."""

        def admit(claims: list[Claim]) -> int:
            self.hands.journal.took(claims)
            raise Killed

        for lane in due_lanes(Campaign.objects.active().filter(pk=campaign.pk), timezone.now()):
            with suppress(Killed):
                claim(lane, lane.providers[0], self._name, 2, admit)
        self.die()

    def die(self, *, building: bool = False) -> dict[int, int]:
        """Leave everything as it is; the mails that are on their way and may still be accepted."""
        if building and self.pulled:
            self.hands.journal.building(self.pulled[-1].row_id)
        if self._hands is not None:
            self._hands.journal.abandon()
        left = self.left
        self._begin()
        return left
