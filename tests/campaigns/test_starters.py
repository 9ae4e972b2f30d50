"""The designs that new templates start from are good mails themselves."""

from __future__ import annotations

import re

import pytest

from audience.models import Workspace
from campaigns import content, preview, starters
from campaigns.starters import Starter
from tests.factories import WorkspaceFactory

DESIGNS = {design.key: design for design in starters.designs()}


def test_there_are_six_designs_and_an_empty_one_of_each_format() -> None:
    assert list(DESIGNS) == ["welcome", "newsletter", "announcement", "sale", "event", "letter"]
    assert {empty.sources.format for empty in starters.empty()} == {"mjml", "html", "markdown", "plain"}


@pytest.mark.django_db
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_a_design_has_no_problems_and_leaves_nothing_to_chance(design: Starter) -> None:
    workspace: Workspace = WorkspaceFactory(postal_address="12 Turntable Lane")
    assert content.check(workspace, *design.sources.parts) == []
    mail = preview.render(workspace, design.sources, None)
    assert preview.knows_dark(mail.html)
    assert "#unsubscribe" in mail.html and "12 Turntable Lane" in mail.html
    assert "{{" not in mail.subject + mail.html + mail.text
    assert len(mail.html) < 102 * 1024
    # It loads nothing from anybody: fonts of others would tell them who reads it.
    assert re.findall(r"<link\b|@import|src=\"https?://(?!127)", mail.html) == []


@pytest.mark.django_db
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_a_design_reads_well_without_a_name(design: Starter) -> None:
    workspace: Workspace = WorkspaceFactory()
    nobody = {**dict.fromkeys(content.CUSTOMER_COLUMNS, ""), "attributes": {}}
    renderer = content.Renderer(content.compile_template(*design.sources.parts))
    mail = renderer.render(content.context(nobody, workspace, "Spring", "https://example.com/u"))
    assert re.findall(r" ,|, ?[,.!]|: *:|\( *\)", mail.subject + mail.text) == []
