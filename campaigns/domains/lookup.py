"""Questions to the DNS, each with a time that it may take and all of them with one together."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import dns.exception
import dns.nameserver
import dns.resolver
from django.conf import settings

# One look-up, with its repetitions; and everything that is asked for one domain.
LOOKUP_SECONDS = 3.0
TOGETHER_SECONDS = 8.0
LONGEST_NAME = 253


class Unanswered(Exception):
    """The DNS gave no answer in time, or none that can be used. It may another time."""


class Dns:
    """Asks the servers of the setting DNS_SERVERS, else those of this machine. Safe for several threads."""

    def __init__(self) -> None:
        """Raises Unanswered on a machine that has no name servers."""
        try:
            self._resolver = dns.resolver.Resolver(configure=not settings.DNS_SERVERS)
        except dns.resolver.NoResolverConfiguration as error:
            raise Unanswered from error
        if settings.DNS_SERVERS:
            self._resolver.nameservers = [_server(address) for address in settings.DNS_SERVERS]
        self._end = time.monotonic() + TOGETHER_SECONDS

    def txt(self, name: str) -> list[str]:
        """The texts at a name; none when it has none or does not exist. Raises Unanswered."""
        return [b"".join(answer.strings).decode("utf-8", "replace") for answer in self._ask(name, "TXT")]

    def mx(self, name: str) -> list[str]:
        """The hosts that take mail for a name; `.` alone says that nobody does (RFC 7505)."""
        return [str(answer.exchange) for answer in self._ask(name, "MX")]

    def _ask(self, name: str, kind: str) -> list[Any]:
        seconds = min(LOOKUP_SECONDS, self._end - time.monotonic())
        if seconds <= 0 or len(name) > LONGEST_NAME:
            raise Unanswered(name)
        try:
            return list(self._resolver.resolve(name, kind, lifetime=seconds, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        # No time, no server, or a name that is none.
        except (dns.exception.DNSException, UnicodeError, OSError) as error:
            raise Unanswered(name) from error


def _server(address: str) -> dns.nameserver.Nameserver:
    """A server from the setting: an address, with a port behind a colon where it is not 53."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        host, _, port = address.rpartition(":")
        return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
    return dns.nameserver.Do53Nameserver(address, 53)
