"""The way into every operation: the key, the limit, the body, one transaction, and one answer a name."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja.parser import Parser
from pydantic_core import from_json

from audience import api_keys, idempotency, throttle
from audience.api import limits
from audience.api.problems import Problem
from audience.models import ApiKey, StoredAnswer

logger = logging.getLogger(__name__)

JSON, FORM = "application/json", "multipart/form-data"
SAFE = frozenset({"GET", "HEAD"})
Run = Callable[..., HttpResponse]
# Of an answer's headers, those that are kept with it.
KEPT_HEADERS = ("Content-Type", "ETag", "Location")
# Said once the transaction has been rolled back; it may only come up at the commit.
DATABASE_TROUBLE = (IntegrityError, OperationalError, InterfaceError, InternalError)
# Of one address, without a key that is one.
GUESSES = "60/minute"
NAME = re.compile(r"[\x21-\x7e]{1,255}")


class JsonParser(Parser):
    """Reads JSON strictly: no NaN, no text that a database cannot hold, 200 levels at most."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            data = from_json(request.body, allow_inf_nan=False)
        except ValueError as error:
            raise Problem(
                400, "unreadable", f"The body is no JSON that can be read: {error}. Mend it."
            ) from error
        if b"\\u0000" in request.body and any("\0" in text for text in _texts(data)):
            raise _nul()
        return data


def entry(run: Run) -> Run:
    """Put the way in around an operation."""
    operation = run.__self__  # type: ignore[attr-defined]
    is_outside = getattr(operation.view_func, "is_outside_transaction", False)
    known = _query_names(operation)
    body_type = _body_type(operation)

    @wraps(run)
    def answer(request: HttpRequest, **path: Any) -> HttpResponse:
        try:
            key = _key(request)
            limits.check(key.pk)
            request.api_key = key  # type: ignore[attr-defined]
            # Before an answer is repeated, too: what its caller may do can have changed since.
            for allowed in operation.auth_callbacks:
                allowed(request)
            _check_body(request, body_type)
            _check_query(request, known)
            if request.method in SAFE:
                return run(request, **path)
            return _write(request, key, is_outside, lambda: run(request, **path))
        except Problem as problem:
            return problem.response()
        except DATABASE_TROUBLE as error:
            return _trouble(error).response()

    return answer


def _trouble(error: Exception) -> Problem:
    """What to do about a database that refused the commit, or does not answer."""
    if isinstance(error, IntegrityError):
        return Problem(409, "conflict", "Somebody else changed the same just now. Try again.")
    logger.warning("the database does not answer: %s", type(error).__name__)
    words = "The database does not answer just now. Nothing was written; try again in a few seconds."
    return Problem(503, "unavailable", words, headers={"Retry-After": "5"})


def _key(request: HttpRequest) -> ApiKey:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = api_keys.find(text.strip()) if scheme.lower() == "bearer" else None
    if key is None and not throttle.may_here(GUESSES, "api", request.META.get("REMOTE_ADDR", "")):
        words = "Too many requests without a valid key came from your address. Try again in a minute."
        raise Problem(429, "too-many-requests", words, headers={"Retry-After": "60"})
    if key is None:
        raise Problem(
            401,
            "no-key",
            "Send a valid API key as “Authorization: Bearer drumbeat_…”. Keys are made under Settings, API "
            "keys; this one is missing, wrong, revoked or out of date.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return key


def _body_type(operation: Any) -> str:
    """The content type of the body that an operation takes; empty when it takes none."""
    sources = {model.__ninja_param_source__ for model in operation.models}
    if sources & {"form", "file"}:
        return FORM
    return JSON if "body" in sources else ""


def _check_body(request: HttpRequest, body_type: str) -> None:
    """Refuse a body of another type, or one that is too large, before it is read."""
    if body_type and request.content_type != body_type:
        words = f"Send the body as “Content-Type: {body_type}”, not as {request.content_type or 'nothing'}."
        raise Problem(415, "wrong-type", words)
    limit = settings.API_MAX_UPLOAD_BYTES if body_type == FORM else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise Problem(
            413, "too-large", f"The body may have {limit:,} bytes. Send less at a time, in several requests."
        )


def _check_query(request: HttpRequest, known: frozenset[str]) -> None:
    """Refuse parameters that would be passed over, and text that no database holds."""
    if unknown := sorted(request.GET.keys() - known):
        words = f"There is no such parameter. There are: {', '.join(sorted(known)) or 'none'}."
        raise Problem(422, "refused", "Mend the address.", [(name, words) for name in unknown])
    if "\0" in request.path or any("\0" in text for texts in request.GET.lists() for text in texts[1]):
        raise _nul()


def _query_names(operation: Any) -> frozenset[str]:
    """The parameters that an operation knows."""
    models = [model for model in operation.models if model.__ninja_param_source__ == "query"]
    return frozenset(
        name
        for model in models
        for name in getattr(model, "__ninja_flatten_map__", None) or model.model_fields
    )


def _write(
    request: HttpRequest, key: ApiKey, is_outside: bool, run: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run what writes: all of it or, when it is refused, nothing; and once for each name."""
    name, digest = _name(request), _digest(request)
    frame: AbstractContextManager[Any] = nullcontext() if is_outside else transaction.atomic()
    with frame:
        row = _claim(key, name, digest) if name is not None else None
        if row is not None and row.status is not None:
            return _replayed(row)
        response = run()
        if response.status_code >= 400:
            _undo(row, is_outside)
        elif row is not None:
            kept = {header: response[header] for header in KEPT_HEADERS if header in response}
            idempotency.answer(row, response.status_code, kept, response.content.decode())
    return response


def _name(request: HttpRequest) -> str | None:
    name = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    if name is not None and not NAME.fullmatch(name):
        words = "Use 1 to 255 printable ASCII characters."
        raise Problem(422, "refused", "Mend the name.", [("Idempotency-Key", words)])
    return name


def _claim(key: ApiKey, name: str, digest: str) -> StoredAnswer:
    try:
        return idempotency.claim(key, name, digest)
    except idempotency.NameTaken as error:
        raise Problem(
            422,
            "idempotency-key-reused",
            "This Idempotency-Key has been used for another request in the last 24 hours. Use a new one.",
        ) from error
    except idempotency.StillRunning as error:
        raise Problem(
            409,
            "idempotency-key-running",
            "The request with this Idempotency-Key is still running. Ask again in a few seconds.",
            headers={"Retry-After": "5"},
        ) from error


def _undo(row: StoredAnswer | None, is_outside: bool) -> None:
    if not is_outside:
        transaction.set_rollback(True)
    elif row is not None:
        idempotency.release(row)


def _replayed(row: StoredAnswer) -> HttpResponse:
    if row.body == idempotency.FORGOTTEN:
        raise Problem(
            410,
            "answer-forgotten",
            "This request was done. Its answer was forgotten when a person was erased; read what you need.",
        )
    headers = {**row.headers, "Idempotent-Replayed": "true"}
    return HttpResponse(row.body, status=row.status, headers=headers)


def _digest(request: HttpRequest) -> str:
    """What makes two requests the same. A form is compared by what is in it: its boundary is made up anew."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    try:
        for part in _parts(request):
            digest.update(part)
    except RequestDataTooBig as error:
        raise Problem(413, "too-large", "The body is too large. Send less at a time.") from error
    except MultiPartParserError as error:
        raise Problem(400, "unreadable", f"The form cannot be read: {error}. Mend it.") from error
    return digest.hexdigest()


def _parts(request: HttpRequest) -> Iterator[bytes]:
    if request.content_type != FORM:
        yield request.body
        return
    for name, values in sorted(request.POST.lists()):
        if any("\0" in text for text in (name, *values)):
            raise _nul()
        yield repr((name, values)).encode()
    for name, file in sorted(request.FILES.items()):
        yield repr((name, file.name, file.size)).encode()  # type: ignore[union-attr]
        yield from file.chunks()  # type: ignore[union-attr]
        file.seek(0)  # type: ignore[union-attr]


def _texts(data: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value


def _nul() -> Problem:
    return Problem(422, "refused", "A text holds a NUL character, which cannot be stored. Take it out.")
