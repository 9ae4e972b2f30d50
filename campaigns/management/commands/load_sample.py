"""Load the sample: a record shop with 23,570 real buying histories, a segment, a template, a sender."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Mod

from audience import consent, imports, suppression
from audience.models import ConsentRecord, Customer, Segment, Suppression, Workspace
from campaigns.models import Sender, Template

SAMPLE = Path(__file__).resolve().parents[2] / "sample"
SLUG = "needle-groove"
# Over which the sample's customers have come.
WEEKS = 52
# (orders >= 3 and last_order >= 1998-01-01) or total_spent >= 500: 4,746 of them.
LOYAL = {
    "any": [
        {
            "all": [
                {"field": "attributes.orders", "operator": "greater_or_equal", "value": 3},
                {"field": "attributes.last_order", "operator": "on_or_after", "value": "1998-01-01"},
            ]
        },
        {"field": "attributes.total_spent", "operator": "greater_or_equal", "value": 500},
    ]
}

SUBJECT = (
    "{% if customer.total_spent >= 500 %}The gold shelf is open for you"
    "{% else %}{{ customer.items }} CDs on your shelf, and room for more{% endif %}"
)
PREHEADER = (
    "{% if customer.total_spent >= 500 %}20% off, and first pick of the new pressings"
    "{% elsif customer.orders >= 10 %}A free CD with your next order"
    "{% else %}10% off your next order{% endif %}"
)


class Command(BaseCommand):
    help = "Load the sample workspace. Running it again changes nothing that is there."

    def handle(self, *args: Any, **options: Any) -> None:
        workspace, created = Workspace.objects.get_or_create(
            slug=SLUG,
            defaults={
                "name": "Needle & Groove",
                "time_zone": "America/New_York",
                "postal_address": "Needle & Groove, 12 Record Row, Philadelphia",
            },
        )
        # An earlier run may have been stopped half-way: what is there decides, not the workspace.
        if Customer.objects.of(workspace).count() < _rows(SAMPLE / "cdnow_customers.csv"):
            self._import(workspace)
        self._turn_some_away(workspace)
        self._campaign_parts(workspace)
        if created:
            self.stdout.write(f"Loaded the sample workspace “{workspace}”.")

    def _import(self, workspace: Workspace) -> None:
        customer_import = imports.create(
            workspace,
            SAMPLE / "cdnow_customers.csv",
            name="cdnow_customers.csv",
            subscribe=True,
            consent_note="Sample data: the addresses are made up.",
        )
        done = imports.run(customer_import)
        self.stdout.write(f"Imported {done.created} customers, {done.rejected} rows rejected.")
        self._came_one_by_one(workspace)

    def _came_one_by_one(self, workspace: Workspace) -> None:
        """Let people have come over the past year, not all of them on this day."""
        with transaction.atomic():
            for week in range(1, WEEKS):
                ago = timedelta(weeks=week)
                consents = ConsentRecord.objects.of(workspace).annotate(week=Mod(F("customer"), WEEKS))
                consents.filter(week=week).update(at=F("at") - ago)
                customers = Customer.objects.of(workspace).annotate(week=Mod(F("id"), WEEKS))
                customers.filter(week=week).update(created_at=F("created_at") - ago)

    def _turn_some_away(self, workspace: Workspace) -> None:
        """Give the sample what every real audience has: bounces, complaints and people who left."""
        if Suppression.objects.of(workspace).exists():
            return
        with transaction.atomic():
            for reason, every in ((Suppression.Reason.HARD_BOUNCE, 97), (Suppression.Reason.COMPLAINT, 401)):
                suppression.suppress_many(
                    workspace, (_address(n) for n in range(every, 23571, every)), reason, note="Sample data."
                )
            left = Customer.objects.of(workspace).filter(
                email__in=[_address(n) for n in range(157, 23571, 157)]
            )
            for customer in left:
                consent.unsubscribe(
                    customer,
                    channel=ConsentRecord.Channel.EMAIL,
                    source=ConsentRecord.Source.STAFF,
                    evidence="Sample data.",
                )

    def _campaign_parts(self, workspace: Workspace) -> None:
        Segment.objects.get_or_create(workspace=workspace, name="Loyal or big spenders", criteria=LOYAL)
        Template.objects.get_or_create(
            workspace=workspace,
            name="Your year in records",
            defaults={
                "format": Template.Format.MJML,
                "subject": SUBJECT,
                "preheader": PREHEADER,
                "body": (SAMPLE / "template.mjml").read_text("utf-8"),
            },
        )
        Sender.objects.get_or_create(
            workspace=workspace,
            name="Local mailbox",
            defaults={
                "from_name": "Needle & Groove",
                "from_email": "news@needle-groove.example",
                "transport": Sender.Transport.MAILBOX,
                "state": Sender.State.READY,
            },
        )


def _address(number: int) -> str:
    """As in the file; the domains are nobody's (RFC 2606)."""
    domains = ["gmail.example"] * 4 + ["outlook.example"] * 2 + ["yahoo.example"] + ["example.com"] * 3
    return f"cdnow-{number:05d}@{domains[number % 10]}"


def _rows(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1
