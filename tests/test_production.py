"""A site that others reach: complete or not started, checked by Django, and discreet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from tests.delivery.staff import superuser

KEYS = {
    name: f"{name}-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"
    for name in ("SECRET_KEY", "LINK_KEYS", "CREDENTIAL_KEYS")
}
COMPLETE = {"DEBUG": "false", "SITE_URL": "https://mail.acme.example", **KEYS}


def manage(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**known, "DATA_DIR": str(tmp_path), "DATABASE_URL": "sqlite://:memory:", **environment}
    # Set empty, they are not read from .env either.
    blank = dict.fromkeys(("LINK_KEYS", "CREDENTIAL_KEYS"), "")
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=site.BASE_DIR,
        env=blank | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_complete_site_passes_djangos_check_for_deployment(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **COMPLETE)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too weak"),
        ({"SECRET_KEY": "a" * 60}, "SECRET_KEY is too weak"),
        ({"LINK_KEYS": ""}, "LINK_KEYS is not set"),
        ({"CREDENTIAL_KEYS": ""}, "CREDENTIAL_KEYS is not set"),
        ({"CREDENTIAL_KEYS": KEYS["SECRET_KEY"]}, "CREDENTIAL_KEYS holds SECRET_KEY"),
        ({"LINK_KEYS": "weak"}, "LINK_KEYS holds a weak key"),
        ({"SITE_URL": "http://mail.acme.example"}, "Begin it with https"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS allows every host"),
    ],
)
def test_a_site_that_others_reach_does_not_start_half_set_up(
    tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    done = manage(tmp_path, "check", **COMPLETE | wrong)
    assert done.returncode != 0
    assert said in done.stderr
    assert KEYS["SECRET_KEY"] not in done.stderr


def test_on_this_machine_a_short_key_does(tmp_path: Path) -> None:
    done = manage(
        tmp_path, "check", DEBUG="false", SECRET_KEY="only-for-tests", SITE_URL="http://localhost:8000"
    )
    assert done.returncode == 0, done.stderr


# --- What browsers are told ------------------------------------------------------------------------------


def policy(response: object) -> dict[str, str]:
    text = response.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return dict(part.strip().partition(" ")[::2] for part in text.split(";"))


@pytest.mark.django_db
def test_no_page_of_ours_may_run_what_stands_in_it() -> None:
    for client, url in ((Client(), "/admin/login/"), (superuser(), "/admin/"), (superuser(), "/operations/")):
        told = policy(client.get(url))
        assert told["script-src"] == "'self' 'unsafe-eval'"
        assert (told["object-src"], told["base-uri"], told["frame-ancestors"]) == (
            "'none'",
            "'none'",
            "'self'",
        )


@pytest.mark.django_db
def test_the_page_for_everybody_has_no_script_and_nothing_inline() -> None:
    response = Client().get("/u/forged")
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert policy(response)["default-src"] == "'none'"
    assert b"<style" not in response.content and b"style=" not in response.content


# --- Error reports ------------------------------------------------------------------------------------------


def made(word: str) -> str:
    """A secret that stands nowhere in this file, for reports show the lines around an error."""
    return "-".join(("hunter2", word))


def test_an_error_report_holds_no_secret(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://:{made('redis')}@redis.example/0"
    fields = {"password": made("form"), "note": made("note")}
    request = RequestFactory().post("/", fields, headers={"authorization": f"Bearer {made('header')}"})
    del fields
    try:
        api_key, password = made("key"), made("variable")
        raise ValueError(f"{len(api_key + password)} letters")
    except ValueError:
        reporter = ExceptionReporter(request, *sys.exc_info())
    for text in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert "letters" in text
        for word in ("redis", "form", "note", "key", "variable", "header"):
            assert made(word) not in text, word
        assert settings.SECRET_KEY not in text
