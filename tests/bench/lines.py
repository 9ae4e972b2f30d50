"""What a measurement says: one JSON object, with the median of its runs and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

Line = dict[str, Any]


def line(
    bench: str, runs: Sequence[float], unit: str, *, target: float | None, passed: bool | None, **more: Any
) -> Line:
    """One line. `target` is what `value` or, where there is one, `ratio` is held against."""
    return {
        "bench": bench,
        "value": rounded(median(runs)),
        "unit": unit,
        **more,
        "target": target,
        "pass": passed,
        "runs": [rounded(run) for run in runs],
    }


def rounded(number: float) -> float:
    """A figure without digits that mean nothing."""
    return round(number) if abs(number) >= 1000 else round(number, 3)
