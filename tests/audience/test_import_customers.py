from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from audience.models import Attribute, ConsentRecord, Customer, CustomerImport
from tests.factories import SuppressionFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    path = tmp_path / "list.csv"
    path.write_text("Contact;Orders;Town\njo@example.com;3;Oslo\nnobody;1;Rome\nal@example.com;2;Bern\n")
    return path


def _import(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("import_customers", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_summary_says_what_became_of_the_rows(file: Path) -> None:
    SuppressionFactory(email="al@example.com")
    out = _import(
        file, "--map", "Contact=email", "--map", "Town=", "--subscribe", "--consent-note", "web form"
    )
    summary, rejected = out.splitlines()
    assert re.fullmatch(
        r"created=2 updated=0 rejected=1 kept_out=1 seconds=\d+\.\d rows_per_second=\d+", summary
    )
    assert "nobody" in Path(rejected.removeprefix("Rejected rows: ")).read_text("utf-8-sig")
    assert Customer.objects.get(subscribed=True).attributes == {"orders": 3}
    assert ConsentRecord.objects.get().evidence == "web form"
    assert list(Attribute.objects.values_list("name", flat=True)) == ["orders"]


def test_one_of_several_workspaces_has_to_be_named(file: Path) -> None:
    for slug in ("acme", "other"):
        WorkspaceFactory(slug=slug)
    with pytest.raises(CommandError, match="Say for which workspace. .* acme, other"):
        _import(file, "--map", "Contact=email")
    with pytest.raises(CommandError, match="There is no workspace third"):
        _import(file, "--map", "Contact=email", "--workspace", "third")
    _import(file, "--map", "Contact=email", "--workspace", "other")
    assert set(Customer.objects.values_list("workspace__slug", flat=True)) == {"other"}


def test_without_a_workspace_the_command_says_what_to_do(file: Path) -> None:
    with pytest.raises(CommandError, match="Create one first"):
        _import(file)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name a file to import"),
        (["{file}"], "No column holds the e-mail address"),
        (["{file}.gone"], "cannot be read"),
        (["{file}", "--map", "Contact"], "write COLUMN=FIELD"),
        (["{file}", "--map", "Contact=email", "--subscribe"], "where and how these people agreed"),
        (["--resume", "99"], "There is no import 99"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(file: Path, arguments: list[str], said: str) -> None:
    WorkspaceFactory()
    with pytest.raises(CommandError, match=said):
        _import(*(argument.format(file=file) for argument in arguments))
    assert not CustomerImport.objects.exists()
    assert not Customer.objects.exists()


def test_an_import_that_failed_says_how_to_go_on_and_does(file: Path) -> None:
    workspace = WorkspaceFactory()
    Attribute.objects.create(workspace=workspace, name="orders", type="number")
    _import(file, "--map", "Contact=email")
    CustomerImport.objects.update(status=CustomerImport.Status.FAILED, error="the disk was full")
    stopped = CustomerImport.objects.get()
    with pytest.raises(CommandError, match=f"--resume {stopped.pk}"):
        _import("--resume", stopped.pk)
    Path(stopped.file).write_bytes(file.read_bytes())
    assert _import("--resume", stopped.pk).startswith("created=2 updated=0 rejected=1")
