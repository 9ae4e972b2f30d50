"""What every way out promises, whichever provider stands behind it; each transport's tests inherit it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import pytest

from delivery.errors.base import ERROR_LENGTH, Verdict
from delivery.transports.base import Answer, Mail, Transport
from tests.delivery.services import LINK, SUBJECT, mail
from tests.http_stub import Response

ACCEPTED, PERMANENT, SENDER = Verdict.ACCEPTED, Verdict.PERMANENT, Verdict.SENDER
UNAVAILABLE, UNKNOWN, NOT_SENT = Verdict.UNAVAILABLE, Verdict.UNKNOWN, Verdict.NOT_SENT
# An attachment of a size that every provider takes.
LARGE = b"x" * 76 + b"\r\n"
LARGE_LINES = 24_000


class Fault(enum.Enum):
    """What goes wrong with one mail."""

    RECIPIENT = "its recipient is refused"
    LOG_IN = "the log-in is refused"
    WAIT_SECONDS = "the provider asks for a pause of 30 seconds"
    WAIT_DATE = "the provider asks for a pause until a date in an hour"
    BROKEN = "the provider breaks down"
    SILENCE = "the provider takes it and says nothing"
    RESET = "the provider takes it and resets the connection"
    GARBAGE = "the provider's reply makes no sense"


IN_AN_HOUR = timedelta(hours=1)


def too_many(fault: Fault) -> Response:
    """429 with a Retry-After, in the form that the fault says."""
    later = format_datetime(datetime.now(UTC) + IN_AN_HOUR, usegmt=True)
    return Response(429, "", {"Retry-After": "30" if fault is Fault.WAIT_SECONDS else later})


class Wire(ABC):
    """A provider's server, and the transport to it."""

    @abstractmethod
    def transport(self) -> Transport: ...

    @abstractmethod
    def script(self, *faults: Fault | None) -> None:
        """What becomes of each mail in turn; None and the end: it is taken."""

    @abstractmethod
    def taken(self) -> list[str]:
        """The recipients of the mails that were taken, also when nobody was told so."""

    @abstractmethod
    def arrived(self) -> list[dict[str, str]]:
        """Of each: From, Subject and List-Unsubscribe(-Post) as people read them, and text."""

    @abstractmethod
    def nobody_there(self) -> AbstractContextManager[Transport]:
        """A transport to a port where nobody listens."""


class TransportContract:
    """Inherit it, and give it the fixture `wire`."""

    # Whether the provider can say how long it wants to be left alone.
    tells_wait: ClassVar[bool] = True
    # What its breaking down means: whether it may have taken the mail.
    broken: ClassVar[Verdict] = UNKNOWN

    def test_a_mail_that_is_taken_is_accepted_and_was_announced_before(self, wire: Wire) -> None:
        left: list[tuple[int, int]] = []
        transport = wire.transport()
        mails = [mail(i) for i in range(1, 4)]
        answers = list(transport.deliver(iter(mails), lambda row: left.append((row, len(wire.taken())))))
        transport.close()
        assert sorted(answer.row_id for answer in answers) == [1, 2, 3]
        assert {answer.verdict for answer in answers} == {ACCEPTED}
        assert sorted(row for row, _ in left) == [1, 2, 3]
        assert left[0] == (1, 0)
        assert sorted(wire.taken()) == [f"c{i}@example.com" for i in (1, 2, 3)]

    def test_it_may_be_closed_twice_and_used_again(self, wire: Wire) -> None:
        transport = wire.transport()
        for number in (1, 2):
            [answer] = transport.deliver(iter([mail(number)]), lambda row_id: None)
            assert answer.verdict is ACCEPTED
            transport.close()
            transport.close()

    def test_a_refused_recipient_ends_this_mail_and_no_other(self, wire: Wire) -> None:
        wire.script(Fault.RECIPIENT)
        refused, taken = one_by_one(wire, 2)
        assert (refused.verdict, taken.verdict) == (PERMANENT, ACCEPTED)
        assert 0 < len(refused.error) <= ERROR_LENGTH
        assert wire.taken() == ["c2@example.com"]

    def test_a_refused_log_in_is_the_senders_affair_and_stops_the_rest(self, wire: Wire) -> None:
        wire.script(*[Fault.LOG_IN] * 40)
        pulled: list[int] = []
        answers = deliver(wire.transport(), watched(pulled, 40))
        assert {answer.verdict for answer in answers} == {SENDER}
        assert len(answers) == len(pulled) < 40
        assert wire.taken() == []

    @pytest.mark.parametrize(("fault", "wait"), [(Fault.WAIT_SECONDS, 30), (Fault.WAIT_DATE, 3600)])
    def test_a_pause_that_is_asked_for_is_passed_on(self, wire: Wire, fault: Fault, wait: int) -> None:
        wire.script(*[fault] * 40)
        pulled: list[int] = []
        answers = deliver(wire.transport(), watched(pulled, 40))
        assert {answer.verdict for answer in answers} == {UNAVAILABLE}
        assert len(answers) == len(pulled) < 40
        if self.tells_wait:
            assert answers[0].retry_after == pytest.approx(wait, abs=300 if wait > 30 else 0)
        assert wire.taken() == []

    def test_a_provider_that_breaks_down_has_one_answer(self, wire: Wire) -> None:
        wire.script(Fault.BROKEN)
        broken, next_one = one_by_one(wire, 2)
        assert (broken.verdict, next_one.verdict) == (self.broken, ACCEPTED)
        assert wire.taken()[-1] == "c2@example.com"

    def test_where_nobody_listens_nothing_was_sent(self, wire: Wire) -> None:
        with wire.nobody_there() as transport:
            assert [answer.verdict for answer in deliver(transport, [mail(1)])] == [UNAVAILABLE]

    @pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.RESET])
    def test_silence_after_the_acceptance_leaves_the_mail_unknown_and_is_not_tried_again(
        self, wire: Wire, fault: Fault
    ) -> None:
        wire.script(fault)
        [answer] = deliver(wire.transport(), [mail(1)])
        assert answer.verdict is UNKNOWN
        assert answer.error
        assert wire.taken() == ["c1@example.com"]

    def test_a_reply_that_makes_no_sense_leaves_the_mail_unknown(self, wire: Wire) -> None:
        wire.script(Fault.GARBAGE)
        assert [answer.verdict for answer in deliver(wire.transport(), [mail(1)])] == [UNKNOWN]

    def test_unicode_and_long_headers_arrive_as_they_were_written(self, wire: Wire) -> None:
        assert [answer.verdict for answer in deliver(wire.transport(), [mail(1)])] == [ACCEPTED]
        [arrived] = wire.arrived()
        assert arrived["Subject"] == SUBJECT
        assert "Müller, Söhne" in arrived["From"]
        assert arrived["List-Unsubscribe"] == f"<{LINK}>"
        assert arrived["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert arrived["text"].strip() == "Grüße"

    def test_a_mail_as_large_as_one_with_an_attachment_arrives_whole(self, wire: Wire) -> None:
        small = mail(1)
        message = small.message.replace(b"Gr=C3=BC=C3=9Fe\r\n", LARGE * LARGE_LINES, 1)
        assert len(message) > 1_500_000
        answers = deliver(wire.transport(), [small._replace(own=message)])
        assert [answer.verdict for answer in answers] == [ACCEPTED]
        [arrived] = wire.arrived()
        assert arrived["text"].count("x") == 76 * LARGE_LINES


def deliver(transport: Transport, mails: Iterable[Mail]) -> list[Answer]:
    answers = list(transport.deliver(iter(mails), lambda row_id: None))
    transport.close()
    return answers


def one_by_one(wire: Wire, count: int) -> list[Answer]:
    """One mail after the other over one transport, so that the script knows whom it meets."""
    transport = wire.transport()
    answers: list[Answer] = []
    for number in range(1, count + 1):
        answers += transport.deliver(iter([mail(number)]), lambda row_id: None)
    transport.close()
    return answers


def watched(pulled: list[int], count: int) -> Iterator[Mail]:
    for number in range(1, count + 1):
        pulled.append(number)
        yield mail(number)


def read(message: Any) -> dict[str, str]:
    """A parsed message in the form of Wire.arrived()."""
    names = ("From", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post")
    text = message.get_body(("plain",)).get_content()
    return {"text": text, **{name: str(message[name]) for name in names}}
