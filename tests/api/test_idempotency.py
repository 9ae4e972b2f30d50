from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audience import idempotency
from audience.models import Membership, Segment, StoredAnswer
from campaigns.models import Campaign
from delivery import test_send
from tests.api.program import Program, at_once, problem
from tests.factories import CampaignFactory, CustomerFactory

pytestmark = pytest.mark.django_db
EVERYONE = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}


def test_a_repeated_request_gets_the_same_answer_and_is_not_run_again() -> None:
    program = Program()
    first = program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    second = program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    assert (second.status_code, second.content, second["ETag"]) == (201, first.content, first["ETag"])
    assert second["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert Campaign.objects.count() == 1


def test_a_name_that_was_used_for_another_request_is_refused() -> None:
    program = Program()
    program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    problem(program.post("/campaigns", {"name": "D"}, Idempotency_Key="one"), 422, "idempotency-key-reused")
    again = program.post("/segments", {"name": "C", "criteria": EVERYONE}, Idempotency_Key="one")
    problem(again, 422, "idempotency-key-reused")
    assert (Campaign.objects.count(), Segment.objects.count()) == (1, 0)


def test_a_refused_request_leaves_its_name_free() -> None:
    program = Program()
    problem(program.post("/campaigns", {"name": ""}, Idempotency_Key="one"), 422, "refused")
    assert program.post("/campaigns", {"name": "C"}, Idempotency_Key="one").status_code == 201


def test_names_belong_to_their_key() -> None:
    one, two = Program(), Program()
    one.post("/campaigns", {"name": "C"}, Idempotency_Key="same")
    assert "Idempotent-Replayed" not in two.post("/campaigns", {"name": "C"}, Idempotency_Key="same")
    assert Campaign.objects.count() == 2


def test_a_name_is_free_again_after_24_hours() -> None:
    program = Program()
    program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    StoredAnswer.objects.update(created_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    assert "Idempotent-Replayed" not in program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    assert Campaign.objects.count() == 2
    assert StoredAnswer.objects.count() == 1


def test_a_name_is_free_again_also_before_its_old_answer_was_cleared() -> None:
    program = Program()
    for number in range(idempotency.CLEARED + 2):
        program.post("/campaigns", {"name": "C"}, Idempotency_Key=f"name-{number}")
    old = timezone.now() - idempotency.KEPT - timedelta(hours=1)
    StoredAnswer.objects.update(created_at=old)
    StoredAnswer.objects.filter(name="name-0").update(created_at=old + timedelta(minutes=1))
    again = program.post("/campaigns", {"name": "C"}, Idempotency_Key="name-0")
    assert "Idempotent-Replayed" not in again
    other = program.post("/campaigns", {"name": "D"}, Idempotency_Key="name-0")
    problem(other, 422, "idempotency-key-reused")


def test_of_two_that_take_over_the_name_of_a_request_that_died_one_gets_it() -> None:
    program = Program()
    idempotency.claim(program.key, "one", "digest")
    StoredAnswer.objects.update(created_at=timezone.now() - idempotency.DIED - timedelta(seconds=1))
    first, second = StoredAnswer.objects.get(), StoredAnswer.objects.get()
    idempotency._taken_over(first, "digest")
    with pytest.raises(idempotency.StillRunning):
        idempotency._taken_over(second, "digest")


def test_an_answer_is_not_repeated_to_a_key_that_may_not_have_it_any_more() -> None:
    program = Program()
    program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    Membership.objects.filter(user=program.user).update(role=Membership.Role.ANALYST)
    problem(program.post("/campaigns", {"name": "C"}, Idempotency_Key="one"), 403, "role")


def test_an_upload_is_the_same_though_its_boundary_is_another(tmp_path: Path) -> None:
    program = Program()
    first = program.upload("c.csv", b"email\nada@example.com\n", {}, Idempotency_Key="one")
    second = program.upload("c.csv", b"email\nada@example.com\n", {}, Idempotency_Key="one")
    assert first.status_code == 201 and second["Idempotent-Replayed"] == "true"
    other = program.upload("c.csv", b"email\nbob@example.com\n", {}, Idempotency_Key="one")
    problem(other, 422, "idempotency-key-reused")
    assert len(list((tmp_path / "imports").iterdir())) == 1


@pytest.mark.django_db(transaction=True)
def test_of_equal_requests_at_once_one_runs_and_the_others_get_its_answer() -> None:
    program = Program()
    answers = at_once(
        *[lambda: program.post("/campaigns", {"name": "C"}, Idempotency_Key="one") for _ in range(4)]
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Campaign.objects.count() == 1


class PowerCut(BaseException):
    """Ends a request as a killed process would: nothing that catches exceptions sees it."""


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_the_effect_and_its_answer_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()

    def die(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "answer", die)
        with pytest.raises(PowerCut):
            program.post("/campaigns", {"name": "C"}, Idempotency_Key="one")
    assert not Campaign.objects.exists() and not StoredAnswer.objects.exists()
    assert program.post("/campaigns", {"name": "C"}, Idempotency_Key="one").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_that_is_on_its_way_is_not_sent_twice(mailbox: None) -> None:
    """It waits for a mail server, so it claims its name first; a name whose request died is free again."""
    program = Program()
    CustomerFactory(workspace=program.workspace)
    path = f"/campaigns/{CampaignFactory(workspace=program.workspace).pk}/test"
    sent = program.post(path, {"address": "me@example.com"}, Idempotency_Key="one")
    assert sent.status_code == 200, sent.content
    StoredAnswer.objects.update(status=None)
    running = program.post(path, {"address": "me@example.com"}, Idempotency_Key="one")
    problem(running, 409, "idempotency-key-running")
    assert running["Retry-After"] == "5"
    StoredAnswer.objects.update(created_at=timezone.now() - idempotency.DIED)
    again = program.post(path, {"address": "me@example.com"}, Idempotency_Key="one")
    assert again.status_code == 200 and "Idempotent-Replayed" not in again
    assert program.post(path, {"address": "me@example.com"}, Idempotency_Key="one")["Idempotent-Replayed"]


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_that_was_refused_leaves_its_name_free() -> None:
    program = Program()
    path = f"/campaigns/{CampaignFactory(workspace=program.workspace).pk}/test"
    problem(program.post(path, {"address": "me@example.com"}, Idempotency_Key="one"), 409, "test-not-sent")
    assert not StoredAnswer.objects.exists()


def test_no_transaction_is_open_while_a_mail_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    CustomerFactory(workspace=program.workspace)
    path = f"/campaigns/{CampaignFactory(workspace=program.workspace).pk}/test"
    seen: list[int] = []
    monkeypatch.setattr(
        test_send, "send", lambda *_: seen.append(len(connection.savepoint_ids)) or test_send.Outcome("no")
    )
    with transaction.atomic():
        before = len(connection.savepoint_ids)
        program.post(path, {"address": "me@example.com"}, Idempotency_Key="one")
    assert seen == [before]
