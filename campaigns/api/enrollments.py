"""Where one person is in the flows of campaigns, and what was decided about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db.models import QuerySet
from ninja import Query, Router
from pydantic import Field

from audience.api.frame import Allowed, ApiRequest, Page, PageQuery, answers, find, page
from audience.api.schemas import Id, Out, example, listed
from audience.models import Customer
from campaigns.flows import persons
from campaigns.models import Campaign, Enrollment

router = Router(tags=["Flows"])

EnrollmentState = Annotated[Enrollment.State, listed(Enrollment.State)]
EXAMPLE = {
    "id": 1,
    "campaign_id": 1,
    "flow_id": 1,
    "version": 1,
    "step": 2,
    "state": "waiting",
    "reason": "",
    "explanation": "Waits at “Wait 3 days” until 04 Nov 2026, 09:00.",
    "due_at": "2026-11-04T09:00:00Z",
    "entered_at": "2026-11-01T09:30:00Z",
    "ended_at": None,
}


class EnrollmentOut(Out):
    """One time that a person began a campaign's flow, and how far they are."""

    model_config = example(EXAMPLE)

    id: int
    campaign_id: int
    flow_id: int
    version: int
    step: int
    state: EnrollmentState
    reason: str = Field(
        description="Why they left before the end: refused, deleted, ended, version or removed."
    )
    explanation: str = Field(description="The same in a sentence.")
    due_at: datetime = Field(description="When they go on; of those who are through it says nothing.")
    entered_at: datetime
    ended_at: datetime | None


class DecisionOut(Out):
    """What was decided about them, and why."""

    at: datetime | None
    step: str
    what: str
    why: str


class JourneyOut(EnrollmentOut):
    """The same, with all that was decided since they began, or since they went around."""

    model_config = example(
        EXAMPLE
        | {"decisions": [{"at": "2026-11-01T09:30:00Z", "step": "", "what": "Began the flow", "why": ""}]}
    )

    decisions: list[DecisionOut]


class EnrollmentQuery(PageQuery):
    campaign_id: Id | None = None
    state: EnrollmentState | None = None


def shown(place: Enrollment) -> EnrollmentOut:
    columns = EnrollmentOut.model_fields.keys() - {"flow_id", "version", "explanation"}
    return EnrollmentOut(
        **{column: getattr(place, column) for column in columns},
        flow_id=place.version.flow_id,
        version=place.version.number,
        explanation=persons.sentence(place, place.campaign),
    )


def _places(request: ApiRequest, customer_id: int) -> QuerySet[Enrollment]:
    """Each time that the person began a flow, else 404. By campaign: so an index answers."""
    workspace = request.auth.workspace
    customer = find(Customer.objects.of(workspace), customer_id)
    campaigns = Campaign.objects.of(workspace).exclude(flow=None)
    rows = Enrollment.objects.filter(campaign__in=campaigns.values("pk"), customer=customer)
    return rows.select_related("version__flow", "campaign__workspace")


@router.get(
    "/customers/{customer_id}/enrollments",
    auth=Allowed("customers:read", "flows:read"),
    response=answers(Page[EnrollmentOut]),
)
def list_enrollments(
    request: ApiRequest, customer_id: Id, asked: Query[EnrollmentQuery]
) -> Page[EnrollmentOut]:
    """List each time that a person began a flow, the newest first."""
    rows = _places(request, customer_id)
    if asked.campaign_id is not None:
        rows = rows.filter(campaign=asked.campaign_id)
    if asked.state is not None:
        rows = rows.filter(state=asked.state)
    return page(rows, asked, shown, newest_first=True)


@router.get(
    "/customers/{customer_id}/enrollments/{enrollment_id}",
    auth=Allowed("customers:read", "flows:read"),
    response=answers(JourneyOut),
)
def read_enrollment(request: ApiRequest, customer_id: Id, enrollment_id: Id) -> JourneyOut:
    """Read how a person went through a flow, with the reason of each decision."""
    place = find(_places(request, customer_id), enrollment_id)
    decisions = [DecisionOut.model_validate(each) for each in persons.timeline(place, place.campaign)]
    return JourneyOut(**shown(place).model_dump(), decisions=decisions)
