"""Rates as the reports write them."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def rate(value: float | None) -> str:
    """0.1234 as 12.3%; small ones, such as complaints, with more digits; nothing to divide by: a dash."""
    if value is None:
        return "–"
    digits = 0 if value in (0, 1) else 1 if value >= 0.01 else 2
    return f"{value:.{digits}%}"
