"""Below stage 7: access tokens of connected mailboxes, refreshed in good time and by one worker only.

A provider may replace the refresh token with every use (Microsoft does). So a refresh reads it, asks and
keeps the new one while it holds the lock of its row: a worker that comes second finds new tokens.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from django.db import transaction
from django.utils import timezone

from audience.credentials import CredentialsUnreadable
from campaigns.models import Grant, Sender
from campaigns.oauth import OAuthProvider, callback_url, provider_of
from delivery import sessions
from delivery.errors.base import Verdict

logger = logging.getLogger(__name__)

# A token that ends sooner is refreshed before it is used.
MARGIN = timedelta(minutes=5)
# Where a provider does not say how long a token lives; a refused one is refreshed in any case.
USUAL_LIFE = timedelta(hours=1)
# Together below the 15 s after which PostgreSQL ends a transaction in which nothing happens.
TIMEOUT = (3.0, 8.0)
# The owner has to consent once more (RFC 6749, 5.2; OpenID Connect Core, 3.1.2.6).
CONSENT_IS_OVER = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
# This installation is not, or no longer, known to the provider.
CLIENT_REFUSED = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """What a call to the provider is authorised by."""

    access: str = field(repr=False)
    expires_at: datetime
    may_look_up: bool

    def is_fresh(self) -> bool:
        return self.expires_at - timezone.now() > MARGIN


class NoAccess(Exception):
    """There is no token to be had; the text is for people, the verdict for the mail in hand."""

    def __init__(self, verdict: Verdict, words: str) -> None:
        super().__init__(words)
        self.verdict = verdict


def token(sender: Sender, refused: str = "") -> Token:
    """An access token that is good for five minutes and is not the one that was refused.

    Refreshes it if need be, under the lock of its row: of many workers that ask at once one calls the
    provider. When the owner's consent is over, commits that the sender needs reconnecting. Raises
    NoAccess. Takes as long as the provider does, so no other row may be locked.
    """
    provider = provider_of(sender)
    grant = Grant.objects.filter(pk=sender.pk).first()
    if provider is None or grant is None:
        raise NoAccess(Verdict.SENDER, f"The mailbox {sender.from_email} is not connected. Connect it.")
    if known := _usable(grant, refused):
        return known
    try:
        return _refresh(sender, provider, refused)
    except OAuthError as error:
        raise _explained(error, provider) from error
    except (requests.RequestException, ValueError) as error:
        words = f"{provider.label} cannot be asked to renew the access to this mailbox just now."
        raise NoAccess(Verdict.UNAVAILABLE, f"{words} ({type(error).__name__})") from error


def client(provider: OAuthProvider, **options: Any) -> OAuth2Session:
    """This installation as a client of the provider; nothing is called yet. Close it after use."""
    session = OAuth2Session(
        provider.client_id,
        provider.client_secret,
        token_endpoint_auth_method="client_secret_post",  # noqa: S106 - no password, a method
        revocation_endpoint_auth_method="client_secret_post",
        redirect_uri=callback_url(),
        code_challenge_method="S256",
        default_timeout=TIMEOUT,
        **options,
    )
    sessions.prepare(session, provider.token_url, typed=False)
    return session


def expiry(told: Mapping[str, Any]) -> datetime:
    """When the access token of a provider's reply ends."""
    at = told.get("expires_at")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else timezone.now() + USUAL_LIFE


def _usable(grant: Grant, refused: str) -> Token | None:
    found = Token(_tokens(grant)["access"], grant.expires_at, grant.may_look_up)
    return found if found.is_fresh() and found.access != refused else None


def _tokens(grant: Grant) -> dict[str, str]:
    try:
        return grant.tokens()
    except CredentialsUnreadable as error:
        raise NoAccess(Verdict.SENDER, str(error)) from error


def _refresh(sender: Sender, provider: OAuthProvider, refused: str) -> Token:
    """The next token. Raises what the provider's client raises."""
    ended: OAuthError | None = None
    with transaction.atomic():
        grant = Grant.objects.select_for_update().filter(pk=sender.pk).first()
        if grant is None:
            raise NoAccess(Verdict.SENDER, "The mailbox was disconnected. Connect it.")
        if known := _usable(grant, refused):
            return known
        try:
            told = _ask(provider, _tokens(grant)["refresh"])
        except OAuthError as error:
            if error.error not in CONSENT_IS_OVER:
                raise
            # Committed with the lock held: whoever reconnects comes before or after, not in between.
            ended = error
            Sender.objects.filter(pk=sender.pk).update(
                state=Sender.State.RECONNECT, last_error=_consent_is_over(provider)
            )
        else:
            grant.set_tokens({"access": told["access_token"], "refresh": told["refresh_token"]})
            grant.expires_at = expiry(told)
            grant.save(update_fields=["sealed_tokens", "expires_at"])
    if ended is not None:
        logger.error("consent is over: %s", ended.error, extra={"sender": sender.pk})
        raise ended
    return Token(told["access_token"], grant.expires_at, grant.may_look_up)


def _ask(provider: OAuthProvider, refresh_token: str) -> Mapping[str, Any]:
    """Let the provider renew the access. Where it gives no new refresh token, the old one stays."""
    with client(provider) as session:
        told: Mapping[str, Any] = session.refresh_token(provider.token_url, refresh_token=refresh_token)
    if not isinstance(told.get("access_token"), str):
        raise ValueError("The reply holds no access token.")
    return told


def _explained(error: OAuthError, provider: OAuthProvider) -> NoAccess:
    if error.error in CONSENT_IS_OVER:
        return NoAccess(Verdict.SENDER, _consent_is_over(provider))
    if error.error in CLIENT_REFUSED:
        return NoAccess(
            Verdict.SENDER,
            f"{provider.label} refuses this installation ({error.error}). Whoever runs it should check "
            f"{provider.prefix}_CLIENT_ID and {provider.prefix}_CLIENT_SECRET: secrets expire.",
        )
    words = json.dumps(str(error.error))[:100]
    return NoAccess(Verdict.UNAVAILABLE, f"{provider.label} does not renew the access just now ({words}).")


def _consent_is_over(provider: OAuthProvider) -> str:
    return (
        f"{provider.label} does not let Drumbeat send through this mailbox any more: the permission was "
        "taken back or has run out, or the password was changed. Reconnect the mailbox."
    )
