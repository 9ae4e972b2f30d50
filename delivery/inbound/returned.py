"""Mails that came back into a connected mailbox, where its owner lets Drumbeat read it.

Nothing reports bounces to whoever sends through a mailbox: they lie in it, as mails. Only what mail
servers have sent is fetched, and only what is about a mail of ours is kept.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

import requests
from django.db import Error
from django.utils import timezone

from campaigns.models import Grant
from delivery.inbound import inbox
from delivery.transports.connected import readable_mailbox
from delivery.transports.mailboxes import MailboxBackend

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
# A mailbox may show a mail some time after it has received it.
LATE = timedelta(minutes=15)
# After so many seconds the rest is left to the next round.
SECONDS = 5.0


def collect() -> int:
    """Fetch what came back into one mailbox that is due; how many mails of it were reports about ours.

    Guards that one worker looks at a mailbox at a time. Commits report by report, then how far it came;
    what is fetched twice is kept once. Calls the provider, so no transaction may be open.
    """
    grant = _mine()
    session = readable_mailbox(grant.sender) if grant else None
    if grant is None or session is None:
        return 0
    began = timezone.now()
    try:
        taken, reached = _fetch(session, grant.returns_read_until)
    except (requests.RequestException, LookupError, TypeError, ValueError) as error:
        # The provider is away, or its reply is not what its documentation says.
        logger.warning("a mailbox could not be read: %s", type(error).__name__, extra={"sender": grant.pk})
        return 0
    finally:
        session.close()
    mine = Grant.objects.filter(pk=grant.pk)
    if reached is None:
        mine.update(returns_read_until=began - LATE)
    else:
        mine.update(returns_read_until=reached, returns_due_at=began)
    return taken


def _mine() -> Grant | None:
    """The mailbox that has been due for longest, given to one worker only."""
    now = timezone.now()
    due = Grant.objects.filter(may_look_up=True, returns_due_at__lte=now).order_by("returns_due_at", "pk")
    return next((grant for grant in due.select_related("sender")[:5] if _claim(grant, now)), None)


def _claim(grant: Grant, now: datetime) -> bool:
    """Take a mailbox as it was read; False when another worker was first."""
    as_read = Grant.objects.filter(pk=grant.pk, returns_due_at=grant.returns_due_at)
    return bool(as_read.update(returns_due_at=now + EVERY))


def _fetch(session: MailboxBackend, since: datetime) -> tuple[int, datetime | None]:
    """Keep the reports; how many, and how far the mailbox was read if there was no time for all of it."""
    end, taken = time.monotonic() + SECONDS, 0
    for received_at, raw in session.returned(since):
        taken += _take(raw)
        if time.monotonic() > end:
            return taken, received_at
    return taken, None


def _take(raw: bytes) -> bool:
    try:
        return inbox.take_mail(raw)
    except Error:
        raise
    except Exception:
        # Anybody can send a mail that nobody can read; the others are none the worse for it.
        logger.exception("a mail that came back cannot be read")
        return False
