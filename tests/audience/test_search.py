"""Finding customers by what is known of them."""

from __future__ import annotations

import pytest
from django.db import connection

from audience import search
from audience.models import Customer, Suppression, Workspace
from audience.segments import keep_indexes
from tests.factories import (
    AttributeFactory,
    CustomerFactory,
    SegmentFactory,
    SuppressionFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    CustomerFactory(
        workspace=made,
        email="ada@example.com",
        name="Ada King Lovelace",
        phone="+44 (0) 20-7946.0958",
        external_id="C-1042",
    )
    CustomerFactory(workspace=made, email="grace@example.org", name="Grace Hopper", external_id="7")
    CustomerFactory(workspace=made, email="joerg@example.org", name="Jörg Öz")
    CustomerFactory(workspace=made, email="nameless@example.org")
    return made


def found(workspace: Workspace, words: str) -> list[str]:
    rows = Customer.objects.of(workspace).filter(search.about(workspace, words))
    return [each.email.partition("@")[0] for each in search.newest(rows, None, 50)]


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ("ADA@exa", ["ada"]),
        ("  grace   hop ", ["grace"]),
        ("lovel", ["ada"]),
        ("king", []),
        ("öz", ["joerg"]),
        ("JÖRG", ["joerg"]),
        ("C-1042", ["ada"]),
        ("C-104", []),
        ("7", ["grace"]),
        ("+44 020 7946", ["ada"]),
        ("440207946", ["ada"]),
        ("207", []),
        ("%", []),
        ("_da", []),
        ("nobody", []),
        ("\0", []),
        ("", []),
    ],
)
def test_a_customer_is_found_by_beginnings_and_by_ids(
    workspace: Workspace, words: str, who: list[str]
) -> None:
    assert found(workspace, words) == who


def test_customers_of_another_workspace_are_not_found(workspace: Workspace) -> None:
    other = WorkspaceFactory(slug="other")
    assert found(other, "ada") == []


def test_text_attributes_are_searched_where_an_index_answers(workspace: Workspace) -> None:
    AttributeFactory(workspace=workspace, name="city", type="text")
    CustomerFactory(workspace=workspace, email="eve@example.com", attributes={"city": "Lüneburg"})
    expected = ["eve"] if connection.vendor == "sqlite" else []
    assert found(workspace, "lüneburg") == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps no such indexes.")
def test_an_attribute_that_a_segment_asks_about_is_searched(workspace: Workspace) -> None:
    AttributeFactory(workspace=workspace, name="city", type="text")
    CustomerFactory(workspace=workspace, email="eve@example.com", attributes={"city": "Lüneburg"})
    rule = {"field": "attributes.city", "operator": "equals", "value": "x"}
    SegmentFactory(workspace=workspace, criteria={"all": [rule]})
    assert keep_indexes()
    assert found(workspace, "lüneburg") == ["eve"]


def test_the_newest_come_first_and_pages_follow_each_other(workspace: Workspace) -> None:
    made = CustomerFactory.create_batch(7, workspace=workspace, name="Many")
    many = Customer.objects.of(workspace).filter(search.about(workspace, "many"))
    first = search.newest(many, None, 3)
    second = search.newest(many, first[-1].pk, 3)
    assert [each.pk for each in first + second] == [each.pk for each in made[::-1][:6]]


def test_what_is_far_from_the_newest_is_found_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "NEARBY", 2)
    CustomerFactory.create_batch(7, workspace=workspace)
    assert found(workspace, "hopper") == ["grace"]


def test_the_suppressed_are_those_whose_address_is_on_the_list(workspace: Workspace) -> None:
    SuppressionFactory(workspace=workspace, email="grace@example.org", reason=Suppression.Reason.COMPLAINT)
    SuppressionFactory(workspace=WorkspaceFactory(slug="other"), email="ada@example.com")
    rows = Customer.objects.of(workspace).filter(search.suppressed(workspace))
    assert [each.email for each in rows] == ["grace@example.org"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite reads the list as a whole.")
@pytest.mark.parametrize("words", ["zoe", "+49 170 5"])
def test_every_part_of_a_search_is_asked_of_an_index(workspace: Workspace, words: str) -> None:
    many = ({"email": f"x{n}@example.com", "name": f"X{n} X{n}", "phone": f"1{n}"} for n in range(5_000))
    Customer.objects.bulk_create(Customer(workspace=workspace, external_id=x["email"], **x) for x in many)
    with connection.cursor() as cursor:
        # Of few rows the planner would rather read all.
        cursor.execute("ANALYZE audience_customer")
    rows = Customer.objects.of(workspace).filter(search.about(workspace, words))
    plan = rows.order_by().explain()
    expected = {"customer_once", "customer_external_id", "customer_name", "customer_last_word"}
    expected |= {"customer_phone"} if words.startswith("+") else set()
    assert {name for name in expected if f"on {name}" in plan} == expected
