"""What an SMTP server's reply, or its silence, says about the mail in hand.

The rule behind the tables: a mail may be sent again only if it was surely not accepted. The server
takes charge of it with its reply to the line with the lone dot (RFC 5321, 4.2.5): before that line
has left whole, no error can mean "accepted"; after it, only a reply can tell.
"""

from __future__ import annotations

import enum
import re
import smtplib
import socket
import ssl
from typing import NamedTuple

from campaigns import egress
from delivery.errors.base import CONTROL, ERROR_LENGTH, Verdict


class Phase(enum.Enum):
    """How far the hand-over had come."""

    CONNECT = enum.auto()  # name look-up and TCP
    TLS = enum.auto()  # STARTTLS and the handshake
    GREETING = enum.auto()  # greeting and EHLO
    AUTH = enum.auto()
    MAIL = enum.auto()
    RCPT = enum.auto()
    DATA_COMMAND = enum.auto()
    BODY = enum.auto()  # writing the message; its end has not left whole
    REPLY = enum.auto()  # all is written, the word is the server's


class Reply(NamedTuple):
    """What a server said. Code -1: it was no SMTP reply."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code > 0 else self.text


Cause = Exception | Reply


class Meaning(NamedTuple):
    """What a phase makes of a temporary refusal, of a final one, and of no readable reply."""

    temporary: Verdict
    final: Verdict
    silence: Verdict


MEANINGS = {
    # While a connection is opened no mail is in hand: what goes wrong there would meet every mail. Up to
    # MAIL no recipient has been named: what is refused for good there is the sender.
    Phase.CONNECT: Meaning(Verdict.UNAVAILABLE, Verdict.SENDER, Verdict.UNAVAILABLE),
    Phase.TLS: Meaning(Verdict.UNAVAILABLE, Verdict.SENDER, Verdict.UNAVAILABLE),
    Phase.GREETING: Meaning(Verdict.UNAVAILABLE, Verdict.SENDER, Verdict.UNAVAILABLE),
    Phase.AUTH: Meaning(Verdict.UNAVAILABLE, Verdict.SENDER, Verdict.UNAVAILABLE),
    Phase.MAIL: Meaning(Verdict.NOT_SENT, Verdict.SENDER, Verdict.NOT_SENT),
    Phase.RCPT: Meaning(Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.NOT_SENT),
    Phase.DATA_COMMAND: Meaning(Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.NOT_SENT),
    # A write that fails never gave the last bytes to the kernel, and without them there is no message.
    Phase.BODY: Meaning(Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.NOT_SENT),
    Phase.REPLY: Meaning(Verdict.NOT_SENT, Verdict.PERMANENT, Verdict.UNKNOWN),
}
# Codes with a meaning of their own in a phase.
CODES = {
    # Larger than the server takes, known from MAIL's SIZE (RFC 1870): this mail, not the sender.
    (Phase.MAIL, 552): Verdict.PERMANENT,
    # Bad sequence of commands: the dialogue went wrong, which says nothing about the recipient.
    (Phase.RCPT, 503): Verdict.NOT_SENT,
    (Phase.DATA_COMMAND, 503): Verdict.NOT_SENT,
}
# The server closes the connection (RFC 5321, 3.8): it has taken nothing that it had not acknowledged, and
# says nothing about the mail in hand.
CLOSING = 421
# Log in first, or better; the same wherever it comes (RFC 4954, 4 and 6).
SENDER_CODES = frozenset({530, 534, 535, 538})
# Refusals that come with a recipient or a message but are about who sends: no relaying for us, not
# logged in, not allowed to use this address, DKIM, SPF or reverse DNS missing (RFC 3463, 4954, 7372,
# Exchange's 5.7.54, .57 and .60). Read as "this recipient is refused" they would burn a whole list.
SENDER_WORDS = re.compile(
    r"^5\.(1\.[78]|7\.([89]|11|14|2[0-6]|54|57|60))\b"
    r"|\brelay(ing)? (access )?(is )?(denied|not permitted|prohibited)\b"
    r"|\bunable to relay\b|\bauthentication (is )?required\b",
    re.IGNORECASE,
)


def classify(cause: Cause, phase: Phase) -> Verdict:
    """What a reply or an exception means for the mail in hand, by the phase it came in.

    A reply that fits no rule of SMTP counts as silence.
    """
    meaning = MEANINGS[phase]
    if isinstance(cause, Reply):
        return _classify_reply(cause, phase)
    if isinstance(cause, egress.Refused):
        return meaning.final
    # An address, host name or password that SMTP cannot carry, or something the sender is set to use
    # and the server does not offer.
    if isinstance(cause, ValueError | smtplib.SMTPNotSupportedError) and phase is not Phase.REPLY:
        return meaning.final
    if phase is Phase.TLS and isinstance(cause, ssl.SSLError):
        ended = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        return meaning.silence if ended else meaning.final
    return meaning.silence


def _classify_reply(reply: Reply, phase: Phase) -> Verdict:
    kind = reply.code // 100
    if kind == 2 and phase is Phase.REPLY:
        return Verdict.ACCEPTED
    if reply.code == CLOSING:
        return Verdict.UNAVAILABLE
    if kind == 4:
        return MEANINGS[phase].temporary
    if kind != 5:
        return MEANINGS[phase].silence
    if reply.code in SENDER_CODES or SENDER_WORDS.search(reply.text):
        return Verdict.SENDER
    return CODES.get((phase, reply.code), MEANINGS[phase].final)


class Problem(Exception):
    """A hand-over, or a connection, that failed. Its text is for people and for the ledger row."""

    def __init__(self, cause: Cause, phase: Phase) -> None:
        super().__init__(describe(cause, phase))
        self.cause = cause
        self.phase = phase
        self.verdict = classify(cause, phase)

    @property
    def refused(self) -> bool:
        """Whether the server said no and the connection still stands."""
        cause = self.cause
        return isinstance(cause, Reply) and cause.code // 100 in (4, 5) and cause.code != CLOSING


# For people, by phase; the first that fits the cause. Reply stands for a final refusal.
EXPLANATIONS: dict[Phase, tuple[tuple[type, str], ...]] = {
    Phase.CONNECT: (
        (egress.Refused, ""),
        (socket.gaierror, "No server of this name was found. Check the host."),
        (ConnectionRefusedError, "The server takes no connections on this port. Check host and port."),
        (ValueError, "This is not a host name. Check the host."),
        (OSError, "The server cannot be reached. Check host and port, and any firewall in between."),
    ),
    Phase.TLS: (
        (
            ssl.SSLCertVerificationError,
            "The server's certificate does not prove that it is this host. Use the host name that stands "
            "on the certificate; for a private authority, point SSL_CERT_FILE to its certificate.",
        ),
        (smtplib.SMTPNotSupportedError, "The server does not offer STARTTLS on this port."),
        (OSError, "TLS failed. Port 465 is usually for TLS, port 587 for STARTTLS."),
    ),
    Phase.GREETING: (
        (Reply, "The server refuses to talk to this machine."),
        (OSError, "No SMTP server answers on this port. If it is a port for TLS, choose TLS."),
    ),
    Phase.AUTH: (
        (Reply, "The server refused the user name or the password."),
        (smtplib.SMTPNotSupportedError, "The server offers no log-in by password on this port."),
        (ValueError, "The user name or the password contains a character that no SMTP log-in can carry."),
        (OSError, "The server broke off during the log-in."),
    ),
    Phase.MAIL: (
        (Reply, "The server refuses mail from this From address."),
        (ValueError, "The From address cannot be used with SMTP."),
    ),
    Phase.RCPT: ((ValueError, "This address cannot be used with SMTP."),),
    Phase.REPLY: ((OSError, "The server had the whole mail, but did not say whether it took it."),),
}
# For a reply that closes the way to the server for a while.
TRY_LATER = "The server takes no mail just now; Drumbeat tries again by itself."


def describe(cause: Cause, phase: Phase) -> str:
    """The server's own words, or the system's, after a short explanation where there is one."""
    if isinstance(cause, smtplib.SMTPServerDisconnected) and isinstance(cause.__context__, OSError):
        cause = cause.__context__
    words = CONTROL.sub(" ", str(cause)).strip()
    explanation = _explain(cause, phase)
    return (f"{explanation} ({words})" if explanation else words)[:ERROR_LENGTH]


def _explain(cause: Cause, phase: Phase) -> str:
    verdict = classify(cause, phase)
    if isinstance(cause, Reply) and verdict is Verdict.UNAVAILABLE:
        return TRY_LATER
    if isinstance(cause, Reply) and verdict is not Verdict.SENDER:
        return ""
    return next((words for kind, words in EXPLANATIONS.get(phase, ()) if isinstance(cause, kind)), "")
