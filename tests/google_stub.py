"""Google as a mailbox's provider: OAuth 2, who the owner is, and Gmail's API for sending and searching."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast
from urllib.parse import parse_qs, urlsplit

from pytest_django import Settings

from tests.http_stub import Act, Request, Response
from tests.oauth_stub import OAuthStub

MESSAGES = "/gmail/v1/users/me/messages"
# Mails that a list names at once.
PAGE = 2
FROM_SERVER = re.compile(rb"^From: .*(mailer-daemon|postmaster)@", re.IGNORECASE | re.MULTILINE)
SEND = "/upload/gmail/v1/users/me/messages/send"


def refusal(status: int, reason: str, message: str = "No.") -> Response:
    """An error as Google writes it."""
    return Response(
        status,
        {
            "error": {
                "code": status,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
            }
        },
    )


@dataclass
class GoogleStub(OAuthStub):
    """`script` says what happens to each mail in turn; None and its end: it is sent."""

    # What was sent, parsed and as it came.
    mails: list[EmailMessage] = field(default_factory=list)
    wires: list[bytes] = field(default_factory=list)
    # What came in, by when; the id of each is its place.
    received: list[tuple[datetime, bytes]] = field(default_factory=list)
    # What is searched for is not found yet.
    finds_nothing: bool = False

    def point(self, settings: Settings) -> None:
        self._point(
            settings,
            "GOOGLE",
            REVOKE_URL=f"{self.root}/revoke",
            ACCOUNT_URL=f"{self.root}/userinfo",
            API_URL=self.root,
        )

    def wrong_token(self) -> Response:
        return refusal(401, "authError", "Invalid Credentials")

    def api(self, request: Request, path: str) -> Response | Act:
        if path == "/userinfo":
            return Response(200, {"sub": "1", "email": self.account, "email_verified": True})
        if path == SEND and request.headers["content-type"] == "message/rfc822":
            return self._send(request)
        if path == MESSAGES:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
            if since := re.search(r" after:(\d+)$", asked["q"]):
                return self._list(int(since[1]), int(asked.get("pageToken", "0")))
            return self._search(asked["q"])
        if path.startswith(f"{MESSAGES}/"):
            return self._raw(int(path.rpartition("/")[2]))
        return refusal(404, "notFound")

    def _send(self, request: Request) -> Response | Act:
        number = sum(urlsplit(one.path).path == SEND for one in self.requests)
        mail = cast(EmailMessage, message_from_bytes(request.body, policy=policy.default))
        recipient = parseaddr(str(mail["To"]))[1]
        act = self.for_recipient.get(recipient) or next(iter(self.script[number - 1 : number]), None)
        if isinstance(act, Response):
            return act
        self.mails.append(mail)
        self.wires.append(request.body)
        self.accepted.append(recipient)
        ident = f"18c{number:013x}"
        return act or Response(200, {"id": ident, "threadId": f"t{ident}", "labelIds": ["SENT"]})

    def _search(self, query: str) -> Response:
        wanted = query.removeprefix("in:sent rfc822msgid:")
        found = [mail for mail in self.mails if mail["Message-ID"].strip("<>") == wanted]
        if not found or self.finds_nothing:
            return Response(200, {"resultSizeEstimate": 0})
        return Response(200, {"messages": [{"id": "18c", "threadId": "18c"}], "resultSizeEstimate": 1})

    def _list(self, since: int, first: int) -> Response:
        """What mail servers sent, the newest first, a page at a time."""
        found = [
            {"id": str(place), "threadId": str(place)}
            for place, (at, raw) in enumerate(self.received)
            if at.timestamp() >= since
            and re.search(rb"^From: .*(mailer-daemon|postmaster)@", raw, re.I | re.M)
        ][::-1]
        more = {"nextPageToken": str(first + PAGE)} if len(found) > first + PAGE else {}
        return Response(200, {"messages": found[first : first + PAGE], **more} if found else {})

    def _raw(self, place: int) -> Response:
        at, raw = self.received[place]
        encoded = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return Response(200, {"internalDate": str(int(at.timestamp() * 1000)), "raw": encoded})
