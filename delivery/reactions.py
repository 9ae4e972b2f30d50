"""Stage 9: from the spool of opens and clicks to events, some hundreds in one go.

The worker's rounds come through here, and so does a thread beside every site (config/wsgi.py), since a
host that serves pages need not be one that sends. Any number of them at once are harmless.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing

from django.db import close_old_connections, transaction

from delivery import events, feedback, spool, sql

logger = logging.getLogger(__name__)

# Lines of the spool, of which every other is empty, recorded in one transaction.
CHUNK = 2000
# Seconds between two looks of the thread beside a site.
EVERY = 2.0


def take_in(seconds: float = 60.0) -> int:
    """Record what this host's spool holds and act on it; how many events are new.

    Commits chunk by chunk; a chunk that was in hand when its reader died is read again, and what is
    known already stays as it is. Begins no further chunk after so many seconds.
    """
    if spool.is_empty():
        return 0
    begun, new = time.monotonic(), 0
    with closing(spool.chunks(CHUNK)) as chunks:
        for number, chunk in enumerate(chunks):
            if number and time.monotonic() - begun > seconds:
                break
            new += _record(chunk) if chunk else 0
    return new


def _record(chunk: list[spool.Hit]) -> int:
    """Keep the events, then do what follows from them."""
    with transaction.atomic():
        # One after the other: what shows a burst must not be half here and half with somebody else.
        sql.wait_for_lock(sql.Lock.JUDGING)
        seen = events.record_hits(chunk)
    feedback.seen(set(seen))
    return len(seen)


def in_background() -> None:
    """Take in what this host's site sees, beside the site, for as long as the process lives."""
    threading.Thread(target=_keep_taking_in, name="drumbeat-reactions", daemon=True).start()


def _keep_taking_in() -> None:
    while True:
        time.sleep(EVERY)
        try:
            take_in()
        except Exception:
            logger.exception("opens and clicks could not be taken in; they are kept, and tried again")
        finally:
            close_old_connections()
