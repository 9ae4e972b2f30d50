"""Stages 5 to 8 of the pipeline for one batch: gate, build, hand over, settle.

The order is what makes "at most once" true: `sending` is committed before the network is touched,
each intent is in the journal before its mail leaves, and no transaction is open meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import F

from campaigns.content import CUSTOMER_COLUMNS, RenderError
from campaigns.models import Campaign, Sender
from delivery import senders
from delivery.claim import Claim, gate
from delivery.journal import Journal
from delivery.message import Builder, Recipient
from delivery.models import SendLog
from delivery.settle import Settlement, from_answer, settle
from delivery.transports import SenderUnusable, transport_for
from delivery.transports.base import Answer, Mail, Transport, Verdict

logger = logging.getLogger(__name__)

Status = SendLog.Status
Reason = SendLog.Reason


@dataclass(frozen=True, slots=True)
class Row:
    """A row that passed the gate."""

    fence: int
    attempts: int
    recipient: Recipient


@dataclass
class Hands:
    """What a worker keeps from batch to batch: its journal, and one open transport per sender."""

    journal: Journal
    transports: dict[int, tuple[Sender, Transport]] = field(default_factory=dict)

    def transport(self, sender: Sender) -> Transport:
        """The open transport of a sender; a new one when its settings have changed. Raises SenderUnusable."""
        known, transport = self.transports.get(sender.pk, (None, None))
        if transport is None or known is None or _settings(known) != _settings(sender):
            if transport is not None:
                transport.close()
            transport = transport_for(sender)
            self.transports[sender.pk] = sender, transport
        return transport

    def close(self) -> None:
        for _, transport in self.transports.values():
            transport.close()


def hand_over(campaign: Campaign, claims: Sequence[Claim], hands: Hands) -> Counter[str]:
    """Take claimed rows of one campaign through the gate and out; count what they became.

    Commits the gate, then each sender's outcomes. What a crash leaves in between is told apart by the
    journal (delivery.sweep.recover).
    """
    deadline = time.monotonic() + settings.SEND_LEASE_SECONDS / 2
    hands.journal.took(claims)
    passed = {claim.row_id: claim.fence for claim in gate(claims)}
    counts: Counter[str] = Counter()
    for sender, rows in _by_sender(passed):
        out = _Outbound(Builder(campaign, sender), rows, hands.journal, deadline)
        out.deliver(hands, sender)
        counts += _settle(out.settlements())
        if out.last is not None and out.last.verdict is Verdict.SENDER:
            senders.stop(sender, out.last.error)
        for row_id in rows:
            del passed[row_id]
    # What is left lost its customer between the gate and here.
    counts += _settle(
        [Settlement(i, fence, Status.SUPPRESSED, Reason.DELETED) for i, fence in passed.items()]
    )
    hands.journal.settled()
    return counts


def _settle(settlements: list[Settlement]) -> Counter[str]:
    if settlements:
        settle(settlements)
    return Counter(settlement.status for settlement in settlements)


def _by_sender(row_ids: Collection[int]) -> Iterator[tuple[Sender, dict[int, Row]]]:
    """The rows with their customers, in two queries, sender by sender."""
    columns = {f"customer_{name}": F(f"customer__{name}") for name in CUSTOMER_COLUMNS}
    found = SendLog.objects.filter(id__in=list(row_ids)).values(
        "id", "fence", "attempts", "customer_id", "sender_id", "email", **columns
    )
    rows: dict[int, dict[int, Row]] = {}
    for row in found:
        customer = {name: row[f"customer_{name}"] for name in CUSTOMER_COLUMNS}  # type: ignore[literal-required]
        recipient = Recipient(row["id"], row["customer_id"], row["email"], customer)
        rows.setdefault(row["sender_id"], {})[row["id"]] = Row(row["fence"], row["attempts"], recipient)
    for sender_id, sender in Sender.objects.in_bulk(rows).items():
        yield sender, rows[sender_id]


class _Outbound:
    """One sender's part of a batch on its way out."""

    def __init__(self, builder: Builder, rows: dict[int, Row], journal: Journal, deadline: float) -> None:
        self._builder = builder
        self._rows = rows
        self._journal = journal
        self._deadline = deadline
        self._out_of_time = False
        self._done: dict[int, Settlement] = {}
        self.last: Answer | None = None

    def deliver(self, hands: Hands, sender: Sender) -> None:
        """Hand the mails over, as far as the sender and the lease allow."""
        try:
            transport = hands.transport(sender)
        except SenderUnusable as error:
            self.last = Answer(0, Verdict.SENDER, error=str(error))
            return
        for answer in transport.deliver(self.mails()):
            self.answered(answer)

    def mails(self) -> Iterator[Mail]:
        """Each mail at the moment when the transport is about to hand it over.

        Stops well before the lease ends: a worker that was frozen must not go on with rows that
        may no longer be its own.
        """
        for row in self._rows.values():
            if time.monotonic() > self._deadline:
                self._out_of_time = True
                return
            try:
                mail = self._builder.build(row.recipient)
            except Exception as error:
                # Whatever one person's data does to the building must not stop the others' mails.
                if not isinstance(error, RenderError):
                    logger.exception("a mail could not be built: row=%d", row.recipient.row_id)
                self._settled(row, Status.FAILED, Reason.RENDER, str(error))
                continue
            self._journal.intend(mail.row_id)
            yield mail

    def answered(self, answer: Answer) -> None:
        self._journal.answered(answer)
        self.last = answer
        row = self._rows[answer.row_id]
        self._done[answer.row_id] = from_answer(answer, row.fence, row.attempts)

    def settlements(self) -> list[Settlement]:
        """Every row's end. Rows that the transport gave up on share the fate of the last it tried."""
        for row_id, row in self._rows.items():
            if row_id in self._done:
                continue
            if self._out_of_time or self.last is None:
                self._done[row_id] = Settlement(row_id, row.fence, Status.QUEUED, given_back=1)
            else:
                shared = Answer(
                    row_id, self.last.verdict, error=self.last.error, retry_after=self.last.retry_after
                )
                self._done[row_id] = from_answer(shared, row.fence, row.attempts)
        return list(self._done.values())

    def _settled(self, row: Row, status: str, reason: str, error: str) -> None:
        row_id = row.recipient.row_id
        self._done[row_id] = Settlement(row_id, row.fence, status, reason, error)


def _settings(sender: Sender) -> tuple[object, ...]:
    return (
        sender.transport,
        sender.host,
        sender.port,
        sender.security,
        sender.username,
        sender.sealed_password,
    )
