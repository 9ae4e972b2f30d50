"""The way out to addresses that people have typed: never inside, and only to an address that was judged."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from campaigns import egress

INNER = [
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "198.18.0.1", "192.0.2.1"),  # noqa: S104
    *("::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    # Of IPv4, in the clothes of IPv6: mapped, compatible, translated, 6to4, NAT64, Teredo.
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2001:0:1::1"),
]
OUTER = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]


@pytest.fixture(autouse=True)
def nothing_allowed(settings: Settings) -> None:
    settings.EGRESS_ALLOW = []


class Names:
    """A resolver whose answers change: the first look-up gets the first, the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0
        self._system = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "smtp.example":
            return self._system(host, port, *args, **kwargs)
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [found for each in addresses for found in self._system(each, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_refused(address: str) -> None:
    with pytest.raises(egress.Refused, match="EGRESS_ALLOW=smtp.example:25"):
        egress.judge("smtp.example", address, 25)


@pytest.mark.parametrize("address", OUTER)
def test_an_address_of_the_open_internet_is_allowed(address: str) -> None:
    egress.judge("smtp.example", address, 25)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "0", "[::1]".strip("[]")])
def test_no_spelling_of_this_machine_leads_to_it(host: str, listener: socket.socket) -> None:
    with pytest.raises(egress.Refused):
        egress.connect(host, port_of(listener), 2)


def test_a_name_with_one_inner_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(egress.Refused, match=r"10\.0\.0\.1"):
        egress.connect("smtp.example", 25, 1)


def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, listener: socket.socket
) -> None:
    """The name answers with what is allowed first, and with another address as soon as it is asked again."""
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    with egress.connect("smtp.example", port_of(listener), 2) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
    assert names.asked == 1


def test_a_name_that_leads_inside_the_second_time_is_refused_then(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, listener: socket.socket
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    Names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    egress.connect("smtp.example", port_of(listener), 2).close()
    with pytest.raises(egress.Refused):
        egress.connect("smtp.example", port_of(listener), 2)


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "127.0.0.0/8", "localhost", "LOCALHOST:{port}", "127.0.0.1:{port}"]
)
def test_what_the_operator_names_is_connected_to(
    entry: str, settings: Settings, listener: socket.socket
) -> None:
    settings.EGRESS_ALLOW = [entry.format(port=port_of(listener))]
    host = "localhost" if "localhost" in entry.lower() else "127.0.0.1"
    egress.connect(host, port_of(listener), 2).close()


@pytest.mark.parametrize(
    "entry", ["127.0.0.2", "10.0.0.0/8", "127.0.0.1:1", "localhost:1", "host.local", "nonsense:x"]
)
def test_what_the_operator_names_is_no_more_than_that(
    entry: str, settings: Settings, listener: socket.socket
) -> None:
    settings.EGRESS_ALLOW = [entry]
    with pytest.raises(egress.Refused):
        egress.connect("127.0.0.1", port_of(listener), 2)


def test_an_address_typed_into_a_form_is_refused_there_and_a_name_later() -> None:
    assert "10.1.2.3, an inner address" in egress.literal_problem("10.1.2.3", 25)
    assert "EGRESS_ALLOW=localhost:25" in egress.literal_problem("localhost", 25)
    assert egress.literal_problem("::1", 25) and egress.literal_problem("[::1]", 25)
    assert egress.literal_problem("8.8.8.8", 25) == egress.literal_problem("smtp.example", 25) == ""


def test_a_second_address_is_tried_when_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, listener: socket.socket
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    Names(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    with egress.connect("smtp.example", port_of(listener), 2) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
