"""The ways out through Gmail and Microsoft 365, where they differ from others: tokens, ids, drafts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.mail import EmailMultiAlternatives  # noqa: TID251 - for a transport's backend
from pytest_django import Settings

from campaigns.models import Grant, Sender
from campaigns.oauth import PROVIDERS
from delivery import access
from delivery.errors.base import Verdict
from delivery.transports import SenderUnusable, check, mailboxes, transport_for
from delivery.transports.base import Answer
from delivery.transports.connected import backend_for
from delivery.transports.mailboxes import provider_id
from tests.delivery.connected import STUBS, connected, tokens, unconnected
from tests.delivery.services import mail, mails, verdicts
from tests.google_stub import GoogleStub
from tests.google_stub import refusal as google
from tests.http_stub import Act, Response
from tests.microsoft_stub import MicrosoftStub
from tests.microsoft_stub import refusal as microsoft

pytestmark = pytest.mark.django_db
Stub = GoogleStub | MicrosoftStub
N, P, U, A, S, OK = (
    Verdict.NOT_SENT,
    Verdict.PERMANENT,
    Verdict.UNKNOWN,
    Verdict.UNAVAILABLE,
    Verdict.SENDER,
    Verdict.ACCEPTED,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "CONNECT_SECONDS", 1.5)
    monkeypatch.setattr(mailboxes, "REPLY_SECONDS", 1.5)
    monkeypatch.setattr(access, "TIMEOUT", (1.5, 1.5))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=STUBS)
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    with STUBS[request.param]() as running:
        yield running


def deliver(sender: Sender, count: int = 1) -> list[Answer]:
    transport = transport_for(sender)
    answers = list(transport.deliver(mails(count), lambda row_id: None))
    transport.close()
    return answers


# --- Tokens ------------------------------------------------------------------------------------------


def test_a_refused_token_is_renewed_once_and_the_mail_goes(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    stub.expire()
    left: list[int] = []
    transport = transport_for(sender)
    answers = list(transport.deliver(mails(6), left.append))
    transport.close()
    assert verdicts(answers) == [OK] * 6
    assert sorted(left) == [1, 2, 3, 4, 5, 6]
    assert sorted(stub.accepted) == sorted(f"c{i}@example.com" for i in range(1, 7))
    # All of the first four had the same token.
    assert 1 <= stub.unauthorized <= 4
    assert len(stub.token_calls) == 1


def test_a_token_that_ends_soon_is_renewed_before_it_is_used(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings, ends_in=timedelta(minutes=1))
    assert verdicts(deliver(sender, 3)) == [OK] * 3
    assert (stub.unauthorized, len(stub.token_calls)) == (0, 1)


def test_a_new_token_that_is_refused_too_is_the_senders_affair(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    stub.script = [stub.wrong_token()] * 9
    if isinstance(stub, MicrosoftStub):
        stub.draft_script = stub.script
    [answer] = deliver(sender)
    assert answer.verdict is S
    assert "Reconnect the mailbox." in answer.error
    assert len(stub.token_calls) == 1


def test_a_consent_that_is_over_stops_before_the_mail_leaves(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings, ends_in=timedelta(0))
    stub.end_consent()
    left: list[int] = []
    [answer] = transport_for(sender).deliver(mails(9), left.append)
    assert (answer.verdict, left, stub.accepted) == (S, [], [])
    sender.refresh_from_db()
    assert sender.state == Sender.State.RECONNECT


def test_a_consent_that_ends_in_mid_delivery_is_told_by_every_mail_in_flight(
    stub: Stub, settings: Settings
) -> None:
    sender = connected(stub, settings)
    stub.end_consent()
    answers = deliver(sender, 9)
    assert set(verdicts(answers)) == {S}
    assert len(answers) <= 4
    assert stub.accepted == []


def test_a_provider_that_renews_no_token_just_now_closes_the_way_for_a_while(
    stub: Stub, settings: Settings
) -> None:
    sender = connected(stub, settings, ends_in=timedelta(0))
    stub.token_script = [Response(503, "")]
    [answer] = deliver(sender, 9)
    assert answer.verdict is A
    assert "cannot be asked to renew" in answer.error


def test_a_token_that_the_provider_repeats_stands_neither_in_the_ledger_nor_in_the_log(
    stub: Stub, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = connected(stub, settings)
    known = tokens(sender)
    stub.script = [Response(400, {"error": {"code": "X", "message": f"Not {known['access']}"}})]
    [answer] = deliver(sender)
    assert "Not ***" in answer.error
    for secret in known.values():
        assert secret not in answer.error + caplog.text


# --- Ids and calls -------------------------------------------------------------------------------------


def test_the_ids_of_message_and_thread_are_kept(stub: Stub, settings: Settings) -> None:
    [answer] = deliver(connected(stub, settings))
    message, thread = answer.provider_id.split(" ")
    expected = {"gmail": ("18c", "t18c"), "microsoft": ("lasting-1=", "c-1")}
    beginnings = expected["gmail" if isinstance(stub, GoogleStub) else "microsoft"]
    assert message.startswith(beginnings[0])
    assert thread.startswith(beginnings[1])


def test_a_thread_that_does_not_fit_is_left_out() -> None:
    assert provider_id(("m" * 100, "t" * 100)) == "m" * 100 + " " + "t" * 100
    assert provider_id(("m" * 200, "t" * 100)) == "m" * 200
    assert provider_id(("m" * 300, "")) == "m" * 255
    assert provider_id(()) == ""


def test_a_few_calls_are_in_flight_and_sessions_are_kept(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    stub.latency = 0.3
    assert verdicts(deliver(sender, 8)) == [OK] * 8
    assert (stub.most_at_once, stub.connections) == (4, 4)


def test_djangos_own_mails_can_go_through_the_backend(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    backend = backend_for(sender, PROVIDERS[sender.transport])
    backend.token = access.token(sender)
    backend.open()
    message = EmailMultiAlternatives("Grüße", "Hallo Köln", sender.from_email, ["ada@example.com"])
    assert backend.send_messages([message]) == 1
    backend.close()
    [arrived] = stub.mails
    assert arrived["Subject"] == "Grüße"
    assert arrived.get_content().strip() == "Hallo Köln"


# --- What Gmail refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "verdict", "retry_after", "says"),
    [
        (google(403, "rateLimitExceeded"), A, None, "No."),
        (google(403, "userRateLimitExceeded"), A, None, "No."),
        (google(403, "dailyLimitExceeded"), A, 3600, "has sent all"),
        (google(429, "rateLimitExceeded"), A, None, "slow down"),
        (google(403, "insufficientPermissions"), S, None, "without the permission"),
        (google(403, "domainPolicy"), S, None, "does not let this mailbox send"),
        (google(403, "accessNotConfigured"), S, None, "Gmail API is not switched on"),
        (google(400, "failedPrecondition", "Mail service not enabled"), S, None, "no mailbox"),
        (google(400, "invalidArgument", "Invalid To header"), P, None, "Invalid To header"),
        (google(400, "invalidArgument", "Something else"), N, None, "Something else"),
        (google(404, "notFound"), S, None, ""),
        (google(500, "backendError"), U, None, ""),
        # A limit's name on a breakdown proves nothing.
        (google(500, "rateLimitExceeded"), U, None, ""),
        (google(503, "backendError"), U, None, ""),
        (Response(413, "too large"), P, None, ""),
        (Response(200, {"labelIds": ["SENT"]}), U, None, ""),
        (Response(403, "<html>proxy</html>"), S, None, "proxy"),
        (Response(403, [1]), S, None, ""),
        (Response(403, {"error": "forbidden"}), S, None, ""),
        (Response(403, {"error": {"errors": ["x", {"reason": 7}], "code": 403}}), S, None, ""),
    ],
)
def test_what_gmail_refuses(
    settings: Settings, act: Response, verdict: Verdict, retry_after: float | None, says: str
) -> None:
    with GoogleStub(script=[act]) as stub:
        [answer] = deliver(connected(stub, settings))
        assert (answer.verdict, answer.retry_after) == (verdict, retry_after)
        assert says in answer.error
        assert stub.accepted == []


def test_gmail_says_in_words_when_it_listens_again(settings: Settings) -> None:
    words = "User-rate limit exceeded.  Retry after 2999-08-26T07:02:47.506Z (Mail sending)"
    for status in (403, 429):
        with GoogleStub(script=[google(status, "rateLimitExceeded", words)]) as stub:
            [answer] = deliver(connected(stub, settings, name=f"Sender {status}"))
            assert (answer.verdict, answer.retry_after) == (A, 24 * 3600)


# --- Microsoft: drafts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "verdict"),
    [
        (Response(500, "oops"), N),
        (Response(503, ""), N),
        (Response(201, "<html>"), N),
        (Response(201, {"subject": "no id"}), N),
        (microsoft(429, "ApplicationThrottled"), A),
        (microsoft(403, "ErrorAccessDenied"), S),
        (microsoft(403, "MailboxNotEnabledForRESTAPI"), S),
        (microsoft(400, "ErrorMimeContentInvalidBase64String"), N),
        (Response(413, "Request Entity Too Large"), P),
        (Act.HANG, N),
        (Act.RESET, N),
    ],
)
def test_until_the_draft_is_sent_nothing_can_have_been_accepted(
    settings: Settings, act: Response | Act, verdict: Verdict
) -> None:
    with MicrosoftStub(draft_script=[act]) as stub:
        [answer] = deliver(connected(stub, settings))
        assert (answer.verdict, answer.provider_id) == (verdict, "")
        assert stub.mails == []


@pytest.mark.parametrize(
    ("act", "verdict", "retry_after"),
    [
        (microsoft(400, "ErrorInvalidRecipients"), P, None),
        (microsoft(403, "ErrorSendAsDenied"), S, None),
        (microsoft(403, "ErrorMessageSubmissionBlocked"), S, None),
        (microsoft(429, "ErrorExceededMessageLimit"), A, 3600),
        (microsoft(429, "ApplicationThrottled")._replace(headers={"Retry-After": "7"}), A, 7),
        (microsoft(507, "ErrorQuotaExceeded"), U, None),
        (microsoft(400, "ErrorWhatever"), N, None),
    ],
)
def test_the_draft_of_a_refused_mail_is_thrown_away(
    settings: Settings, act: Response, verdict: Verdict, retry_after: float | None
) -> None:
    with MicrosoftStub(script=[act]) as stub:
        [answer] = deliver(connected(stub, settings))
        assert (answer.verdict, answer.retry_after) == (verdict, retry_after)
        # What may still be sent stays, to be looked up.
        assert len(stub.in_folder("drafts")) == (verdict is U)


def test_a_token_that_ends_between_draft_and_sending_costs_the_mail_an_attempt_and_no_more(
    settings: Settings,
) -> None:
    with MicrosoftStub(script=[microsoft(401, "InvalidAuthenticationToken")]) as stub:
        transport = transport_for(connected(stub, settings))
        answers = [list(transport.deliver(iter([mail(number)]), lambda row_id: None)) for number in (1, 2)]
        transport.close()
        assert [verdicts(each) for each in answers] == [[N], [OK]]


def test_a_mail_that_is_refused_and_goes_all_the_same_is_unknown(settings: Settings) -> None:
    with MicrosoftStub(script=[microsoft(429, "ApplicationThrottled")], lies=True) as stub:
        [answer] = deliver(connected(stub, settings))
        assert (answer.verdict, stub.accepted) == (U, ["c1@example.com"])


def test_without_the_permission_to_read_a_mail_goes_in_one_call(settings: Settings) -> None:
    with MicrosoftStub() as stub:
        [answer] = deliver(connected(stub, settings, may_look_up=False))
        assert (answer.verdict, answer.provider_id) == (OK, "")
        assert [request.path for request in stub.requests] == ["/v1.0/me/sendMail"]
        assert stub.items == []


def test_the_message_goes_as_it_was_built(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    deliver(sender)
    assert stub.wires == [mail(1).message]


# --- Ready or not ----------------------------------------------------------------------------------------


def test_a_check_asks_whose_mailbox_it_is(stub: Stub, settings: Settings) -> None:
    sender = connected(stub, settings)
    assert check(sender) is None
    stub.expire()
    assert check(sender) is None
    stub.end_consent()
    assert "Reconnect the mailbox." in (check(sender) or "")


@pytest.mark.parametrize("name", STUBS)
def test_a_check_of_a_provider_that_is_away_says_so(name: str, settings: Settings) -> None:
    with STUBS[name]() as stub:
        sender = connected(stub, settings)
    assert "cannot be reached" in (check(sender) or "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"from_email": "other@acme.example"}, "mails come from other@acme.example"),
        ({"transport": "gmail or microsoft"}, "is not connected"),
    ],
)
def test_a_mailbox_that_is_not_the_senders_is_not_used(
    stub: Stub, settings: Settings, change: dict[str, str], says: str
) -> None:
    sender = connected(stub, settings)
    if "transport" in change:
        change = {"transport": "microsoft" if sender.transport == "gmail" else "gmail"}
    Sender.objects.filter(pk=sender.pk).update(**change)
    sender.refresh_from_db()
    settings.GOOGLE_CLIENT_ID = settings.MICROSOFT_CLIENT_ID = "x"
    with pytest.raises(SenderUnusable, match=says):
        transport_for(sender)
    assert says in (check(sender) or "")


def test_a_mailbox_that_was_never_connected_is_unusable(stub: Stub, settings: Settings) -> None:
    with pytest.raises(SenderUnusable, match="not connected"):
        transport_for(unconnected(stub, settings))
    assert not Grant.objects.exists()
