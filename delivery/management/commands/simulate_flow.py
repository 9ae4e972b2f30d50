"""What a flow would do to real people, and when. Nothing leaves, and nothing is saved."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audience import segments
from audience.addresses import InvalidAddress, normalise
from audience.models import Customer, Segment
from campaigns.flows import persons
from campaigns.flows.problems import InvalidFlow
from campaigns.models import Enrollment, Flow
from delivery.models import SendLog
from delivery.simulator import Plan, simulate

PEOPLE = 1_000


class Command(BaseCommand):
    help = "Run a flow, as its editor holds it, for some people by a clock that is set. Nothing leaves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow", type=int, metavar="FLOW", help="its id")
        parser.add_argument("--segment", type=int, metavar="ID", help="run it for people of this segment")
        parser.add_argument("--person", action="append", default=[], metavar="ADDRESS", help="and for these")
        parser.add_argument("--people", type=int, default=PEOPLE, help=f"at most so many (default: {PEOPLE})")
        parser.add_argument("--start", metavar="'YYYY-MM-DD HH:MM'", help="by the workspace's clock")
        parser.add_argument("--days", type=int, default=366, help="stop after so many")
        parser.add_argument("--show", type=int, default=3, help="so many people's timelines")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = Flow.objects.select_related("workspace").filter(pk=options["flow"]).first()
        if flow is None:
            raise CommandError(f"There is no flow {options['flow']}.")
        people = _people(flow, options)
        if not people:
            raise CommandError("There is nobody to run it for. Choose a segment or a person.")
        start = _start(flow.workspace.zone, options["start"])
        try:
            plan = simulate(flow, people, start, longest=timedelta(days=options["days"]))
        except InvalidFlow as error:
            raise CommandError("\n".join(map(str, error.problems))) from error
        self._say(plan, flow.workspace.zone, len(people), options["show"])

    def _say(self, plan: Plan, zone: ZoneInfo, people: int, shown: int) -> None:
        self.stdout.write(f"“{plan.campaign.name}” for {people:,} people, by the clock in {zone}:")
        for line in _mails_by_day(plan, zone):
            self.stdout.write(line)
        ends = Counter(enrollment.get_state_display().lower() for enrollment in plan.enrollments)
        self.stdout.write("At the end: " + ", ".join(f"{count:,} {state}" for state, count in ends.items()))
        if plan.is_cut:
            self.stdout.write(f"Stopped at {plan.until.astimezone(zone):%a %d %b %Y}; some are on the way.")
        for enrollment in plan.enrollments[:shown]:
            self._tell(plan, enrollment, zone)

    def _tell(self, plan: Plan, enrollment: Enrollment, zone: ZoneInfo) -> None:
        address = Customer.objects.values_list("email", flat=True).get(pk=enrollment.customer_id)
        self.stdout.write(f"\n{address}")
        for decision in persons.timeline(enrollment, plan.campaign):
            moment = f"{decision.at.astimezone(zone):%a %d %b %Y %H:%M}" if decision.at else ""
            why = f" ({decision.why})" if decision.why else ""
            step = f"{decision.step}: " if decision.step else ""
            self.stdout.write(f"  {moment}  {step}{decision.what}{why}")


def _people(flow: Flow, options: dict[str, Any]) -> list[int]:
    customers = Customer.objects.of(flow.workspace)
    if not options["person"] and options["segment"] is None:
        return list(customers.order_by("-id").values_list("pk", flat=True)[: options["people"]])
    found: list[int] = []
    if options["segment"] is not None:
        segment = Segment.objects.of(flow.workspace).filter(pk=options["segment"]).first()
        if segment is None:
            raise CommandError(f"There is no segment {options['segment']} in {flow.workspace}.")
        inside = segments.customers_in(segment).order_by("id")
        found += inside.values_list("pk", flat=True)[: options["people"]]
    for address in options["person"]:
        try:
            found.append(customers.get(email=normalise(address)).pk)
        except (Customer.DoesNotExist, InvalidAddress) as error:
            raise CommandError(f"{address} is not among the customers of {flow.workspace}.") from error
    return found


def _start(zone: ZoneInfo, written: str | None) -> datetime:
    if written is None:
        return timezone.now()
    try:
        return datetime.fromisoformat(written).replace(tzinfo=zone)
    except ValueError as error:
        raise CommandError("Write the start like '2027-03-26 09:00'.") from error


def _mails_by_day(plan: Plan, zone: ZoneInfo) -> list[str]:
    days: Counter[tuple[Any, int]] = Counter()
    unsent: Counter[tuple[int, str]] = Counter()
    for mail in plan.mails:
        if mail.at is not None:
            days[mail.at.astimezone(zone).date(), mail.step] += 1
        else:
            unsent[mail.step, mail.reason] += 1
    return [
        *(_line(f"{day:%a %d %b %Y}", step, count, " mails") for (day, step), count in sorted(days.items())),
        *(
            _line("not sent", step, count, f": {SendLog.Reason(reason).label if reason else 'waiting'}")
            for (step, reason), count in sorted(unsent.items())
        ),
    ]


def _line(when: str, step: int, count: int, what: str) -> str:
    return f"  {when:<15}  step {step:<3} {count:>9,}{what}"
