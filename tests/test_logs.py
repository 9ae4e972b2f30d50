"""The logs: two forms, ids as fields, and never an address."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from pytest_django import Settings

from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from config.logs import FORMS, mask
from delivery.models import SendLog
from tests.delivery.conftest import own_data_dir
from tests.factories import CampaignFactory, CustomerFactory, SenderFactory, TemplateFactory
from tests.servers import free_port
from tests.smtp_stub import SmtpStub

__all__ = ["own_data_dir"]
ROOT = Path(__file__).parents[1]
BODY = '<p>{{ 1 | divided_by: customer.orders }}</p><a href="{{ unsubscribe_link }}">Unsubscribe</a>'


def written(form: str, message: str, *args: object, **extra: object) -> str:
    """A record in this form; with the exception that is being handled, if any."""
    exception = sys.exc_info() if sys.exc_info()[0] else None
    record = logging.getLogger("delivery.worker").makeRecord(
        "delivery.worker", logging.INFO, __file__, 1, message, args, exception, extra=extra
    )
    return FORMS[form]().format(record)


# --- The forms ---------------------------------------------------------------------------------------


def test_a_line_says_what_the_event_carries_after_the_message() -> None:
    line = written("line", "batch settled", campaign=12, sender=3, sent=498, why="rate limit")
    assert line.endswith(' INFO delivery.worker batch settled campaign=12 sender=3 sent=498 why="rate limit"')


def test_json_has_fields_of_their_own() -> None:
    entry = json.loads(written("json", "batch settled", campaign=12, sender=3, is_last=True))
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "INFO",
        "logger": "delivery.worker",
        "message": "batch settled",
        "campaign": 12,
        "sender": 3,
        "is_last": True,
    }


def test_what_the_event_carries_stands_before_its_traceback() -> None:
    try:
        raise ValueError("no such filter")
    except ValueError:
        line = written("line", "odd", row=7)
        entry = json.loads(written("json", "odd", row=7))
    assert line.splitlines()[0].endswith(" odd row=7")
    assert line.splitlines()[-1] == "ValueError: no such filter"
    assert entry["exception"].endswith("ValueError: no such filter")


@pytest.mark.parametrize("form", FORMS)
def test_objects_are_left_out(form: str) -> None:
    assert "request" not in written(form, "Not Found", request=object(), status_code=404)


# --- The wall against addresses ----------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_a_record_shows_an_address(form: str) -> None:
    class Odd:
        def __str__(self) -> str:
            return "object of bob@example.com"

    try:
        raise ValueError("Key (email)=(bob@example.com) already exists")
    except ValueError:
        text = written(form, "to %s, %s", "bob@example.com", Odd(), who="bob@example.com", campaign=1)
    assert "@" not in text
    assert "bob" not in text
    assert text.count("[address]") >= 4
    if form == "json":
        json.loads(text)


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.com",
        "o'brien+tag@example.com",
        "bounce+bob=example.com@acme.example",
        '"bob smith"@example.com',
        "bob@[192.0.2.1]",
        "bob%40example.com",
        "bob@localhost",
        "bøb@exämple.com",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "<{}>", "to={}, again", "rcpt:<{}>: unknown", "/why/?email={} HTTP/1.1"]
)
def test_whatever_looks_like_an_address_is_masked(address: str, around: str) -> None:
    masked = mask(around.format(address))
    assert not {"@", "%40"} & set(masked)
    assert "b" not in masked.replace("[address]", "").replace("unknown", "")


def test_other_words_stay() -> None:
    assert mask("421 4.7.0 <bob@x.com>: try 12:30 again") == "421 4.7.0 <[address]>: try 12:30 again"
    assert mask("campaign 12, no address") == "campaign 12, no address"


def test_a_long_text_costs_no_time() -> None:
    """Quadratic, this would take hours."""
    assert mask("x" * 2_000_000 + " bob@example.com").endswith(" [address]")


# --- A whole campaign --------------------------------------------------------------------------------


def campaign_in_trouble(stub: SmtpStub) -> None:
    """Activate one that fails for one customer, is refused to another, and loses one of its senders."""
    workspace = SenderFactory().workspace
    for orders in (0, 1, 2, 3, 4, 5):
        CustomerFactory(attributes={"orders": orders})
    smtp = {"transport": "smtp", "host": stub.host, "port": stub.port, "security": "none"}
    senders = [SenderFactory(**smtp), SenderFactory(**smtp, username="news@acme.example")]
    senders[1].set_password("wrong")
    senders[1].save(update_fields=["sealed_password"])
    template = TemplateFactory(body=BODY, workspace=workspace)
    campaign: Campaign = CampaignFactory(template=template, senders=senders)
    lifecycle.activate(campaign)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", FORMS)
def test_a_campaign_with_every_trouble_logs_no_address(
    form: str, child_environment: dict[str, str], settings: Settings
) -> None:
    refusal = "550 5.1.1 <customer@example.com>: no such user customer@example.com"
    log_in = "535 5.7.8 news@acme.example: wrong password"
    with SmtpStub(RCPT=[None, refusal], AUTH=log_in, log_in=("x", "y")) as stub:
        campaign_in_trouble(stub)
        environment = child_environment | {
            "LOG_FORMAT": form,
            "LOG_LEVEL": "DEBUG",
            "DATA_DIR": str(settings.DATA_DIR),
        }
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", "send_due"], env=environment, capture_output=True, text=True
        )
    logged = done.stderr
    by_status = sorted(SendLog.objects.values_list("status", flat=True))
    assert by_status == ["failed", "failed", "sent", "sent", "sent", "sent"], logged
    assert "535 5.7.8 [address]" in logged
    assert "@" not in logged
    if form == "json":
        stopped = [json.loads(line) for line in logged.splitlines() if "sender stopped" in line]
        assert [entry["sender"] for entry in stopped] == [Sender.objects.get(state="stopped").pk]


@pytest.mark.parametrize("form", ["line", "json", "yaml"])
def test_a_form_that_does_not_exist_is_refused_at_the_start(form: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "LOG_FORMAT": form,
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "sqlite://:memory:",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode == 0) is (form in FORMS)
    if form not in FORMS:
        assert "LOG_FORMAT is 'yaml'. Set it to one of: line, json." in done.stderr


# --- gunicorn ----------------------------------------------------------------------------------------


def test_gunicorn_writes_in_the_same_form(tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    # As `collectstatic` leaves it; Django warns where it is missing.
    (tmp_path / "static").mkdir()
    environment = os.environ | {"LOG_FORMAT": "json", "DATA_DIR": str(tmp_path)}
    options = ["--bind", bind, "--access-logfile", "-", "--logger-class", "config.gunicorn.Logger"]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", *options]
    pipe, together = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=together, text=True
    ) as gunicorn:
        assert gunicorn.stdout
        alarm = threading.Timer(60, gunicorn.kill)
        alarm.start()
        lines = []
        for line in gunicorn.stdout:
            lines.append(json.loads(line))
            if "Booting worker" in line:
                urllib.request.urlopen(f"http://{bind}/health/live/?email=bob@example.com")  # noqa: S310 - our own
            if "GET /health" in line:
                gunicorn.terminate()
        alarm.cancel()
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "gunicorn.access"}
    [access] = [line["message"] for line in lines if line["logger"] == "gunicorn.access"]
    assert "/health/live/?[address] HTTP/1.1" in access
