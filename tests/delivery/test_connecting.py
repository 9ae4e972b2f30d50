"""Connecting a mailbox: to the provider's page and back, and all that can be wrong with what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from audience.models import AuditEntry, Membership
from campaigns.models import Grant, Sender, SenderLimit
from delivery.views import connecting
from tests.delivery.connected import STUBS, begin, come_back, connect, connected, tokens, unconnected
from tests.delivery.staff import member, stranger
from tests.factories import SenderFactory, WorkspaceFactory
from tests.google_stub import GoogleStub
from tests.http_stub import Act, Response
from tests.microsoft_stub import MicrosoftStub

pytestmark = pytest.mark.django_db
Stub = GoogleStub | MicrosoftStub
State = Sender.State


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.access.TIMEOUT", (1.5, 1.5))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    with STUBS[request.param]() as running:
        yield running


@pytest.fixture
def sender(stub: Stub, settings: Settings) -> Sender:
    return unconnected(stub, settings, last_error="The mailbox is not connected yet.")


@pytest.fixture
def staff(sender: Sender) -> Client:
    return member(sender.workspace, Membership.Role.EDITOR)


def nothing_changed(sender: Sender) -> bool:
    sender.refresh_from_db()
    return sender.state == State.RECONNECT and not Grant.objects.exists() and sender.min_delay == 0


# --- Connected ---------------------------------------------------------------------------------------


def test_a_consent_connects_the_mailbox(staff: Client, sender: Sender, stub: Stub) -> None:
    assert f"The mailbox {sender.from_email} is connected." in connect(staff, sender, stub)
    sender.refresh_from_db()
    grant = Grant.objects.get()
    assert (sender.state, sender.last_error) == (State.READY, "")
    assert (grant.sender_id, grant.provider, grant.account) == (
        sender.pk,
        sender.transport,
        sender.from_email,
    )
    assert tokens(sender) == {"access": stub.access_tokens[-1], "refresh": stub.refresh_tokens[-1]}
    entry = AuditEntry.objects.get(action="mailbox connected")
    assert (entry.before, entry.after["account"]) == (None, sender.from_email)
    assert entry.actor_name == sender.workspace.memberships.get().user.username
    assert entry.workspace == sender.workspace and tokens(sender)["refresh"] not in str(entry.after)


def test_no_more_is_asked_for_than_is_needed(staff: Client, sender: Sender, settings: Settings) -> None:
    asked = parse_qs(urlsplit(begin(staff, sender)).query)
    usual = {
        "gmail": "openid email https://www.googleapis.com/auth/gmail.send",
        "microsoft": "offline_access User.Read Mail.Send Mail.ReadWrite",
    }
    assert asked["scope"] == [usual[sender.transport]]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["login_hint"] == [sender.from_email]
    assert asked["redirect_uri"] == [f"{settings.SITE_URL}/mailboxes/callback/"]
    if sender.transport == "gmail":
        assert (asked["access_type"], asked["prompt"]) == (["offline"], ["consent"])
    settings.GOOGLE_LOOK_UP, settings.MICROSOFT_LOOK_UP = True, False
    other = {
        "gmail": usual["gmail"] + " https://www.googleapis.com/auth/gmail.readonly",
        "microsoft": "offline_access User.Read Mail.Send",
    }
    assert parse_qs(urlsplit(begin(staff, sender)).query)["scope"] == [other[sender.transport]]


@pytest.mark.parametrize("asked", [True, False])
def test_whether_doubts_can_be_looked_up_is_what_was_granted(
    staff: Client, sender: Sender, stub: Stub, settings: Settings, asked: bool
) -> None:
    settings.GOOGLE_LOOK_UP = settings.MICROSOFT_LOOK_UP = asked
    connect(staff, sender, stub)
    assert Grant.objects.get().may_look_up is asked


@pytest.mark.parametrize(
    ("address", "daily"),
    [
        ("ada@gmail.com", {"gmail": 400, "microsoft": 5000}),
        ("ada@acme.example", {"gmail": 1500, "microsoft": 5000}),
        ("ada@Outlook.com", {"gmail": 1500, "microsoft": 200}),
    ],
)
def test_the_first_connection_sets_careful_limits(
    staff: Client, sender: Sender, stub: Stub, address: str, daily: dict[str, int]
) -> None:
    Sender.objects.filter(pk=sender.pk).update(from_email=address)
    stub.account = address
    connect(staff, sender, stub)
    sender.refresh_from_db()
    assert sender.min_delay == 2
    assert [(limit.mails, limit.period) for limit in sender.limits.all()] == [
        (daily[sender.transport], "day")
    ]
    # Somebody takes them away: they do not come back by themselves.
    sender.limits.all().delete()
    connect(staff, sender, stub)
    assert not sender.limits.exists()


def test_limits_that_were_set_stay(staff: Client, sender: Sender, stub: Stub) -> None:
    Sender.objects.filter(pk=sender.pk).update(min_delay=10)
    SenderLimit.objects.create(sender=sender, mails=7, period="hour")
    connect(staff, sender, stub)
    sender.refresh_from_db()
    assert sender.min_delay == 10
    assert [limit.mails for limit in sender.limits.all()] == [7]


# --- Not connected -------------------------------------------------------------------------------------


def test_a_consent_that_is_denied_changes_nothing(staff: Client, sender: Sender, stub: Stub) -> None:
    assert "the permission was not given" in connect(staff, sender, stub, "Deny")
    assert nothing_changed(sender)


def test_an_answer_is_taken_once(staff: Client, sender: Sender, stub: Stub) -> None:
    answer = stub.consent(begin(staff, sender))
    come_back(staff, answer)
    before, calls = tokens(sender), len(stub.token_calls)
    assert "was used before" in come_back(staff, answer)
    assert (tokens(sender), len(stub.token_calls)) == (before, calls)


@pytest.mark.parametrize("change", ["wrong", "missing"])
def test_an_answer_to_no_question_changes_nothing(
    staff: Client, sender: Sender, stub: Stub, change: str
) -> None:
    answer = urlsplit(stub.consent(begin(staff, sender)))
    code = parse_qs(answer.query)["code"][0]
    query = f"code={code}" + ("&state=guessed" if change == "wrong" else "")
    assert "belongs to no question of yours" in come_back(staff, answer._replace(query=query).geturl())
    assert nothing_changed(sender)
    assert stub.token_calls == []


def test_an_answer_to_somebody_elses_question_changes_nothing(
    staff: Client, sender: Sender, stub: Stub
) -> None:
    """Else who has agreed for a mailbox of their own could let others send through it."""
    answer = stub.consent(begin(staff, sender))
    colleague = member(sender.workspace)
    assert "belongs to no question of yours" in come_back(colleague, answer)
    assert nothing_changed(sender)


def test_an_answer_that_comes_late_changes_nothing(
    staff: Client, sender: Sender, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PATIENCE", -1)
    assert "came too late" in connect(staff, sender, stub)
    assert nothing_changed(sender)


def test_the_code_alone_is_worth_nothing(staff: Client, sender: Sender, stub: Stub) -> None:
    """PKCE: whoever has caught the code lacks the verifier, which never left the session."""
    answer = stub.consent(begin(staff, sender))
    session = staff.session
    waiting = session[connecting.ASKED]
    for question in waiting.values():
        question["verifier"] = "another" * 10
    session[connecting.ASKED] = waiting
    session.save()
    assert "did not accept the answer of its own page (invalid_grant)" in come_back(staff, answer)
    assert nothing_changed(sender)


def test_an_answer_without_a_code_asks_for_no_token(staff: Client, sender: Sender, stub: Stub) -> None:
    answer = urlsplit(stub.consent(begin(staff, sender)))
    state = parse_qs(answer.query)["state"][0]
    assert "did not connect" in come_back(staff, answer._replace(query=f"state={state}").geturl())
    assert (nothing_changed(sender), stub.token_calls) == (True, [])


def test_a_consent_without_the_permission_to_send_changes_nothing(
    staff: Client, sender: Sender, stub: Stub
) -> None:
    stub.grants = "openid email User.Read Mail.ReadWrite"
    assert "leave all boxes ticked" in connect(staff, sender, stub)
    assert nothing_changed(sender)


def test_another_account_than_the_from_address_changes_nothing(
    staff: Client, sender: Sender, stub: Stub
) -> None:
    stub.account = "eve@acme.example"
    assert "You agreed as eve@acme.example" in connect(staff, sender, stub)
    assert nothing_changed(sender)


def test_access_that_does_not_last_changes_nothing(staff: Client, sender: Sender, stub: Stub) -> None:
    stub.token_script = [Response(200, {"access_token": "a", "token_type": "Bearer", "expires_in": 3600})]
    assert "for an hour only" in connect(staff, sender, stub)
    assert nothing_changed(sender)


@pytest.mark.parametrize(
    "act",
    [Response(500, "oops"), Response(400, {"error": "invalid_client"}), Response(200, "hello"), Act.RESET],
)
def test_a_provider_in_trouble_changes_nothing(
    staff: Client, sender: Sender, stub: Stub, act: Response | Act
) -> None:
    stub.token_script = [act]
    assert "onnect again" in connect(staff, sender, stub)
    assert nothing_changed(sender)


def test_an_installation_without_a_client_id_says_what_to_set(
    staff: Client, sender: Sender, settings: Settings
) -> None:
    settings.GOOGLE_CLIENT_ID = settings.MICROSOFT_CLIENT_ID = ""
    assert "_CLIENT_ID" in staff.get(f"/senders/{sender.pk}/mailbox/").text
    page = staff.post(f"/senders/{sender.pk}/connect/", follow=True)
    assert "is not registered with" in page.text


def test_only_those_who_may_edit_connect(sender: Sender) -> None:
    urls = [f"/senders/{sender.pk}/{name}/" for name in ("connect", "disconnect")]
    analyst = member(sender.workspace, Membership.Role.ANALYST)
    assert [analyst.post(url).status_code for url in urls] == [403, 403]
    assert [stranger().post(url).status_code for url in urls] == [404, 404]
    assert stranger().get(f"/senders/{sender.pk}/mailbox/").status_code == 404
    assert "Ask one of them." in analyst.get(f"/senders/{sender.pk}/mailbox/").text
    assert [member(sender.workspace).get(url).status_code for url in urls] == [405, 200]


def test_a_sender_without_a_mailbox_has_nothing_to_connect(db: None) -> None:
    other = SenderFactory(transport="smtp")
    assert member(other.workspace).post(f"/senders/{other.pk}/connect/").status_code == 404


def test_a_question_about_a_sender_that_is_out_of_sight_by_now_is_not_answered(
    staff: Client, sender: Sender, stub: Stub
) -> None:
    answer = urlsplit(stub.consent(begin(staff, sender)))
    Sender.objects.filter(pk=sender.pk).update(workspace=WorkspaceFactory(slug="elsewhere"))
    assert staff.get(f"{answer.path}?{answer.query}").status_code == 404
    assert nothing_changed(sender)


# --- Disconnected --------------------------------------------------------------------------------------


def test_disconnecting_asks_first_and_forgets_the_tokens(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    refresh = tokens(sender)["refresh"]
    staff = member(sender.workspace)
    assert "Nothing is sent through this mailbox" in staff.get(f"/senders/{sender.pk}/disconnect/").text
    assert Grant.objects.exists()
    page = staff.post(f"/senders/{sender.pk}/disconnect/", follow=True).text
    assert "The mailbox is disconnected" in page
    assert not Grant.objects.exists()
    sender.refresh_from_db()
    assert sender.state == State.RECONNECT
    entry = AuditEntry.objects.get(action="mailbox disconnected")
    assert (entry.before, entry.workspace) == ({"account": sender.from_email}, sender.workspace)
    assert stub.revoked == ([refresh] if sender.transport == "gmail" else [])
    assert ("take the permission back at" in page) is (sender.transport == "microsoft")


def test_a_mailbox_that_two_senders_use_is_not_taken_from_the_other(settings: Settings) -> None:
    with GoogleStub() as stub:
        first, second = connected(stub, settings), connected(stub, settings)
        member(first.workspace).post(f"/senders/{first.pk}/disconnect/")
        assert stub.revoked == []
        assert [grant.sender_id for grant in Grant.objects.all()] == [second.pk]


def test_a_provider_that_is_away_keeps_nobody_from_disconnecting(settings: Settings) -> None:
    with GoogleStub() as stub:
        sender = connected(stub, settings)
    member(sender.workspace).post(f"/senders/{sender.pk}/disconnect/")
    assert not Grant.objects.exists()
