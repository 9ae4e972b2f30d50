"""The examples of docs/api.md, run as they stand against a running server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from audience.models import Customer, CustomerEvent, CustomerImport, Segment, Suppression
from campaigns.models import Campaign
from tests.api.program import Program
from tests.factories import SenderFactory

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.S | re.M)
COMMANDS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "error", "-c"]}


def examples() -> list[tuple[str, str]]:
    """Language and text of every example, in the order of the page."""
    return BLOCK.findall(PAGE.read_text())


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_page_do_what_they_say(
    live_server: LiveServer, mailbox: None, tmp_path: Path
) -> None:
    program = Program()
    SenderFactory(workspace=program.workspace)
    own = os.environ | {"DRUMBEAT_URL": live_server.url, "DRUMBEAT_KEY": program.text}
    found = examples()
    assert {language for language, _ in found} == {"sh", "python"} and len(found) >= 6
    for language, text in found:
        command = [*COMMANDS[language], text]
        done = subprocess.run(
            command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert Campaign.objects.get(name="Spring").status == "active"
    assert Campaign.objects.get(name="After an order").automation.event == "order_placed"
    assert CustomerEvent.objects.get().key == "order-4711"
    assert Segment.objects.get().name == "Everyone who opted in"
    assert Suppression.objects.get().email == "eve@example.com"
    assert CustomerImport.objects.get().mapping == {"E-mail": "email", "Orders": "attributes.orders"}
    assert Customer.objects.count() == 2


def test_the_page_names_every_kind_of_problem_and_no_other() -> None:
    root = PAGE.parents[1]
    sources = [root / "config" / "api.py", *root.glob("[acd]*/api/*.py")]
    raised = re.compile(r'(?:\b[45]\d\d|status_code),\s*"([a-z][a-z-]+)"(?!:)')
    kinds = {kind for source in sources for kind in raised.findall(source.read_text())}
    table = PAGE.read_text().partition("## Errors")[2]
    cells = re.findall(r"^\| \d+ \| (.*?) \|", table, re.M)
    named = {kind for cell in cells for kind in re.findall("`(.*?)`", cell)}
    assert "stale" in kinds and "no-key" in kinds
    assert named == kinds
