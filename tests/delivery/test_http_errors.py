"""What an e-mail service's answer means: who is to blame, and whether the mail may be sent again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import time_machine
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRequestsAPIError,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)

from delivery.errors.base import Verdict
from delivery.errors.http import LONGEST_WAIT, Problem, classify, refused, seconds

N, P, U, A, S = (
    Verdict.NOT_SENT,
    Verdict.PERMANENT,
    Verdict.UNKNOWN,
    Verdict.UNAVAILABLE,
    Verdict.SENDER,
)
ADA = "ada@example.com"


def response(status: int, body: Any = "", **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = (body if isinstance(body, str) else json.dumps(body)).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def judged(status: int, body: Any = "", esp: str = "brevo", **headers: str) -> Problem:
    error = AnymailRequestsAPIError(response=response(status, body, **headers))
    return classify(error, esp, ADA, called=True)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((code, S) for code in (301, 401, 402, 403, 404, 405, 407, 415)),
        *((code, U) for code in (200, 202, 409, 500, 502, 503, 504, 520, 522, 524)),
        *((code, A) for code in (408, 420, 425, 429, 521, 523, 525, 526)),
        *((code, N) for code in (400, 422, 451, 499)),
        (413, P),
    ],
)
def test_a_status_without_a_word(status: int, verdict: Verdict) -> None:
    assert judged(status).verdict is verdict


def test_503_is_believed_only_when_it_says_for_how_long() -> None:
    assert judged(503, Retry_After="7")[::2] == (A, 7.0)
    assert judged(503, Retry_After="soon").verdict is U


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("inf", LONGEST_WAIT),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(header: str, wait: float | None) -> None:
    with time_machine.travel(datetime(2026, 11, 22, 12, tzinfo=UTC), tick=False):
        assert seconds(header) == wait


def test_429_says_for_how_long() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    problem = judged(429, Retry_After=later)
    assert problem.verdict is A
    assert problem.retry_after == pytest.approx(90, abs=5)


# What services say when the mail is not to blame. Every other mail would get the same answer.
ABOUT_THE_SENDER = [
    (
        "postmark",
        422,
        {"ErrorCode": 400, "Message": "The 'From' address you supplied is not a Sender Signature."},
    ),
    ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'From' address: 'x'."}),
    (
        "postmark",
        422,
        {
            "ErrorCode": 412,
            "Message": "While your account is pending approval, all recipient addresses must share the same "
            "domain as the 'From' address. Recipient: ada@example.com",
        },
    ),
    ("postmark", 422, {"ErrorCode": 1235, "Message": "The message stream 'x' was not found."}),
    ("mailgun", 400, {"message": "from parameter is missing"}),
    ("mailgun", 400, "Sandbox subdomains are for test purposes only. Please add your own domain."),
    ("mailgun", 200, "Mailgun Magnificent API"),
    ("mailersend", 422, {"message": "The from.email domain must be verified in your account. #MS42207"}),
    (
        "mailersend",
        422,
        {"message": "Trial accounts can only send emails to the administrator's email. #MS42225"},
    ),
    ("mailersend", 422, {"message": "Custom headers are not available on your plan."}),
    (
        "amazon_ses",
        400,
        {"message": "Email address is not verified. The following identities failed: ada@example.com"},
    ),
    ("resend", 400, {"name": "validation_error", "message": "Invalid `from` field. ..."}),
    (
        "resend",
        422,
        {"name": "invalid_from_address", "message": "You can only send testing emails to your own."},
    ),
    ("brevo", 400, {"code": "invalid_parameter", "message": "sender email is invalid"}),
    ("brevo", 400, {"code": "not_enough_credits", "message": "You don't have enough credits"}),
    ("sparkpost", 400, {"errors": [{"message": "Unconfigured Sending Domain", "code": "7001"}]}),
    (
        "scaleway",
        400,
        {"message": "domain is not validated for ada@example.com"},
    ),
    ("unisender_go", 400, {"status": "error", "message": "Error ID:2. Sender domain is not confirmed"}),
    ("mandrill", 500, {"status": "error", "name": "Invalid_Key", "message": "Invalid API key"}),
    ("mandrill", 500, {"status": "error", "name": "PaymentRequired", "message": "Payment required"}),
    (
        "postal",
        200,
        {"status": "error", "data": {"code": "UnauthenticatedFromAddress", "message": "Not authorised"}},
    ),
]


@pytest.mark.parametrize(("esp", "status", "body"), ABOUT_THE_SENDER)
def test_what_is_about_the_sender_is_not_held_against_a_recipient(esp: str, status: int, body: Any) -> None:
    assert judged(status, body, esp).verdict is S


@pytest.mark.parametrize(
    ("esp", "status", "body"),
    [
        ("mailgun", 400, {"message": "'to' parameter is not a valid address. please check documentation"}),
        ("brevo", 400, {"code": "invalid_parameter", "message": "email is not valid in to"}),
        ("resend", 422, {"name": "validation_error", "message": "Invalid `to` field. ..."}),
        ("mailersend", 422, {"message": "The to.0.email must be a valid email address."}),
        ("mailtrap", 400, {"success": False, "errors": ["'to' address is invalid"]}),
        ("scaleway", 400, {"message": "Ada@Example.com cannot be reached"}),
        (
            "postal",
            200,
            {"status": "parameter-error", "data": {"message": "The recipient is invalid."}},
        ),
    ],
)
def test_what_is_about_the_recipient_ends_the_mail(esp: str, status: int, body: Any) -> None:
    assert judged(status, body, esp).verdict is P


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, "ThrottlingException: Maximum sending rate exceeded."),
        (400, {"message": "Daily message quota exceeded"}),
        (422, {"message": "You have exceeded your hourly sending limit"}),
    ],
)
def test_a_limit_passes_by_itself(status: int, body: Any) -> None:
    assert judged(status, body).verdict is A


def test_an_address_that_speaks_of_the_sender_stops_nobody() -> None:
    body = {"message": "Rejected: unverified-sender.disabled@example.com"}
    error = AnymailRequestsAPIError(response=response(400, body))
    problem = classify(error, "brevo", "unverified-sender.disabled@example.com", called=True)
    assert problem.verdict is P


def test_an_error_of_the_service_itself_is_a_doubt_also_where_500_means_a_refusal() -> None:
    assert judged(500, {"status": "error", "name": "GeneralError"}, "mandrill").verdict is U
    assert judged(500, {"status": "error", "name": "Invalid_Key"}, "brevo").verdict is U


def test_a_page_of_a_proxy_is_told_without_its_tags() -> None:
    error = judged(502, "<html><h1>Bad\r\n Gateway</h1>\x00</html>").error
    assert error == f"{'The service may have taken the mail, but did not say so.'} (502 Bad Gateway)"


@pytest.mark.parametrize(
    ("error", "called", "verdict"),
    [
        (AnymailUnsupportedFeature("no such thing"), False, P),
        (AnymailInvalidAddress("no address"), False, P),
        (AnymailSerializationError("no JSON"), True, P),
        (AnymailConfigurationError("no key"), False, S),
        (KeyError("emails"), True, U),
        (KeyError("emails"), False, P),
    ],
)
def test_an_error_without_an_answer(error: Exception, called: bool, verdict: Verdict) -> None:
    assert classify(error, "brevo", ADA, called=called).verdict is verdict


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [
        ("EndpointConnectionError", A),
        ("ConnectTimeoutError", A),
        ("ReadTimeoutError", U),
        ("ConnectionClosedError", U),
        ("NoCredentialsError", S),
        ("ParamValidationError", P),
    ],
)
def test_errors_of_amazons_client_are_told_by_name(cause: str, verdict: Verdict) -> None:
    error = AnymailAPIError("failed")
    error.__cause__ = type(cause, (Exception,), {})("failed")
    assert classify(error, "amazon_ses", ADA, called=True).verdict is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (429, "TooManyRequestsException", A),
        (400, "LimitExceededException", A),
        (400, "MailFromDomainNotVerifiedException", S),
        (400, "AccountSuspendedException", S),
        (400, "SendingPausedException", S),
        (403, "UnrecognizedClientException", S),
        (404, "NotFoundException", S),
        (400, "BadRequestException", N),
        (500, "InternalFailure", U),
    ],
)
def test_answers_of_amazon(status: int, code: str, verdict: Verdict) -> None:
    answer = {
        "Error": {"Code": code, "Message": "?"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "3"}},
    }
    problem = classify(AnymailAPIError("x", response=answer), "amazon_ses", ADA, called=True)
    assert problem[::2] == (verdict, 3.0)
    assert code in problem.error


@pytest.mark.parametrize(
    ("esp", "status", "body", "verdict"),
    [
        ("mandrill", "rejected", [{"status": "rejected", "reject_reason": "hard-bounce"}], P),
        ("mandrill", "rejected", [{"status": "rejected", "reject_reason": "unsigned"}], S),
        ("mandrill", "rejected", [{"status": "rejected", "reject_reason": "invalid-sender"}], S),
        ("mandrill", "rejected", [{"status": "rejected", "reject_reason": "test-mode-limit"}], S),
        ("unisender_go", "failed", {"failed_emails": {ADA: "temporary_unavailable"}}, P),
        ("sparkpost", "rejected", {"results": {"total_rejected_recipients": 1}}, P),
    ],
)
def test_a_recipient_that_was_refused_with_200(esp: str, status: str, body: Any, verdict: Verdict) -> None:
    assert refused(status, response(200, body), esp, ADA).verdict is verdict


def test_a_recipient_of_whom_nothing_is_said_is_a_doubt_unless_the_call_was_refused() -> None:
    body = {"ErrorCode": 300, "Message": "Invalid 'To' address"}
    assert refused("unknown", response(200, body), "postmark", ADA).verdict is U
    assert refused("unknown", response(422, body), "postmark", ADA).verdict is P


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ('"ada@example.com" is an invalid email address.', P),
        ("The sender address has not been validated", S),
        ("Something else", N),
    ],
)
def test_a_recipient_that_mailjet_calls_failed_under_400(message: str, verdict: Verdict) -> None:
    body = {"Messages": [{"Status": "error", "Errors": [{"ErrorMessage": message}]}]}
    problem = refused("failed", response(400, body), "mailjet", ADA)
    assert problem.verdict is verdict
    assert message in problem.error
