"""A flow tried out before anything is sent: one person's mails with their dates, and many people's by day."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from audience import clock, segments, zones
from audience.addresses import InvalidAddress, normalise
from audience.audiences import Audience
from audience.models import Customer, Segment
from campaigns.flows import persons
from campaigns.flows.drawing import names_of
from campaigns.flows.problems import InvalidFlow
from campaigns.models import Enrollment, Flow
from delivery import plans, test_send
from delivery.simulator import Plan, simulate
from delivery.views.frame import show, staff_page

# People whom a page simulates: some milliseconds each.
FEW, MOST = 200, 2_000
SHOWN = 3


@staff_page
@require_safe
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What one person would get, and when, as a panel beside the editor. Nothing is sent or kept."""
    flow = _flow(request, pk)
    email, start = request.GET.get("email", "").strip()[:300], _start(request, flow)
    context: dict[str, Any] = {"flow": flow, "start": start, "email": email}
    customer = _customer(flow, email)
    if customer is None:
        context["problem"] = (
            gettext("{email} is not in this audience.").format(email=email)
            if email
            else gettext("There is nobody to show it for.")
        )
    else:
        context |= {"customer": customer, "email": customer.email} | _dates(flow, customer, start)
    return render(request, "delivery/flow_preview.html", context)


@staff_page
@require_safe
def simulator(request: HttpRequest, pk: int) -> HttpResponse:
    """What a flow would do to many real people, by day, with a chart and the table behind it."""
    flow = _flow(request, pk)
    start = _start(request, flow)
    wanted = request.GET.get("people", "")
    people = min(int(wanted) if wanted.isdecimal() and len(wanted) < 9 else FEW, MOST)
    context: dict[str, Any] = {
        "title": gettext("Simulate “{flow}”").format(flow=flow),
        "flow": flow,
        "start": start,
        "people": people,
        "most": MOST,
        "segments": Segment.objects.of(flow.workspace).order_by("name"),
        "chosen": request.GET.get("segment", ""),
    }
    if "run" in request.GET:
        context |= _simulated(flow, context["chosen"], people, start)
    return show(request, "delivery/flow_simulator.html", context)


def _flow(request: HttpRequest, pk: int) -> Flow:
    """The flow, if it is in a workspace that the user may see; else 404. The page goes by its clock."""
    flow: Flow = get_object_or_404(Flow.objects.visible_to(request.user).select_related("workspace"), pk=pk)
    zones.show_in(flow.workspace)
    return flow


def _start(request: HttpRequest, flow: Flow) -> datetime:
    """The moment that was chosen, on the workspace's clock; else the next full hour."""
    try:
        chosen = datetime.fromisoformat(request.GET.get("start", ""))
        return chosen.replace(tzinfo=flow.workspace.zone)
    except ValueError:
        now = clock.now().astimezone(flow.workspace.zone)
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _customer(flow: Flow, email: str) -> Customer | None:
    """The person of this address; without one, somebody."""
    if not email:
        return test_send.somebody(flow.workspace, Audience.ALL_SUBSCRIBED, None)
    try:
        found: Customer | None = Customer.objects.of(flow.workspace).filter(email=normalise(email)).first()
    except InvalidAddress:
        return None
    return found


def _dates(flow: Flow, customer: Customer, start: datetime) -> dict[str, Any]:
    try:
        plan = simulate(flow, [customer.pk], start)
    except InvalidFlow:
        return {"problem": gettext("As soon as nothing is left to mend, the dates are shown here.")}
    zone = ZoneInfo(customer.time_zone) if customer.time_zone else flow.workspace.zone
    names = names_of(flow.steps)
    return {
        "lines": [plans.sentence(mail, names, customer, zone) for mail in plan.of(customer.pk)],
        "is_cut": plan.is_cut,
        "timeline": [
            decision
            for enrollment in plan.enrollments
            for decision in persons.timeline(enrollment, plan.campaign)
        ],
    }


def _simulated(flow: Flow, chosen: str, people: int, start: datetime) -> dict[str, Any]:
    ids = _people(flow, chosen, people)
    if not ids:
        return {"problem": gettext("There is nobody to simulate it for. Choose another segment.")}
    try:
        plan = simulate(flow, ids, start)
    except InvalidFlow as error:
        return {"problem": gettext("Mend the flow first. {error}").format(error=error)}
    names, zone = names_of(flow.steps), flow.workspace.zone
    return {
        "plan": plan,
        "count": len(ids),
        "days": plans.by_day(plan, names, zone),
        "chart": plans.chart(plan, names, zone),
        "unsent": plans.unsent(plan, names),
        "ends": Counter(enrollment.get_state_display() for enrollment in plan.enrollments).most_common(),
        "places": plans.where(plan, names),
        "shown": [_person(plan, enrollment) for enrollment in plan.enrollments[:SHOWN]],
    }


def _people(flow: Flow, chosen: str, people: int) -> list[int]:
    customers: QuerySet[Customer] = Customer.objects.of(flow.workspace)
    if chosen.isdecimal():
        segment = get_object_or_404(Segment.objects.of(flow.workspace), pk=chosen)
        customers = segments.customers_in(segment)
    return list(customers.order_by("id").values_list("pk", flat=True)[:people])


def _person(plan: Plan, enrollment: Enrollment) -> dict[str, Any]:
    customer = Customer.objects.filter(pk=enrollment.customer_id).first()
    return {"customer": customer, "timeline": persons.timeline(enrollment, plan.campaign)}
