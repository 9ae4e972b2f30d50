"""The way out through an e-mail service: Anymail's real backends against a server that speaks like each."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from campaigns.esps import ESPS
from campaigns.models import Sender
from delivery.errors.base import ERROR_LENGTH, Verdict
from delivery.transports import SenderUnusable, calls, check, transport_for
from delivery.transports.base import Mail
from delivery.transports.esp import EspTransport, Service
from tests.delivery.services import (
    credentials,
    deliver,
    impatient,  # noqa: F401 - a fixture
    mail,
    mails,
    transport,
    verdicts,
)
from tests.factories import SenderFactory
from tests.http_stub import WRONG_KEY, Act, HttpStub, Response

N, P, U, A, S, OK = (
    Verdict.NOT_SENT,
    Verdict.PERMANENT,
    Verdict.UNKNOWN,
    Verdict.UNAVAILABLE,
    Verdict.SENDER,
    Verdict.ACCEPTED,
)


# --- Faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "verdict", "retry_after", "taken"),
    [
        (Response(429, "", {"Retry-After": "30"}), A, 30, 0),
        (Response(429), A, None, 0),
        (Response(503, "", {"Retry-After": "5"}), A, 5, 0),
        (Response(503), U, None, 0),
        (Response(500), U, None, 0),
        (Response(400, {"ErrorCode": 1, "Message": "?"}), N, None, 0),
        (Response(200, "<html>captive portal</html>"), U, None, 0),
        (Response(200, {"ErrorCode": 0}), U, None, 0),
        (Response(302, "", {"Location": "/elsewhere"}), S, None, 0),
        (Act.HANG, U, None, 1),
        (Act.CLOSE, U, None, 1),
        (Act.RESET, U, None, 1),
    ],
)
def test_a_fault_has_one_answer_and_one_call(
    act: Response | Act, verdict: Verdict, retry_after: float | None, taken: int
) -> None:
    with HttpStub([act]) as stub:
        [answer] = deliver(transport(stub), [mail(1)])
        assert answer.verdict is verdict
        assert answer.retry_after == retry_after
        assert 0 < len(answer.error) <= ERROR_LENGTH
        assert (len(stub.requests), len(stub.accepted)) == (1, taken)


def test_a_wait_until_a_date_is_told_in_seconds() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with HttpStub([Response(429, "", {"Retry-After": later})]) as stub:
        [answer] = deliver(transport(stub), [mail(1)])
        assert answer.verdict is A
        assert answer.retry_after == pytest.approx(3600, abs=300)


@pytest.mark.parametrize(
    ("message", "error_code"),
    [
        ("Found inactive addresses: c1@example.com. Inactive recipients are ones that ...", 406),
        ("Invalid 'To' address: 'c1@example.com'.", 300),
    ],
)
def test_a_refused_recipient_ends_this_mail_and_no_other(message: str, error_code: int) -> None:
    refusal = Response(422, {"ErrorCode": error_code, "Message": message})
    with HttpStub(for_recipient={"c1@example.com": refusal}) as stub:
        refused, taken = sorted(deliver(transport(stub), mails(2)), key=lambda answer: answer.row_id)
        assert (refused.verdict, taken.verdict) == (P, OK)
        assert message in refused.error


def test_a_message_that_is_not_ours_harms_only_itself() -> None:
    with HttpStub() as stub:
        foreign = Mail(1, "news@acme.example", "c1@example.com", b"Subject: Hi\r\n\r\nHello")
        answers = {a.row_id: a.verdict for a in deliver(transport(stub), [foreign, mail(2)])}
        assert answers == {1: P, 2: OK}
        assert len(stub.requests) == 1


# --- Many at once ----------------------------------------------------------------------------------


def test_calls_fly_together_and_never_more_than_allowed() -> None:
    with HttpStub(latency=0.05) as stub:
        left: list[int] = []
        unanswered: set[int] = set()
        here = threading.current_thread()

        def leaving(row_id: int) -> None:
            assert threading.current_thread() is here
            left.append(row_id)
            unanswered.add(row_id)
            assert len(unanswered) <= 5

        out = transport(stub, connections=5)
        answers = []
        for answer in out.deliver(mails(40), leaving):
            unanswered.discard(answer.row_id)
            answers.append(answer)
        out.close()
        assert left == [*range(1, 41)]
        assert sorted(answer.row_id for answer in answers) == left
        assert set(verdicts(answers)) == {OK}
        assert len(stub.requests) == 40
        assert stub.most_at_once == 5
        assert stub.connections == 5


def test_every_mail_has_one_answer_whatever_happens_to_it() -> None:
    script = [None, Act.CLOSE, Response(500), Response(400), None, Act.RESET, Response(200, "?"), Act.HANG]
    with HttpStub(script * 5) as stub:
        answers = deliver(transport(stub, connections=8), mails(40))
        assert sorted(answer.row_id for answer in answers) == [*range(1, 41)]
        assert len(stub.requests) == 40
        accepted = {int(address[1:].partition("@")[0]) for address in stub.accepted}
    by_row = {answer.row_id: answer.verdict for answer in answers}
    assert {row for row, verdict in by_row.items() if verdict is OK} <= accepted
    assert {by_row[row] for row in accepted} == {OK, U}
    assert {row for row, verdict in by_row.items() if verdict in (N, P, A, S)}.isdisjoint(accepted)


def test_what_is_in_flight_is_answered_also_when_the_mails_break_off() -> None:
    def broken() -> Iterator[Mail]:
        yield from mails(3)
        raise OSError("no database")

    answers = []
    with HttpStub() as stub:
        out = transport(stub)
        with pytest.raises(OSError, match="no database"):
            for answer in out.deliver(broken(), lambda row_id: None):
                answers.append(answer.row_id)
        out.close()
    assert sorted(answers) == [1, 2, 3]


@pytest.mark.parametrize("closed", [Response(429, "", {"Retry-After": "9"}), Response(401)])
def test_no_more_mails_are_pulled_once_none_would_be_taken(closed: Response) -> None:
    with HttpStub([None, closed]) as stub:
        waiting = mails(10)
        answers = deliver(transport(stub, connections=1), waiting)
        assert [answer.row_id for answer in answers] == [1, 2]
        assert next(waiting).row_id == 3


def test_a_connection_is_kept_from_mail_to_mail_and_from_call_to_call() -> None:
    with HttpStub() as stub:
        out = transport(stub, connections=1)
        for _ in range(3):
            assert verdicts(out.deliver(mails(2), lambda row_id: None)) == [OK, OK]
        assert stub.connections == 1
        out.close()
        assert verdicts(deliver(out, mails(1))) == [OK]
        assert stub.connections == 2


def test_a_connection_that_was_silent_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "IDLE_SECONDS", -1)
    with HttpStub() as stub:
        assert verdicts(deliver(transport(stub, connections=1), mails(2))) == [OK, OK]
        assert stub.connections == 2


def test_answers_to_an_abandoned_delivery_belong_to_no_other() -> None:
    with HttpStub(latency=0.05) as stub:
        out = transport(stub, connections=2)
        abandoned = out.deliver(mails(4), lambda row_id: None)
        next(abandoned)
        abandoned.close()
        assert [answer.row_id for answer in out.deliver(iter([mail(9)]), lambda row_id: None)] == [9]
        out.close()


def test_when_every_mail_is_refused_without_a_reason_it_is_the_sender(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "REFUSALS_IN_A_ROW", 3)
    refusal = Response(400, {"message": "No."})
    with HttpStub([refusal, refusal, None, *[refusal] * 9]) as stub:
        answers = deliver(transport(stub, connections=1), mails(12))
        assert verdicts(answers) == [N, N, OK, N, N, S]
        assert "3 mails in a row" in answers[-1].error


# --- Secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "user"), [("postmark", "api"), ("mailgun", "api"), ("mailjet", "x")])
def test_a_service_that_repeats_the_key_does_not_get_it_into_the_ledger_or_the_log(
    name: str, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    known = credentials(name, "s3cr3t")
    told = ["s3cr3t", base64.b64encode(f"{user}:s3cr3t".encode()).decode()]
    monkeypatch.setitem(WRONG_KEY, name, Response(401, {"message": f"Not {' nor '.join(told)}"}))
    with HttpStub() as stub:
        out = EspTransport(Service(ESPS[name], known, stub.url(name)), 1)
        [answer] = deliver(out, mails(1))
    assert answer.verdict is S
    assert "***" in answer.error
    for secret in told:
        assert secret not in answer.error
        assert secret not in caplog.text


def test_a_key_does_not_show_in_a_representation() -> None:
    assert "s3cr3t" not in repr(Service(ESPS["resend"], {"api_key": "s3cr3t"}))


# --- Senders ---------------------------------------------------------------------------------------


def sender(name: str, api_url: str = "", **told: str) -> Sender:
    made: Sender = SenderFactory.build(
        workspace=None, transport=Sender.Transport.ESP, esp=name, api_url=api_url
    )
    made.set_credentials(told or credentials(name))
    return made


def test_a_senders_credentials_reach_the_service(settings: Settings) -> None:
    settings.ESP_CONNECTIONS = 2
    with HttpStub(latency=0.05) as stub:
        out = transport_for(sender("postmark", stub.url("postmark")))
        assert verdicts(out.deliver(mails(6), lambda row_id: None)) == [OK] * 6
        out.close()
        assert stub.most_at_once == 2


@pytest.mark.parametrize(
    ("name", "api_url", "told", "says"),
    [
        ("", "", {"api_key": "x"}, "Choose one"),
        ("postmark", "", {"message_stream": "broadcast"}, "Server API token. Enter it"),
        ("postal", "", {}, "Enter the API address"),
        ("postmark", "http://api.acme.example/", {}, "Begin with https"),
        ("postmark", "https://u:p@api.acme.example/", {}, "without a user name"),
    ],
)
def test_a_sender_that_lacks_something_is_unusable_and_says_what(
    name: str, api_url: str, told: dict[str, str], says: str
) -> None:
    unfit = sender(name, api_url, **told)
    with pytest.raises(SenderUnusable, match=says):
        transport_for(unfit)
    assert says in (check(unfit) or "")


def test_credentials_that_cannot_be_decrypted_make_the_sender_unusable(settings: Settings) -> None:
    locked = sender("postmark")
    settings.CREDENTIAL_KEYS = ["another"]
    with pytest.raises(SenderUnusable, match="CREDENTIAL_KEYS"):
        transport_for(locked)
