"""Each e-mail service's own language, through Anymail's real backends, and connections that never stood."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from campaigns.esps import ESPS
from delivery.errors.base import Verdict
from delivery.transports.esp import EspTransport, Service
from tests.delivery.services import (
    LINK,
    SUBJECT,
    credentials,
    deliver,
    impatient,  # noqa: F401 - a fixture
    mail,
    mails,
    transport,
    verdicts,
)
from tests.http_stub import KEY, Act, HttpStub, Request, Response, service

U, A, S, OK = Verdict.UNKNOWN, Verdict.UNAVAILABLE, Verdict.SENDER, Verdict.ACCEPTED


def parts_of(request: Request) -> Any:
    """What a service was told, whatever it calls it."""
    if service(request) == "mailgun":
        return request.form
    if service(request) == "amazon_ses":
        raw = base64.b64decode(request.json["Content"]["Raw"]["Data"])
        parsed = message_from_bytes(raw, policy=policy.default)
        bodies = [part.get_content() for part in parsed.iter_parts()]
        return [*parsed.items(), *bodies]
    return request.json


@pytest.mark.parametrize("name", ESPS)
def test_each_service_takes_a_mail_with_all_that_it_says(name: str) -> None:
    with HttpStub() as stub:
        [answer] = deliver(transport(stub, name), [mail(7)])
        assert (answer.row_id, answer.verdict, answer.error) == (7, OK, "")
        assert answer.provider_id
        assert stub.accepted == ["c7@example.com"]
        [request] = stub.requests
    told = json.dumps(parts_of(request), ensure_ascii=False)
    for expected in (SUBJECT, "Grüße", "<p>Grüße</p>", "Ada Örsted", LINK, "office@acme.example"):
        assert expected in told
    row = '(v:)?row": "7"' if ESPS[name].metadata else "row-7"
    assert re.search(row, told.replace("\\", ""))


@pytest.mark.parametrize("name", ESPS)
def test_a_wrong_key_stops_the_sender_and_is_not_repeated(name: str) -> None:
    with HttpStub() as stub:
        answers = deliver(transport(stub, name, connections=1, key="s3cr3t-but-wrong"), mails(3))
        assert verdicts(answers) == [S]
        assert len(stub.requests) == 1
        assert stub.accepted == []
    assert "s3cr3t-but-wrong" not in answers[0].error


def test_what_a_service_does_not_take_is_left_out() -> None:
    with HttpStub() as stub:
        deliver(transport(stub, "mailjet"), [mail(1)])
        deliver(transport(stub, "mailgun"), [mail(1)])
        mailjet, mailgun = stub.requests
    assert "List-Id" not in mailjet.json["Globals"]["Headers"]
    assert mailgun.form["h:List-Id"] == "<acme.acme.example>"
    assert mailgun.form["h:Message-Id"] == "<1.1@acme.example>"


def test_amazon_gets_the_very_mail_that_was_built_and_is_called_once_for_it() -> None:
    with HttpStub([None, Act.HANG]) as stub:
        out = transport(stub, "amazon_ses", connections=1)
        assert verdicts(deliver(out, [mail(1), mail(2)])) == [OK, U]
        assert len(stub.requests) == 2
        raw = base64.b64decode(stub.requests[0].json["Content"]["Raw"]["Data"])
    sent = mail(1).message.replace(b"\r\n", b"\n")
    head, _, body = sent.partition(b"\n\n")
    assert raw.startswith(head)
    assert raw.endswith(body)


def test_an_idempotency_key_belongs_to_the_row_and_stays_the_same() -> None:
    keys = {}
    for name in ("resend", "brevo"):
        with HttpStub() as stub:
            deliver(transport(stub, name, connections=1), [mail(1), mail(1), mail(2)])
            found = [
                request.headers.get("idempotency-key") or request.json["headers"]["idempotencyKey"]
                for request in stub.requests
            ]
        assert found[0] == found[1] != found[2]
        keys[name] = found[0]
    assert len(keys["brevo"]) == 36


def test_a_service_that_nobody_reaches_was_not_called() -> None:
    with HttpStub() as stub:
        pass
    [answer] = deliver(transport(stub, connections=1), mails(2))
    assert answer.verdict is A
    assert answer.error.endswith("([Errno 111] Connection refused)")


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["no TLS", "nothing"])
def test_a_failure_before_tls_stands_is_no_doubt(says: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    heard = threading.Event()

    def answer_in_the_clear() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(says)
            heard.wait(10)

    thread = threading.Thread(target=answer_in_the_clear)
    thread.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    [answer] = deliver(EspTransport(Service(ESPS["postmark"], credentials("postmark"), url), 1), mails(1))
    heard.set()
    thread.join()
    listener.close()
    assert answer.verdict is A


def test_a_host_without_an_address_was_not_called() -> None:
    known = credentials("postmark")
    [answer] = deliver(
        EspTransport(Service(ESPS["postmark"], known, "https://nowhere.invalid/"), 1), mails(1)
    )
    assert answer.verdict is A


def test_a_redirect_takes_neither_key_nor_mail_elsewhere() -> None:
    with HttpStub() as elsewhere:
        away = Response(307, "", {"Location": elsewhere.url("postmark") + "email"})
        with HttpStub([away]) as stub:
            assert verdicts(deliver(transport(stub), mails(1))) == [S]
        assert elsewhere.requests == []


def test_the_log_in_of_another_program_does_not_replace_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password eve\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with HttpStub() as stub:
        assert verdicts(deliver(transport(stub, "resend"), mails(1))) == [OK]
        assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"
