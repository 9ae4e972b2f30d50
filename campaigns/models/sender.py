"""Senders: who a mail comes from and the way it leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, URLValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.credentials import decrypt, encrypt, seal, unseal
from audience.models import WorkspaceModel, WorkspaceQuerySet
from campaigns.esps import CHOICES as ESP_CHOICES


def validate_ascii(address: str) -> None:
    """Refuse an address that a mail header cannot hold as it is."""
    if not address.isascii():
        raise ValidationError(
            gettext("Write the address in ASCII; a domain such as müller.example as xn--mller-kva.example.")
        )


class SenderQuerySet(WorkspaceQuerySet["Sender"]):
    def usable(self) -> SenderQuerySet:
        """Senders that mail may be handed to."""
        return self.filter(state__in=Sender.USABLE)


class Sender(WorkspaceModel):
    """A From identity with its transport. `state` and `last_error` are written by delivery."""

    class Transport(models.TextChoices):
        MAILBOX = "mailbox", _("Local mailbox (nothing leaves this machine)")
        SMTP = "smtp", _("SMTP server")
        ESP = "esp", _("E-mail service")
        GMAIL = "gmail", _("Gmail or Google Workspace mailbox")
        MICROSOFT = "microsoft", _("Microsoft 365 mailbox")

    class Security(models.TextChoices):
        STARTTLS = "starttls", _("STARTTLS (port 587)")
        TLS = "tls", _("TLS (port 465)")
        NONE = "none", _("None (only for a server on this machine)")

    class State(models.TextChoices):
        UNVERIFIED = "unverified", _("Not tested yet")
        READY = "ready", _("Ready")
        RECONNECT = "reconnect", _("Needs reconnecting")
        STOPPED = "stopped", _("Stopped")

    USABLE = (State.UNVERIFIED, State.READY)

    name = models.CharField(max_length=100, help_text=_("For your own eyes."))
    from_name = models.CharField(max_length=100, blank=True)
    from_email = models.EmailField(_("from address"), validators=[validate_ascii])
    reply_to = models.EmailField(_("reply-to address"), blank=True, validators=[validate_ascii])
    transport = models.CharField(max_length=10, choices=Transport, default=Transport.MAILBOX)
    host = models.CharField(max_length=253, blank=True, help_text=_("Of the SMTP server."))
    port = models.PositiveIntegerField(
        default=587, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    security = models.CharField(max_length=10, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=200, blank=True)
    # Encrypted; set_password() and password() are the ways in and out.
    sealed_password = models.TextField(blank=True, editable=False)
    esp = models.CharField(_("service"), max_length=20, choices=ESP_CHOICES, blank=True)
    api_url = models.CharField(
        _("API address"), max_length=200, blank=True, validators=[URLValidator(schemes=["https", "http"])]
    )
    # One encrypted JSON object; set_credentials() and credentials() are the ways in and out.
    sealed_credentials = models.TextField(blank=True, editable=False)
    # Since when it may be another account that these lead to: one knows nothing of another's mails.
    account_since = models.DateTimeField(null=True, editable=False)
    min_delay = models.PositiveSmallIntegerField(
        _("seconds between two mails"),
        default=0,
        validators=[MaxValueValidator(3600)],
        help_text=_("2 for a personal mailbox, 0 for a mail server."),
    )
    dkim_selector = models.CharField(
        _("DKIM selector"),
        max_length=63,
        blank=True,
        validators=[
            RegexValidator(r"^[\w.-]+\Z", _("Enter the selector alone, such as “s1”."), flags=re.ASCII)
        ],
        help_text=_("For the domain check. Empty: those that the provider is known to use."),
    )
    # Bytes that the SMTP server takes in one mail (RFC 1870), as it said when it was tested last.
    announced_size = models.PositiveBigIntegerField(null=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.UNVERIFIED)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Any] = SenderQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="sender_once")]

    def __str__(self) -> str:
        return self.name

    def set_password(self, plain: str) -> None:
        """Keep the password, encrypted, on this instance; the caller saves it."""
        self.sealed_password = encrypt(plain)

    def password(self) -> str:
        """The password in clear, for the transport only. Raises CredentialsUnreadable."""
        return decrypt(self.sealed_password)

    def set_credentials(self, plain: Mapping[str, str]) -> None:
        """Keep what the e-mail service wants to know, encrypted, on this instance; the caller saves it."""
        self.sealed_credentials = seal(plain)
        self.account_since = timezone.now()

    def credentials(self) -> dict[str, str]:
        """What the e-mail service wants to know, in clear. Raises CredentialsUnreadable."""
        return unseal(self.sealed_credentials)

    @property
    def is_usable(self) -> bool:
        return self.state in self.USABLE
