"""`manage.py learn_send_times`: what beat does each night, for installations that run without Celery."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.send_time.learn import learn
from audience import workspaces
from audience.models import Workspace


class Command(BaseCommand):
    help = "Learn the best times to send from when people reacted; for cron, once a night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", help="its short name; all without it")

    def handle(self, *args: Any, **options: Any) -> None:
        for workspace in self._chosen(options["workspace"]):
            begun = time.monotonic()
            learnt = learn(workspace)
            seconds = time.monotonic() - begun
            said = f"{learnt} customers learnt in {seconds:.1f} s" if learnt else "no mail to learn from"
            self.stdout.write(f"{workspace}: {said}")

    def _chosen(self, slug: str | None) -> list[Workspace]:
        if slug is None:
            return list(Workspace.objects.all())
        try:
            return [workspaces.named(slug)]
        except workspaces.WorkspaceNotNamed as error:
            raise CommandError(str(error)) from error
