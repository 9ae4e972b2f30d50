"""Connecting a mailbox: its owner consents at the provider and brings back a code, which becomes tokens.

The authorisation code grant (RFC 6749, 4.1) with PKCE (RFC 7636), through Authlib. Nothing is kept before
everything has been looked at.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.oauth2 import OAuth2Error
from django.db import transaction
from django.utils import timezone

from audience import audit
from audience.credentials import CredentialsUnreadable, seal
from campaigns.models import Grant, Sender, SenderLimit
from campaigns.oauth import OAuthProvider, callback_url
from delivery import access, senders

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# Seconds between two mails of a personal mailbox, which is as many as Microsoft lets leave in a minute.
DELAY = 2


class NotConnected(Exception):
    """The mailbox was not connected, and nothing has changed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that was asked for: where to send the owner, and what must come back with them."""

    url: str
    state: str
    verifier: str


def ask(sender: Sender, provider: OAuthProvider) -> Consent:
    """What to ask the mailbox's owner, at the provider's own page. Touches no network."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    with access.client(provider, scope=" ".join(provider.scopes)) as session:
        url, _ = session.create_authorization_url(
            provider.authorize_url,
            state=state,
            code_verifier=verifier,
            login_hint=sender.from_email,
            **provider.ask,
        )
    return Consent(url, state, verifier)


def connect(
    sender: Sender,
    provider: OAuthProvider,
    asked: Consent,
    answer: Mapping[str, str],
    actor: User | None = None,
) -> int:
    """Turn the answer to a consent into tokens and keep them; how many campaigns go on with them.

    Guards that the answer belongs to what was asked, that the mailbox is the From address's and that it
    may be sent through. Commits tokens, the sender's state and its first limits together, then resumes
    what waited. Raises NotConnected. Takes as long as the provider does, so no transaction may be open.
    """
    if "code" not in answer:
        raise NotConnected(_refusal(answer, provider))
    told = _exchange(provider, asked, answer)
    granted = str(told.get("scope") or " ".join(provider.scopes)).split()
    if provider.missing(granted):
        raise NotConnected(
            f"{provider.label} gave no permission to send. Connect again, and leave all boxes ticked."
        )
    if not told.get("refresh_token"):
        raise NotConnected(
            f"{provider.label} gave access for an hour only. Remove Drumbeat from the account's connected "
            f"apps ({provider.where_to_revoke}), then connect again."
        )
    account = _account(sender, provider, str(told["access_token"]))
    _keep(sender, provider, account, told, granted, actor)
    logger.info("mailbox connected", extra={"sender": sender.pk})
    return senders.resume_waiting(sender, actor)


def disconnect(sender: Sender, provider: OAuthProvider) -> bool:
    """Forget a mailbox's tokens, and let the provider forget them; True when it has.

    A provider that cannot be reached keeps nobody from disconnecting. Not asked to forget while another
    sender uses the same mailbox: it would take the access from both. What waited moves or pauses.
    Commits the loss of the tokens first; may be repeated.
    """
    with transaction.atomic():
        grant = Grant.objects.select_for_update().filter(pk=sender.pk).first()
        if grant is not None:
            grant.delete()
            before = {"account": grant.account}
            audit.record("mailbox disconnected", sender, workspace=sender.workspace_id, before=before)
        words = "The mailbox was disconnected by somebody. Connect it to send."
        Sender.objects.filter(pk=sender.pk).update(state=Sender.State.RECONNECT, last_error=words)
    senders.relieve(sender)
    return grant is not None and _revoke(provider, grant)


def _refusal(answer: Mapping[str, str], provider: OAuthProvider) -> str:
    if answer.get("error") in ("access_denied", "consent_required"):
        return "The mailbox was not connected: the permission was not given."
    said = answer.get("error_description") or answer.get("error") or "it sent no code"
    return f"{provider.label} did not connect the mailbox. ({said[:300]})"


def _exchange(provider: OAuthProvider, asked: Consent, answer: Mapping[str, str]) -> Mapping[str, Any]:
    """The tokens for the code, which the provider gives once and to whoever knows the verifier."""
    response = requests.Request("GET", callback_url(), params=dict(answer)).prepare().url
    try:
        with access.client(provider) as session:
            told: Mapping[str, Any] = session.fetch_token(
                provider.token_url,
                grant_type="authorization_code",
                authorization_response=response,
                state=asked.state,
                code_verifier=asked.verifier,
            )
    except (OAuthError, OAuth2Error) as error:
        raise NotConnected(
            f"{provider.label} did not accept the answer of its own page ({error.error}). Connect again."
        ) from error
    except (requests.RequestException, ValueError) as error:
        raise NotConnected(f"{provider.label} does not answer just now. Connect again later.") from error
    if not isinstance(told.get("access_token"), str):
        raise NotConnected(f"{provider.label} gave no access. Connect again.")
    return told


def _account(sender: Sender, provider: OAuthProvider, token: str) -> str:
    """The address of the mailbox, as the sender has it. Raises NotConnected for another one's."""
    try:
        with access.client(provider, token={"access_token": token, "token_type": "Bearer"}) as session:
            response = session.get(provider.account_url)
            response.raise_for_status()
            told = response.json()
    except (requests.RequestException, ValueError) as error:
        raise NotConnected(
            f"{provider.label} does not say whose mailbox this is. Connect again later."
        ) from error
    addresses = [told[name] for name in provider.address_fields if isinstance(told.get(name), str)]
    if sender.from_email.lower() in (address.lower() for address in addresses):
        return sender.from_email
    raise NotConnected(
        f"You agreed as {addresses[0] if addresses else 'an account without an address'}, but mails of this "
        f"sender come from {sender.from_email}. Choose that account, or change the From address."
    )


@transaction.atomic
def _keep(
    sender: Sender,
    provider: OAuthProvider,
    account: str,
    told: Mapping[str, Any],
    granted: list[str],
    actor: User | None,
) -> None:
    columns = {
        "provider": provider.name,
        "account": account,
        "sealed_tokens": seal({"access": told["access_token"], "refresh": told["refresh_token"]}),
        "expires_at": access.expiry(told),
        "may_look_up": provider.may_look_up(granted),
        "connected_at": timezone.now(),
    }
    held = Grant.objects.filter(pk=sender.pk).values("provider", "account").first()
    _, is_new = Grant.objects.update_or_create(sender=sender, defaults=columns)
    Sender.objects.filter(pk=sender.pk).update(state=Sender.State.READY, last_error="")
    if is_new:
        _preset(sender, provider)
    after = {"provider": provider.name, "account": account, "allows": " ".join(granted)}
    workspace = sender.workspace_id
    audit.record("mailbox connected", sender, workspace=workspace, actor=actor, before=held, after=after)


def _preset(sender: Sender, provider: OAuthProvider) -> None:
    """Limits for a personal mailbox, where nobody has set any."""
    Sender.objects.filter(pk=sender.pk, min_delay=0).update(min_delay=DELAY)
    if not sender.limits.exists():
        _, mails = provider.allows_daily(sender.from_email)
        SenderLimit.objects.create(sender=sender, mails=mails, period=SenderLimit.Period.DAY)


def _revoke(provider: OAuthProvider, grant: Grant) -> bool:
    shared = Grant.objects.filter(provider=provider.name, account__iexact=grant.account).exists()
    if shared or not provider.revoke_url:
        return False
    try:
        with access.client(provider) as session:
            response = session.revoke_token(provider.revoke_url, token=grant.tokens()["refresh"])
            return bool(response.ok)
    except (requests.RequestException, CredentialsUnreadable):
        return False
