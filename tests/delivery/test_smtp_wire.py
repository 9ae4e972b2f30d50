"""SMTP as bytes: replies that come in any pieces, messages with dots anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors.smtp import Reply
from delivery.transports.base import Mail
from delivery.transports.smtp import wire


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"250 2.0.0 Ok\r\n", Reply(250, "2.0.0 Ok")),
        (b"250 2.0.0 Ok\n", Reply(250, "2.0.0 Ok")),
        (b"250\r\n", Reply(250, "")),
        (b"250 \r\n", Reply(250, "")),
        (b"250-one\r\n250-\r\n250 three\r\n", Reply(250, "one\n\nthree")),
        (b"250-one\r\n550 two\r\n", Reply(550, "one\ntwo")),
        (b"550 b\xc3\xbccher \xff\r\n", Reply(550, "bücher �")),
        (b"hello\r\n", Reply(-1, "hello")),
        (b"\r\n", Reply(-1, "")),
        (b"25O ok\r\n", Reply(-1, "25O ok")),
        (b"2500 ok\r\n", Reply(-1, "2500 ok")),
        (b"250ok\r\n", Reply(-1, "250ok")),
        (b"-50 ok\r\n", Reply(-1, "-50 ok")),
        (b"25\r\n", Reply(-1, "25")),
        ("２５０ ok\r\n".encode(), Reply(-1, "２５０ ok")),
    ],
)
def test_a_line_is_a_reply_or_is_not(line: bytes, reply: Reply) -> None:
    assert wire.ReplyReader().feed(line) == [reply]


@given(st.data())
def test_replies_are_the_same_in_whatever_pieces_they_come(data: st.DataObject) -> None:
    said = b"250 one\r\n354 go\r\n250-a\r\n250-b\r\n250 c\r\n550 no\r\nwhat?\r\n250 last\r\n25"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)))))
    reader = wire.ReplyReader()
    replies = [
        reply
        for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)
        for reply in reader.feed(said[start:end])
    ]
    assert [reply.code for reply in replies] == [250, 354, 250, 550, -1, 250]
    assert replies[2].text == "a\nb\nc"


@pytest.mark.parametrize("piece", [b"2" * 100, b"250-" + b"x" * 96 + b"\r\n"])
def test_a_reply_without_an_end_is_none(piece: bytes) -> None:
    reader = wire.ReplyReader()
    fed = 0
    while not (replies := reader.feed(piece)):
        fed += 100
        assert fed < 2 * wire.REPLY_LIMIT
    assert [reply.code for reply in replies] == [-1]


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b".\r\n"])).map(b"".join))
def test_a_message_comes_out_as_it_went_in_and_ends_only_at_its_end(message: bytes) -> None:
    sent = b"".join(wire.body(Mail(1, "a@b.example", "c@d.example", message)))
    assert sent.endswith((b"\r\n.\r\n", b".\r\n"))
    # As servers read it that take a bare LF for a line end, too.
    lines = sent.split(b"\n")
    assert [line for line in lines[:-2] if line in (b".", b".\r")] == []
    unstuffed = b"\n".join(line[1:] if line.startswith(b".") else line for line in lines[:-2])
    whole = message if message.endswith(b"\r\n") else message + b"\r\n"
    assert unstuffed + (b"\n" if len(lines) > 2 else b"") == whole
