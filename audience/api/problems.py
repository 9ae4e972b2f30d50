"""What the API says when it refuses: problem details (RFC 9457) that say what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpResponse
from ninja.errors import ValidationError as InvalidRequest
from pydantic import BaseModel, Field
from pydantic import ValidationError as InvalidRow

from audience.api.schemas import example

CONTENT_TYPE = "application/problem+json"
TYPE = "urn:drumbeat:problem:"
TITLES = {
    400: "The request cannot be read",
    401: "No valid API key",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible now",
    410: "Forgotten",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Wrong content type",
    422: "Refused",
    428: "Say which version you mean",
    429: "Too many requests",
    500: "A fault of ours",
    503: "Not available just now",
}
UNKNOWN_FIELD = "There is no such field here, or it cannot be written. Leave it out."


class FieldProblem(BaseModel):
    """What is wrong with one field of the request."""

    field: str = Field(description="As in the request, with dots: customers.3.email.")
    detail: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 describes it. Nothing was written."""

    model_config = example(
        {
            "type": f"{TYPE}refused",
            "title": TITLES[422],
            "status": 422,
            "detail": "1 field was refused. Mend it and send the request again.",
            "errors": [{"field": "colour", "detail": UNKNOWN_FIELD}],
        }
    )

    type: str = Field(description="What kind of problem it is; stays the same when words change.")
    title: str
    status: int
    detail: str = Field(description="What went wrong, and what to do next.")
    errors: list[FieldProblem] = Field(default=[], description="By field, where fields are to blame.")


class Problem(Exception):
    """A refusal: raised anywhere below the API's entry, it becomes the answer, and nothing is written."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.errors = [FieldProblem(field=field, detail=words) for field, words in errors]
        self.headers = headers or {}

    def response(self) -> HttpResponse:
        body = ProblemDetails(
            type=f"{TYPE}{self.kind}",
            title=TITLES[self.status],
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        ).model_dump(exclude_defaults=True)
        text = json.dumps(body, ensure_ascii=False)
        return HttpResponse(text, status=self.status, content_type=CONTENT_TYPE, headers=self.headers)


def not_found(what: str) -> Problem:
    """There is no such thing, or it is another workspace's, which must look the same."""
    return Problem(404, "not-found", f"There is no {what} with this id in the workspace of your key.")


def refused(errors: Iterable[tuple[str, str]]) -> Problem:
    """Fields are to blame."""
    listed = list(errors)
    words = "1 field was refused" if len(listed) == 1 else f"{len(listed)} fields were refused"
    return Problem(422, "refused", f"{words}. Mend them and send the request again.", listed)


def of_validation(error: ValidationError) -> Problem:
    """What the domain says about fields, or about the whole."""
    if not hasattr(error, "error_dict"):
        return Problem(422, "refused", " ".join(error.messages))
    return refused(
        ("" if field == NON_FIELD_ERRORS else field, message)
        for field, messages in error.message_dict.items()
        for message in messages
    )


def of_request(error: InvalidRequest) -> Problem:
    """What the schemas of the request say."""
    return refused((_path(found["loc"]), _words(found)) for found in error.errors)


def of_row(error: InvalidRow) -> list[tuple[str, str]]:
    """What is wrong with one row of a bulk call, by field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(map(str, each["loc"])), _words(each)) for each in found]


def _path(loc: Iterable[Any]) -> str:
    """The field's path. The source comes first, of a body also the name of our own argument."""
    source, *rest = loc
    return ".".join(str(part) for part in (rest[1:] if source in ("body", "form") else rest))


def _words(found: Mapping[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return UNKNOWN_FIELD
    return f"{found['msg']}."
