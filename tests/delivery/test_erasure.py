"""A person is exported whole and forgotten whole; and nobody who was forgotten is mailed again."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone
from pytest_django import Settings

from audience import customers
from audience.imports import claim_and_run_next
from audience.models import AuditEntry, ConsentRecord, Customer, Membership, Suppression, Workspace
from campaigns import lifecycle
from campaigns.models import Enrollment
from delivery import erasure, spool, tokens
from delivery.fill import fill_page
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, Inbound, SendLog, Signup
from delivery.worker import Worker
from tests.api.program import Program, problem
from tests.delivery.staff import member
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    SenderFactory,
    SignupFormFactory,
    SuppressionFactory,
    UserFactory,
)
from tests.flows import leave, make_flow, on_flow

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = "zzperson@example.com"
DEVICE = "ZZDevice/1.0"


@pytest.fixture(autouse=True)
def own_place(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.MAILBOX_PATH = tmp_path / "mailbox.sqlite3"


@pytest.fixture
def person(own_place: None) -> Customer:
    """Known in every table that can know somebody."""
    customer: Customer = CustomerFactory(email=EMAIL, name="Zzperson", attributes={"city": "zzperson-town"})
    known_to_the_audience(customer)
    other = CustomerFactory(email="other@example.com")
    campaign = CampaignFactory(senders=[SenderFactory()])
    lifecycle.activate(campaign)
    row = SendLog.objects.create(
        workspace=customer.workspace,
        campaign=campaign,
        customer=customer,
        sender=campaign.senders.get(),
        email=EMAIL,
        status="failed",
        error=f"550 {EMAIL} unknown",
        history=[{"error": EMAIL}],
        provider_id=f"id-of-{EMAIL}",
        due_at=timezone.now(),
    )
    about = {
        "workspace": customer.workspace,
        "sendlog": row,
        "customer_id": customer.pk,
        "at": timezone.now(),
    }
    Event.objects.create(
        **about, type="opened", source="tracker", key="1", detail=EMAIL, user_agent=DEVICE, ip="203.0.113.99"
    )
    for number, body in enumerate([EMAIL, EMAIL.replace("@", "%40"), "ZZperson@EXAMPLE.com", other.email]):
        Inbound.objects.create(
            workspace=customer.workspace,
            sender=campaign.senders.get(),
            service="postmark",
            body=json.dumps({"Email": body.lower() if number == 2 else body}).encode(),
            digest=str(number),
            processed_at=timezone.now(),
        )
    known_elsewhere(customer)
    reference = tokens.Reference(row.pk, customer.workspace_id, customer.pk)
    spool.note(reference, None, "", DEVICE, "203.0.113.99")
    with MailboxStore(own_mailbox()) as store:
        store.add(EMAIL, "news@acme.example", b"Subject: x\r\n\r\nx")
    return customer


def known_to_the_audience(customer: Customer) -> None:
    """By consent, suppression and the admin's log."""
    ConsentRecord.objects.create(
        workspace=customer.workspace,
        customer=customer,
        email=EMAIL,
        granted=True,
        source="form",
        evidence=f"{EMAIL} ticked the box",
        ip_address="203.0.113.99",
    )
    asked = {"name": "Zzperson", "attributes": {"city": "zzperson-town"}, "consent": "yes", "error": EMAIL}
    form = SignupFormFactory()
    Signup.objects.create(
        workspace=form.workspace,
        form=form,
        email=EMAIL,
        asked_at=timezone.now(),
        asked_ip="203.0.113.99",
        **asked,
    )
    SuppressionFactory(email=EMAIL, reason="complaint", note=EMAIL)
    LogEntry.objects.log_actions(
        UserFactory().pk, [customer], CHANGE, change_message=EMAIL, single_object=True
    )


def known_elsewhere(customer: Customer) -> None:
    """By what a shop reported, on the way through a flow, and in an answer of the API."""
    program = Program(customer.workspace)
    event = {"name": "ordered", "key": f"order-of-{EMAIL}", "email": EMAIL, "properties": {"to": "Zzperson"}}
    answer = program.post("/customer-events", {"events": [event]})
    assert answer.json()["new"] == 1
    body = {"customers": [{"email": EMAIL, "name": "Zzperson"}]}
    assert program.post("/customers/bulk", body, Idempotency_Key="bulk").status_code == 200
    flow = make_flow(leave(1), workspace=customer.workspace)
    Enrollment.objects.create(
        campaign=on_flow(flow),
        version=flow.versions.get(),
        customer=customer,
        key="once",
        step=1,
        context={"to": "Zzperson"},
        path=[{"did": "moved", "why": "Zzperson asked for it"}],
        due_at=timezone.now(),
        entered_at=timezone.now(),
    )


def own_mailbox() -> Path:
    from django.conf import settings

    return Path(settings.MAILBOX_PATH)


def traces(*words: str) -> list[str]:
    """Where in the database one of these words still stands."""
    found = []
    for model in apps.get_models():
        if model._meta.label_lower == "auth.user":
            continue
        for row in model._base_manager.all():
            for field in model._meta.concrete_fields:
                value = field.value_from_object(row)
                value = bytes(value) if isinstance(field, models.BinaryField) and value else value
                if any(word.lower() in str(value).lower() for word in words):
                    found.append(f"{model._meta.label}.{field.name}: {value}")
    return found


def test_nothing_in_any_table_tells_of_a_person_who_was_erased(person: Customer) -> None:
    assert len(traces("zzperson", "zzdevice", "203.0.113.99")) > 10
    erasure.erase(person.workspace, "ZZperson@Example.com")
    assert traces("zzperson", "zzdevice", "203.0.113.99") == []
    with MailboxStore(own_mailbox()) as store:
        assert store.count() == 0


def test_what_is_counted_stays_counted_and_others_stay_untouched(person: Customer) -> None:
    rows, events = SendLog.objects.count(), Event.objects.count()
    erasure.erase(person.workspace, EMAIL)
    assert SendLog.objects.count() == rows
    assert Event.objects.count() >= events
    assert Customer.objects.get().email == "other@example.com"
    assert b"other@example.com" in bytes(Inbound.objects.get().body)


def test_an_import_brings_nobody_back_who_was_erased(person: Customer, tmp_path: Path) -> None:
    """Red without erasure.bring_back() in imports.write."""
    erasure.erase(person.workspace, EMAIL)
    file = tmp_path / "list.csv"
    file.write_text(f"email,name\n{EMAIL},Again\nnew@example.com,New\n")
    call_command("import_customers", str(file), "--subscribe", "--consent-note", "shop")
    while claim_and_run_next(seconds=5) is not None:
        pass
    assert not Customer.objects.get(email=EMAIL).subscribed
    assert Customer.objects.get(email="new@example.com").subscribed
    assert Suppression.objects.get().reason == "complaint"


def test_a_door_for_one_brings_nobody_back_either(person: Customer) -> None:
    erasure.erase(person.workspace, EMAIL)
    again = customers.save_customer(person.workspace, email=EMAIL)
    assert Suppression.objects.get().email == again.email == EMAIL


def test_who_was_never_suppressed_is_not_mailed_after_the_erasure_either(person: Customer) -> None:
    erasure.erase(person.workspace, "other@example.com")
    customers.save_customer(person.workspace, email="other@example.com")
    assert Suppression.objects.get(email="other@example.com").reason == "unsubscribe"


def test_a_mail_that_waits_is_not_sent_to_a_person_who_was_erased() -> None:
    customer = CustomerFactory(email=EMAIL)
    campaign = CampaignFactory(senders=[SenderFactory()])
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    erasure.erase(customer.workspace, EMAIL)
    with Worker() as worker:
        worker.run_until_idle(seconds=10)
    assert SendLog.objects.get().status == "suppressed"
    with MailboxStore(own_mailbox()) as store:
        assert store.count() == 0


def test_a_mail_in_hand_is_waited_for(person: Customer) -> None:
    SendLog.objects.update(status="sending")
    with pytest.raises(erasure.InHand):
        erasure.erase(person.workspace, EMAIL)
    assert Customer.objects.filter(email=EMAIL).exists()


def test_the_export_holds_everything(person: Customer) -> None:
    out = StringIO()
    call_command("export_customer", EMAIL, stdout=out)
    known = json.loads(out.getvalue())
    assert known["customer"]["attributes"] == {"city": "zzperson-town"}
    assert [row["error"] for row in known["mails"]] == [f"550 {EMAIL} unknown"]
    assert [event["user_agent"] for event in known["events"]] == [DEVICE]
    assert [event["properties"] for event in known["customer_events"]] == [{"to": "Zzperson"}]
    assert [place["context"] for place in known["flows"]] == [{"to": "Zzperson"}]
    assert [EMAIL in answer["body"] for answer in known["api_answers"]] == [True]
    assert known["consents"] and known["suppressions"] and len(known["provider_reports"]) == 3


def test_the_command_asks_first(person: Customer) -> None:
    out = StringIO()
    call_command("erase_customer", EMAIL, stdout=out)
    assert "1 mails" in out.getvalue() and Customer.objects.filter(email=EMAIL).exists()
    call_command("erase_customer", EMAIL, "--yes", stdout=out)
    assert not Customer.objects.filter(email=EMAIL).exists()
    with pytest.raises(CommandError):
        call_command("erase_customer", "no address", "--yes")


@pytest.mark.parametrize(
    ("role", "exports", "erases"),
    [("analyst", 403, 403), ("editor", 403, 403), ("manager", 200, 403), ("owner", 200, 302)],
)
def test_the_buttons_are_for_those_who_may(person: Customer, role: str, exports: int, erases: int) -> None:
    workspace: Workspace = person.workspace
    client = member(workspace, Membership.Role(role))
    assert client.post(f"/customers/{person.pk}/export/").status_code == exports
    assert client.post(f"/customers/{person.pk}/erase/").status_code == erases
    told = AuditEntry.objects.filter(action__in=["exported", "erased"])
    assert told.count() == (exports == 200) + (erases == 302)
    assert EMAIL not in str([*told.values()])


def test_a_request_whose_answer_was_forgotten_is_not_run_again(person: Customer) -> None:
    program = Program(person.workspace)
    body = {"customers": [{"email": EMAIL, "name": "Zzperson"}]}
    program.post("/customers/bulk", body, Idempotency_Key="mine")
    erasure.erase(person.workspace, EMAIL)
    problem(program.post("/customers/bulk", body, Idempotency_Key="mine"), 410, "answer-forgotten")
    assert not Customer.objects.filter(email=EMAIL).exists()


def test_a_call_of_the_api_brings_nobody_back_who_was_erased(person: Customer) -> None:
    erasure.erase(person.workspace, EMAIL)
    body = {"customers": [{"email": EMAIL, "subscribed": True}], "consent_note": "shop"}
    [row] = Program(person.workspace).post("/customers/bulk", body).json()["rows"]
    assert (row["result"], row["subscribed"]) == ("created", False)
    assert Suppression.objects.get().reason == "complaint"


def test_somebody_who_only_asked_is_exported_and_erased(own_place: None) -> None:
    """A request is known by its address alone: nobody is a customer for it."""
    form = SignupFormFactory()
    signup = Signup.objects.create(workspace=form.workspace, form=form, email=EMAIL, asked_at=timezone.now())
    assert [row["id"] for row in erasure.export(form.workspace, EMAIL)["sign_ups"]] == [signup.pk]
    assert erasure.erase(form.workspace, EMAIL)["sign-ups"] == 1
    assert not Signup.objects.exists()


def test_nobody_is_erased_while_a_mail_to_confirm_is_in_hand(own_place: None) -> None:
    form = SignupFormFactory()
    asked = {"workspace": form.workspace, "form": form, "email": EMAIL, "asked_at": timezone.now()}
    Signup.objects.create(**asked, mail=Signup.Mail.SENDING)
    with pytest.raises(erasure.InHand):
        erasure.erase(form.workspace, EMAIL)
    assert Signup.objects.exists()
