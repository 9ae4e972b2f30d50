"""What the owner of a mailbox has allowed: the tokens by which mail leaves through it."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models

from audience.credentials import seal, unseal
from campaigns.models.sender import Sender


class Grant(models.Model):
    """The permission to send through one sender's mailbox, written by delivery.connecting and .access.

    A refresh locks the row, so that of two workers the second finds the first one's new tokens.
    """

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="grant")
    # Who gave it, as Sender.Transport has it.
    provider = models.CharField(max_length=10)
    # Whose mailbox it is, as the provider says.
    account = models.CharField(max_length=254)
    # Encrypted; set_tokens() and tokens() are the ways in and out.
    sealed_tokens = models.TextField(editable=False)
    # When the access token ends; the refresh token has no date.
    expires_at = models.DateTimeField()
    # Whether Drumbeat may look into the mailbox: for mails in doubt, and for what came back.
    may_look_up = models.BooleanField(default=False)
    # Up to when the mailbox was searched for what came back, and when next (delivery.inbound.returned).
    returns_read_until = models.DateTimeField(db_default=models.functions.Now())
    returns_due_at = models.DateTimeField(db_default=models.functions.Now())
    connected_at = models.DateTimeField(db_default=models.functions.Now())

    def __str__(self) -> str:
        return self.account

    def set_tokens(self, plain: Mapping[str, str]) -> None:
        """Keep the tokens (`access`, `refresh`), encrypted, on this instance; the caller saves it."""
        self.sealed_tokens = seal(plain)

    def tokens(self) -> dict[str, str]:
        """The tokens in clear. Raises CredentialsUnreadable."""
        return unseal(self.sealed_tokens)
