"""The one place where a value becomes a cell of a file that people open with a spreadsheet."""

from __future__ import annotations

from typing import Any

# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, CSV Injection), the wide
# forms of East Asia too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: Any) -> Any:
    """The value as a cell; before text that would be run stands a quote, and nothing is empty."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
