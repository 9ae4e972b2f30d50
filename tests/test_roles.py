"""Roles: the walk through all pages as everybody, against docs/roles.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings as site
from pytest_django import Settings

from config.api import api
from tests.api.walk import body_of, filled, operations
from tests.role_walk import EVERYBODY, NOBODY, STRANGER, api_cell, cell, programs, sessions, table
from tests.test_workspace_wall import PUBLIC, routes, urls_of
from tests.world import World

DOCS = Path(site.BASE_DIR) / "docs" / "roles.md"
METHODS = "[A-Z]+ /api/"
# Whoever asks has no business to be known there.
OPEN = {"", "health/", "health/live/", "admin/login/", "admin/logout/", "admin/jsi18n/", "words.js"} | {
    f"account/password/{page}" for page in ("", "sent/", "done/")
}
# Those that Drumbeat comes with, which are in no workspace.
DESIGNS = {"templates/designs/<slug:key>/"}


def walked(world: World) -> Iterator[tuple[str, list[str]]]:
    everybody = sessions(world)
    for route in sorted(set(routes())):
        # Leads from an old form of address to the new one.
        if route.endswith("/<path:object_id>/") and route.startswith("admin/") and "/r/" not in route:
            continue
        forged = [f"/{route}".replace("<str:", "<").replace("<int:", "<")] if route in PUBLIC else []
        for url in [forge(each) for each in forged] or urls_of(route, world)[:1]:
            yield f"/{route}", [cell(everybody[who], url) for who in EVERYBODY]


def asked(world: World) -> Iterator[tuple[str, list[str]]]:
    everybody = programs(world)
    for method, path, operation in operations():
        where, body = filled(path, world), body_of(operation)
        cells = [api_cell(everybody[who], method, where, body) for who in EVERYBODY]
        yield f"{method} /api{path}", cells


def forge(url: str) -> str:
    for name in ("token", "secret", "public_id", "uidb64"):
        url = url.replace(f"<{name}>", "forged")
    return url.replace("<number>", "1")


def test_everybody_may_do_what_the_table_says_and_no_more(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    settings.RATE_LIMIT_STORAGE = f"memory://{tmp_path}"
    found = table(list(walked(world)), list(asked(world)))
    if os.environ.get("WRITE_DOCS"):
        DOCS.write_text(found)
    assert DOCS.read_text().splitlines() == found.splitlines()


def documented(beginning: str = "/") -> dict[str, dict[str, str]]:
    """The cells of each page, or of what else begins so."""
    lines = DOCS.read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if re.match(rf"\| `{beginning}", line)]
    return {
        row[0].strip("`/").replace("\\|", "|"): dict(zip(EVERYBODY, row[1:], strict=True)) for row in rows
    }


def test_nobody_who_is_not_logged_in_reads_or_does_anything_of_a_workspace() -> None:
    open_to_all = {page.strip("/") for page in OPEN | PUBLIC}
    for page, cells in documented().items():
        assert page in open_to_all or cells[NOBODY] in ("log in", "not found", "-"), page


def test_a_right_that_a_lower_role_has_no_higher_role_lacks() -> None:
    members = EVERYBODY[2:]
    for page, cells in (documented() | documented(METHODS)).items():
        for lower, higher in zip(members, members[1:], strict=False):
            missing = words(cells[lower]) - words(cells[higher])
            assert not missing or higher == "site staff", f"{page}: {lower} may {missing}, {higher} not"


def words(told: str) -> set[str]:
    return set(told.split(", ")) & {"reads", "acts"}


def test_a_page_about_one_thing_is_no_page_for_another_workspace() -> None:
    for page, cells in documented().items():
        if "/<" in page and page not in {each.strip("/") for each in PUBLIC | DESIGNS}:
            assert not words(cells[STRANGER]), page


def test_the_api_opens_nothing_without_a_key_and_nothing_of_another_workspace() -> None:
    found = documented(METHODS)
    assert len(found) == len(list(api.operations()))
    for operation, cells in found.items():
        assert cells[NOBODY] == "no key", operation
        assert cells[STRANGER] == "not found" or "{" not in operation, operation
        assert words(cells["analyst"]) <= {"reads"} or operation.endswith("/preview"), operation
