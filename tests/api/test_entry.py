from __future__ import annotations

import json

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from pytest_django import Settings

from audience.models import Customer, Membership, Suppression
from campaigns import drafts
from campaigns.models import Campaign, CampaignSender
from tests.api.program import Program, at_once, fields, problem
from tests.factories import CampaignFactory, CustomerFactory, SegmentFactory, SenderFactory, TemplateFactory

pytestmark = pytest.mark.django_db
EVERYONE = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}


# --- Who asks ----------------------------------------------------------------------------------------


def test_a_request_without_a_key_is_refused_and_says_how_to_send_one() -> None:
    program = Program()
    program.text = ""
    response = program.get("/campaigns")
    assert "Bearer drumbeat_" in problem(response, 401, "no-key")["detail"]
    assert response["WWW-Authenticate"] == "Bearer"


def test_another_keys_secret_opens_nothing() -> None:
    program, other = Program(), Program()
    program.text = program.key.prefix + other.text[len(other.key.prefix) :]
    problem(program.get("/campaigns"), 401, "no-key")


def test_the_log_in_of_a_browser_opens_nothing() -> None:
    program = Program()
    program.client.force_login(program.user)
    program.text = ""
    problem(program.get("/campaigns"), 401, "no-key")


def test_a_key_may_no_more_than_its_scopes_say() -> None:
    program = Program(scopes=("campaigns:read",))
    assert program.get("/campaigns").status_code == 200
    assert "campaigns:write" in problem(program.post("/campaigns", {"name": "C"}), 403, "scope")["detail"]
    problem(program.get("/customers"), 403, "scope")


def test_a_key_may_no_more_than_its_member_may_at_the_moment() -> None:
    program = Program(role=Membership.Role.EDITOR)
    campaign = CampaignFactory(workspace=program.workspace)
    assert program.patch(f"/campaigns/{campaign.pk}", {"name": "Mine"}).status_code == 200
    problem(program.put(f"/campaigns/{campaign.pk}/status", {"status": "active"}), 403, "role")
    Membership.objects.filter(user=program.user).update(role=Membership.Role.ANALYST)
    problem(program.patch(f"/campaigns/{campaign.pk}", {"name": "Not"}), 403, "role")
    Membership.objects.filter(user=program.user).delete()
    problem(program.get("/campaigns"), 403, "role")


def test_the_key_of_a_user_who_was_switched_off_opens_nothing() -> None:
    program = Program()
    program.user.is_active = False
    program.user.save(update_fields=["is_active"])
    problem(program.get("/campaigns"), 403, "role")


def test_a_superusers_key_stays_in_its_workspace() -> None:
    program = Program()
    program.user.is_superuser = True
    program.user.save(update_fields=["is_superuser"])
    foreign = CampaignFactory(workspace__slug="other")
    problem(program.get(f"/campaigns/{foreign.pk}"), 404, "not-found")
    assert program.get("/campaigns").json()["items"] == []


def test_reading_a_preview_with_a_customer_takes_the_scope_of_customers() -> None:
    program = Program(scopes=("templates:read",))
    template = TemplateFactory(workspace=program.workspace)
    customer = CustomerFactory(workspace=program.workspace)
    path = f"/templates/{template.pk}/preview"
    assert program.post(path, {}).status_code == 200
    problem(program.post(path, {"customer_id": customer.pk}), 403, "scope")


# --- What is refused writes nothing --------------------------------------------------------------------


@pytest.mark.parametrize("field", ["status", "id", "workspace", "workspace_id", "result", "colour"])
def test_a_field_that_is_unknown_or_only_to_be_read_is_refused_by_its_name(field: str) -> None:
    program = Program()
    found = problem(program.post("/campaigns", {"name": "C", field: "active"}), 422, "refused")
    assert fields(found) == [field]
    assert not Campaign.objects.exists()


def test_every_field_that_is_wrong_is_named_at_once() -> None:
    program = Program()
    body = {"name": "", "senders": [{"id": 0}], "start_time": "25:00", "tracked": "yes", "colour": 1}
    found = problem(program.post("/campaigns", body), 422, "refused")
    assert sorted(fields(found)) == ["colour", "name", "senders.0.id", "start_time", "tracked"]


def test_what_was_written_before_a_refusal_is_taken_back() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace, name="Before")
    body = {"name": "After", "senders": [{"id": SenderFactory(workspace__slug="other").pk}]}
    found = problem(program.patch(f"/campaigns/{campaign.pk}", body), 422, "refused")
    assert "There is no sender" in found["detail"]
    campaign.refresh_from_db()
    assert campaign.name == "Before"
    assert CampaignSender.objects.filter(campaign=campaign).count() == 1


def test_a_query_parameter_that_would_be_passed_over_is_refused() -> None:
    found = problem(Program().get("/campaigns?state=active"), 422, "refused")
    assert fields(found) == ["state"] and "status" in found["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b'{"name": NaN}', b'{"name": "\xff"}', b'{"name": "\\ud800"}', b'{"a":' * 900],
)
def test_json_that_cannot_be_read_or_is_nested_too_deeply_is_refused(body: bytes) -> None:
    program = Program()
    response = program.client.post(
        "/api/campaigns",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {program.text}"},
    )
    problem(response, 400, "unreadable")


@pytest.mark.parametrize("path", ["/campaigns?name=%00", "/segments?cursor=%00"])
def test_a_nul_in_the_address_is_refused(path: str) -> None:
    problem(Program().get(path), 422, "refused")


def test_a_nul_in_a_body_is_refused_and_the_letters_of_one_are_not() -> None:
    program = Program()
    problem(program.post("/campaigns", {"name": "a\0b"}), 422, "refused")
    assert program.post("/campaigns", {"name": "a\\u0000b"}).json()["name"] == "a\\u0000b"


def test_a_body_that_is_too_large_is_refused(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.API_MAX_UPLOAD_BYTES = 1000
    program = Program()
    problem(program.post("/campaigns", {"name": "x" * 2000}), 413, "too-large")
    problem(program.upload("c.csv", b"x" * 2000, {}), 413, "too-large")


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain", ""]
)
def test_a_body_of_another_type_is_refused(kind: str) -> None:
    program = Program()
    headers = {"Authorization": f"Bearer {program.text}", "If-Match": "*"}
    segment = SegmentFactory(workspace=program.workspace)
    for method, path in (("POST", "/api/campaigns"), ("PATCH", f"/api/segments/{segment.pk}")):
        response = program.client.generic(method, path, b'{"name": "C"}', kind, headers=headers)
        assert "application/json" in problem(response, 415, "wrong-type")["detail"]
    problem(program.post("/imports", {}), 415, "wrong-type")


def test_addresses_and_methods_that_do_not_exist_are_problems_too() -> None:
    program = Program()
    problem(program.get("/nothing"), 404, "not-found")
    response = program.call("DELETE", "/campaigns")
    problem(response, 405, "no-method")
    assert sorted(response["Allow"].split(", ")) == ["GET", "POST"]


def test_a_fault_of_ours_is_a_problem_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()

    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(drafts, "revise", break_down)
    found = problem(program.post("/campaigns", {"name": "C"}), 500, "fault")
    assert "broken" not in json.dumps(found)
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(IntegrityError, 409, "conflict"), (OperationalError, 503, "unavailable"), (DataError, 500, "fault")],
)
def test_trouble_of_the_database_is_a_problem_too(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int, kind: str
) -> None:
    program = Program()

    def break_down(*_: object, **__: object) -> None:
        raise error("secret words of the database")

    monkeypatch.setattr(drafts, "revise", break_down)
    response = program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    problem(response, status, kind)
    assert b"secret" not in response.content and not Campaign.objects.exists()


# --- Lost updates --------------------------------------------------------------------------------------


def test_a_change_to_a_version_that_is_gone_is_refused() -> None:
    program = Program()
    segment = SegmentFactory(workspace=program.workspace, name="One")
    path = f"/segments/{segment.pk}"
    read = program.get(path)["ETag"]
    changed = program.patch(path, {"name": "Two"}, If_Match=read)
    assert changed.json()["name"] == "Two" and changed["ETag"] == program.get(path)["ETag"]
    stale = program.patch(path, {"name": "Three"}, If_Match=read)
    problem(stale, 412, "stale")
    assert stale["ETag"] == changed["ETag"]
    segment.refresh_from_db()
    assert segment.name == "Two"


def test_a_change_without_a_version_is_asked_for_one() -> None:
    program = Program()
    segment = SegmentFactory(workspace=program.workspace, name="One")
    found = problem(program.call("PATCH", f"/segments/{segment.pk}", {"name": "Two"}), 428, "version-missing")
    assert "If-Match" in found["detail"]


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_to_one_version_at_once_one_is_refused() -> None:
    program = Program()
    path = f"/segments/{SegmentFactory(workspace=program.workspace).pk}"
    read = program.get(path)["ETag"]
    answers = at_once(
        lambda: program.patch(path, {"name": "A"}, If_Match=read),
        lambda: program.patch(path, {"name": "B"}, If_Match=read),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


# --- Limits --------------------------------------------------------------------------------------------


def test_a_key_that_asks_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    busy, other = Program(), Program()
    assert [busy.get("/senders").status_code for _ in range(3)] == [200] * 3
    refused = busy.get("/senders")
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert other.get("/senders").status_code == 200


def test_whoever_guesses_keys_is_held_up_and_the_key_beside_is_not() -> None:
    program, guesser = Program(), Client(REMOTE_ADDR="198.41.0.4")
    program.client.defaults["REMOTE_ADDR"] = "198.41.0.4"
    wrong = {"Authorization": f"Bearer {program.text[:-1]}x"}
    said = [guesser.get("/api/senders", headers=wrong).status_code for _ in range(61)]
    assert said == [401] * 60 + [429]
    problem(guesser.get("/api/senders", headers=wrong), 429, "too-many-requests")
    assert program.get("/senders").status_code == 200


def test_a_redis_that_is_away_refuses_nobody(settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE, settings.API_REQUESTS_PER_MINUTE = "redis://127.0.0.1:1/0", 1
    program = Program()
    assert [program.get("/senders").status_code for _ in range(3)] == [200] * 3


# --- What is read back ---------------------------------------------------------------------------------


def test_pages_hold_everything_once_though_rows_come_and_go() -> None:
    program = Program()
    made = [SegmentFactory(workspace=program.workspace).pk for _ in range(7)]
    seen, cursor = [], ""
    while True:
        answer = program.get(f"/segments?limit=3&cursor={cursor}").json()
        seen += [item["id"] for item in answer["items"]]
        SegmentFactory(workspace=program.workspace)
        if answer["next"] is None:
            break
        cursor = answer["next"]
    assert seen == made[::-1]


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "%F0%9D%9F%99", "1.2"])
def test_a_cursor_of_ones_own_is_refused(cursor: str) -> None:
    program = Program()
    problem(program.get(f"/segments?cursor={cursor}"), 422, "refused")


def test_answers_are_what_the_database_has() -> None:
    program = Program()
    answer = program.post("/suppressions", {"emails": [" ADA@Example.com "], "note": "x"})
    row = Suppression.objects.get()
    assert answer.json()["items"][0] | {"created_at": ""} == {
        "id": row.pk, "email": "ada@example.com", "reason": "manual", "note": "x", "created_at": "",
    }  # fmt: skip
    customer = CustomerFactory(workspace=program.workspace)
    changed = program.patch(f"/customers/{customer.pk}", {"name": "  Ada  ", "subscribed": False})
    customer = Customer.objects.get()
    assert (changed.json()["name"], changed.json()["subscribed"]) == (customer.name, customer.subscribed)
    assert (customer.name, customer.subscribed) == ("Ada", False)
