"""docs/settings.md, made from config/settings.py: every variable of the environment, with its comment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

SOURCE = Path(settings.BASE_DIR) / "config" / "settings.py"
PAGE = Path(settings.BASE_DIR) / "docs" / "settings.md"
KINDS = {
    "str": "text",
    "int": "number",
    "bool": "true or false",
    "list": "list, with commas",
    "db": "address of a database",
}
HEADING = """# Settings

Every variable of the environment that Drumbeat reads, made from `config/settings.py` by
`WRITE_DOCS=1 pytest tests/test_settings_page.py`; a test holds it to the source. A file `.env` beside
manage.py is read first; what the environment says wins. `manage.py doctor` looks whether they fit together.

A site that others reach (`DEBUG` off, `SITE_URL` not this machine) does not start without `SECRET_KEY`,
`LINK_KEYS` and `CREDENTIAL_KEYS` of 50 random characters each and a `SITE_URL` that begins with https.
"""


class Variable(NamedTuple):
    name: str
    kind: str
    default: str
    words: str
    section: str


def page() -> str:
    found = [*variables()]
    parts = [HEADING]
    for section in dict.fromkeys(variable.section for variable in found):
        parts.append(f"\n## {section}\n\n| variable | is | default | for |\n| --- | --- | --- | --- |\n")
        parts += [
            f"| `{each.name}` | {each.kind} | {each.default} | {each.words} |\n"
            for each in found
            if each.section == section
        ]
    return "".join(parts)


def variables() -> Iterator[Variable]:
    text = SOURCE.read_text()
    lines, seen = text.splitlines(), set()
    for statement in _statements(ast.parse(text).body):
        for call in ast.walk(statement):
            name = _name(call)
            if name and name not in seen and isinstance(call, ast.Call):
                seen.add(name)
                kind = KINDS[call.func.attr]  # type: ignore[attr-defined]
                comment, section = _above(lines, statement.lineno)
                yield Variable(name, kind, _default(call), comment, section)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _statements([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Assign):
            yield statement


def _name(node: ast.AST) -> str:
    """The variable that a call such as env.int("PORT", 25) reads; empty for every other node."""
    is_read = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.func.attr in KINDS
    )
    return str(node.args[0].value) if is_read else ""  # type: ignore[attr-defined]


def _default(call: ast.Call) -> str:
    given = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "default")]
    told = ast.unparse(given[0]) if given else "''"
    return "empty" if told in ("''", "[]") else f"`{told}`".replace("|", "\\|")


def _above(lines: list[str], number: int) -> tuple[str, str]:
    """The comment over a statement, or over the lines that it stands in a row with, and the section."""
    comment: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line or line.startswith("# ---") or (comment and not line.startswith("# ")):
            break
        if line.startswith("# "):
            comment.insert(0, line.removeprefix("# "))
    headers = [line for line in lines[:number] if line.startswith("# --- ")]
    section = headers[-1].strip("# -") if headers else "The installation"
    return " ".join(comment), section
