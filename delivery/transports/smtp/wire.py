"""SMTP as bytes: the commands for one mail, its message as it is written, and the server's replies."""

from __future__ import annotations

import re
from functools import lru_cache

from delivery.errors.smtp import Phase, Problem, Reply
from delivery.transports.base import Answer, Mail, Verdict

# The most that one reply may take, all its lines together.
REPLY_LIMIT = 8192
# What may stand between < and > in a command: printable ASCII, no space, no brackets.
ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
# A pattern, since it finds that there is none in half the time that `in` takes.
LEADING_DOT = re.compile(rb"\n\.")
# Where servers put the id of what they took: Postfix and our mailbox; Exim; Amazon SES.
PROVIDER_ID = re.compile(r"\bqueued as ([\w.@+-]+)|\bid=([\w.@+-]+)|^ok ([\w-]{20,})$", re.IGNORECASE)


def unusable(mail: Mail) -> Problem | None:
    """Why the mail's addresses cannot stand in commands and be nothing more than addresses there."""
    if not ADDRESS.fullmatch(mail.sender_address):
        return Problem(ValueError(mail.sender_address), Phase.MAIL)
    if not ADDRESS.fullmatch(mail.recipient):
        return Problem(ValueError(mail.recipient), Phase.RCPT)
    return None


def commands(mail: Mail, *, announce_size: bool) -> tuple[bytes, ...]:
    """MAIL, RCPT and DATA for a mail that is not unusable()."""
    size = f" SIZE={mail.size}" if announce_size else ""
    return (
        f"MAIL FROM:<{mail.sender_address}>{size}\r\n".encode("ascii"),
        f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii"),
        b"DATA\r\n",
    )


def body(mail: Mail) -> tuple[bytes, bytes, bytes]:
    """The message as it goes over the wire: what is its own, what it shares, and the line that ends it.

    A dot that begins a line is doubled, also after a bare LF: to a server that takes one for the end
    of a line, a lone dot there would end the message and let the rest pass for commands. The shared part is
    base64 and our own lines around it, where none begins with a dot.
    """
    message = mail.own if mail.dotless else _stuffed(mail.own)
    whole_lines = (mail.tail or message).endswith(b"\r\n")
    return message, mail.tail, b".\r\n" if whole_lines else b"\r\n.\r\n"


def _stuffed(message: bytes) -> bytes:
    if LEADING_DOT.search(message):
        message = LEADING_DOT.sub(b"\n..", message)
    return b"." + message if message.startswith(b".") else message


class ReplyReader:
    """Cuts what arrives on one connection, in whatever pieces, into replies."""

    def __init__(self) -> None:
        self._rest = b""
        # Of a reply whose last line has not come.
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are whole now. Code -1 stands for what is no reply, or too long for one."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        replies = []
        for line in lines:
            if line[3:4] == b"-" and line[:3].isdigit():
                self._lines.append(line[4:].rstrip())
            else:
                replies.append(self._end(_reply(line)))
        if (self._rest or self._lines) and len(self._rest) + sum(map(len, self._lines)) > REPLY_LIMIT:
            replies.append(Reply(-1, "The reply is too long."))
        return replies

    def _end(self, last: Reply) -> Reply:
        """The whole reply, whose last line this is."""
        if not self._lines:
            return last
        first, self._lines = b"\n".join(self._lines).decode("utf-8", "replace"), []
        return Reply(last.code, f"{first}\n{last.text}")


# Servers say the same few things over and over.
@lru_cache(maxsize=128)
def _reply(line: bytes) -> Reply:
    """A line as the only one of a reply, or its last (RFC 5321, 4.2)."""
    text = line.rstrip().decode("utf-8", "replace")
    if line[:3].isdigit() and line[3:4] in (b" ", b"\r", b""):
        return Reply(int(line[:3]), text[4:])
    return Reply(-1, text)


def accepted(mail: Mail, reply: Reply) -> Answer:
    """The answer for a mail that the server took, with its id for it if it gave one."""
    found = PROVIDER_ID.search(reply.text)
    provider_id = next(filter(None, found.groups()), "")[:255] if found else ""
    return Answer(mail.row_id, Verdict.ACCEPTED, provider_id)


def refused(mail: Mail, problem: Problem) -> Answer:
    """The answer for a mail that was not accepted, or not surely."""
    return Answer(mail.row_id, problem.verdict, error=str(problem))
