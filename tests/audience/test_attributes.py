from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from audience.attributes import check, infer_type, parse
from audience.models import Attribute
from tests.factories import AttributeFactory, WorkspaceFactory

Type = Attribute.Type


@pytest.mark.parametrize(
    ("samples", "type"),
    [
        (["1", "", "-2.50", "0"], Type.NUMBER),
        (["00123"], Type.TEXT),
        (["12", "many"], Type.TEXT),
        (["4111111111111111"], Type.TEXT),
        (["+4930123456"], Type.TEXT),
        (["1998-01-31", ""], Type.DATE),
        (["1998-01-31T12:00:00Z"], Type.DATE),
        (["1998-02-31"], Type.TEXT),
        (["yes", "No", "TRUE"], Type.BOOLEAN),
        (["yes", "1"], Type.TEXT),
        (["", "  "], Type.TEXT),
        ([], Type.TEXT),
    ],
)
def test_a_type_is_inferred_when_all_filled_cells_agree(samples: list[str], type: str) -> None:
    assert infer_type(samples) == type


@pytest.mark.parametrize(
    ("type", "raw", "value"),
    [
        (Type.NUMBER, "5", 5),
        (Type.NUMBER, "89.00", 89.0),
        (Type.NUMBER, "-1.5e3", -1500.0),
        (Type.DATE, "1998-01-31", "1998-01-31"),
        (Type.DATE, "1998-01-31 23:59:59+02:00", "1998-01-31"),
        (Type.BOOLEAN, "Yes", True),
        (Type.BOOLEAN, "0", False),
        (Type.TEXT, " 00123 ", "00123"),
    ],
)
def test_text_becomes_a_value_of_its_type(type: str, raw: str, value: Any) -> None:
    parsed = parse(type, raw)
    assert (parsed, parsed.__class__) == (value, value.__class__)


@pytest.mark.parametrize(
    ("type", "raw", "said"),
    [
        (Type.NUMBER, "many", '"many" is not a number'),
        (Type.NUMBER, "NaN", "is not a number"),
        (Type.NUMBER, "Infinity", "is not a number"),
        (Type.NUMBER, "1e999", "too large"),
        (Type.NUMBER, "9" * 30, "too large"),
        (Type.NUMBER, "1_000", "is not a number"),
        (Type.NUMBER, "١٢", "is not a number"),
        (Type.NUMBER, "01234", "begins with 0"),
        (Type.NUMBER, "1" * 5000, "is not a number"),
        (Type.DATE, "31.01.1998", "not a date such as 1998-01-31"),
        (Type.DATE, "19980131", "not a date"),
        (Type.BOOLEAN, "maybe", "is not yes or no"),
        (Type.TEXT, "a\0b", "NUL"),
    ],
)
def test_text_that_does_not_fit_is_refused_with_what_was_expected(type: str, raw: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(type, raw)


@given(st.sampled_from(Type.values), st.text(max_size=30) | st.floats().map(str) | st.integers().map(str))
def test_every_value_is_json_that_reads_back(type: str, raw: str) -> None:
    try:
        value = parse(type, raw)
    except ValueError:
        return
    assert not (isinstance(value, float) and not math.isfinite(value))
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.django_db
def test_attributes_are_checked_against_those_of_the_workspace() -> None:
    workspace = WorkspaceFactory()
    for name, type in [("orders", "number"), ("seen", "date"), ("vip", "boolean"), ("town", "text")]:
        AttributeFactory(workspace=workspace, name=name, type=type)
    given = {"orders": 3, "seen": date(1998, 1, 31), "vip": True, "town": "  ", "orders2": None}
    assert check(workspace, given) == {"orders": 3, "seen": "1998-01-31", "vip": True}
    assert check(workspace, {"orders": "3", "town": 17}) == {"orders": 3, "town": "17"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shoe": 1}, "shoe: there is no such attribute"),
        ({"orders": "many"}, 'orders: "many" is not a number'),
        ({"orders": True}, "orders: yes or no does not fit"),
        ({"orders": float("nan")}, "orders: .* is not a number"),
        ({"orders": [1]}, "orders: expected a single value"),
    ],
)
def test_an_attribute_that_is_unknown_or_does_not_fit_is_named(given: dict[str, Any], said: str) -> None:
    AttributeFactory(name="orders", type="number")
    AttributeFactory(workspace=WorkspaceFactory(slug="other"), name="shoe")
    with pytest.raises(ValidationError, match=said):
        check(WorkspaceFactory(), given)
