"""What becomes of a campaign: whom it would reach, a test, how far it is, and what each person got."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db.models import QuerySet
from ninja import Query, Router
from pydantic import Field

from audience import mailable
from audience.addresses import InvalidAddress, normalise
from audience.api.frame import (
    WRITING,
    Allowed,
    ApiRequest,
    Page,
    PageQuery,
    answers,
    outside_transaction,
    whole,
)
from audience.api.problems import Problem, refused
from audience.api.schemas import Body, Id, Out, example, listed
from audience.models import Customer
from campaigns.api.campaigns import find_campaign
from delivery import progress, test_send, why
from delivery.models import SendLog

router = Router(tags=["Campaigns"])


MailStatus = Annotated[SendLog.Status, listed(SendLog.Status)]


class FunnelOut(Out):
    """From those whom the audience means at this moment to those who would be sent a mail."""

    model_config = example({"matched": 100, "will_be_sent": 92, "refused": {"opted_out": 5, "complaint": 3}})

    matched: int
    will_be_sent: int
    refused: dict[str, int] = Field(description="How many are not mailed, by reason.")


class TestIn(Body):
    """Where a test goes, and as whom it is rendered; somebody of the audience without anybody."""

    __test__ = False  # No test, whatever pytest thinks of its name.

    model_config = example({"address": "me@acme.example"})

    address: str = Field(min_length=3, max_length=300)
    render_as: str = Field("", max_length=300, description="A customer's address.")


class TestOut(Out):
    """A test that the mail server took."""

    __test__ = False

    address: str
    rendered_as: str
    sender_id: int


class ProgressOut(Out):
    """How far a campaign is, by its ledger."""

    model_config = example(
        {
            "status": "active",
            "is_filled": True,
            "matched": 100,
            "sent": 40,
            "failed": 1,
            "suppressed": 8,
            "cancelled": 0,
            "unknown": 0,
            "done": 49,
            "remaining": 51,
        }
    )

    status: str
    is_filled: bool = Field(description="Whether everybody has been entered into the ledger.")
    matched: int
    sent: int
    failed: int
    suppressed: int
    cancelled: int
    unknown: int
    done: int
    remaining: int


class RecipientOut(Out):
    """One person's mail of one step: what became of it, and why."""

    model_config = example(
        {
            "id": 1,
            "step": 1,
            "customer_id": 1,
            "email": "ada@example.com",
            "status": "sent",
            "reason": "",
            "outcome": "delivered",
            "attempts": 1,
            "sender_id": 1,
            "error": "",
            "explanation": "Yes: sent to ada@example.com. Then: delivered.",
            "due_at": "2026-11-01T09:30:00Z",
            "sent_at": "2026-11-01T09:30:02Z",
            "outcome_at": "2026-11-01T09:30:05Z",
        }
    )

    id: int
    step: int
    customer_id: int
    email: str
    status: str
    reason: str = Field(description="Why it is where it is; empty for most.")
    outcome: str = Field(description="What came back about a mail that was sent.")
    attempts: int
    sender_id: int
    error: str = Field(description="The provider's own words about the last failure.")
    explanation: str = Field(description="The same in a sentence.")
    due_at: datetime
    sent_at: datetime | None
    outcome_at: datetime | None


class RecipientQuery(PageQuery):
    status: MailStatus | None = None
    email: str = Field("", max_length=500, description="Exactly this address.")


@router.get("/campaigns/{campaign_id}/funnel", auth=Allowed("campaigns:read"), response=answers(FunnelOut))
def read_funnel(request: ApiRequest, campaign_id: Id) -> FunnelOut:
    """Count whom the campaign's audience means now, and who of them would not be mailed, and why."""
    try:
        matching = find_campaign(request, campaign_id).matching()
    except ValueError as error:
        raise Problem(422, "no-audience", f"The audience cannot be counted: {error}") from error
    found = mailable.funnel(matching)
    return FunnelOut(matched=found.matched, will_be_sent=found.will_be_sent, refused=found.refused)


@router.post(
    "/campaigns/{campaign_id}/test",
    auth=Allowed("campaigns:write", "customers:read"),
    response=answers(TestOut, errors=WRITING),
)
@outside_transaction
def send_test(request: ApiRequest, campaign_id: Id, given: TestIn) -> TestOut:
    """Send one mail of the campaign to one address, at once and outside the ledger.

    Takes as long as the mail server does. A test that is not taken is refused with the server's words.
    """
    campaign = find_campaign(request, campaign_id)
    customer = _customer(request, given.render_as) if given.render_as else None
    customer = customer or test_send.somebody(campaign.workspace, campaign.audience, campaign.segment)
    outcome = test_send.send(campaign, _address(given.address, "address"), customer)
    if outcome.error or outcome.sender is None:
        raise Problem(409, "test-not-sent", f"The test was not sent. {outcome.error}")
    return TestOut(address=outcome.address, rendered_as=outcome.rendered_as, sender_id=outcome.sender.pk)


@router.get(
    "/campaigns/{campaign_id}/progress", auth=Allowed("campaigns:read"), response=answers(ProgressOut)
)
def read_progress(request: ApiRequest, campaign_id: Id) -> ProgressOut:
    """Say how far a campaign is. Costs the same for any number of recipients."""
    campaign = find_campaign(request, campaign_id)
    sums = progress.of(campaign.pk)
    numbers = ProgressOut.model_fields.keys() - {"status", "is_filled"}
    return ProgressOut(
        status=campaign.status,
        is_filled=sums.filled_at is not None,
        **{number: getattr(sums, number) for number in numbers},
    )


@router.get(
    "/campaigns/{campaign_id}/recipients",
    auth=Allowed("campaigns:read", "customers:read"),
    response=answers(Page[RecipientOut]),
)
def list_recipients(request: ApiRequest, campaign_id: Id, asked: Query[RecipientQuery]) -> Page[RecipientOut]:
    """List everybody whom the campaign meant: who got it, who did not, and why."""
    campaign = find_campaign(request, campaign_id)
    rows: QuerySet[SendLog] = SendLog.objects.of(campaign.workspace).filter(campaign=campaign)
    if asked.status is not None:
        rows = rows.filter(status=asked.status)
    if asked.email:
        rows = rows.filter(email=_address(asked.email, "email"))
    found = _after(rows, asked.cursor, asked.limit + 1)
    last = found[asked.limit - 1] if len(found) > asked.limit else None
    return Page(
        items=[_recipient(row) for row in found[: asked.limit]],
        next=f"{last.step}.{last.customer_id}" if last else None,
    )


def _after(rows: QuerySet[SendLog], cursor: str, size: int) -> list[SendLog]:
    """The next rows, in the order of the ledger's unique index: step, then customer."""
    step, _, customer = cursor.partition(".")
    reached = whole(step) if cursor else 0
    found = list(
        rows.filter(step=reached, customer_id__gt=whole(customer) if cursor else 0).order_by("customer_id")[
            :size
        ]
    )
    if len(found) < size:
        found += rows.filter(step__gt=reached).order_by("step", "customer_id")[: size - len(found)]
    return found


def _recipient(row: SendLog) -> RecipientOut:
    columns = RecipientOut.model_fields.keys() - {"explanation"}
    return RecipientOut(**{column: getattr(row, column) for column in columns}, explanation=why.sentence(row))


def _customer(request: ApiRequest, address: str) -> Customer:
    email = _address(address, "render_as")
    found: Customer | None = Customer.objects.of(request.auth.workspace).filter(email=email).first()
    if found is None:
        raise refused([("render_as", f"There is no customer {email}. Name another one, or nobody.")])
    return found


def _address(text: str, field: str) -> str:
    try:
        return normalise(text)
    except InvalidAddress as error:
        raise refused([(field, str(error))]) from error
