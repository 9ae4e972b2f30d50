"""Customers and their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import Field, ValidationError, WithJsonSchema

from audience import bulk, consent, customers
from audience.addresses import InvalidAddress, normalise
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
from audience.api.problems import FieldProblem, of_row, refused
from audience.api.schemas import Body, Id, Out, example
from audience.models import Attribute, ConsentRecord, Customer

router = Router(tags=["Customers"])

PERSON: dict[str, Any] = {
    "email": "ada@example.com",
    "external_id": "C-1001",
    "name": "Ada Lovelace",
    "language": "en",
    "time_zone": "Europe/London",
    "attributes": {"orders": 3},
}
CHANNELS = {column: channel for channel, column in consent.FLAGS.items()}


class CustomerOut(Out):
    """One person in the workspace's audience."""

    model_config = example(
        {
            "id": 1,
            **PERSON,
            "phone": "",
            "subscribed": True,
            "sms_subscribed": False,
            "tracked": True,
            "unmailable": False,
            "created_at": "2026-11-01T09:30:00Z",
            "updated_at": "2026-11-01T09:30:00Z",
        }
    )

    id: int
    email: str
    external_id: str
    name: str
    phone: str
    time_zone: str
    language: str
    subscribed: bool = Field(description="Opted in to e-mail. A suppressed address gets none all the same.")
    sms_subscribed: bool
    tracked: bool
    unmailable: bool = Field(description="No sender can mail this address.")
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class CustomerTexts(Body):
    external_id: str | None = None
    name: str | None = None
    phone: str | None = None
    time_zone: str | None = Field(None, description="IANA name, such as Europe/Berlin.")
    language: str | None = Field(None, description="Such as en or de-AT.")
    subscribed: bool | None = None
    sms_subscribed: bool | None = None
    attributes: dict[str, str | int | float | bool | None] | None = None


class CustomerRow(CustomerTexts):
    """A customer in a bulk call. What is missing, null or empty leaves what is known."""

    model_config = example({**PERSON, "subscribed": True})

    email: str


class CustomerChange(CustomerTexts):
    """What is given is changed; null or "" empties a field or removes an attribute."""

    model_config = example({"name": "Ada King", "attributes": {"orders": 4}})

    email: str = Field("", description="Another address for the same person.")
    tracked: bool = Field(True, description="Off: this person's mails carry no tracked links, and no pixel.")
    consent_note: str = Field(
        "", max_length=300, description="Where and how the person agreed; needed to opt in."
    )


# Rows are checked one by one: what is wrong with one must not refuse the others.
LooseRow = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "anyOf": [CustomerRow.model_json_schema(), {"type": "object"}],
            "description": "A CustomerRow. What is anything else is refused by itself, with its reason.",
        }
    ),
]


class CustomerRows(Body):
    """Up to 10,000 customers. Who exists, by address, is changed."""

    model_config = example(
        {
            "customers": [{**PERSON, "subscribed": True}],
            "consent_note": "Newsletter box at check-out, ticked by the customer",
        }
    )

    customers: list[LooseRow] = Field(min_length=1, max_length=bulk.MAX_ROWS)
    consent_note: str = Field(
        "", max_length=300, description="Where and how these people agreed; needed by rows that opt in."
    )


class RowOut(Out):
    """What became of a row."""

    row: int = Field(description="Its place in the call, from 0.")
    result: Literal["created", "updated", "refused"]
    id: int | None = None
    email: str | None = None
    subscribed: bool | None = Field(
        default=None, description="As it is now: nobody who is suppressed or has ever withdrawn is opted in."
    )
    sms_subscribed: bool | None = None
    errors: list[FieldProblem] = []


class RowsOut(Out):
    """What became of the rows, in their order."""

    created: int
    updated: int
    refused: int
    rows: list[RowOut]


class CustomerQuery(PageQuery):
    email: str = Field("", max_length=500, description="Exactly this address.")
    external_id: str = Field("", max_length=100)
    subscribed: bool | None = None


class AttributeIn(Body):
    """An attribute that customers may have. Neither name nor type can be changed later."""

    model_config = example({"name": "orders", "type": "number"})

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    type: Literal["text", "number", "date", "boolean"]


class AttributeOut(Out):
    model_config = example({"id": 1, "name": "orders", "type": "number"})

    id: int
    name: str
    type: str


def shown(customer: Customer) -> CustomerOut:
    return CustomerOut.model_validate(customer)


@router.get("/customers", auth=Allowed("customers:read"), response=answers(Page[CustomerOut]))
def list_customers(request: ApiRequest, asked: Query[CustomerQuery]) -> Page[CustomerOut]:
    """List customers, the oldest first."""
    rows: QuerySet[Customer] = Customer.objects.of(request.auth.workspace)
    if asked.email:
        rows = rows.filter(email=_address(asked.email))
    if asked.external_id:
        rows = rows.filter(external_id=asked.external_id)
    if asked.subscribed is not None:
        rows = rows.filter(subscribed=asked.subscribed)
    return page(rows, asked, shown, newest_first=False)


@router.post("/customers/bulk", auth=Allowed("customers:write"), response=answers(RowsOut, errors=WRITING))
def write_customers(request: ApiRequest, given: CustomerRows) -> RowsOut:
    """Create or change up to 10,000 customers.

    By address, in one transaction. A row that is refused stops no other; `rows` says what became of each,
    read back from the database. Nobody who is suppressed or has ever withdrawn is opted in again.
    """
    read = [_row(raw) for raw in given.customers]
    whole = [row for row in read if not isinstance(row, bulk.Refused)]
    caller = request.auth
    stored = iter(bulk.upsert(caller.workspace, whole, consent_note=given.consent_note, actor=caller.user))
    results = [row if isinstance(row, bulk.Refused) else next(stored) for row in read]
    rows = [_result(place, result) for place, result in enumerate(results)]
    sums = {name: sum(row.result == name for row in rows) for name in ("created", "updated", "refused")}
    return RowsOut(**sums, rows=rows)


@router.get("/customers/{customer_id}", auth=Allowed("customers:read"), response=answers(CustomerOut))
def read_customer(request: ApiRequest, customer_id: Id, response: HttpResponse) -> CustomerOut:
    """Read one customer."""
    return tagged(response, shown(find(Customer.objects.of(request.auth.workspace), customer_id)))


@router.patch(
    "/customers/{customer_id}",
    auth=Allowed("customers:write"),
    response=answers(CustomerOut, errors=CHANGING),
)
def change_customer(
    request: ApiRequest, customer_id: Id, given: CustomerChange, response: HttpResponse
) -> CustomerOut:
    """Change one customer.

    To opt somebody in takes `consent_note`; to opt somebody out suppresses the address at once.
    """
    caller = request.auth
    customer = hold(Customer.objects.of(caller.workspace), customer_id)
    require_version(request, shown(customer))
    changes = given.model_dump(exclude_unset=True)
    evidence = changes.pop("consent_note", "")
    wanted = {CHANNELS[column]: changes.pop(column) for column in CHANNELS if column in changes}
    texts = {name: changes[name] or "" for name in customers.CLEANERS if name in changes}
    saved = customers.save_customer(
        caller.workspace,
        email=changes.get("email") or customer.email,
        customer=customer,
        attributes=changes.get("attributes"),
        tracked=changes.get("tracked"),
        **texts,
    )
    consents = {channel: granted for channel, granted in wanted.items() if granted is not None}
    source = ConsentRecord.Source.API
    consent.change(saved, consents, source=source, evidence=evidence, actor=caller.user)
    saved.refresh_from_db()
    return tagged(response, shown(saved))


@router.get("/attributes", auth=Allowed("customers:read"), response=answers(Page[AttributeOut]))
def list_attributes(request: ApiRequest, asked: Query[PageQuery]) -> Page[AttributeOut]:
    """List the attributes that customers may have."""
    rows = Attribute.objects.of(request.auth.workspace)
    return page(rows, asked, AttributeOut.model_validate, newest_first=False)


@router.post(
    "/attributes",
    auth=Allowed("customers:write"),
    response=answers(AttributeOut, status=201, errors=WRITING),
)
def create_attribute(request: ApiRequest, given: AttributeIn) -> Status[AttributeOut]:
    """Create an attribute."""
    created = customers.add_attribute(request.auth.workspace, given.name, given.type)
    return Status(201, AttributeOut.model_validate(created))


def _address(text: str) -> str:
    try:
        return normalise(text)
    except InvalidAddress as error:
        raise refused([("email", str(error))]) from error


def _row(raw: Mapping[str, Any]) -> dict[str, Any] | bulk.Refused:
    """A row whose fields are known and of their types."""
    try:
        return CustomerRow.model_validate(raw).model_dump()
    except ValidationError as error:
        return bulk.Refused(of_row(error))


def _result(place: int, result: bulk.Stored | bulk.Refused) -> RowOut:
    if isinstance(result, bulk.Refused):
        problems = [FieldProblem(field=field, detail=words) for field, words in result.problems]
        return RowOut(row=place, result="refused", errors=problems)
    return RowOut(
        row=place,
        result="created" if result.is_new else "updated",
        id=result.customer_id,
        email=result.email,
        subscribed=result.subscribed,
        sms_subscribed=result.sms_subscribed,
    )
