"""The part of a sender's form that is about e-mail services: of the chosen one, what it asks for.

What is secret goes in and never comes out.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from django import forms
from django.forms.forms import DeclarativeFieldsMetaclass
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from audience.credentials import CredentialsUnreadable
from campaigns.esps import ESPS, Credential, Esp
from campaigns.models import Sender
from campaigns.senders import api_url_problem

# Field by field: whose it is, and what it asks for.
CREDENTIAL_FIELDS: dict[str, tuple[Esp, Credential]] = {
    f"{esp.name}_{credential.name}": (esp, credential)
    for esp in ESPS.values()
    for credential in esp.credentials
}
# What a key, an ID or a domain is made of.
FIT = re.compile(r"[!-~]{1,500}")
WRITE_ONLY = _("Stored encrypted and never shown.")
STORED = _("Stored encrypted and never shown. Leave empty to keep the one that is stored.")


def _field(credential: Credential) -> forms.Field:
    widget = (
        UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        if credential.secret
        else UnfoldAdminTextInputWidget()
    )
    return forms.CharField(
        label=credential.label,
        required=False,
        widget=widget,
        help_text=WRITE_ONLY if credential.secret else credential.help,
    )


def _by_service(texts: dict[str, str]) -> SafeString:
    """A help text that changes with the chosen service."""
    return format_html_join("", """<span x-show="esp == '{}'">{}</span>""", texts.items())


_Fields = DeclarativeFieldsMetaclass(
    "_Fields",
    (forms.Form,),
    {name: _field(credential) for name, (_, credential) in CREDENTIAL_FIELDS.items()},
)


class ServiceForm(_Fields):  # type: ignore[misc, valid-type]
    """Mixed in before the form of a sender, whose clean() calls clean_service() or forget_service()."""

    instance: Sender

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.credentials: dict[str, str] = {}
        self._stored: dict[str, str] = {}
        with suppress(CredentialsUnreadable):
            self._stored = self.instance.credentials()
        for name, (esp, credential) in CREDENTIAL_FIELDS.items():
            known = self._stored.get(credential.name) if esp.name == self.instance.esp else None
            if known and credential.secret:
                self.fields[name].help_text = STORED
            elif known:
                self.initial[name] = known
        # A page to read has neither.
        if "esp" in self.fields:
            self.fields["esp"].help_text = _by_service({e.name: e.note for e in ESPS.values() if e.note})
            self.fields["api_url"].help_text = _by_service({e.name: _api_url_help(e) for e in ESPS.values()})

    def clean_service(self) -> None:
        """Put together what the chosen service asks for, in `credentials`; say what is missing."""
        esp = ESPS.get(self.cleaned_data.get("esp", ""))
        if esp is None:
            self.add_error("esp", gettext("Choose the service that the mails leave through."))
            return
        api_url = self.cleaned_data.get("api_url", "")
        if esp.needs_api_url and not api_url:
            self.add_error(
                "api_url",
                gettext("{label} has no address that goes for everyone. Enter yours.").format(
                    label=esp.label
                ),
            )
        if problem := api_url_problem(api_url):
            self.add_error("api_url", problem)
        moved = bool({"esp", "api_url"}.intersection(self.changed_data))
        for credential in esp.credentials:
            self._clean_credential(esp, credential, moved)

    def _clean_credential(self, esp: Esp, credential: Credential, moved: bool) -> None:
        name = f"{esp.name}_{credential.name}"
        value = self.cleaned_data.get(name, "")
        known = self._stored.get(credential.name, "") if credential.secret else ""
        if not value and not moved:
            value = known
        if FIT.fullmatch(value):
            self.credentials[credential.name] = value
        elif value:
            self.add_error(
                name, gettext("This holds a space or a letter that none of its kind has. Copy it anew.")
            )
        elif not credential.required:
            return
        elif known and esp.name == self.initial.get("esp"):
            self.add_error(name, gettext("Enter it again: no other address is given it unasked."))
        else:
            self.add_error(name, gettext("{label} asks for this. Enter it.").format(label=esp.label))

    def forget_service(self) -> None:
        """Leave an address alone, right or wrong, that the form does not show any more."""
        self.cleaned_data.pop("api_url", None)

    @property
    def credentials_changed(self) -> bool:
        return self.credentials != self._stored


def _api_url_help(esp: Esp) -> str:
    return (
        esp.api_url_help
        if esp.needs_api_url
        else gettext("Empty: the service's own. {api_url_help}").format(api_url_help=esp.api_url_help)
    )
