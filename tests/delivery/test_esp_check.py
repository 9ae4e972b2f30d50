"""Whether a service knows a key: asked for a mail to nobody, through Anymail's real backends."""

from __future__ import annotations

import pytest

from campaigns.esps import ESPS
from delivery.errors.base import Verdict
from delivery.transports.esp import Service
from delivery.transports.esp_check import check
from tests.delivery.services import credentials, impatient  # noqa: F401 - a fixture
from tests.http_stub import KEY, Act, HttpStub, Response

FROM = "news@acme.example"


def service(stub: HttpStub, name: str, key: str = KEY) -> Service:
    return Service(ESPS[name], credentials(name, key), stub.url(name))


@pytest.mark.parametrize("name", ESPS)
def test_a_key_that_the_service_knows_is_fine_and_nothing_is_sent(name: str) -> None:
    with HttpStub() as stub:
        assert check(service(stub, name), FROM) is None
        assert stub.accepted == []
        [request] = stub.requests
    assert FROM not in request.said
    assert "subject" not in request.said.lower()


@pytest.mark.parametrize("name", ESPS)
def test_a_key_that_the_service_does_not_know_is_the_senders_fault(name: str) -> None:
    with HttpStub() as stub:
        problem = check(service(stub, name, "s3cr3t-but-wrong"), FROM)
        assert problem is not None
        assert problem.verdict is Verdict.SENDER
        assert len(stub.requests) == 1


@pytest.mark.parametrize("name", ["postmark", "amazon_ses", "mailgun"])
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Act.HANG, Verdict.UNAVAILABLE),
        (Act.RESET, Verdict.UNAVAILABLE),
        (Response(503), Verdict.UNAVAILABLE),
        (Response(500), Verdict.UNAVAILABLE),
        (Response(429), Verdict.UNAVAILABLE),
        (Response(404), Verdict.SENDER),
    ],
)
def test_a_service_that_says_nothing_useful_is_no_proof(
    name: str, answer: Act | Response, verdict: Verdict
) -> None:
    with HttpStub(for_nobody=answer) as stub:
        problem = check(service(stub, name), FROM)
    assert problem is not None
    assert (problem.verdict, bool(problem.error)) == (verdict, True)


def test_a_service_that_nobody_reaches_is_said_to_be_away() -> None:
    with HttpStub() as stub:
        pass
    problem = check(service(stub, "postmark"), FROM)
    assert problem is not None
    assert problem.verdict is Verdict.UNAVAILABLE


def test_an_address_where_no_service_is_is_no_proof() -> None:
    with HttpStub(for_nobody=Response(200, "Mailgun Magnificent API")) as stub:
        problem = check(service(stub, "mailgun"), FROM)
    assert problem is not None
    assert problem.verdict is Verdict.SENDER
