"""What a worker holds in memory: only what sending needs (decision 11)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Compiling templates, calling providers, reading reports, checking domains, learning, pages.
ELSEWHERE = {
    *("anymail", "authlib", "boto3", "css_inline", "dns", "inscriptis", "lxml", "markdown_it", "mrml"),
    *("numpy", "requests", "config.urls", "unfold.admin"),
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
    started = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ELSEWHERE & set(started.stdout.split()) == set()
