"""Criteria in forms: a text that the browser lets people build by clicking (static/drumbeat/criteria)."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminTextareaWidget


class CriteriaField(forms.CharField):
    """JSON as a person wrote it: what is wrong with it is said with its line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else written(value)

    def to_python(self, value: Any) -> Any:
        return parse(super().to_python(value) or "null")

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


def written(criteria: Any) -> str:
    """Criteria as people edit them."""
    return json.dumps(criteria, indent=2, ensure_ascii=False)


def parse(text: str) -> Any:
    """What the text says. Raises ValidationError with the line at which it is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = gettext("Line {lineno}, column {colno}: this is not JSON ({msg}).").format(
            lineno=error.lineno, colno=error.colno, msg=error.msg
        )
        raise ValidationError(message) from error
    except RecursionError as error:
        raise ValidationError(gettext("This is nested too deeply.")) from error


def by_place(problems: Any) -> list[dict[str, Any]]:
    """Problems as the browser shows them, each at its rule."""
    return [{"path": problem.path, "message": problem.message} for problem in problems]
