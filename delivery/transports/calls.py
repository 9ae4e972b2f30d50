"""Stage 7, for providers that take one call a mail: many calls in flight, each on a line of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from delivery.errors.base import ERROR_LENGTH
from delivery.transports.base import Answer, Leaving, Mail, Verdict

# Firewalls forget silent connections without a word; a call into one of those ends in doubt.
IDLE_SECONDS = 50
# So many refusals in a row that name no reason, and no mail accepted between them: it is the sender.
REFUSALS_IN_A_ROW = 20
# Of mails with attachments, which each call has several copies of while it is on its way.
BYTES_IN_FLIGHT = 40 * 1024 * 1024
# After these no other mail would be taken either.
CLOSED = frozenset({Verdict.UNAVAILABLE, Verdict.SENDER})


@dataclass(slots=True)
class Line:
    """A backend with its session, for one call at a time."""

    backend: Any
    used_at: float

    def is_stale(self) -> bool:
        return time.monotonic() - self.used_at > IDLE_SECONDS


# From the threads that call to the one that delivers; without a line: the mail never left.
_Back = SimpleQueue[tuple[Line | None, Mail, Answer]]


class ManyCalls:
    """The part of a transport that keeps calls in flight; see delivery.transports.base.Transport.

    It keeps threads and sessions, as many as calls have been in flight at once and at most `connections`.
    A subclass opens lines and calls on them.
    """

    def __init__(self, connections: int) -> None:
        self._most = connections
        # Calls that may be in flight with mails as large as these.
        self._room = connections
        self._pool: ThreadPoolExecutor | None = None
        self._free: list[Line] = []
        self._refusals = 0

    def _open_line(self) -> Line:
        raise NotImplementedError

    def _call(self, line: Line, mail: Mail) -> Answer:
        """Hand one mail over, in a thread of the pool; whatever happens is the answer. No database here."""
        raise NotImplementedError

    def _trouble_before(self, line: Line, mail: Mail) -> Answer | None:
        """Make the line ready for a mail, in the delivering thread; an answer when it cannot be."""

    def _trouble_again(self, line: Line, mail: Mail, answer: Answer) -> Answer | None:
        """The mail's answer, or None when it is to fly once more; in the delivering thread."""
        return answer

    def deliver(self, mails: Iterator[Mail], leaving: Leaving) -> Iterator[Answer]:
        back: _Back = SimpleQueue()
        in_flight, pulling = 0, True
        trouble: Exception | None = None
        while True:
            while pulling and in_flight < self._room:
                started = False
                try:
                    started, pulling = self._start(mails, leaving, back)
                except Exception as error:
                    # What is in flight is answered all the same.
                    trouble, pulling = error, False
                in_flight += started
            if not in_flight:
                break
            answer = self._back(back)
            if answer is None:
                continue
            in_flight -= 1
            answer = self._weighed(answer)
            pulling = pulling and answer.verdict not in CLOSED
            yield answer
        if trouble:
            raise trouble

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()
            self._pool = None
        for line in self._free:
            line.backend.close()
        self._free.clear()

    def _start(self, mails: Iterator[Mail], leaving: Leaving, back: _Back) -> tuple[bool, bool]:
        """Let the next mail fly; whether there was one, and whether another may follow."""
        mail = next(mails, None)
        if mail is None:
            return False, False
        if mail.tail:
            self._room = max(1, min(self._most, BYTES_IN_FLIGHT // mail.size))
        line = self._line()
        trouble = self._trouble_before(line, mail)
        if trouble is not None:
            self._free.append(line)
            back.put((None, mail, trouble))
            return True, False
        leaving(mail.row_id)
        self._fly(line, mail, back)
        return True, True

    def _line(self) -> Line:
        """A line that nobody calls on: the one used last, whose connection is most likely to stand."""
        return self._free.pop() if self._free else self._open_line()

    def _fly(self, line: Line, mail: Mail, back: _Back) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, "call")
        self._pool.submit(self._called, line, mail, back)

    def _called(self, line: Line, mail: Mail, back: _Back) -> None:
        answer = self._call(line, mail)
        line.used_at = time.monotonic()
        back.put((line, mail, answer))

    def _back(self, back: _Back) -> Answer | None:
        """The next answer; None when its mail flies once more."""
        line, mail, first = back.get()
        if line is None:
            return first
        answer = self._trouble_again(line, mail, first)
        if answer is None:
            self._fly(line, mail, back)
        else:
            self._free.append(line)
        return answer

    def _weighed(self, answer: Answer) -> Answer:
        """The answer in the light of those before it.

        One mail that is refused for no known reason is that mail's affair. When all are, it is the
        sender's, and nobody's mail should be used up in finding out.
        """
        if answer.verdict is Verdict.ACCEPTED:
            self._refusals = 0
        elif answer.verdict is Verdict.NOT_SENT:
            self._refusals += 1
            if self._refusals >= REFUSALS_IN_A_ROW:
                self._refusals = 0
                error = f"The service refused {REFUSALS_IN_A_ROW} mails in a row. {answer.error}"
                return answer._replace(verdict=Verdict.SENDER, error=error[:ERROR_LENGTH])
        return answer
