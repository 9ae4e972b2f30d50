"""Which column of a file is what, and the parser of its rows that this makes."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from audience.addresses import InvalidAddress, is_mailable, normalise
from audience.attributes import Type, parse, parse_boolean
from audience.customers import CLEANERS, OWN_FIELDS, clean
from audience.imports.reader import ImportRefused
from audience.models.customer import ATTRIBUTE_NAME

# A column may be one of these, an attribute, or left out.
CONSENT_FIELDS = ("subscribed", "sms_subscribed")
FIELDS = ("email", *CLEANERS, *CONSENT_FIELDS)
ATTRIBUTE = "attributes."
ALIASES = {
    "e_mail": "email",
    "mail": "email",
    "email_address": "email",
    "id": "external_id",
    "full_name": "name",
    "phone_number": "phone",
    "timezone": "time_zone",
    "lang": "language",
    "locale": "language",
}
# Fields of which hardly two rows have the same; what has been read of the others is remembered.
UNLIKE = frozenset({"name", "external_id", "phone"})
# The two columns that come first in a file of rejected rows, which may come back corrected.
REJECT_COLUMNS = ["line", "reason"]
MAX_NAME = 63

# A row in the order of these columns, as audience.imports.write takes it.
ROW = ("email", "unmailable", *CLEANERS, *CONSENT_FIELDS, "attributes", "rows")
Row = list[Any]
_SLOT = {name: slot for slot, name in enumerate(ROW)}
_TEXT_SLOTS = [_SLOT[name] for name in CLEANERS]
_CONSENT_SLOTS = [_SLOT[name] for name in CONSENT_FIELDS]
_ATTRIBUTES, _ROWS = _SLOT["attributes"], _SLOT["rows"]


def suggest_mapping(columns: list[str], chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return column -> field for every column: as chosen, else as its name suggests."""
    mapping = dict(chosen or {})
    taken = set(mapping.values())
    rejects = columns[: len(REJECT_COLUMNS)] == REJECT_COLUMNS
    for number, column in enumerate(columns, 1):
        if column in mapping:
            continue
        if rejects and column in REJECT_COLUMNS:
            mapping[column] = ""
            continue
        slug = _slug(column)
        field = ALIASES.get(slug, slug)
        mapping[column] = field if field in FIELDS and field not in taken else _attribute(slug, number, taken)
        taken.add(mapping[column])
    return {column: mapping[column] for column in [*columns, *(mapping.keys() - set(columns))]}


def check_mapping(columns: list[str], mapping: Mapping[str, str]) -> None:
    """Raise ImportRefused unless every column goes to a field that exists, none twice, one to email."""
    if unknown := [column for column in mapping if column not in columns]:
        raise ImportRefused(f'The file has no column "{unknown[0]}". It has: {", ".join(columns)}.')
    used: dict[str, str] = {}
    for column, field in mapping.items():
        name = field.removeprefix(ATTRIBUTE)
        if field and field not in FIELDS and not (name != field and re.fullmatch(ATTRIBUTE_NAME, name)):
            raise ImportRefused(
                f'Column "{column}" cannot go to "{field}". Choose one of {", ".join(FIELDS)}, or'
                " attributes.<name> with lower-case letters, digits and _, or nothing to leave it out."
            )
        if field and field in used:
            raise ImportRefused(f'Columns "{used[field]}" and "{column}" both go to {field}. Leave one out.')
        used[field] = column
    if "email" not in used:
        raise ImportRefused(
            f"No column holds the e-mail address. Say which one does; the file has: {', '.join(columns)}."
        )


def attribute_columns(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return attribute name -> column."""
    return {
        field.removeprefix(ATTRIBUTE): column
        for column, field in mapping.items()
        if field.startswith(ATTRIBUTE)
    }


class RowParser:
    """Turns the cells of a record into a row, each column by a function made once.

    `subscribe` is the opt-in of rows that say nothing of their own.
    """

    def __init__(
        self, columns: list[str], mapping: Mapping[str, str], types: Mapping[str, str], *, subscribe: bool
    ) -> None:
        fields = [(index, mapping.get(column, "")) for index, column in enumerate(columns)]
        self.asks = subscribe or any(field in CONSENT_FIELDS for _, field in fields)
        self._width = len(columns)
        self._email = next(index for index, field in fields if field == "email")
        self._empty: Row = ["", False, *("" for _ in CLEANERS), subscribe or None, None, "{}", 1]
        self._fields = [(i, _SLOT[f], _field_parser(f)) for i, f in fields if f in _SLOT and f != "email"]
        self._attributes = [
            (index, _attribute_parser(name, types[name]))
            for index, field in fields
            if (name := field.removeprefix(ATTRIBUTE)) != field
        ]

    def parse(self, record: list[str]) -> Row:
        """Return the row; an empty cell leaves what is known. Raises ValueError with the reason."""
        if len(record) != self._width:
            raise ValueError(f"{len(record)} fields, where the first line names {self._width} columns")
        cells = [cell.strip() for cell in record]
        row = self._empty.copy()
        row[0] = email = _address(cells[self._email])
        row[1] = not is_mailable(email)
        for index, slot, value_of in self._fields:
            if cell := cells[index]:
                row[slot] = value_of(cell)
        pairs = [pair_of(cell) for index, pair_of in self._attributes if (cell := cells[index])]
        row[_ATTRIBUTES] = "{" + ",".join(pairs) + "}"
        return row


def merge(earlier: Row, later: Row) -> Row:
    """Return two rows of one address as one, as if they had been imported one after the other.

    The later cell wins where it is filled, but a no to consent stays a no.
    """
    for slot in _TEXT_SLOTS:
        later[slot] = later[slot] or earlier[slot]
    for slot in _CONSENT_SLOTS:
        if earlier[slot] is False or later[slot] is None:
            later[slot] = earlier[slot]
    later[_ATTRIBUTES] = json.dumps(json.loads(earlier[_ATTRIBUTES]) | json.loads(later[_ATTRIBUTES]))
    later[_ROWS] += earlier[_ROWS]
    return later


def _address(cell: str) -> str:
    try:
        return normalise(cell)
    except InvalidAddress as error:
        raise ValueError(f"email: {error}".rstrip(".")) from None


def _field_parser(field: str) -> Callable[[str], Any]:
    def value_of(cell: str) -> Any:
        try:
            return parse_boolean(cell) if field in CONSENT_FIELDS else clean(field, cell)
        except ValueError as error:
            raise ValueError(f"{field}: {error}") from None

    return value_of if field in UNLIKE else lru_cache(maxsize=1000)(value_of)


def _attribute_parser(name: str, type: str) -> Callable[[str], str]:
    """A function from a cell to its `"name":value` in JSON; those of few values remember them."""
    key = f'"{name}":'
    if type == Type.TEXT:
        return lambda cell: key + encode_basestring_ascii(cell)
    # What json.dumps calls at the end of a long way.
    encoded: Callable[[Any], str] = {Type.NUMBER: repr, Type.DATE: encode_basestring_ascii}.get(
        Type(type), json.dumps
    )

    @lru_cache(maxsize=10_000)
    def pair_of(cell: str) -> str:
        try:
            return key + encoded(parse(type, cell))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return pair_of


def _slug(column: str) -> str:
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _attribute(slug: str, number: int, taken: Iterable[str]) -> str:
    """A free attribute for this column: its own name if that will do, else with a number behind it."""
    base = slug if slug[:1].isalpha() else f"column_{slug or number}"
    name, suffix = base[:MAX_NAME], 2
    while name in OWN_FIELDS or ATTRIBUTE + name in taken:
        name, suffix = f"{base[: MAX_NAME - 4]}_{suffix}", suffix + 1
    return ATTRIBUTE + name
