"""Addresses that must not be mailed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from ninja import Query, Router, Status
from pydantic import Field

from audience.addresses import InvalidAddress, normalise
from audience.api.frame import WRITING, Allowed, ApiRequest, Page, PageQuery, answers, find, hold, page
from audience.api.problems import refused
from audience.api.schemas import Body, Id, Out, example, listed
from audience.models import Suppression
from audience.suppression import MAX_NOTE, lift, suppress_many

router = Router(tags=["Suppressions"])

Reason = Annotated[Suppression.Reason, listed(Suppression.Reason)]
MAX_ADDRESSES = 10_000


class SuppressionOut(Out):
    """An address that gets no mail from this workspace."""

    model_config = example(
        {
            "id": 1,
            "email": "ada@example.com",
            "reason": "manual",
            "note": "Asked by telephone",
            "created_at": "2026-11-01T09:30:00Z",
        }
    )

    id: int
    email: str
    reason: Reason
    note: str
    created_at: datetime


class SuppressionsIn(Body):
    """Addresses to suppress; all are taken or none."""

    model_config = example({"emails": ["ada@example.com"], "note": "Asked by telephone"})

    emails: list[str] = Field(min_length=1, max_length=MAX_ADDRESSES)
    note: str = Field("", max_length=MAX_NOTE, description="Who asked for it, and when.")


class SuppressionsOut(Out):
    """The addresses as they stand on the list now; an older, stronger reason stays."""

    items: list[SuppressionOut]


class SuppressionQuery(PageQuery):
    email: str = Field("", max_length=500, description="Exactly this address.")
    reason: Reason | None = None


def shown(suppression: Suppression) -> SuppressionOut:
    return SuppressionOut.model_validate(suppression)


@router.get("/suppressions", auth=Allowed("suppressions:read"), response=answers(Page[SuppressionOut]))
def list_suppressions(request: ApiRequest, asked: Query[SuppressionQuery]) -> Page[SuppressionOut]:
    """List suppressed addresses, the newest first."""
    rows = Suppression.objects.of(request.auth.workspace)
    if asked.email:
        rows = rows.filter(email__in=_addresses([asked.email], "email"))
    if asked.reason is not None:
        rows = rows.filter(reason=asked.reason)
    return page(rows, asked, shown, newest_first=True)


@router.post(
    "/suppressions",
    auth=Allowed("suppressions:write"),
    response=answers(SuppressionsOut, status=201, errors=WRITING),
)
def suppress_addresses(request: ApiRequest, given: SuppressionsIn) -> Status[SuppressionsOut]:
    """Suppress addresses: they get no mail any more, also none that is queued already."""
    caller, addresses = request.auth, _addresses(given.emails, "emails")
    suppress_many(caller.workspace, addresses, Suppression.Reason.MANUAL, note=given.note, actor=caller.user)
    rows = Suppression.objects.of(caller.workspace).filter(email__in=addresses).order_by("pk")
    return Status(201, SuppressionsOut(items=[shown(row) for row in rows]))


@router.get(
    "/suppressions/{suppression_id}", auth=Allowed("suppressions:read"), response=answers(SuppressionOut)
)
def read_suppression(request: ApiRequest, suppression_id: Id) -> SuppressionOut:
    """Read one suppressed address."""
    return shown(find(Suppression.objects.of(request.auth.workspace), suppression_id))


@router.delete(
    "/suppressions/{suppression_id}",
    auth=Allowed("suppressions:write"),
    response=answers(None, status=204, errors=WRITING),
)
def lift_suppression(request: ApiRequest, suppression_id: Id) -> Status[None]:
    """Take an address off the list. Opts nobody in."""
    caller = request.auth
    lift(hold(Suppression.objects.of(caller.workspace), suppression_id), caller.user)
    return Status(204, None)


def _addresses(texts: list[str], field: str) -> list[str]:
    """The addresses in their normal form; all that are none are named."""
    found, errors = [], []
    for place, text in enumerate(texts):
        try:
            found.append(normalise(text))
        except InvalidAddress as error:
            errors.append((f"{field}.{place}" if field == "emails" else field, str(error)))
    if errors:
        raise refused(errors)
    return found
