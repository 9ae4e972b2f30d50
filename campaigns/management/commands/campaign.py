"""Campaigns from a shell: make a draft, and take it through its life."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audience import workspaces
from audience.audiences import Audience
from campaigns import drafts, lifecycle
from campaigns.models import Campaign

ACTIONS = {
    "activate": lifecycle.activate,
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
    "complete": lifecycle.complete,
    "cancel": lifecycle.cancel,
}
REFUSALS = (
    workspaces.WorkspaceNotNamed,
    drafts.NotInWorkspace,
    lifecycle.InvalidTransition,
    lifecycle.NotReady,
)


class Command(BaseCommand):
    help = "Make a campaign (`campaign create NAME ...`), or act on one (`campaign activate ID`)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        doings = parser.add_subparsers(dest="doing", required=True)
        create = doings.add_parser("create", help="make a draft")
        create.add_argument("name")
        create.add_argument("--workspace", help="its short name; not needed when there is only one")
        create.add_argument("--audience", choices=Audience.values, default=Audience.SEGMENT)
        for part in ("segment", "template", "flow"):
            create.add_argument(f"--{part}", type=int, metavar="ID")
        create.add_argument("--sender", type=int, metavar="ID", action="append", default=[])
        create.add_argument("--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="of the start")
        create.add_argument("--time", type=time.fromisoformat, metavar="HH:MM", help="of the start")
        create.add_argument("--clock", choices=Campaign.Clock.values, default=Campaign.Clock.WORKSPACE)
        for action in ACTIONS:
            doings.add_parser(action).add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            campaign = self._create(options) if options["doing"] == "create" else self._act(options)
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Campaign {campaign.pk}, “{campaign}”, is {campaign.status}.")

    def _create(self, options: dict[str, Any]) -> Campaign:
        draft = drafts.create(
            workspaces.named(options["workspace"]),
            options["name"],
            audience=Audience(options["audience"]),
            segment_id=options["segment"],
            template_id=options["template"],
            flow_id=options["flow"],
            sender_ids=options["sender"],
            start_date=options["date"],
            start_time=options["time"],
            clock=Campaign.Clock(options["clock"]),
        )
        for notice in draft.notices:
            self.stderr.write(notice)
        return draft.campaign

    def _act(self, options: dict[str, Any]) -> Campaign:
        campaign: Campaign | None = Campaign.objects.filter(pk=options["id"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['id']}.")
        ACTIONS[options["doing"]](campaign)
        return campaign
