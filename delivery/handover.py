"""One lane's turn, stages 4 to 8 of the pipeline as a stream: claim, build, hand over, settle.

The transport pulls mails as its connections become free; what it pulls is claimed in small portions
at the last moment and built there and then, and answers are settled in batches while others are on
their way. The order is what makes "at most once" true: `sending` is committed before the network is
touched, each mail is in the journal before it leaves, and no transaction is open meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error

from campaigns.content import RenderError
from campaigns.models import Sender
from delivery import breaker, limits, recipients, senders, unknown
from delivery.claim import Claim, Passed, claim
from delivery.journal import Journal
from delivery.lanes import Lane
from delivery.message import Builders, Recipient
from delivery.models import SendLog
from delivery.settle import Settlement, from_answer, settle
from delivery.transports import SenderUnusable, transport_for
from delivery.transports.base import Answer, Mail, Transport, Verdict

logger = logging.getLogger(__name__)

Status = SendLog.Status
Reason = SendLog.Reason

# A portion is what goes out in so many seconds, by the sender's rate so far, and is given up after so
# many: a pause waits no longer.
PORTION_SECONDS = 0.5
PATIENCE_SECONDS = 3.0
FIRST_PORTION = 50
# Answers are settled when there are so many, or the last time is so long ago.
SETTLE_ROWS = 1000
SETTLE_SECONDS = 0.25


@dataclass
class Hands:
    """What a worker keeps from turn to turn: its journal, and one open transport per sender."""

    worker: str
    journal: Journal
    limiter: limits.Limiter
    transports: dict[int, tuple[Sender, Transport]] = field(default_factory=dict)
    # Mails a second, by sender, as the last turn had it.
    rates: dict[int, float] = field(default_factory=dict)

    def transport(self, sender: Sender) -> Transport:
        """The open transport of a sender; a new one when its settings have changed. Raises SenderUnusable."""
        known, transport = self.transports.get(sender.pk, (None, None))
        if transport is None or known is None or _way_out(known) != _way_out(sender):
            if transport is not None:
                transport.close()
            transport = transport_for(sender)
            self.transports[sender.pk] = sender, transport
        return transport

    def close(self) -> None:
        for _, transport in self.transports.values():
            transport.close()


def take_turn(lane: Lane, hands: Hands, rules: limits.Rules, seconds: float) -> Counter[str]:
    """Hand over what is due in the lane, as far as the limits and the sender allow.

    Takes no further portion after so many seconds. Counts what rows became. Commits portion by
    portion; what a crash leaves in between is told apart by the journal (delivery.sweep.recover).
    """
    if lane.on_probation and not breaker.may_probe(lane.sender):
        return Counter()
    stream = _Stream(lane, hands, rules, seconds)
    try:
        transport = hands.transport(lane.sender)
    except SenderUnusable as error:
        senders.stop(lane.sender, str(error))
        return stream.counts
    for answer in transport.deliver(stream.mails(), stream.leaving):
        stream.answered(answer)
    stream.finish()
    if stream.trouble is None and lane.on_probation and stream.answers:
        breaker.recovered(lane.sender)
    if stream.trouble is not None and stream.trouble.verdict is Verdict.SENDER:
        senders.stop(lane.sender, stream.trouble.error)
    return stream.counts


class _Stream:
    """The rows of one turn, from the claim to the settlement."""

    def __init__(self, lane: Lane, hands: Hands, rules: limits.Rules, seconds: float) -> None:
        self.counts: Counter[str] = Counter()
        # The first answer that concerns the sender rather than a mail.
        self.trouble: Answer | None = None
        self.answers = 0
        self._lane = lane
        self._hands = hands
        self._journal = hands.journal
        self._rules = rules
        self._providers = deque(lane.providers)
        self._builders = Builders(lane.campaign, lane.sender)
        self._in_hand: dict[int, Passed] = {}
        self._unsettled: list[Answer] = []
        self._failure: Error | None = None
        self._is_overtaken = False
        self._started = self._settled_at = time.monotonic()
        self._end = self._started + seconds

    def mails(self) -> Iterator[Mail]:
        """Each mail at the moment when the transport has a place for it.

        Ends with the turn, well before any lease does: a worker that was frozen must not go on with
        rows that may no longer be its own. A database that fails ends it as well, so that what is on
        its way is still answered and noted.
        """
        try:
            while portion := self._portion():
                yield from self._built(portion)
                if self._lane.on_probation or self._is_over(self._end):
                    return
        except Error as error:
            self._failure = error

    def leaving(self, row_id: int) -> None:
        self._journal.leaving(row_id)

    def answered(self, answer: Answer) -> None:
        self._journal.answered(answer)
        self.answers += 1
        self._unsettled.append(answer)
        late = time.monotonic() - self._settled_at > SETTLE_SECONDS
        try:
            if answer.verdict in (Verdict.SENDER, Verdict.UNAVAILABLE) and self.trouble is None:
                self._in_trouble(answer)
            if (late or len(self._unsettled) >= SETTLE_ROWS) and self._failure is None:
                self._settle()
        except Error as error:
            self._failure = error

    def _in_trouble(self, answer: Answer) -> None:
        """Nothing more is pulled. A rest is told to the other workers at once, not when the turn is over."""
        self.trouble = answer
        if answer.verdict is Verdict.UNAVAILABLE:
            lane = self._lane
            breaker.failed(lane.sender, answer.error, answer.retry_after, probe=lane.on_probation)

    def finish(self) -> None:
        """Settle all answers and give back what was not handed over; raises what the database raised."""
        if self._failure is not None:
            raise self._failure
        self._settle()
        self._move([Settlement(*row.claim, Status.QUEUED, given_back=1) for row in self._in_hand.values()])
        self._journal.settled()
        self._hands.rates[self._lane.sender.pk] = self._rate()
        if self.counts:
            ids = {"campaign": self._lane.campaign.pk, "sender": self._lane.sender.pk}
            logger.info("turn settled", extra=ids | {str(status): n for status, n in self.counts.items()})

    def _is_over(self, end: float) -> bool:
        return self.trouble is not None or self._failure is not None or time.monotonic() > end

    def _portion(self) -> list[Passed]:
        """The next rows through the gate, from the mailbox providers in turn; empty: no more for now."""
        while self._providers and not self._is_overtaken:
            provider = self._providers[0]
            wanted = min(self._size(), self._room(provider))
            passed, looked_at = self._claim(provider, wanted) if wanted else ([], 0)
            if looked_at < max(wanted, 1):
                self._providers.popleft()
            else:
                self._providers.rotate(-1)
            if passed:
                return passed
        return []

    def _claim(self, provider: str, wanted: int) -> tuple[list[Passed], int]:
        def admit(claims: Sequence[Claim]) -> int:
            """Count the mails against the sender's limits and note them, before the gate's commit.

            A row that this turn has in hand already lost its lease, to be sent anew: none of them, and no
            more in this turn, or an answer to the first mail would be taken for one to the second.
            """
            self._is_overtaken = any(claim.row_id in self._in_hand for claim in claims)
            if self._is_overtaken:
                return 0
            admitted = self._take(provider, len(claims))
            self._journal.took(claims[:admitted])
            return admitted

        passed, looked_at = claim(self._lane, provider, self._hands.worker, wanted, admit)
        self._in_hand |= {row.row_id: row for row in passed}
        return passed, looked_at

    def _room(self, provider: str) -> int:
        try:
            return self._hands.limiter.room(self._rules, provider)
        except limits.LimiterUnavailable:
            return 0

    def _take(self, provider: str, wanted: int) -> int:
        try:
            return self._hands.limiter.take(self._rules, provider, wanted)
        except limits.LimiterUnavailable:
            return 0

    def _size(self) -> int:
        """Rows of the next portion; a single one probes."""
        if self._lane.on_probation:
            return 1
        rate = self._rate()
        largest: int = settings.SEND_BATCH_SIZE
        return max(1, min(int(rate * PORTION_SECONDS) if rate else FIRST_PORTION, largest))

    def _rate(self) -> float:
        """Mails a second of the sender, in this turn or the one before; 0: not known yet."""
        if not self.answers:
            return self._hands.rates.get(self._lane.sender.pk, 0.0)
        return self.answers / (time.monotonic() - self._started)

    def _built(self, portion: Sequence[Passed]) -> Iterator[Mail]:
        end = time.monotonic() + PATIENCE_SECONDS
        for row, recipient in self._with_customers(portion):
            if self._is_over(end):
                return
            mail = self._build(row, recipient)
            if mail is not None:
                yield mail

    def _with_customers(self, passed: Sequence[Passed]) -> list[tuple[Passed, Recipient]]:
        """The rows with what their mails say; one whose customer was deleted behind the gate is refused."""
        found = recipients.read(passed)
        gone = [row for row in passed if row.row_id not in found]
        self._move([Settlement(*row.claim, Status.SUPPRESSED, Reason.DELETED) for row in gone])
        return [(row, found[row.row_id]) for row in passed if row.row_id in found]

    def _build(self, row: Passed, recipient: Recipient) -> Mail | None:
        self._journal.building(row.row_id)
        try:
            return self._builders.of(row.content_id).build(recipient)
        except Exception as error:
            # Whatever one person's data does to the building must not stop the others' mails.
            if not isinstance(error, RenderError):
                logger.exception("a mail could not be built", extra={"row": row.row_id})
            self._move([Settlement(*row.claim, Status.FAILED, Reason.RENDER, str(error))])
            return None
        finally:
            self._journal.built()

    def _settle(self) -> None:
        """Settle the answers that have come since the last time."""
        self._settled_at = time.monotonic()
        answers, self._unsettled = self._unsettled, []
        rows = ((answer, self._in_hand[answer.row_id]) for answer in answers)
        self._move([from_answer(answer, row.fence, row.attempts) for answer, row in rows])

    def _move(self, settlements: Sequence[Settlement]) -> None:
        if not settlements:
            return
        moved = settle(settlements, self._hands.worker)
        if len(moved) < len(settlements):
            # The lease sweep was faster: this worker was frozen. It still knows best what it did.
            unknown.correct([row for row in settlements if row.id not in moved], self._hands.worker)
        for settlement in settlements:
            del self._in_hand[settlement.id]
        self.counts.update(settlement.status for settlement in settlements)


def _way_out(sender: Sender) -> tuple[object, ...]:
    """The settings that a transport is made from."""
    return (
        sender.transport,
        # Whose mailbox it is; and by its domain we greet.
        sender.from_email,
        sender.host,
        sender.port,
        sender.security,
        sender.username,
        sender.sealed_password,
        sender.esp,
        sender.api_url,
        sender.sealed_credentials,
    )
