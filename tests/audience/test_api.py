from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from audience import bulk, imports
from audience.models import ConsentRecord, Customer, CustomerImport, Segment, Suppression
from audience.suppression import suppress
from tests.api.program import Program, fields, problem
from tests.factories import AttributeFactory, CustomerFactory, SegmentFactory

pytestmark = pytest.mark.django_db


# --- Customers ----------------------------------------------------------------------------------------


def test_a_bulk_call_says_of_each_row_what_became_of_it() -> None:
    program = Program()
    CustomerFactory(workspace=program.workspace, email="known@example.com")
    rows = [
        {"email": "new@example.com", "subscribed": True},
        {"email": "known@example.com", "name": "Known"},
        {"email": "new@example.org", "colour": "red", "subscribed": "yes"},
        {"name": "Nobody"},
        {"email": "not an address"},
    ]
    answer = program.post("/customers/bulk", {"customers": rows, "consent_note": "Form"}).json()
    assert (answer["created"], answer["updated"], answer["refused"]) == (1, 1, 3)
    assert [row["row"] for row in answer["rows"]] == [0, 1, 2, 3, 4]
    named = [[error["field"] for error in row["errors"]] for row in answer["rows"]]
    assert named == [[], [], ["subscribed", "colour"], ["email"], ["email"]]
    assert answer["rows"][0]["subscribed"] is True
    assert ConsentRecord.objects.get().actor == program.user


def test_a_bulk_call_of_too_many_rows_is_refused_as_a_whole() -> None:
    program = Program()
    rows = [{"email": f"c{n}@example.com"} for n in range(bulk.MAX_ROWS + 1)]
    assert fields(problem(program.post("/customers/bulk", {"customers": rows}), 422, "refused")) == [
        "customers"
    ]
    assert not Customer.objects.exists()


def test_a_change_of_one_customer_is_checked_like_everywhere() -> None:
    program = Program()
    AttributeFactory(workspace=program.workspace)
    customer = CustomerFactory(workspace=program.workspace, phone="1", subscribed=False)
    path = f"/customers/{customer.pk}"
    body = {"phone": None, "attributes": {"orders": 3}, "subscribed": True, "consent_note": "Form"}
    changed = program.patch(path, body).json()
    assert (changed["phone"], changed["attributes"], changed["subscribed"]) == ("", {"orders": 3}, True)
    assert program.patch(path, {"attributes": {"orders": None}}).json()["attributes"] == {}
    wrong = {"time_zone": "Mars", "attributes": {"size": 1}}
    assert fields(problem(program.patch(path, wrong), 422, "refused")) == ["time_zone"]


def test_opting_in_takes_evidence_and_leaves_nothing_without() -> None:
    program = Program()
    customer = CustomerFactory(workspace=program.workspace, subscribed=False, name="Before")
    found = problem(
        program.patch(f"/customers/{customer.pk}", {"name": "After", "subscribed": True}), 422, "refused"
    )
    assert fields(found) == ["consent_note"]
    customer.refresh_from_db()
    assert (customer.name, customer.subscribed) == ("Before", False)


def test_opting_out_suppresses_the_address() -> None:
    program = Program()
    customer = CustomerFactory(workspace=program.workspace)
    program.patch(f"/customers/{customer.pk}", {"subscribed": False})
    assert Suppression.objects.get().reason == "unsubscribe"
    assert ConsentRecord.objects.get().source == "api"


def test_an_address_that_another_customer_has_is_refused() -> None:
    program = Program()
    one, two = (CustomerFactory(workspace=program.workspace) for _ in range(2))
    found = problem(program.patch(f"/customers/{one.pk}", {"email": two.email}), 422, "refused")
    assert fields(found) == ["email"]


def test_customers_are_found_by_address_and_external_id() -> None:
    program = Program()
    ada = CustomerFactory(workspace=program.workspace, email="ada@example.com", external_id="A")
    CustomerFactory(workspace=program.workspace, subscribed=False)
    for query in ("email=ADA@example.com", "external_id=A", "subscribed=true"):
        assert [row["id"] for row in program.get(f"/customers?{query}").json()["items"]] == [ada.pk], query


def test_attributes_are_made_once_and_not_by_a_customers_own_names() -> None:
    program = Program()
    assert program.post("/attributes", {"name": "size", "type": "number"}).status_code == 201
    problem(program.post("/attributes", {"name": "size", "type": "text"}), 422, "refused")
    assert fields(
        problem(program.post("/attributes", {"name": "email", "type": "text"}), 422, "refused")
    ) == ["name"]
    assert [row["name"] for row in program.get("/attributes").json()["items"]] == ["size"]


# --- Segments, suppressions, imports ------------------------------------------------------------------


def test_criteria_that_cannot_be_evaluated_are_refused_by_name() -> None:
    program = Program()
    rule = {"field": "shoe_size", "operator": "equals", "value": 1}
    found = problem(program.post("/segments", {"name": "S", "criteria": {"all": [rule]}}), 422, "refused")
    assert fields(found) == ["criteria"] and "shoe_size" in found["errors"][0]["detail"]
    deep: dict[str, object] = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
    for _ in range(90):
        deep = {"all": [deep]}
    problem(program.post("/segments", {"name": "S", "criteria": deep}), 422, "refused")
    assert not Segment.objects.exists()


def test_a_segment_is_counted_in_words_and_sampled() -> None:
    program = Program()
    customer = CustomerFactory(workspace=program.workspace)
    path = f"/segments/{SegmentFactory(workspace=program.workspace).pk}"
    assert program.get(f"{path}/count").json() == {"count": 1, "description": "e-mail opt-in is yes"}
    assert [row["id"] for row in program.get(f"{path}/sample?size=5").json()["items"]] == [customer.pk]


def test_suppressing_takes_all_addresses_or_none() -> None:
    program = Program()
    found = problem(program.post("/suppressions", {"emails": ["a@example.com", "b"]}), 422, "refused")
    assert fields(found) == ["emails.1"] and not Suppression.objects.exists()


def test_a_stronger_reason_stays_and_is_read_back() -> None:
    program = Program()
    suppress(program.workspace, "a@example.com", Suppression.Reason.COMPLAINT)
    [row] = program.post("/suppressions", {"emails": ["a@example.com"]}).json()["items"]
    assert row["reason"] == "complaint"
    assert program.call("DELETE", f"/suppressions/{row['id']}").status_code == 204
    problem(program.get(f"/suppressions/{row['id']}"), 404, "not-found")


def test_an_upload_becomes_an_import_that_a_worker_runs(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    program = Program()
    made = program.upload("a.csv", b"Mail,Orders\nada@example.com,3\n", {"mapping": '{"Mail": "email"}'})
    assert (made.status_code, made.json()["status"]) == (201, "pending")
    imports.run(CustomerImport.objects.get())
    done = program.get(f"/imports/{made.json()['id']}").json()
    assert (done["status"], done["created"], done["mapping"]["Orders"]) == (
        "completed",
        1,
        "attributes.orders",
    )


@pytest.mark.parametrize(
    ("data", "given", "field"),
    [
        (b"", {}, None),
        (b"\xff\xfe", {}, None),
        (b"name\nAda\n", {}, None),
        (b"email\na@example.com\n", {"subscribe": "true"}, None),
        (b"email\na@example.com\n", {"colour": "red"}, "colour"),
        (b"email\na@example.com\n", {"mapping": "[1]"}, "mapping"),
        (b"email\na@example.com\n", {"workspace": "2"}, "workspace"),
    ],
)
def test_an_upload_that_cannot_be_imported_is_refused_and_not_kept(
    settings: Settings, tmp_path: Path, data: bytes, given: dict[str, str], field: str | None
) -> None:
    settings.DATA_DIR = tmp_path
    found = problem(Program().upload("a.csv", data, given), 422, "refused")
    assert fields(found) == [field] if field else found["detail"]
    assert not CustomerImport.objects.exists()
    assert not list(tmp_path.rglob("*.csv"))
