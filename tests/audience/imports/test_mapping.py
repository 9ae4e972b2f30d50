from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience.imports.mapping import ROW, RowParser, check_mapping, merge, suggest_mapping
from audience.imports.reader import ImportRefused


def test_columns_go_where_their_names_suggest() -> None:
    columns = ["E-Mail", "ID", "Name", "Timezone", "Lang", "SMS subscribed", "Total Spent", "2023", "城市"]
    assert suggest_mapping(columns) == {
        "E-Mail": "email",
        "ID": "external_id",
        "Name": "name",
        "Timezone": "time_zone",
        "Lang": "language",
        "SMS subscribed": "sms_subscribed",
        "Total Spent": "attributes.total_spent",
        "2023": "attributes.column_2023",
        "城市": "attributes.column_9",
    }


def test_what_is_chosen_wins_and_the_rest_keeps_clear_of_it() -> None:
    mapping = suggest_mapping(["email", "work mail", "work-mail"], {"work mail": "email"})
    assert mapping == {
        "email": "attributes.email_2",
        "work mail": "email",
        "work-mail": "attributes.work_mail",
    }


def test_a_corrected_file_of_rejected_rows_can_come_back() -> None:
    mapping = suggest_mapping(["line", "reason", "email", "orders"])
    assert (mapping["line"], mapping["reason"], mapping["email"]) == ("", "", "email")


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=20, unique=True))
def test_a_suggestion_is_refused_for_a_missing_address_only(columns: list[str]) -> None:
    mapping = suggest_mapping(columns)
    assert list(mapping) == columns
    try:
        check_mapping(columns, mapping)
    except ImportRefused as error:
        assert "No column holds the e-mail address" in str(error)  # noqa: PT017


def _parser(columns: list[str], types: dict[str, str] | None = None, subscribe: bool = False) -> RowParser:
    return RowParser(columns, suggest_mapping(columns), types or {}, subscribe=subscribe)


def _row(parser: RowParser, *cells: str) -> dict[str, Any]:
    row = dict(zip(ROW, parser.parse(list(cells)), strict=True))
    return row | {"attributes": json.loads(row["attributes"])}


def test_a_row_holds_clean_fields_and_typed_attributes() -> None:
    parser = _parser(
        ["email", "name", "orders", "vip", "town"], {"orders": "number", "vip": "boolean", "town": "text"}
    )
    row = _row(parser, " Jo@Example.com", " Jo  ", "3", "yes", 'Zürich "Süd" \U0001f600')
    assert (row["email"], row["name"]) == ("jo@example.com", "Jo")
    assert row["attributes"] == {"orders": 3, "vip": True, "town": 'Zürich "Süd" \U0001f600'}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["nobody", "", "", ""], "email: 'nobody' has no @"),
        (["", "", "", "5"], "email: The address is empty"),
        (["jo@example.com", "x" * 201, "", ""], "name: longer than 200 characters"),
        (["jo@example.com", "", "Nowhere", ""], 'time_zone: "Nowhere" is not a time zone'),
        (["jo@example.com", "", "", "many"], 'orders: "many" is not a number'),
        (["jo@example.com", "", ""], "3 fields, where the first line names 4 columns"),
        (["jo@example.com", "", "", "", "x"], "5 fields, where the first line names 4 columns"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_reason(cells: list[str], reason: str) -> None:
    parser = _parser(["email", "name", "time_zone", "orders"], {"orders": "number"})
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        parser.parse(cells)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("subscribe", "cell", "asked"),
    [(False, "", None), (True, "", True), (True, "no", False), (False, "yes", True)],
)
def test_what_a_row_says_of_consent_goes_before_what_the_import_says(
    subscribe: bool, cell: str, asked: bool | None
) -> None:
    assert (
        _row(_parser(["email", "subscribed"], subscribe=subscribe), "a@example.com", cell)["subscribed"]
        is asked
    )


def test_rows_of_one_address_become_one_as_if_they_came_one_after_the_other() -> None:
    parser = _parser(["email", "name", "subscribed", "a", "b"], {"a": "number", "b": "number"})
    earlier = parser.parse(["jo@example.com", "Jo", "no", "1", "1"])
    later = parser.parse(["JO@example.com", "", "yes", "", "2"])
    row = dict(zip(ROW, merge(earlier, later), strict=True))
    assert (row["name"], row["subscribed"], row["rows"]) == ("Jo", False, 2)
    assert json.loads(row["attributes"]) == {"a": 1, "b": 2}
