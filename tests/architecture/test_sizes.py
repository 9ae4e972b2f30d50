"""A file or a function that cannot be read in one go has more than one job."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("audience", "campaigns", "delivery", "analytics", "config", "tests")
LINES_PER_FILE = 400
LINES_PER_FUNCTION = 45


def too_long(source: str, name: str) -> Iterator[str]:
    """The file, if it is too long, and each of its functions that is."""
    if (lines := source.count("\n")) > LINES_PER_FILE:
        yield f"{name}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LINES_PER_FUNCTION:
                yield f"{name}:{node.lineno} {node.name}(): {lines} lines"


def test_no_file_and_no_function_is_too_long() -> None:
    files = [path for top in CODE for path in (ROOT / top).rglob("*.py") if "migrations" not in path.parts]
    assert len(files) > len(CODE)
    findings = [line for path in files for line in too_long(path.read_text(), str(path.relative_to(ROOT)))]
    assert findings == []


def test_a_long_function_is_found() -> None:
    source = "def fits():\n" + "    pass\n" * 44 + "def does_not():\n" + "    pass\n" * 45
    assert list(too_long(source, "a.py")) == ["a.py:46 does_not(): 46 lines"]


def test_a_long_file_is_found() -> None:
    assert list(too_long("pass\n" * 400, "a.py")) == []
    assert list(too_long("pass\n" * 401, "a.py")) == ["a.py: 401 lines"]
