"""The two forms of a log line, for people and for machines; an e-mail address stands in neither.

Nothing of ours logs an address: events carry the ids of campaign, sender and rows (`extra=`). But mail
servers and databases put addresses into their errors. So both forms mask whatever looks like one.
"""

from __future__ import annotations

import json
import logging
import re

from pythonjsonlogger.json import JsonFormatter

MASK = "[address]"
# A quoted local part with its domain, or a word: what stands between the characters that end one.
WORD = re.compile(r'"[^"\n]*"@\S+|[^\s<>()\[\],;:?"]+')
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SCALARS = (str, int, float, bool)


def mask(text: str) -> str:
    """The text with every word masked that has an @ in it, also one in a URL's words."""
    if "@" not in text and "%40" not in text:
        return text
    return WORD.sub(lambda word: MASK if "@" in word[0] or "%40" in word[0] else word[0], text)


def extras(record: logging.LogRecord) -> dict[str, str | int | float | bool]:
    """What an event carries beside its message. Objects, such as Django's request, are left out."""
    return {
        name: mask(value) if isinstance(value, str) else value
        for name, value in vars(record).items()
        if name not in STANDARD and isinstance(value, SCALARS)
    }


def without_addresses(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of the record with all its texts masked, its exception included."""
    standard = {name: value for name, value in vars(record).items() if name in STANDARD}
    copy = logging.makeLogRecord(standard | extras(record))
    copy.msg, copy.args = mask(record.getMessage()), None
    trace = record.exc_text
    if record.exc_info and not trace:
        trace = logging.Formatter().formatException(record.exc_info)
    copy.exc_info, copy.exc_text = None, mask(trace) if trace else None
    copy.stack_info = mask(record.stack_info) if record.stack_info else None
    return copy


class Line(logging.Formatter):
    """For people: the message, then what the event carries as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(without_addresses(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        pairs = (f" {name}={_word(value)}" for name, value in extras(record).items())
        return super().formatMessage(record) + "".join(pairs)


class Json(JsonFormatter):
    """For machines: an object a line, with what the event carries as fields of their own."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
        super().__init__("%(levelname)s %(name)s %(message)s", rename_fields=names, timestamp="time")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(without_addresses(record))


def _word(value: str | int | float | bool) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text.isprintable() else text


FORMS: dict[str, type[logging.Formatter]] = {"line": Line, "json": Json}
