"""Whose merge fields are empty, counted over those who would get the mail."""

from __future__ import annotations

import pytest

from audience.models import Customer
from campaigns import gaps as gaps_module
from campaigns.content import Compiled
from campaigns.gaps import gaps
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def holes(html: str) -> dict[str, tuple[int, list[str]]]:
    found = gaps(Customer.objects.all(), Compiled("", html, "")).found
    return {gap.field: (gap.people, [email.partition("@")[0] for email in gap.samples]) for gap in found}


def test_empty_columns_and_attributes_are_counted_with_samples() -> None:
    CustomerFactory(email="ada@example.com", name="Ada", attributes={"plan": "pro", "orders": 0})
    CustomerFactory(email="bea@example.com", attributes={"plan": "", "orders": 3})
    CustomerFactory(email="cy@example.com", name="Cy", attributes={"plan": None})
    CustomerFactory(email="out@example.com", subscribed=False)
    CustomerFactory(email="bad@example.com", unmailable=True)
    assert holes("{{ customer_name }}{{ customer.plan }}{{ customer.orders }}") == {
        "customer_name": (1, ["bea"]),
        "customer.plan": (2, ["cy", "bea"]),
        "customer.orders": (1, ["cy"]),
    }


def test_what_is_no_customers_own_is_never_a_hole() -> None:
    CustomerFactory()
    own = "{{ workspace.name }}{{ campaign.name }}{{ unsubscribe_link }}"
    assert holes(own + "{{ customer.email }}{{ x }}{{ customer }}") == {}


def test_a_fallback_fills_the_hole() -> None:
    CustomerFactory()
    assert holes("{{ customer_name | default: 'you' }}") == {}


def test_of_a_large_audience_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps_module, "LOOKED_AT", 2)
    CustomerFactory.create_batch(3)
    found = gaps(Customer.objects.all(), Compiled("", "{{ customer.name }}", ""))
    assert (found.looked_at, found.is_everybody, found.found[0].people) == (2, False, 2)


def test_an_attribute_with_an_odd_name_is_asked_for_as_it_is() -> None:
    CustomerFactory(email="ada@example.com", attributes={"in_": {"deep": "x"}, "a__b": ""})
    assert "customer.a__b" in holes("{{ customer.a__b }}")
