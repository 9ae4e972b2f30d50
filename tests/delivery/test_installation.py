"""A restored dump or a copy sends nothing until a person has confirmed, by whichever worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from audience.models import AuditEntry
from campaigns import lifecycle
from delivery import health, heartbeats, installation, tasks
from delivery.models import Heartbeat, Installation, SendLog
from delivery.worker import Worker
from tests.delivery.staff import member, superuser
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_place(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR = tmp_path
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process does that starts anew, or after a minute."""
    monkeypatch.setattr(installation, "_found", (float("-inf"), ""))


def send_all() -> int:
    """Offer a campaign to one person, and let the worker do what it may."""
    with SmtpStub() as stub:
        CustomerFactory()
        sender = SenderFactory(transport="smtp", host=stub.host, port=stub.port, security="none")
        lifecycle.activate(CampaignFactory(senders=[sender]))
        with Worker() as worker:
            worker.run_until_idle(seconds=20)
        return SendLog.objects.filter(status="sent").count()


def test_a_first_start_needs_no_confirmation() -> None:
    assert send_all() == 1


def test_two_that_start_at_once_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    read = installation._read

    def read_before_the_other_wrote() -> dict[str, Any]:
        monkeypatch.setattr(installation, "_read", read)
        known = read()
        assert installation.problem() == ""
        return known

    monkeypatch.setattr(installation, "_read", read_before_the_other_wrote)
    assert installation.problem() == ""


def test_a_dump_that_was_restored_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        forget(monkeypatch)
        assert not installation.unconfirmed()
    Installation.objects.update(minutes=1)
    forget(monkeypatch)
    assert "old copy: it lacks the last 2 minutes" in installation.problem()
    assert send_all() == 0
    assert not SendLog.objects.exists()


def test_a_copy_on_a_second_machine_sends_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.unconfirmed()
    settings.DATA_DIR = tmp_path / "second"
    settings.DATA_DIR.mkdir()
    forget(monkeypatch)
    assert send_all() == 0


def test_a_copy_with_all_its_files_on_another_database_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.unconfirmed()
    file = tmp_path / "installation.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"place": "somewhere else"}))
    forget(monkeypatch)
    assert send_all() == 0


def test_the_celery_worker_asks_as_well(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.unconfirmed()
    (tmp_path / "installation.json").unlink()
    forget(monkeypatch)
    with SmtpStub() as stub:
        CustomerFactory()
        sender = SenderFactory(transport="smtp", host=stub.host, port=stub.port, security="none")
        lifecycle.activate(CampaignFactory(senders=[sender]))
        assert tasks.tick() == {}
    assert not SendLog.objects.exists()


def test_once_confirmed_it_sends_and_the_log_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.unconfirmed()
    (tmp_path / "installation.json").unlink()
    forget(monkeypatch)
    assert installation.unconfirmed()
    call_command("confirm_installation")
    assert installation.unconfirmed(), "Looking confirms nothing."
    call_command("confirm_installation", "--yes")
    assert send_all() == 1
    assert AuditEntry.objects.filter(action="installation confirmed").count() == 1


def test_the_button_is_for_site_staff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not installation.unconfirmed()
    (tmp_path / "installation.json").unlink()
    heartbeats.beat("host-1", Heartbeat.Kind.WORKER, installation.WAITS)
    assert "Nothing is sent until you confirm" in superuser().get("/operations/").content.decode()
    assert health.health()[1]["sending"] == "unconfirmed"
    assert member().post("/operations/confirm/").status_code == 403
    assert installation.problem()
    superuser().post("/operations/confirm/")
    assert not installation.problem()


def test_a_host_without_a_lasting_disk_is_known_by_its_setting(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.unconfirmed()
    settings.INSTALLATION_ID = str(Installation.objects.get().key)
    (tmp_path / "installation.json").unlink()
    assert not installation.problem()
    settings.INSTALLATION_ID = "00000000-0000-0000-0000-000000000000"
    assert installation.problem()
