"""The doctor names what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from campaigns.models import Sender
from delivery import doctor, heartbeats, installation
from delivery.models import Heartbeat
from tests.factories import SenderFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def well(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.RATE_LIMIT_STORAGE = "memory://"
    UserFactory(is_superuser=True)
    heartbeats.beat("host-1", Heartbeat.Kind.WORKER, "looks for due mail")
    assert not installation.problem()


def told() -> str:
    return " ".join(finding.words for finding in doctor.findings() if finding.grave)


def test_of_an_installation_that_is_well_it_says_so() -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    assert (ended.value.code, told()) == (0, "")
    assert "Nothing is wrong." in out.getvalue()


def test_it_finds_what_is_wrong(settings: Settings, tmp_path: Path) -> None:
    Heartbeat.objects.all().delete()
    (tmp_path / "installation.json").unlink()
    sender = SenderFactory(state=Sender.State.STOPPED)
    Sender.objects.filter(pk=sender.pk).update(sealed_password="v1:not-sealed-by-us")  # noqa: S106
    settings.DATA_DIR = tmp_path
    settings.RATE_LIMIT_STORAGE = "redis://127.0.0.1:1/0"
    said = told()
    for words in ("Nobody looks", "sending from elsewhere", "stopped", "cannot be read", "Redis does not"):
        assert words in said, words
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=StringIO())
    assert ended.value.code == 1


def test_a_log_that_could_be_changed_is_found() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE audience_auditentry DISABLE TRIGGER audit_append_only")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS audit_no_UPDATE")
    assert "audit log can be changed" in told()
