"""Segments: saved questions, how many people meet them, and some of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import Field

from audience import segments
from audience.api.customers import CustomerOut
from audience.api.customers import shown as shown_customer
from audience.api.frame import (
    CHANGING,
    WRITING,
    Allowed,
    ApiRequest,
    Page,
    PageQuery,
    answers,
    find,
    hold,
    page,
    require_version,
    tagged,
)
from audience.api.schemas import Body, Id, Out, Strict, example
from audience.models import Segment

router = Router(tags=["Segments"])

CRITERIA = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
MAX_SAMPLE = 100


class SegmentOut(Out):
    """A saved question about the audience."""

    model_config = example(
        {
            "id": 1,
            "name": "Opted in",
            "criteria": CRITERIA,
            "created_at": "2026-11-01T09:30:00Z",
            "updated_at": "2026-11-01T09:30:00Z",
        }
    )

    id: int
    name: str
    criteria: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class SegmentIn(Body):
    """`criteria` is a group of rules: {"all": […]} where each must hold, {"any": […]} where one is enough."""

    model_config = example({"name": "Opted in", "criteria": CRITERIA})

    name: str = Field(min_length=1, max_length=100)
    criteria: dict[str, Any]


class SegmentChange(Body):
    model_config = example({"name": "Opted in to e-mail"})

    name: str = Field("", min_length=1, max_length=100)
    criteria: dict[str, Any] = {}


class SegmentQuery(PageQuery):
    name: str = Field("", max_length=100, description="Exactly this name.")


class CountOut(Out):
    """How many people a segment has at this moment, and what it asks, in words."""

    count: int
    description: str


class SampleOut(Out):
    """Some people of a segment; neighbours from a random place onwards, not made for statistics."""

    items: list[CustomerOut]


class SampleQuery(Strict):
    size: int = Field(20, ge=1, le=MAX_SAMPLE)


def shown(segment: Segment) -> SegmentOut:
    return SegmentOut.model_validate(segment)


@router.get("/segments", auth=Allowed("segments:read"), response=answers(Page[SegmentOut]))
def list_segments(request: ApiRequest, asked: Query[SegmentQuery]) -> Page[SegmentOut]:
    """List segments, the newest first."""
    rows = Segment.objects.of(request.auth.workspace)
    if asked.name:
        rows = rows.filter(name=asked.name)
    return page(rows, asked, shown, newest_first=True)


@router.post(
    "/segments", auth=Allowed("segments:write"), response=answers(SegmentOut, status=201, errors=WRITING)
)
def create_segment(request: ApiRequest, given: SegmentIn, response: HttpResponse) -> Status[SegmentOut]:
    """Create a segment. Criteria that could not be evaluated are refused."""
    created = segments.save(request.auth.workspace, name=given.name, criteria=given.criteria)
    return Status(201, tagged(response, shown(created)))


@router.get("/segments/{segment_id}", auth=Allowed("segments:read"), response=answers(SegmentOut))
def read_segment(request: ApiRequest, segment_id: Id, response: HttpResponse) -> SegmentOut:
    """Read one segment."""
    return tagged(response, shown(find(Segment.objects.of(request.auth.workspace), segment_id)))


@router.patch(
    "/segments/{segment_id}", auth=Allowed("segments:write"), response=answers(SegmentOut, errors=CHANGING)
)
def change_segment(
    request: ApiRequest, segment_id: Id, given: SegmentChange, response: HttpResponse
) -> SegmentOut:
    """Change a segment. Campaigns that have begun keep the people they have."""
    workspace = request.auth.workspace
    segment = hold(Segment.objects.of(workspace), segment_id)
    require_version(request, shown(segment))
    saved = segments.save(workspace, segment, **given.model_dump(exclude_unset=True))
    return tagged(response, shown(saved))


@router.get("/segments/{segment_id}/count", auth=Allowed("segments:read"), response=answers(CountOut))
def count_segment(request: ApiRequest, segment_id: Id) -> CountOut:
    """Count the people who are in a segment now."""
    segment = find(Segment.objects.of(request.auth.workspace), segment_id)
    asked = request.auth.workspace, segment.criteria
    return CountOut(count=segments.count(*asked), description=segments.describe(*asked))


@router.get(
    "/segments/{segment_id}/sample",
    auth=Allowed("segments:read", "customers:read"),
    response=answers(SampleOut),
)
def sample_segment(request: ApiRequest, segment_id: Id, asked: Query[SampleQuery]) -> SampleOut:
    """Show some of the people who are in a segment now."""
    segment = find(Segment.objects.of(request.auth.workspace), segment_id)
    found = segments.sample(request.auth.workspace, segment.criteria, asked.size)
    return SampleOut(items=[shown_customer(customer) for customer in found])
