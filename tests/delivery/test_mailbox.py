"""The local mailbox: what it keeps, what it counts, and who may talk to it."""

from __future__ import annotations

import smtplib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from delivery.errors.base import Verdict
from delivery.mailbox import server as server_module
from delivery.mailbox.server import Mailbox, MailboxUnavailable
from delivery.mailbox.store import PAGE_SIZE, MailboxStore
from delivery.transports.base import Answer, Mail
from delivery.transports.smtp import Server, SmtpTransport
from tests.delivery.staff import source
from tests.smtp_stub import SmtpStub

HOST = "127.0.0.1"


def message(campaign_id: int = 7, subject: str = "Hello", body: bytes = b"Hi\r\n") -> bytes:
    head = f"Subject: {subject}\r\nFeedback-ID: {campaign_id}:acme:campaign:drumbeat\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail" / "mailbox.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[MailboxStore]:
    with MailboxStore(path) as opened:
        yield opened


# --- The store ---------------------------------------------------------------------------------


def test_a_message_is_committed_when_add_returns(store: MailboxStore, path: Path) -> None:
    raw = message(subject="Hello")
    before = datetime.now(UTC)
    message_id = store.add("c@example.com", "a@acme.example", raw)
    with MailboxStore(path) as other:
        assert source(other, message_id) == raw
        [found] = other.search().messages
    assert (found.id, found.campaign_id, found.sender) == (message_id, 7, "a@acme.example")
    assert (found.recipient, found.subject, found.size) == ("c@example.com", "Hello", len(raw))
    assert before <= found.received_at <= datetime.now(UTC)


def test_copies_are_counted_per_campaign_and_recipient(store: MailboxStore) -> None:
    for campaign_id, recipients in {7: "aabcccA", 8: "a", 9: "ab"}.items():
        for recipient in recipients:
            store.add(f"{recipient}@example.com", "x@acme.example", message(campaign_id))
    assert [store.count(campaign_id) for campaign_id in (None, 7, 8, 9, 10)] == [10, 7, 1, 2, 0]
    assert [store.duplicates(campaign_id) for campaign_id in (7, 8, 9, 10)] == [4, 0, 0, 0]
    assert list(store.recipients(7)) == ["a@example.com", "b@example.com", "c@example.com"]


@pytest.mark.parametrize(
    ("head", "campaign_id"),
    [
        (b"Feedback-ID: 12:acme:campaign:drumbeat", 12),
        (b"feedback-id:12:acme:campaign:drumbeat", 12),
        (b"Feedback-ID: abc:acme:campaign:drumbeat", 0),
        (b"Feedback-ID: 99999999999999999999:a:b:c", 0),
        (b"X-Feedback-ID: 12:acme:campaign:drumbeat", 0),
        (b"Subject: no campaign", 0),
        (b"", 0),
    ],
)
def test_the_campaign_is_read_from_the_feedback_id(
    store: MailboxStore, head: bytes, campaign_id: int
) -> None:
    store.add("c@example.com", "a@acme.example", head + b"\r\n\r\nFeedback-ID: 5:in:the:body\r\n")
    assert store.count(campaign_id) == 1


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        ("Subject: plain", "plain"),
        ("SUBJECT:=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?4pyT?=", "Grüße✓"),
        ("Subject: folded\r\n over\r\n\tthree lines", "folded over three lines"),
        ("Subject: =?no-such-charset?q?x?=", "=?no-such-charset?q?x?="),
        ("Subject: =?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("Subject: =?utf-8?q?=FF?=", "=?utf-8?q?=FF?="),
        ("Subject: roh ü", "roh ü"),
        ("Subject:", ""),
        ("To: nobody", ""),
    ],
)
def test_any_subject_is_shown_as_far_as_it_can_be_read(
    store: MailboxStore, header: str, subject: str
) -> None:
    store.add("c@example.com", "a@acme.example", header.encode() + b"\r\nTo: x\r\n\r\n")
    assert store.search().messages[0].subject == subject


def test_a_search_finds_recipients_and_subjects_by_any_part_and_takes_signs_as_they_are(
    store: MailboxStore,
) -> None:
    for recipient, subject in [
        ("ann@example.com", "50% off"),
        ("bob_b@example.com", "Hello Ann"),
        ("cy@example.com", "x"),
    ]:
        store.add(recipient, "a@acme.example", message(subject=subject))
    found = {
        text: [each.recipient[:2] for each in store.search(text).messages]
        for text in ("ann", "%", "_", "\\", "")
    }
    assert found == {"ann": ["bo", "an"], "%": ["an"], "_": ["bo"], "\\": [], "": ["cy", "bo", "an"]}


def test_a_search_is_shown_page_by_page_newest_first(store: MailboxStore) -> None:
    ids = [store.add("c@example.com", "a@acme.example", message()) for _ in range(PAGE_SIZE + 1)]
    first, second, third = (store.search(page=page) for page in (1, 2, 3))
    assert [each.id for each in first.messages + second.messages] == ids[::-1]
    assert [len(page.messages) for page in (first, second, third)] == [PAGE_SIZE, 1, 0]
    assert [page.has_next for page in (first, second, third)] == [True, False, False]


def test_an_id_is_never_given_twice_even_after_clearing(store: MailboxStore) -> None:
    old = store.add("c@example.com", "a@acme.example", message())
    store.clear()
    assert store.count() == 0
    assert source(store, old) is None
    assert store.add("c@example.com", "a@acme.example", message()) > old


def test_threads_may_share_a_store(store: MailboxStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(
            pool.map(lambda i: store.add(f"c{i}@example.com", "a", message(body=b"%d" % i)), range(400))
        )
    assert len(set(ids)) == store.count(7) == 400
    assert [source(store, message_id) for message_id in ids] == [message(body=b"%d" % i) for i in range(400)]


def test_processes_may_open_and_write_one_mailbox_at_the_same_time(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from delivery.mailbox.store import MailboxStore\n"
        "sys.stdin.readline()\n"
        "with MailboxStore(Path(sys.argv[1])) as store:\n"
        "    for i in range(100):\n"
        "        store.add(f'{sys.argv[2]}-{i}@example.com', 'a', b'Feedback-ID: 7:x\\r\\n\\r\\n')\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    writers = [
        subprocess.Popen([*command, str(n)], cwd=settings.BASE_DIR, stdin=subprocess.PIPE) for n in range(4)
    ]
    for writer in writers:
        writer.communicate(b"go\n", timeout=60)
    assert [writer.returncode for writer in writers] == [0] * 4
    with MailboxStore(path) as store:
        assert (store.count(7), store.duplicates(7)) == (400, 0)


# --- The server --------------------------------------------------------------------------------


@pytest.fixture
def port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def mailbox(port: int, path: Path) -> Iterator[Mailbox]:
    running = Mailbox(HOST, port, path)
    assert running.start() is True
    yield running
    running.stop()


def deliver(port: int, *mails: Mail) -> list[Answer]:
    transport = SmtpTransport(Server(HOST, port))
    answers = list(transport.deliver(iter(mails), lambda row_id: None))
    transport.close()
    return answers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b".\r\n",
        b"..\r\n.\r\n\r\n.hidden\r\n...\r\nend.\r\n",
        b"a sentence.\r\n" * 3000,
        b"x" * 200_000 + b"\r\n",
        "8-bit, as it came: ü ✓\r\n".encode(),
        b"a\rb\nc\0d\r\n",
        b"." * 70_000 + b"\r\n",
    ],
    ids=["empty", "dot", "dots", "sentences", "long line", "8-bit", "odd signs", "a line of dots"],
)
def test_a_message_arrives_byte_for_byte(
    mailbox: Mailbox, port: int, store: MailboxStore, body: bytes
) -> None:
    raw = message(body=body)
    answers = deliver(port, *(Mail(i, "a@acme.example", f"c{i}@example.com", raw) for i in range(2)))
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED] * 2
    assert [source(store, int(answer.provider_id)) for answer in answers] == [raw, raw]
    assert list(store.recipients(7)) == ["c0@example.com", "c1@example.com"]


@pytest.mark.parametrize("raw", [b"", b".\r\n", b"\r\n"])
def test_even_a_message_without_a_header_arrives(
    mailbox: Mailbox, port: int, store: MailboxStore, raw: bytes
) -> None:
    with smtplib.SMTP(HOST, port, "client.example") as client:
        client.ehlo()
        client.mail("a@acme.example")
        client.rcpt("c@example.com")
        client.docmd("DATA")
        client.send(raw.replace(b".", b"..") + b".\r\n")
        assert client.getreply()[0] == 250
    assert source(store, 1) == raw


def test_a_message_to_several_recipients_is_kept_for_each(
    mailbox: Mailbox, port: int, store: MailboxStore
) -> None:
    with smtplib.SMTP(HOST, port, "client.example") as client:
        assert client.sendmail("a@acme.example", ["b@example.com", "c@example.com"], message()) == {}
    assert list(store.recipients(7)) == ["b@example.com", "c@example.com"]


def test_the_mailbox_says_what_it_can_do(mailbox: Mailbox, port: int) -> None:
    with smtplib.SMTP(HOST, port, "client.example") as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(25 * 1024 * 1024)
        assert client.has_extn("8bitmime")
        assert not client.has_extn("smtputf8")
        assert client.docmd("DATA")[0] == 503


def test_a_message_over_the_limit_is_refused_for_good_by_its_size_alone(
    monkeypatch: pytest.MonkeyPatch, port: int, path: Path, store: MailboxStore
) -> None:
    monkeypatch.setattr(server_module, "SIZE_LIMIT", 10_000)
    mailbox = Mailbox(HOST, port, path)
    mailbox.start()
    large, small = message(body=b"x" * 10_000 + b"\r\n"), message()
    answers = deliver(
        port, Mail(1, "a@b.example", "c@d.example", large), Mail(2, "a@b.example", "c@d.example", small)
    )
    assert [answer.verdict for answer in answers] == [Verdict.PERMANENT, Verdict.ACCEPTED]
    with smtplib.SMTP(HOST, port, "client.example") as client:
        client.ehlo()
        client.docmd("MAIL FROM:<a@b.example>")
        client.docmd("RCPT TO:<c@d.example>")
        # Announces no size.
        assert client.data(large)[0] == 552
    mailbox.stop()
    assert store.count() == 1


def test_a_message_that_cannot_be_kept_is_not_acknowledged(
    mailbox: Mailbox, port: int, store: MailboxStore, path: Path
) -> None:
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE message RENAME TO elsewhere")
    other.close()
    [answer] = deliver(port, Mail(1, "a@b.example", "c@d.example", message()))
    assert answer.verdict is Verdict.NOT_SENT
    assert "cannot be written" in answer.error


def test_the_mailbox_takes_what_several_connections_send_at_once(
    mailbox: Mailbox, port: int, store: MailboxStore
) -> None:
    def send(n: int) -> list[Answer]:
        return deliver(port, *(Mail(i, "a@b.example", f"{n}-{i}@example.com", message()) for i in range(50)))

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for part in pool.map(send, range(4)) for answer in part]
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert (store.count(7), store.duplicates(7)) == (200, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.0.2.1", "::", "mail.example.com"])  # noqa: S104
def test_the_mailbox_listens_on_loopback_only(host: str, path: Path) -> None:
    with pytest.raises(MailboxUnavailable, match="only listens on this machine"):
        Mailbox(host, 2525, path)


def test_a_second_process_uses_the_mailbox_that_runs_already(mailbox: Mailbox, port: int, path: Path) -> None:
    second = Mailbox(HOST, port, path)
    assert second.start() is False
    second.stop()
    [answer] = deliver(port, Mail(1, "a@b.example", "c@d.example", message()))
    assert answer.verdict is Verdict.ACCEPTED


def test_the_mailbox_of_another_installation_is_not_taken_for_ones_own(
    mailbox: Mailbox, port: int, tmp_path: Path
) -> None:
    with pytest.raises(MailboxUnavailable, match="another Drumbeat .* MAILBOX_PORT"):
        Mailbox(HOST, port, tmp_path / "other.sqlite3").start()


@pytest.mark.parametrize("greeting", ["220 another server", "not even SMTP"])
def test_a_port_that_another_program_has_is_named_with_the_way_out(greeting: str, path: Path) -> None:
    with (
        SmtpStub(GREETING=greeting) as stub,
        pytest.raises(MailboxUnavailable, match="Another program .* MAILBOX_PORT"),
    ):
        Mailbox(stub.host, stub.port, path).start()


def test_a_mailbox_can_be_stopped_twice_and_started_again(
    mailbox: Mailbox, port: int, store: MailboxStore
) -> None:
    transport = SmtpTransport(Server(HOST, port))
    mails = [Mail(i, "a@b.example", f"c{i}@d.example", message()) for i in range(3)]
    assert [each.verdict for each in transport.deliver(iter(mails[:1]), lambda row_id: None)] == [
        Verdict.ACCEPTED
    ]
    mailbox.stop()
    mailbox.stop()
    assert [each.verdict for each in transport.deliver(iter(mails[1:]), lambda row_id: None)] == [
        Verdict.UNAVAILABLE
    ]
    assert mailbox.start() is True
    assert [each.verdict for each in transport.deliver(iter(mails[1:]), lambda row_id: None)] == [
        Verdict.ACCEPTED
    ] * 2
    transport.close()
    assert store.count() == 3
