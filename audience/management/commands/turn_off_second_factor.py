"""Let somebody in by password alone who has lost the app and the recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from audience.accounts import second_factor


class Command(BaseCommand):
    help = "Turn a user's second factor off. Make sure first that it is really this person who asks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']}.")
        second_factor.turn_off(user)
        self.stdout.write("The second factor is off. Ask them to set it up again.")
