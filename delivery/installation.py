"""Before stage 1: whether this database is the one that this installation has been sending from.

A dump that was restored tells of mails as waiting that left long ago, and a copy on a second machine would
send them beside the first. So the database and a file outside of it must agree on which installation this
is and how long it has lived; where they do not, nothing is sent until a person has looked and confirmed.

Not seen: a dump younger than the last minute, and a clone of a whole machine, disk and all.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from audience import audit
from delivery.heartbeats import Sign
from delivery.models import Installation

logger = logging.getLogger(__name__)

# Seconds for which a process believes what it has found.
EVERY = 60.0
# For so long all hosts may take over what was confirmed.
OPEN = timedelta(minutes=10)
# What a worker shows that waits for a person.
WAITS = "waits for a confirmation"
CONFIRM = (
    "Look at the active campaigns: whoever stands as waiting there may have been mailed already. Then "
    "confirm on the page Operations, or with `manage.py confirm_installation`."
)
_found: tuple[float, str] = (float("-inf"), "")


def unconfirmed() -> bool:
    """Whether nothing may be sent; asked by workers in every round, and looked up once a minute.

    While all is well it also counts the minute, in the database and then in the file.
    """
    global _found  # noqa: PLW0603 - of this process
    if time.monotonic() - _found[0] > EVERY:
        told = problem()
        _found = (time.monotonic() if not told else float("-inf"), told)
        if told:
            logger.error("nothing is sent: %s", told)
        else:
            _count()
    return bool(_found[1])


def found() -> str:
    """What this process has found when it looked last, without looking again."""
    return _found[1]


def problem() -> str:
    """Why nothing may be sent from here, in a sentence with what to do; empty when all is well.

    A database that knows of no installation yet becomes this one's. Workers that start at once agree: one
    makes the row, whose file is there when the others see it; what they had read before, they read again.
    """
    return _difference() and _difference()


@transaction.atomic
def _difference() -> str:
    """What the file and the database say differently; empty when they agree, or do from now on."""
    # The file first: meanwhile the database can only have grown older.
    known = _read()
    row, is_new = Installation.objects.get_or_create(id=1)
    if is_new:
        _write(row)
        return ""
    if settings.INSTALLATION_ID:
        same = str(row.key) == settings.INSTALLATION_ID
    else:
        same = (known.get("key"), known.get("place")) == (str(row.key), _place())
    behind = known.get("minutes", 0) - row.minutes if known.get("key") == str(row.key) else 0
    if same and behind <= 0:
        return ""
    if row.open_until and row.open_until > timezone.now():
        _write(row)
        return ""
    if not same:
        return f"This database has been sending from elsewhere: it is a copy, or this host is new. {CONFIRM}"
    return f"This database is an old copy: it lacks the last {behind:,} minutes of sending. {CONFIRM}"


@transaction.atomic
def confirm(actor: Any = None) -> Installation:
    """Let this database be sent from; somebody has looked. May be repeated.

    For some minutes every host that asks takes it for its own, so that one click does for all.
    """
    row = Installation.objects.select_for_update().get_or_create(id=1)[0]
    row.minutes = max(row.minutes, _read().get("minutes", 0)) + 1
    row.open_until = timezone.now() + OPEN
    row.save(update_fields=["minutes", "open_until"])
    audit.record("installation confirmed", name=str(row.key), actor=actor)
    return row


def waits(signs: Iterable[Sign]) -> bool:
    """Whether some worker waits for a person to confirm."""
    return any(sign.doing == WAITS and not sign.is_late for sign in signs)


def _count() -> None:
    Installation.objects.filter(id=1).update(minutes=F("minutes") + 1)
    if row := Installation.objects.filter(id=1).first():
        _write(row)


def _file() -> Path:
    return Path(settings.DATA_DIR) / "installation.json"


def _read() -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(_file().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known


def _write(row: Installation) -> None:
    """Whole or not at all; several processes of a host, and their threads, share the file."""
    text = json.dumps({"key": str(row.key), "minutes": row.minutes, "place": _place()})
    new = _file().with_name(f"installation.{threading.get_native_id()}.new")
    new.write_text(text)
    new.replace(_file())


def _place() -> str:
    """This machine, as far as it has a name that lasts, and the database that it works on."""
    machine = Path("/etc/machine-id")
    name = machine.read_text().strip() if machine.exists() else ""
    database = connection.settings_dict
    return " ".join(str(part) for part in (name, database["HOST"], database["PORT"], database["NAME"]))
