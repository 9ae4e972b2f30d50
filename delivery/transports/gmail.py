"""Stage 7 through Gmail's API: the built message goes as it is (users.messages.send, as an upload)."""

from __future__ import annotations

from delivery.errors.base import Verdict
from delivery.errors.mailboxes import Broken
from delivery.transports.mailboxes import MailboxBackend, Message


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
            f"{self.provider.api_url}/gmail/v1/users/me/messages",
            params={"q": f"in:sent rfc822msgid:{message_id.strip('<>')}", "maxResults": "1"},
        )
        return Verdict.ACCEPTED if self.read(response).get("messages") else None
