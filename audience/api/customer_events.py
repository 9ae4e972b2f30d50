"""What customers did elsewhere, as shops and other programs report it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router
from pydantic import Field, ValidationError, WithJsonSchema

from audience import customer_events
from audience.api.frame import WRITING, Allowed, ApiRequest, Page, PageQuery, answers, page
from audience.api.moments import Moment
from audience.api.problems import FieldProblem, of_row
from audience.api.schemas import Body, Id, Out, example
from audience.customer_events import Happening
from audience.models import CustomerEvent

router = Router(tags=["Customer events"])

MAX_EVENTS = 1_000
ORDER: dict[str, Any] = {
    "name": "order_placed",
    "key": "order-4711",
    "email": "ada@example.com",
    "properties": {"total": 49.9, "currency": "EUR"},
    "at": "2026-11-01T09:30:00Z",
}


class HappeningIn(Body):
    """One event, about a customer by address or else by external id."""

    model_config = example(ORDER)

    name: str = Field(description="Such as order_placed.")
    key: str = Field(description="Your own id of it: reported again, it is the same event.")
    email: str = ""
    external_id: str = ""
    properties: dict[str, str | int | float | bool] = {}
    at: Moment | None = Field(None, description="When it happened, with its UTC offset; null: now.")


# Rows are checked one by one: what is wrong with one must not refuse the others.
LooseEvent = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "anyOf": [HappeningIn.model_json_schema(), {"type": "object"}],
            "description": "A HappeningIn. What is anything else is refused by itself, with its reason.",
        }
    ),
]


class HappeningsIn(Body):
    """Up to 1,000 events. Those whose key is known already are counted and left alone."""

    model_config = example({"events": [ORDER]})

    events: list[LooseEvent] = Field(min_length=1, max_length=MAX_EVENTS)


class EventErrors(Out):
    """Why an event was refused."""

    row: int = Field(description="Its place in the call, from 0.")
    errors: list[FieldProblem]


class TakenOut(Out):
    """What became of the events."""

    model_config = example({"new": 1, "repeated": 0, "unknown": 0, "refused": 0, "errors": []})

    new: int
    repeated: int = Field(description="Their keys were known already.")
    unknown: int = Field(description="About nobody in the audience: they are not kept.")
    refused: int
    errors: list[EventErrors]


class CustomerEventOut(Out):
    """A fact about one customer."""

    model_config = example(
        {
            "id": 1,
            "customer_id": 1,
            "name": "order_placed",
            "key": "order-4711",
            "properties": {"total": 49.9, "currency": "EUR"},
            "at": "2026-11-01T09:30:00Z",
            "received_at": "2026-11-01T09:30:01Z",
        }
    )

    id: int
    customer_id: int
    name: str
    key: str
    properties: dict[str, Any]
    at: datetime
    received_at: datetime


class CustomerEventQuery(PageQuery):
    customer_id: Id | None = None
    name: str = Field("", max_length=63, description="Exactly this name.")
    key: str = Field("", max_length=100, description="Exactly this key.")


@router.get(
    "/customer-events", auth=Allowed("customer-events:read"), response=answers(Page[CustomerEventOut])
)
def list_customer_events(request: ApiRequest, asked: Query[CustomerEventQuery]) -> Page[CustomerEventOut]:
    """List what customers did elsewhere, what came in last first."""
    rows = CustomerEvent.objects.of(request.auth.workspace)
    wanted = asked.model_dump(include={"customer_id", "name", "key"})
    rows = rows.filter(**{column: value for column, value in wanted.items() if value})
    return page(rows, asked, CustomerEventOut.model_validate, newest_first=True)


@router.post(
    "/customer-events",
    auth=Allowed("customer-events:write"),
    response=answers(TakenOut, errors=WRITING),
)
def report_customer_events(request: ApiRequest, given: HappeningsIn) -> TakenOut:
    """Report up to 1,000 events: automations may start by them, flows branch, and goals count them.

    In one statement. An event that is refused stops no other; a call may be repeated, for each key is kept
    once.
    """
    read = [_read(raw) for raw in given.events]
    whole = [place for place, event in enumerate(read) if isinstance(event, Happening)]
    happenings = [event for event in read if isinstance(event, Happening)]
    taken = customer_events.ingest(request.auth.workspace, happenings)
    errors = {place: event for place, event in enumerate(read) if not isinstance(event, Happening)}
    errors |= {
        whole[number]: [FieldProblem(field="", detail=words)] for number, words in taken.errors.items()
    }
    return TakenOut(
        new=taken.new,
        repeated=taken.repeated,
        unknown=taken.unknown,
        refused=len(errors),
        errors=[EventErrors(row=place, errors=errors[place]) for place in sorted(errors)],
    )


def _read(raw: Mapping[str, Any]) -> Happening | list[FieldProblem]:
    """The event, if its fields are known and of their types; else what is wrong with them."""
    try:
        return Happening(**HappeningIn.model_validate(raw).model_dump())
    except ValidationError as error:
        return [FieldProblem(field=field, detail=words) for field, words in of_row(error)]
