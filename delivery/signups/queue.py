"""The queue of mails that ask to confirm: claimed one by one, handed over at once, tried three times.

A row is `sending` before the network is touched. Whatever may have been accepted is never sent again by
itself: whoever got nothing asks once more.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from audience import opt_in
from audience.sql import materialised
from campaigns.models import Sender
from delivery import sql
from delivery.errors.base import ERROR_LENGTH
from delivery.models import Signup
from delivery.signups import mails
from delivery.transports import SenderUnusable, transport_for
from delivery.transports.base import Answer, Mail, Transport, Verdict

logger = logging.getLogger(__name__)

State = Signup.Mail

ATTEMPTS = 3
# Seconds after which a worker that has a mail in hand is taken for dead.
LEASE = 300
# Old sign-ups deleted in one statement.
PRUNED = 5_000
DIED = "A worker died with this mail in hand: it may have left."
AGAIN = (Verdict.NOT_SENT, Verdict.UNAVAILABLE, Verdict.SENDER)


def send_due(seconds: float) -> int:
    """Hand over what waits, until nothing does or the time is over; how many mails were tried.

    Commits a claim before each mail and its outcome after it; any number of workers may do so at once.
    """
    end, tried = time.monotonic() + seconds, 0
    with ExitStack() as open_ways:
        ways: dict[int, Transport] = {}
        while time.monotonic() < end and is_waiting() and (signup := _claim()) is not None:
            tried += 1
            if refusal := opt_in.refusal(signup.workspace, signup.email):
                _end(signup, State.REFUSED, refusal)
            else:
                _settle(signup, _hand_over(signup, ways, open_ways))
    return tried


def is_waiting() -> bool:
    """Whether there is a mail to be sent."""
    return Signup.objects.filter(mail=State.WAITING, due_at__lte=Now()).exists()


def mend() -> None:
    """Give up mails whose worker died, and delete what is older than a link is good. May be repeated."""
    dead = Signup.objects.filter(mail=State.SENDING, due_at__lt=Now())
    dead.update(mail=State.FAILED, error=DIED)
    old = Signup.objects.filter(asked_at__lt=Now() - Signup.LIFE).order_by("asked_at")
    Signup.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:PRUNED])).delete()


def _claim() -> Signup | None:
    """Take the mail that has waited longest; the attempt is counted before it is made.

    Chosen apart from the update: within it PostgreSQL may choose anew for each row, and take them all.
    """
    statement = f"""
        WITH due AS {materialised()} (
            SELECT id FROM delivery_signup
            WHERE mail IN ('waiting', 'sending') AND mail = 'waiting' AND due_at <= {sql.now()}
            ORDER BY due_at LIMIT 1 {sql.skip_locked()})
        UPDATE delivery_signup
        SET mail = 'sending', attempts = attempts + 1, due_at = {sql.in_seconds(LEASE)}
        WHERE mail = 'waiting' AND id IN (SELECT id FROM due)
        RETURNING id"""  # noqa: S608 - constants of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        found = cursor.fetchone()
    if found is None:
        return None
    rows = Signup.objects.select_related("workspace", "form__sender")
    signup: Signup | None = rows.filter(pk=found[0]).first()
    return signup


def _hand_over(signup: Signup, ways: dict[int, Transport], open_ways: ExitStack) -> Answer:
    """What became of the mail. Each sender's connection is opened once and closed by the caller."""
    sender = signup.form.sender
    if not sender.is_usable:
        return Answer(0, Verdict.SENDER, error=f"The sender “{sender}” cannot be used. Mend it.")
    try:
        if sender.pk not in ways:
            ways[sender.pk] = _open(sender, open_ways)
    except SenderUnusable as error:
        return Answer(0, Verdict.SENDER, error=str(error))
    mail: Mail = mails.build(signup)
    [answer] = ways[sender.pk].deliver(iter([mail]), lambda row_id: None)
    return answer


def _open(sender: Sender, open_ways: ExitStack) -> Transport:
    transport = transport_for(sender)
    open_ways.callback(transport.close)
    return transport


def _settle(signup: Signup, answer: Answer) -> None:
    """Write down what became of an attempt: done, given up, or to be tried again after a while."""
    if answer.verdict is Verdict.ACCEPTED:
        _end(signup, State.SENT)
    elif answer.verdict in AGAIN and signup.attempts < ATTEMPTS:
        wait = timedelta(seconds=settings.SEND_RETRY_SECONDS * 4 ** (signup.attempts - 1))
        _write(signup, mail=State.WAITING, due_at=Now() + wait, error=answer.error[:ERROR_LENGTH])
    else:
        error = answer.error or "The mail server did not say why it refused the mail."
        logger.warning("a confirmation mail was given up: %s", error, extra={"form": signup.form_id})
        _end(signup, State.FAILED, error)


def _end(signup: Signup, state: State, error: str = "") -> None:
    _write(signup, mail=state, error=error[:ERROR_LENGTH])


def _write(signup: Signup, **columns: object) -> None:
    """Change the row, if it is still this claim's."""
    mine = Signup.objects.filter(pk=signup.pk, mail=State.SENDING, attempts=signup.attempts)
    mine.update(**columns)
