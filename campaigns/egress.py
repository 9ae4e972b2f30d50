"""Below stage 7: where this installation connects to when a person has typed the address.

A host is looked up once, every address of it is judged, and the connection goes to an address that was
judged: a name that answers differently the second time (DNS rebinding) is not asked a second time.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The last 32 bits of such an address are one of IPv4 (RFC 6052); those for local use (RFC 8215) lead inside.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(OSError):
    """This installation does not connect there; the text says what to do."""


def connect(host: str, port: int, timeout: float | None) -> socket.socket:
    """A connection over TCP to the first address of a host that answers; TLS still has to check its name.

    Raises Refused before anything is sent when any address of the host is one that nobody may reach
    through us, and otherwise what the system raises.
    """
    failed: OSError | None = None
    for family, address in resolve(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
        else:
            return sock
    raise failed or OSError(f"{host} has no address.")


def resolve(host: str, port: int) -> list[tuple[int, Any]]:
    """The addresses of a host, looked up once and all judged. Raises Refused and socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not is_named(host, port):
        for *_, address in found:
            judge(host, str(address[0]), port)
    return [(family, address) for family, _, _, _, address in found]


def judge(host: str, address: str, port: int) -> None:
    """Raise Refused when a host leads to a private, local or otherwise inner address."""
    # A link-local one names its interface after a %.
    meant = _meant(ipaddress.ip_address(address.partition("%")[0]))
    refused = next((each for each in meant if not _is_public(each) and not _is_allowed(each, port)), None)
    if refused is None:
        return
    raise Refused(
        f"{host} leads to {refused}, an inner address, and Drumbeat does not connect there for anybody. If "
        f"this is a server of your own, let whoever runs this installation set EGRESS_ALLOW={host}:{port}."
    )


def literal_problem(host: str, port: int) -> str:
    """Why a host that was typed as an address cannot be connected to; empty when it can, or is a name.

    A name is not looked up: what it leads to counts when the connection is made.
    """
    if is_named(host, port):
        return ""
    try:
        judge(host, "127.0.0.1" if host.lower().rstrip(".") == "localhost" else host.strip("[]"), port)
    except Refused as error:
        return str(error)
    except ValueError:
        return ""
    return ""


def is_named(host: str, port: int) -> bool:
    """Whether whoever runs this installation has allowed this very host."""
    names = {host.lower().rstrip("."), f"{host.lower().rstrip('.')}:{port}"}
    return not names.isdisjoint(each.lower() for each in settings.EGRESS_ALLOW)


def _is_allowed(address: Address, port: int) -> bool:
    entries = map(_entry, settings.EGRESS_ALLOW)
    return any(network and address in network and only in (None, port) for network, only in entries)


@lru_cache(maxsize=256)
def _entry(entry: str) -> tuple[Network | None, int | None]:
    """An address or a network that is allowed, and at which port alone; None for a name."""
    for text, port in ((entry, ""), entry.rpartition(":")[::2]):
        try:
            network = ipaddress.ip_network(text.strip("[]"), strict=False)
        except ValueError:
            continue
        return network, int(port) if port.isdecimal() else None
    return None, None


def _meant(address: Address) -> list[Address]:
    """The address, and that of IPv4 which it stands for or carries within it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, address.sixtofour] if address.sixtofour else [address]


def _is_public(address: Address) -> bool:
    """Whether an address is one of the open Internet (IANA's registries, as Python knows them)."""
    inner = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not inner
