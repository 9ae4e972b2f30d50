"""Files in, imports out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from audience import imports
from audience.imports import runner
from audience.models import CustomerImport, Workspace
from tests.factories import WorkspaceFactory

TakeIn = Callable[..., CustomerImport]


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def workspace(db: None) -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def create(workspace: Workspace) -> TakeIn:
    """Store text or bytes as an import of the workspace that waits to be run."""

    def create(content: str | bytes, **options: Any) -> CustomerImport:
        raw = content.encode() if isinstance(content, str) else content
        options = {"name": "list.csv", "consent_note": "web form"} | options
        return imports.create(options.pop("workspace", workspace), io.BytesIO(raw), **options)

    return create


@pytest.fixture
def take_in(create: TakeIn) -> TakeIn:
    """Create an import and run it to its end."""
    return lambda content, **options: imports.run(create(content, **options))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CHUNK_ROWS", 2)


def rejected(customer_import: CustomerImport) -> list[list[str]]:
    """The file of rejected rows, without its first line."""
    path = imports.rejected_path(customer_import)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))[1:]
