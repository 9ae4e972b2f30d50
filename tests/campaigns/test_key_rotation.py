"""From one key to the next: nothing is lost, nothing is overwritten, and the old key can go."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from audience import credentials
from audience.credentials import CredentialsUnreadable
from audience.models import Authenticator
from campaigns import key_rotation
from campaigns.models import Grant, Sender
from delivery.models import Hook
from tests.factories import SenderFactory

pytestmark = pytest.mark.django_db


def sealed(settings: Settings, keys: list[str], number: int = 1) -> list[Sender]:
    settings.CREDENTIAL_KEYS = keys
    made = []
    for index in range(number):
        sender = SenderFactory()
        sender.set_password(f"pass-{index}")
        sender.set_credentials({"api_key": f"key-{index}"})
        sender.save(update_fields=["sealed_password", "sealed_credentials"])
        made.append(sender)
    return made


def rotate() -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue()


def test_every_column_that_is_sealed_is_found() -> None:
    columns = {(model, column) for model, column in key_rotation.sealed_columns()}
    of_sender = {(Sender, "sealed_password"), (Sender, "sealed_credentials")}
    others = {(Grant, "sealed_tokens"), (Hook, "sealed_secrets"), (Authenticator, "sealed_key")}
    assert columns == of_sender | others


def test_the_old_key_can_go_after_a_rotation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    sealed(settings, ["old"], number=5)
    SenderFactory()
    settings.CREDENTIAL_KEYS = ["new", "old"]
    assert "senders: password: 5 encrypted with the new key." in rotate()
    settings.CREDENTIAL_KEYS = ["new"]
    with_secrets = Sender.objects.exclude(sealed_password="").order_by("pk")
    assert [sender.password() for sender in with_secrets] == [f"pass-{i}" for i in range(5)]
    assert [sender.credentials() for sender in with_secrets] == [{"api_key": f"key-{i}"} for i in range(5)]
    assert Sender.objects.filter(sealed_password="").count() == 1


def test_until_the_rotation_the_old_key_reads(settings: Settings) -> None:
    [sender] = sealed(settings, ["old"])
    settings.CREDENTIAL_KEYS = ["new", "old"]
    assert sender.password() == "pass-0"
    settings.CREDENTIAL_KEYS = ["new"]
    with pytest.raises(CredentialsUnreadable):
        sender.password()


def test_a_second_rotation_changes_nothing(settings: Settings) -> None:
    sealed(settings, ["old"])
    settings.CREDENTIAL_KEYS = ["new", "old"]
    rotate()
    before = list(Sender.objects.values())
    assert "senders: password: 0 encrypted" in rotate()
    assert list(Sender.objects.values()) == before


def test_what_no_key_reads_stays_and_is_named(settings: Settings) -> None:
    [lost] = sealed(settings, ["forgotten"])
    [kept] = sealed(settings, ["old"])
    settings.CREDENTIAL_KEYS = ["new", "old"]
    with pytest.raises(CommandError, match=f"sender {lost.pk}"):
        rotate()
    for sender in (lost, kept):
        sender.refresh_from_db()
    assert credentials.is_current(kept.sealed_password)
    settings.CREDENTIAL_KEYS = ["forgotten"]
    assert lost.password() == "pass-0"
