"""What a mail's own links lead to: the targets of its links, and the mail itself in a browser.

Frozen content never changes, so what is known of its links stays in the process: a click on a link that is
the same for everybody asks no database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from audience.models import Customer, Workspace
from campaigns import content
from campaigns.models import Content
from delivery import flow_mails
from delivery.message import links
from delivery.models import SendLog
from delivery.tokens import Reference, make

# A customer who is gone.
NOBODY: dict[str, object] = dict.fromkeys(content.CUSTOMER_COLUMNS, "") | {"attributes": {}}


class NotShown(Exception):
    """The link leads nowhere, or the mail cannot be shown any more."""


class _Frozen(NamedTuple):
    """The links of one content; `addresses` are their targets, None where there is none for everybody."""

    workspace_id: int
    links: tuple[content.Link, ...]
    addresses: tuple[str | None, ...]


def target(about: Reference, number: int) -> str:
    """Where link `number` (from 1) of the mail behind a token leads. Raises NotShown.

    Guards that the content is of the token's workspace. Asks the database for content that was not
    asked for before, and for targets with merge fields: those follow the customer as stored now, and are
    empty of one who is gone.
    """
    try:
        frozen = _frozen(about.content_id)
    except Content.DoesNotExist as error:
        raise NotShown from error
    if frozen.workspace_id != about.workspace_id or not 1 <= number <= len(frozen.links):
        raise NotShown
    address = frozen.addresses[number - 1]
    if address is not None:
        return address
    try:
        return content.target(frozen.links[number - 1], _data(about, frozen.links[number - 1].url))
    except content.NoTarget as error:
        raise NotShown from error


def page(about: Reference) -> str:
    """The HTML of the mail behind a token, with its links as they were written. Raises NotShown.

    Guards that content, ledger row and customer are there and belong together.
    """
    rows = SendLog.objects.filter(
        pk=about.row_id, workspace_id=about.workspace_id, customer_id=about.customer_id
    )
    known = Content.objects.filter(workspace_id=about.workspace_id)
    content_id = about.content_id or rows.values_list("campaign__content", flat=True).first() or 0
    found = known.filter(pk=content_id).first()
    customers = Customer.objects.filter(pk=about.customer_id, workspace_id=about.workspace_id)
    if found is None or not rows.exists() or not customers.exists():
        raise NotShown
    try:
        return _renderer(content.compiled(found)).render(_data(about, found.html)).html
    except content.RenderError as error:
        raise NotShown from error


@lru_cache(maxsize=1024)
def _frozen(content_id: int) -> _Frozen:
    found = Content.objects.only("workspace_id", "links").get(pk=content_id)
    known = tuple(content.Link(**link) for link in found.links)
    return _Frozen(found.workspace_id, known, tuple(map(_for_everybody, known)))


def _for_everybody(link: content.Link) -> str | None:
    try:
        return None if content.is_personal(link) else content.target(link, {})
    except content.NoTarget:
        return None


@lru_cache(maxsize=16)
def _renderer(compiled: content.Compiled) -> content.Renderer:
    return content.Renderer(compiled)


def _data(about: Reference, source: str) -> dict[str, object]:
    """What a mail says about its recipient by what is stored now, as far as `source` asks."""
    shared = _shared(about) if "workspace" in source or "campaign" in source else {}
    if "event" in source:
        shared = shared | {"event": _event(about)}
    return content.personal_context(_columns(about), links(make(about)), shared)


def _shared(about: Reference) -> dict[str, object]:
    workspace = Workspace.objects.get(pk=about.workspace_id)
    rows = SendLog.objects.filter(pk=about.row_id, workspace=workspace)
    name = rows.values_list("campaign__name", flat=True).first()
    return content.shared_context(workspace, name or "")


def _event(about: Reference) -> Mapping[str, Any]:
    """The properties of the event that brought the customer into a flow."""
    rows = SendLog.objects.filter(pk=about.row_id, workspace_id=about.workspace_id)
    enrollments = list(rows.values_list("enrollment_id", flat=True))
    return next(iter(flow_mails.events(enrollments).values()), {})


def _columns(about: Reference) -> dict[str, object]:
    """What templates may say about the customer. Written out, since the ORM takes five times as long."""
    names = content.CUSTOMER_COLUMNS
    statement = f"SELECT {', '.join(names)} FROM audience_customer WHERE id = %s AND workspace_id = %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [about.customer_id, about.workspace_id])
        found = cursor.fetchone()
    if found is None:
        return NOBODY
    columns = dict(zip(names, found, strict=True))
    return columns | {"attributes": json.loads(columns["attributes"])}
