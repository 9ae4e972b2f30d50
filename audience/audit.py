"""The one way into the audit log. Every door of the domain that changes something weighty calls it.

An entry is written in the transaction of the change: there is neither a change without its entry nor an
entry about what was rolled back.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from audience.models import ApiKey, AuditEntry, Workspace

MAX_VALUE = 500
ADDRESS = re.compile(r"[^\s'\"@]+@[^\s'\"@]+")


def program(arguments: Sequence[str]) -> str:
    """Which program this is, such as "manage.py campaign" or "celery worker", without its options."""
    name = PurePath(arguments[0]).name if arguments else "python"
    words = [word for word in arguments[1:] if not word.startswith("-")]
    if name == "celery":
        words = [word for word in words if word in ("worker", "beat")]
    return " ".join([name, *words[:1]]) if name in ("manage.py", "celery") else name


@dataclass(frozen=True)
class Origin:
    """Where what is done now comes from: a page that was asked for, or a program by its name."""

    request: HttpRequest | None = None
    name: str = field(default_factory=lambda: program(sys.argv))

    @property
    def door(self) -> str:
        """The page as urls.py write it, for addresses of pages may hold secrets."""
        if self.request is None:
            return self.name
        match = self.request.resolver_match
        key = f" by the API key {self.key.name}" if self.key else ""
        return f"{self.request.method} /{match.route if match else '?'}{key}"

    @property
    def key(self) -> ApiKey | None:
        """The API key that the request came with, once it has been found to be valid."""
        return getattr(self.request, "api_key", None)

    @property
    def user(self) -> Any:
        """Whoever is logged in on the page, or in whose name the key acts."""
        if self.key is not None:
            return self.key.user
        user = getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @property
    def ip(self) -> str | None:
        return self.request.META.get("REMOTE_ADDR") or None if self.request else None


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - it cannot be changed


@contextmanager
def origin(origin: Origin) -> Iterator[None]:
    """Say where all that is done in the block comes from."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


class OriginMiddleware:
    """Let every entry know the page that it comes from."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with origin(Origin(request)):
            return self.get_response(request)


def record(
    action: str,
    thing: Model | None = None,
    *,
    workspace: Workspace | int | None = None,
    actor: Any = None,
    name: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one entry, in the caller's transaction. Values are shown to owners: give no secret.

    Without an actor it is whoever is logged in on the page that this comes from, or the API key's member.
    """
    here = _origin.get()
    actor = actor or here.user
    AuditEntry.objects.create(
        action=action,
        workspace_id=workspace.pk if isinstance(workspace, Workspace) else workspace,
        actor_id=actor.pk if actor else None,
        actor_name=actor.get_username()[:150] if actor else "",
        door=here.door[:200],
        ip=here.ip,
        thing=thing._meta.label_lower if thing is not None else "",
        thing_id=thing.pk if thing is not None else None,
        name=(str(thing or "") if name is None else name)[:200],
        before=_shown(before),
        after=_shown(after),
    )


def changed(
    thing: Model,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    workspace: Workspace | int | None,
    actor: Any = None,
) -> None:
    """Write that a thing was changed, with what differs; nothing when nothing does."""
    names = [name for name, value in after.items() if before.get(name) != value]
    if names:
        old, new = ({name: values.get(name) for name in names} for values in (before, after))
        record("changed", thing, workspace=workspace, actor=actor, before=old, after=new)


def actor() -> Any:
    """Whoever does what is done now; None for visitors of public pages, workers and commands."""
    return _origin.get().user


def _shown(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Values as JSON has them; what is long is cut."""
    return None if values is None else {key: _plain(each) for key, each in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    # Criteria may name a person, by whose erasure no entry is changed.
    text = ADDRESS.sub("(address)", str(value)) if isinstance(value, dict | list) else str(value)
    return text[:MAX_VALUE]
