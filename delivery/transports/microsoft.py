"""Stage 7 through Microsoft Graph: the built message goes as MIME, since its JSON takes no List-Unsubscribe.

Where the mailbox's owner lets Drumbeat read, a draft is made and then sent: of a mail whose sending had no
answer, the mailbox then tells whether it is still a draft. A draft that was deleted is never sent.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import requests

from delivery.errors.base import Verdict
from delivery.errors.mailboxes import Broken
from delivery.transports.mailboxes import MailboxBackend, Message

ACCEPTED = 202
NOT_FOUND = 404
DRAFTS = "/mailFolders/drafts/messages"
# Exchange's own reports come from a name with a number in it.
SERVERS = re.compile(r"(?:postmaster|mailer-daemon|microsoftexchange\w*)@", re.IGNORECASE)
MIME = {"Content-Type": "text/plain"}
# The id then stays the same when the message moves to the sent items.
LASTING_ID = {"Prefer": 'IdType="ImmutableId"'}


class MicrosoftBackend(MailboxBackend):
    """https://learn.microsoft.com/graph/outlook-send-mime-message"""

    def send(self, message: Message) -> None:
        mime = base64.b64encode(message.wire)
        if self.token is not None and self.token.may_look_up:
            self._send_draft(message, mime)
            return
        message.left = True
        self._accepted(self.call("POST", f"{self._me}/sendMail", data=mime, headers=MIME))

    def _send_draft(self, message: Message, mime: bytes) -> None:
        # Until the draft is sent nothing can have been accepted.
        response = self.call("POST", f"{self._me}/messages", data=mime, headers=MIME | LASTING_ID)
        made = self.read(response)
        if not isinstance(made.get("id"), str):
            raise Broken("The reply names no draft.", response=response)
        message.ids = (made["id"], str(made.get("conversationId") or ""))
        message.left = True
        try:
            self._accepted(self.call("POST", f"{self._me}/messages/{made['id']}/send", headers=LASTING_ID))
        except requests.HTTPError as error:
            if self._is_gone(error, str(made.get("internetMessageId") or "")):
                # It has been seen to send a mail that it says it refuses.
                raise Broken("The provider refused the mail, but its draft is gone.") from None
            raise

    def _accepted(self, response: requests.Response) -> None:
        if response.status_code != ACCEPTED:
            raise Broken("The reply is no acceptance.", response=response)

    def _is_gone(self, refusal: requests.HTTPError, message_id: str) -> bool:
        """Whether the draft of a refused mail has left its folder; one that is there is thrown away.

        Somebody could send it by hand. It stays where the mailbox cannot be asked.
        """
        status = refusal.response.status_code if refusal.response is not None else 0
        if not 400 <= status < 500 or status == NOT_FOUND:
            return False
        with suppress(requests.RequestException):
            return not self._delete_drafts(message_id)
        return False

    def look_up(self, message_id: str, draft_id: str, *, is_only: bool) -> Verdict | None:
        """A message that is no draft was sent. A deleted draft was not, if it is the one in doubt.

        It is known by its lasting id, or because there never was another of this mail: one that was left
        over from an earlier attempt proves nothing about the last.
        """
        found = self._found("/messages", message_id)
        if any(message.get("isDraft") is False for message in found):
            return Verdict.ACCEPTED
        drafts = self._found(DRAFTS, message_id, LASTING_ID)
        lasting = [draft["id"] for draft in drafts]
        known = draft_id in lasting if draft_id else is_only and len(drafts) == 1
        if not known or not len(found) == len(drafts) == self._delete_drafts(message_id):
            return None
        return Verdict.NOT_SENT

    def returned(self, since: datetime) -> Iterator[tuple[datetime, bytes]]:
        """Of all that came in, what its sender's name says is a mail server's."""
        from_then = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        params = {
            "$filter": f"receivedDateTime ge {from_then}",
            "$orderby": "receivedDateTime",
            "$select": "id,from,receivedDateTime",
            "$top": "200",
        }
        response = self.call("GET", f"{self._me}/messages", params=params)
        while True:
            for message in self._listed(response):
                if SERVERS.match(_sender(message)):
                    mime = self.call("GET", f"{self._me}/messages/{message['id']}/$value")
                    yield datetime.fromisoformat(message["receivedDateTime"]), mime.content
            more = self.read(response).get("@odata.nextLink")
            if not more:
                return
            if not str(more).startswith(f"{self._me}/"):
                # The token is for nobody else.
                raise Broken("The reply leads elsewhere.", response=response)
            response = self.call("GET", str(more))

    def _delete_drafts(self, message_id: str) -> int:
        """Delete the drafts of a mail; how many could be deleted.

        By ids that change when a message leaves the folder: what is sent at this very moment is not
        found under them.
        """
        deleted = 0
        for draft in self._found(DRAFTS, message_id):
            try:
                self.call("DELETE", f"{self._me}/messages/{draft['id']}")
                deleted += 1
            except requests.HTTPError as error:
                if error.response is None or error.response.status_code != NOT_FOUND:
                    raise
        return deleted

    def _found(
        self, folder: str, message_id: str, headers: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        quoted = message_id.replace("'", "''")
        response = self.call(
            "GET",
            f"{self._me}{folder}",
            params={"$filter": f"internetMessageId eq '{quoted}'", "$select": "id,isDraft"},
            headers=headers or {},
        )
        return self._listed(response)

    def _listed(self, response: requests.Response) -> list[dict[str, Any]]:
        found = self.read(response).get("value")
        if not isinstance(found, list):
            raise Broken("The reply holds no list.", response=response)
        return found

    @property
    def _me(self) -> str:
        return f"{self.provider.api_url}/me"


def _sender(message: dict[str, Any]) -> str:
    """Whom a message is from; empty for those without a sender."""
    return str(((message.get("from") or {}).get("emailAddress") or {}).get("address") or "")
