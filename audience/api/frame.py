"""What the routers of all apps share: schemas, ids, pages, versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer
from pydantic import BaseModel, Field

from audience import access
from audience.api.problems import Problem, ProblemDetails, not_found
from audience.api.schemas import Strict
from audience.models import ApiKey, Workspace

if TYPE_CHECKING:
    from django.contrib.auth.models import User

M = TypeVar("M", bound=Model)
Item = TypeVar("Item")

# Errors that every operation may answer with; those with a body, or that write, add their own.
READING = frozenset({400, 401, 403, 404, 422, 429, 503})
WRITING = READING | {409, 410, 413, 415}
# Of changes that have to name the version that they are made to.
CHANGING = WRITING | {412, 428}


class ApiRequest(HttpRequest):
    """A request that has passed the entry: it has a key."""

    api_key: ApiKey
    # What the current operation's `Allowed` has noted for the answer.
    auth: Caller


@dataclass(frozen=True)
class Caller:
    """Who asks: a key, in the name of a member, for one workspace."""

    key: ApiKey

    @property
    def workspace(self) -> Workspace:
        return self.key.workspace

    @property
    def user(self) -> User:
        return self.key.user


class Allowed(HttpBearer):
    """Lets a request pass whose key may do this; `scopes` are what it takes."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> Caller:
        caller = Caller(request.api_key)  # type: ignore[attr-defined]
        for scope in self.scopes:
            require_scope(caller, scope)
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> None:
        """Not called: the entry has found the key before."""


def require_scope(caller: Caller, scope: str) -> None:
    """Refuse the request unless the key and its member may do this."""
    if scope not in caller.key.scopes:
        raise Problem(
            403, "scope", f"This takes the scope {scope}, which your key does not have. Make another key."
        )
    if not access.key_allows(caller.key, scope):
        raise Problem(
            403,
            "role",
            f"{caller.user} may not do this in {caller.workspace}. Ask an owner for another role.",
        )


def answers(ok: Any, *, status: int = 200, errors: Iterable[int] = READING) -> dict[Any, Any]:
    """The answers of an operation: one that is right, and problems."""
    return {status: ok, frozenset(errors): ProblemDetails}


def outside_transaction(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an operation that waits for somebody else's server, so no transaction may be open."""
    view.is_outside_transaction = True  # type: ignore[attr-defined]
    return view


# --- Pages -------------------------------------------------------------------------------------------


class Page(BaseModel, Generic[Item]):
    """Some of them, and where the next ones begin."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class PageQuery(Strict):
    limit: int = Field(50, ge=1, le=500, description="Items on a page, at most.")
    cursor: str = Field("", max_length=100, description="`next` of the page before; empty for the first.")


def page(rows: QuerySet[M], asked: PageQuery, show: Callable[[M], Item], *, newest_first: bool) -> Page[Item]:
    """A page of rows by id; what is added or goes meanwhile shifts nothing."""
    if asked.cursor:
        after = whole(asked.cursor)
        rows = rows.filter(pk__lt=after) if newest_first else rows.filter(pk__gt=after)
    found = list(rows.order_by("-pk" if newest_first else "pk")[: asked.limit + 1])
    more = len(found) > asked.limit
    return Page(
        items=[show(row) for row in found[: asked.limit]],
        next=str(found[asked.limit - 1].pk) if more else None,
    )


def whole(cursor: str) -> int:
    """The number in a cursor."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Problem(
            422,
            "refused",
            "This is no cursor of ours. Begin without one, then use `next` of each page.",
            [("cursor", "Not a cursor.")],
        )
    return int(cursor)


# --- One row -----------------------------------------------------------------------------------------


def find(rows: QuerySet[M], pk: int) -> M:
    """The row with this id, else 404. Start from rows of the caller's workspace."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise not_found(str(rows.model._meta.verbose_name))
    return row


def hold(rows: QuerySet[M], pk: int) -> M:
    """The same row, locked until the request has been answered."""
    return find(rows.select_for_update(of=("self",)), pk)


def version(shown: BaseModel) -> str:
    """The ETag of what is shown: another as soon as anything in it is another (RFC 9110, 8.8.3)."""
    return f'"{hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:32]}"'


def tagged(response: HttpResponse, shown: Item) -> Item:
    """Send what is shown with its version."""
    assert isinstance(shown, BaseModel)  # noqa: S101 - for mypy; the bound would hide the type
    response["ETag"] = version(shown)
    return shown


def require_version(request: HttpRequest, current: BaseModel) -> None:
    """Refuse a change unless it was made to what is there now (RFC 9110, 13.1.1; RFC 6585, 3)."""
    wanted = request.headers.get("If-Match")
    if wanted is None:
        raise Problem(
            428,
            "version-missing",
            "Read it first and send its ETag as If-Match, so that nobody's change is lost; * overwrites.",
        )
    if wanted.strip() != "*" and version(current) not in [tag.strip() for tag in wanted.split(",")]:
        raise Problem(
            412,
            "stale",
            "Somebody has changed this since you read it. Read it again, and make your change to that.",
            headers={"ETag": version(current)},
        )
