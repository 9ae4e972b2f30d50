"""Stage 7 through Gmail's API: the built message goes as it is (users.messages.send, as an upload)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from delivery.errors.base import Verdict
from delivery.errors.mailboxes import Broken
from delivery.transports.mailboxes import MailboxBackend, Message

MESSAGES = "/gmail/v1/users/me/messages"
SERVERS = "from:(mailer-daemon OR postmaster) in:anywhere"


class GmailBackend(MailboxBackend):
    """https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send"""

    def send(self, message: Message) -> None:
        message.left = True
        response = self.call(
            "POST",
            f"{self.provider.api_url}/upload/gmail/v1/users/me/messages/send?uploadType=media",
            data=message.wire,
            headers={"Content-Type": "message/rfc822"},
        )
        made = self.read(response)
        if not isinstance(made.get("id"), str):
            raise Broken("The reply names no message.", response=response)
        message.ids = (made["id"], str(made.get("threadId") or made["id"]))

    def look_up(self, message_id: str, draft_id: str, *, is_only: bool) -> Verdict | None:
        """What is not found may still be on its way into the mailbox: then nothing is proven."""
        response = self.call(
            "GET",
            f"{self.provider.api_url}{MESSAGES}",
            params={"q": f"in:sent rfc822msgid:{message_id.strip('<>')}", "maxResults": "1"},
        )
        return Verdict.ACCEPTED if self.read(response).get("messages") else None

    def returned(self, since: datetime) -> Iterator[tuple[datetime, bytes]]:
        """Gmail lists the newest first, so the whole list is read before the oldest mail is fetched."""
        found = list(self._search(f"{SERVERS} after:{int(since.timestamp())}"))
        for listed in reversed(found):
            url = f"{self.provider.api_url}{MESSAGES}/{listed['id']}"
            mail = self.read(self.call("GET", url, params={"format": "raw"}))
            received_at = datetime.fromtimestamp(int(mail["internalDate"]) / 1000, UTC)
            yield received_at, base64.urlsafe_b64decode(mail["raw"] + "==")

    def _search(self, query: str) -> Iterator[dict[str, Any]]:
        page = ""
        while True:
            params = {"q": query, "maxResults": "500"} | ({"pageToken": page} if page else {})
            told = self.read(self.call("GET", f"{self.provider.api_url}{MESSAGES}", params=params))
            yield from told.get("messages", [])
            page = told.get("nextPageToken", "")
            if not page:
                return
