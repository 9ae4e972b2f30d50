"""Microsoft as a mailbox's provider: OAuth 2 with refresh tokens that change, drafts and sent items."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

from pytest_django import Settings

from tests.http_stub import Act, Request, Response
from tests.oauth_stub import OAuthStub

LASTING = 'IdType="ImmutableId"'
# Mails that a list names at once.
PAGE = 2
# Base64 that Graph takes in one call.
LARGEST = 4 * 1024 * 1024


def refusal(status: int, code: str, message: str = "No.") -> Response:
    """An error as Graph writes it."""
    return Response(status, {"error": {"code": code, "message": message}})


@dataclass
class Item:
    """A message in the mailbox. Its id names its folder too, and changes with it; the lasting one stays."""

    number: int
    wire: bytes
    mail: EmailMessage
    folder: str = "drafts"

    @property
    def ids(self) -> tuple[str, str]:
        return f"{self.folder}-{self.number}=", f"lasting-{self.number}="


@dataclass
class MicrosoftStub(OAuthStub):
    """`script` says what happens when each mail is to be sent; None and its end: it is sent."""

    rotates: bool = True
    # What happens when each draft is to be made.
    draft_script: Sequence[Response | Act | None] = ()
    # A mail that is refused goes all the same.
    lies: bool = False
    items: list[Item] = field(default_factory=list)
    # What came in, by when; the id of each is its place.
    received: list[tuple[datetime, bytes]] = field(default_factory=list)
    # Where the next page of a list is said to be, instead of here.
    next_page: str = ""
    # What was sent, parsed and as it came.
    mails: list[EmailMessage] = field(default_factory=list)
    wires: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._item_numbers = itertools.count(1)
        self._sends = itertools.count(0)
        self._drafts = itertools.count(0)

    def point(self, settings: Settings) -> None:
        api = f"{self.root}/v1.0"
        self._point(
            settings, "MICROSOFT", ACCOUNT_URL=f"{api}/me?$select=mail,userPrincipalName", API_URL=api
        )

    def wrong_token(self) -> Response:
        return refusal(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")

    def in_folder(self, folder: str) -> list[Item]:
        return [item for item in self.items if item.folder == folder]

    def api(self, request: Request, path: str) -> Response | Act:
        path = path.removeprefix("/v1.0/me")
        if path == "":
            return Response(200, {"mail": self.account, "userPrincipalName": f"upn.{self.account}"})
        if (request.method, path) == ("POST", "/sendMail"):
            return self._send(Item(0, *read(request.body)))
        if (request.method, path) == ("POST", "/messages"):
            return self._draft(request)
        if found := re.fullmatch(r"/messages/in-(\d+)/\$value", path):
            return Response(200, self.received[int(found[1])][1].decode(), {"Content-Type": "text/plain"})
        if request.method == "GET" and "receivedDateTime" in request.path:
            return self._list_received(parse_qs(urlsplit(request.path).query))
        if request.method == "GET":
            folder = "drafts" if path == "/mailFolders/drafts/messages" else ""
            return self._list(request, folder)
        item = next((item for item in self.items if path.split("/")[2] in item.ids), None)
        if item is None:
            return refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if request.method == "DELETE":
            self.items.remove(item)
            return Response(204)
        return self._send(item)

    def _draft(self, request: Request) -> Response | Act:
        act = next(iter(self.draft_script[(number := next(self._drafts)) : number + 1]), None)
        if isinstance(act, Response):
            return act
        if len(request.body) > LARGEST:
            return Response(413, "Request Entity Too Large")
        item = Item(next(self._item_numbers), *read(request.body))
        self.items.append(item)
        lasting = request.headers.get("prefer") == LASTING
        return act or Response(201, shown(item, lasting=lasting) | {"conversationId": f"c-{item.number}"})

    def _send(self, item: Item) -> Response | Act:
        number = next(self._sends)
        recipient = parseaddr(str(item.mail["To"]))[1]
        act = self.for_recipient.get(recipient) or next(iter(self.script[number : number + 1]), None)
        if isinstance(act, Response) and not self.lies:
            return act
        item.folder = "sentitems"
        self.mails.append(item.mail)
        self.wires.append(item.wire)
        self.accepted.append(recipient)
        return act or Response(202)

    def _list(self, request: Request, folder: str) -> Response:
        wanted = parse_qs(urlsplit(request.path).query)["$filter"][0]
        ident = re.fullmatch(r"internetMessageId eq '(.+)'", wanted)
        assert ident, wanted
        found = [item for item in self.items if item.mail["Message-ID"] == ident[1]]
        lasting = request.headers.get("prefer") == LASTING
        inside = [shown(item, lasting=lasting) for item in found if not folder or item.folder == folder]
        return Response(200, {"value": inside})

    def _list_received(self, asked: dict[str, list[str]]) -> Response:
        """What came in since then, the oldest first, a page at a time."""
        since = datetime.fromisoformat(asked["$filter"][0].removeprefix("receivedDateTime ge "))
        first = int(asked.get("$skip", ["0"])[0])
        found = [
            {
                "id": f"in-{place}",
                "from": {"emailAddress": {"address": str(message_from_bytes(raw)["From"]).strip("<>")}},
                "receivedDateTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for place, (at, raw) in enumerate(self.received)
            if at >= since
        ]
        told: dict[str, object] = {"value": found[first : first + PAGE]}
        if len(found) > first + PAGE:
            query = urlencode({"$filter": asked["$filter"][0], "$skip": first + PAGE})
            told["@odata.nextLink"] = self.next_page or f"{self.root}/v1.0/me/messages?{query}"
        return Response(200, told)


def read(body: bytes) -> tuple[bytes, EmailMessage]:
    """The message of a call, as it came and parsed."""
    wire = base64.b64decode(body, validate=True)
    return wire, cast(EmailMessage, message_from_bytes(wire, policy=policy.default))


def shown(item: Item, *, lasting: bool = False) -> dict[str, object]:
    return {
        "id": item.ids[lasting],
        "isDraft": item.folder == "drafts",
        "internetMessageId": item.mail["Message-ID"],
    }
