"""What schemas of all routers stand on: nothing that is not known comes in, every example goes out."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import TextChoices
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

MAX_ID = 2**63 - 1
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Strict(BaseModel):
    """Base of what comes in by address or form: a field that is not known refuses the request."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Body(Strict):
    """Base of JSON bodies: a value is of its type, and not a text that could be read as it."""

    model_config = ConfigDict(strict=True)


class Out(BaseModel):
    """Base of what goes out, read from a row's columns of the same names."""

    model_config = ConfigDict(from_attributes=True)


def example(value: Any) -> ConfigDict:
    """A schema's configuration: the example that its description shows, beside what it inherits."""
    return ConfigDict(json_schema_extra={"examples": [value]})


def listed(choices: type[TextChoices]) -> WithJsonSchema:
    """Describe a choice where it stands: choices of several models have one name."""
    return WithJsonSchema({"type": "string", "enum": list(choices.values)})
