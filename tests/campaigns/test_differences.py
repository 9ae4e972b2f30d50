"""What changed between two versions."""

from __future__ import annotations

from campaigns import differences
from campaigns.differences import Line
from campaigns.templates import Sources

BEFORE = Sources("html", "Hello", "", "\n".join("abcdefghijklmnop"))


def changed(**columns: str) -> Sources:
    return Sources(**{"format": "html", "subject": "Hello", "preheader": "", "body": BEFORE.body} | columns)


def test_equal_versions_differ_in_nothing() -> None:
    assert differences.between(BEFORE, changed()).is_empty


def test_short_parts_are_shown_before_and_after() -> None:
    found = differences.between(BEFORE, changed(subject="Hi", format="mjml"))
    assert [tuple(field) for field in found.fields] == [
        ("Format", "html", "mjml"),
        ("Subject", "Hello", "Hi"),
    ]
    assert found.lines == []


def test_lines_are_numbered_on_both_sides_and_only_near_ones_shown() -> None:
    found = differences.between(BEFORE, changed(body=BEFORE.body.replace("b\n", "").replace("o", "O\nnew")))
    assert Line("gone", 2, None, "b") in found.lines
    assert Line("gone", 15, None, "o") in found.lines
    assert Line("new", None, 14, "O") in found.lines
    assert Line("same", 3, 2, "c") in found.lines
    assert [line.kind for line in found.lines].count("gap") == 1
    assert "h" not in {line.text for line in found.lines}


def test_very_long_bodies_are_not_compared_line_by_line() -> None:
    found = differences.between(changed(body="a\n" * 5000), changed(body="b\n" * 5000))
    assert [line.kind for line in found.lines] == ["gap"]
