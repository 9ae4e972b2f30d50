"""The HTTP API: the routers of the four apps joined, their exceptions in words, and its description.

A router of a further part (flows, events of customers) is added to ROUTERS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as InvalidRequest
from ninja.openapi.docs import Swagger
from ninja.operation import Operation

from analytics.api import reports
from audience.api import customer_events, customers, imports, problems, segments, suppressions
from audience.api.entry import DATABASE_TROUBLE, JsonParser, entry
from audience.api.problems import CONTENT_TYPE, Problem
from audience.imports import ImportRefused
from audience.segments import InvalidCriteria
from campaigns.api import automations, campaigns, enrollments, flows, senders, templates
from campaigns.drafts import NotADraft, NotInWorkspace
from campaigns.flows.problems import InvalidFlow
from campaigns.lifecycle import InvalidTransition, NotReady
from campaigns.templates import NameTaken
from delivery.api import campaigns as deliveries
from delivery.api import events

logger = logging.getLogger(__name__)

ROUTERS = (
    campaigns.router,
    deliveries.router,
    reports.router,
    automations.router,
    flows.router,
    enrollments.router,
    templates.router,
    senders.router,
    segments.router,
    customers.router,
    customer_events.router,
    suppressions.router,
    imports.router,
    events.router,
)
DESCRIPTION = """\
Everything that the pages do, for programs. Each key belongs to one workspace and one of its members, and may
what its scopes say, never more than its member may. docs/api.md has examples.

- **Writes** name what they change: a field that is not known, or only to be read, refuses the whole request,
  which then has written nothing. The answer is read back from the database.
- **Repeating.** Every POST takes an `Idempotency-Key`. For 24 hours the same request with the same key gets
  the same answer, and is not run again.
- **Versions.** PATCH takes the `ETag` of what was read as `If-Match`.
- **Pages.** Lists answer with `items` and `next`; send `next` as `cursor`.
- **Errors** are problem details (RFC 9457) that say what to do next."""
HEADERS = {
    "post": {
        "name": "Idempotency-Key",
        "required": False,
        "description": "A name of your own for this request, such as a UUID.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "patch": {
        "name": "If-Match",
        "required": True,
        "description": "The ETag of what was read; * to overwrite whatever is there.",
        "schema": {"type": "string", "pattern": r'^(\*|"[0-9a-f]{32}")$'},
    },
}
KEYS = "Made under Settings, API keys, and shown once: `Authorization: Bearer drumbeat_…`."
# The domain's own refusals, as answers: status and kind.
REFUSALS: dict[type[Exception], tuple[int, str]] = {
    NotADraft: (409, "not-a-draft"),
    InvalidTransition: (409, "not-possible"),
    NotReady: (409, "not-ready"),
    InvalidFlow: (409, "not-ready"),
    NotInWorkspace: (422, "refused"),
    InvalidCriteria: (422, "refused"),
    ImportRefused: (422, "refused"),
}


class Docs(Swagger):
    """Ninja's page by its own files instead of the internet's, although it is no app (config.settings)."""

    template_cdn = str(settings.NINJA / "templates" / Swagger.template)


class Api(NinjaAPI):
    """Ninja's, with problem details for what no operation answers, and a description that says them."""

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        urls = super()._get_urls()
        for pattern in urls:
            if isinstance(pattern, URLPattern) and pattern.name not in ("openapi-json", "openapi-view"):
                pattern.callback = _without_method(pattern.callback)
        return [*urls[:-1], path("<path:rest>", _nothing_here, name="nothing-here"), urls[-1]]

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    @cached_property
    def schema(self) -> Any:
        """What the API is, by OpenAPI 3.1; made once, for it takes a second. Not to be changed."""
        schema = super().get_openapi_schema()
        scopes = {
            self.get_openapi_operation_id(found): found.auth_callbacks[0].scopes
            for found in self.operations()
        }
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                _describe(method, operation, scopes[operation["operationId"]])
        schema["components"]["securitySchemes"] = {
            "ApiKey": {"type": "http", "scheme": "bearer", "description": KEYS}
        }
        return schema

    def get_openapi_schema(self, **_: Any) -> Any:
        return self.schema

    def operations(self) -> Iterator[Any]:
        """Every operation; the scopes that it takes are in `auth_callbacks[0].scopes`."""
        for router in self._get_bound_routers():
            for view in router.path_operations.values():
                yield from view.operations


def _describe(method: str, operation: dict[str, Any], scopes: Sequence[str]) -> None:
    """Say the scopes and headers that an operation takes, and problems by their own content type."""
    operation["security"] = [{"ApiKey": list(scopes)}]
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
    if method in HEADERS:
        operation["parameters"] = [*operation["parameters"], {"in": "header", **HEADERS[method]}]
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            answer["content"] = {CONTENT_TYPE: answer["content"]["application/json"]}


def _without_method(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Say in problem details which methods there are."""

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        words = f"{request.method} is not possible here. Possible: {response['Allow']}."
        return Problem(405, "no-method", words, headers={"Allow": response["Allow"]}).response()

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _nothing_here(request: HttpRequest, **_: str) -> HttpResponse:
    return Problem(404, "not-found", "The API has no such address. /api/docs lists all.").response()


_nothing_here.csrf_exempt = True  # type: ignore[attr-defined]


def _joined() -> Api:
    joined = Api(
        title="Drumbeat",
        version=settings.VERSION,
        description=DESCRIPTION,
        docs=Docs(),
        urls_namespace="api",
        parser=JsonParser(),
    )
    joined.add_decorator(entry, mode="view")
    for router in ROUTERS:
        joined.add_router("", router)
    for kind, (status, name) in REFUSALS.items():
        joined.add_exception_handler(kind, _refusal(status, name))
    for kind, handler in HANDLERS.items():
        joined.add_exception_handler(kind, handler)
    return joined


def _refusal(status: int, name: str) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda request, error: Problem(status, name, str(error)).response()


def _fault(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("the API failed", exc_info=error)
    return Problem(500, "fault", "This is a fault of ours, and is logged. Nothing was written.").response()


def _unreadable(error: HttpError) -> Problem:
    """What Ninja says of a body, or what our own reader of JSON said before."""
    if isinstance(error.__cause__, Problem):
        return error.__cause__
    return Problem(error.status_code, "unreadable", str(error))


def _raise(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    Problem: lambda request, error: error.response(),
    InvalidRequest: lambda request, error: problems.of_request(error).response(),
    ValidationError: lambda request, error: problems.of_validation(error).response(),
    NameTaken: lambda request, error: problems.refused([("name", str(error))]).response(),
    HttpError: lambda request, error: _unreadable(error).response(),
    Http404: lambda request, error: Problem(404, "not-found", str(error)).response(),
    BadRequest: lambda request, error: Problem(400, "unreadable", f"{error}").response(),
    SuspiciousOperation: lambda request, error: Problem(400, "unreadable", f"{error}").response(),
    # The entry knows what to say, once the transaction has been rolled back.
    **dict.fromkeys(DATABASE_TROUBLE, _raise),
    Exception: _fault,
}

api = _joined()
