"""What can become of a mail that was handed over, whichever way it went."""

from __future__ import annotations

import enum
import re

ERROR_LENGTH = 1000
# NUL among them: PostgreSQL takes it in no text.
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Verdict(enum.Enum):
    """What became of a mail that was handed to a transport."""

    ACCEPTED = "accepted"
    # Surely not accepted, and the reason may be the mail or its recipient: counts as an attempt.
    NOT_SENT = "not sent"
    # Surely refused, and for good.
    PERMANENT = "permanent"
    # May have been accepted: never tried again by itself.
    UNKNOWN = "unknown"
    # Surely not accepted, and no other mail would be now: the way to the provider is closed for a
    # while (no connection, 421, 429, 503). Counts against the sender's circuit, not the recipient.
    UNAVAILABLE = "unavailable"
    # Not sent, and no other mail will be until a person has mended the sender: recipients stay queued.
    SENDER = "sender"
