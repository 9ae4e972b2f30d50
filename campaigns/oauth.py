"""The providers whose mailboxes are connected by their owner's consent (OAuth 2), and what is asked for.

Where they are, and as which application this installation is known to them, stands in the settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from campaigns.models import Sender

# One address of this site, registered with every provider.
CALLBACK_PATH = "/mailboxes/callback/"


@dataclass(frozen=True, slots=True)
class OAuthProvider:
    """One provider. `prefix` begins the names of its settings."""

    name: str
    label: str
    prefix: str
    # Without these nothing can be sent.
    needed: tuple[str, ...]
    # That the owner of the mailbox can be told from others, and access lasts.
    beside: tuple[str, ...]
    # With this, mails in doubt can be looked up.
    look_up: str
    # Of the reply that says whose mailbox it is: any of these may be the From address.
    address_fields: tuple[str, ...]
    # Further parameters of the page that asks for consent.
    ask: dict[str, str]
    # Addresses of people who pay nothing, and what the provider lets them and the others send in a day.
    free_domains: frozenset[str]
    free_daily: int
    paid_daily: int
    # What of it Drumbeat uses at first, so that the owner can go on writing mails.
    free_preset: int
    paid_preset: int
    # Where the owner takes the permission back, when there is no call for it.
    where_to_revoke: str

    @property
    def client_id(self) -> str:
        return self._setting("CLIENT_ID")

    @property
    def client_secret(self) -> str:
        return self._setting("CLIENT_SECRET")

    @property
    def is_configured(self) -> bool:
        return bool(self.client_id and self.client_secret)

    @property
    def authorize_url(self) -> str:
        return self._setting("AUTHORIZE_URL")

    @property
    def token_url(self) -> str:
        return self._setting("TOKEN_URL")

    @property
    def revoke_url(self) -> str:
        """Empty where the provider has no such call."""
        return self._setting("REVOKE_URL")

    @property
    def account_url(self) -> str:
        return self._setting("ACCOUNT_URL")

    @property
    def api_url(self) -> str:
        return self._setting("API_URL").rstrip("/")

    @property
    def scopes(self) -> list[str]:
        """What the owner is asked for."""
        look_up = [self.look_up] if getattr(settings, f"{self.prefix}_LOOK_UP") else []
        return [*self.beside, *self.needed, *look_up]

    def missing(self, granted: Iterable[str]) -> list[str]:
        """What of the needed was not granted."""
        given = {_bare(scope) for scope in granted}
        return [scope for scope in self.needed if _bare(scope) not in given]

    def may_look_up(self, granted: Iterable[str]) -> bool:
        return _bare(self.look_up) in {_bare(scope) for scope in granted}

    def allows_daily(self, address: str) -> tuple[int, int]:
        """Mails a day that the provider lets this address send, and how many of them Drumbeat begins with."""
        if address.rpartition("@")[2].lower() in self.free_domains:
            return self.free_daily, self.free_preset
        return self.paid_daily, self.paid_preset

    def _setting(self, name: str) -> str:
        return str(getattr(settings, f"{self.prefix}_{name}"))


def _bare(scope: str) -> str:
    """A scope without the address that some replies put before it."""
    return scope.rpartition("/")[2].lower()


PROVIDERS: dict[str, OAuthProvider] = {
    provider.name: provider
    for provider in (
        OAuthProvider(
            Sender.Transport.GMAIL,
            "Google",
            "GOOGLE",
            needed=("https://www.googleapis.com/auth/gmail.send",),
            beside=("openid", "email"),
            look_up="https://www.googleapis.com/auth/gmail.readonly",
            address_fields=("email",),
            # Without `consent` Google gives no lasting access to an account that has agreed before.
            ask={"access_type": "offline", "prompt": "consent"},
            free_domains=frozenset({"gmail.com", "googlemail.com"}),
            free_daily=500,
            paid_daily=2_000,
            free_preset=400,
            paid_preset=1_500,
            where_to_revoke="https://myaccount.google.com/connections",
        ),
        OAuthProvider(
            Sender.Transport.MICROSOFT,
            "Microsoft",
            "MICROSOFT",
            needed=("Mail.Send",),
            beside=("offline_access", "User.Read"),
            look_up="Mail.ReadWrite",
            address_fields=("mail", "userPrincipalName"),
            ask={"prompt": "select_account", "response_mode": "query"},
            free_domains=frozenset({"outlook.com", "hotmail.com", "live.com", "msn.com"}),
            free_daily=300,
            paid_daily=10_000,
            free_preset=200,
            paid_preset=5_000,
            where_to_revoke="https://myapplications.microsoft.com",
        ),
    )
}


def provider_of(sender: Sender) -> OAuthProvider | None:
    """The provider that the sender's mailbox is connected with; None for other transports."""
    return PROVIDERS.get(sender.transport)


def callback_url() -> str:
    """The address to which providers send people back."""
    return f"{settings.SITE_URL}{CALLBACK_PATH}"
