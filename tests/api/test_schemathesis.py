"""Every operation of the API, asked by schemathesis over HTTP: all its checks, with thousands of requests.

`API_CHECKS=long` asks with what is drawn by lot as well (docs/api.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from audience.models import CustomerImport
from campaigns import lifecycle
from campaigns.models import Enrollment
from config.api import api
from tests.api.program import Program
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    SegmentFactory,
    SenderFactory,
    SuppressionFactory,
    TemplateFactory,
)
from tests.flows import leave, make_flow, on_flow

CONFIG = Path(__file__).with_name("schemathesis.toml")
# By default what can be derived from the description; with API_CHECKS=long also what is drawn by lot, and
# sequences of calls, which takes many minutes.
IS_LONG = os.environ.get("API_CHECKS") == "long"
PHASES = "examples,coverage,fuzzing,stateful" if IS_LONG else "examples,coverage"
# Of each operation in the phases that draw lots.
EXAMPLES = 6
SECONDS = 3_600 if IS_LONG else 900


def rows(program: Program) -> dict[str, int]:
    """One of each thing that an address can name, by the name of the parameter."""
    mine = {"workspace": program.workspace}
    AttributeFactory(**mine)
    segment, template, sender = SegmentFactory(**mine), TemplateFactory(**mine), SenderFactory(**mine)
    campaign = CampaignFactory(**mine, segment=segment, template=template, senders=[sender])
    lifecycle.activate(CampaignFactory(**mine, segment=segment, template=template, senders=[sender]))
    # Not named: it may be deleted. Others are found by what POST answers.
    SuppressionFactory(**mine, email="gone@example.com")
    imported = CustomerImport.objects.create(**mine, name="customers.csv", file="/nowhere.csv")
    customer = CustomerFactory(**mine, name="Ada")
    flow = make_flow(leave(1), workspace=program.workspace)
    about = {"campaign": on_flow(flow), "version": flow.versions.get(), "customer": customer, "key": "once"}
    now = timezone.now()
    place = Enrollment.objects.create(**about, step=1, due_at=now, entered_at=now)
    return {
        "campaign_id": campaign.pk,
        "customer_id": customer.pk,
        "enrollment_id": place.pk,
        "flow_id": flow.pk,
        "import_id": imported.pk,
        "number": 1,
        "segment_id": segment.pk,
        "sender_id": sender.pk,
        "template_id": template.pk,
    }


@pytest.mark.skipif(connection.vendor == "sqlite", reason="It takes minutes; on PostgreSQL it says it all.")
def test_no_request_makes_the_api_fail_or_contradict_its_description(
    transactional_db: None, live_server: LiveServer, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR, settings.MAILBOX_PATH = tmp_path, tmp_path / "mailbox.sqlite3"
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    program = Program()
    config = tmp_path / "schemathesis.toml"
    named = "".join(f'"path.{name}" = {pk}\n' for name, pk in rows(program).items())
    config.write_text(f"[parameters]\n{named}\n{CONFIG.read_text()}")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
        f"{live_server.url}/api/openapi.json",
        *("--header", f"Authorization: Bearer {program.text}"),
        *(
            "--phases",
            PHASES,
            "--checks",
            "all",
            "--mode",
            "all",
            "--max-examples",
            str(EXAMPLES),
            "--seed",
            "8",
        ),
        *("--continue-on-failure", "--suppress-health-check", "all", "--generation-database", "none"),
    ]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if found.returncode:
        pytest.fail(found.stdout[-40_000:] + found.stderr[-5_000:])
    assert f"Tested: {len(list(api.operations()))}\n" in found.stdout
