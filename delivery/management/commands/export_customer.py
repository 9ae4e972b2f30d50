"""Write everything that is known of a person, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from audience.addresses import InvalidAddress
from audience.workspaces import WorkspaceNotNamed, named
from delivery import erasure


class Command(BaseCommand):
    help = "Write everything that a workspace knows of a person to standard output, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--workspace", help="short name; may be left out where there is one only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            known = erasure.export(named(options["workspace"]), options["email"])
        except (WorkspaceNotNamed, InvalidAddress) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(known, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
