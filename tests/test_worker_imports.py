"""What a worker holds in memory: only what sending needs (decision 11)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Compiling templates, calling providers, reading reports, checking domains, learning, pages.
ELSEWHERE = {
    *("anymail", "authlib", "boto3", "css_inline", "dns", "inscriptis", "lxml", "markdown_it", "mrml"),
    *("numpy", "requests", "config.urls", "unfold.admin", "ninja", "pydantic", "cryptography.fernet"),
}
STARTED = """
import sys
from config.celery import app
import django
django.setup()
app.loader.import_default_modules()
import delivery.worker
print(*sys.modules)
"""


def test_a_worker_does_not_import_what_sending_does_not_need() -> None:
    assert ELSEWHERE & set(output_of(STARTED).split()) == set()


ONE_PASS = """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "send_due"])
print(*sys.modules)
"""


def test_one_pass_for_cron_does_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_EMAIL_SCHEDULER", "false")
    words = output_of(ONE_PASS).split()
    assert "delivery.worker" in words
    assert ELSEWHERE & set(words) == set()


CHECKED = """
import django
django.setup()
from django.contrib import admin
from django.core import checks
assert not admin.site._registry
checks.run_checks(tags=[checks.Tags.admin])
print(len(admin.site._registry))
"""


def test_the_pages_that_workers_do_without_are_checked_all_the_same() -> None:
    assert int(output_of(CHECKED)) > 10


def output_of(program: str) -> str:
    started = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return started.stdout
