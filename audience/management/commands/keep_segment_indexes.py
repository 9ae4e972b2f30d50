"""`manage.py keep_segment_indexes`: what beat does each minute, for installations that run without Celery."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audience import segments


class Command(BaseCommand):
    help = "Make the database indexes that saved segments need, and drop those that none needs any more."

    def handle(self, *args: Any, **options: Any) -> None:
        made = segments.keep_indexes()
        self.stdout.write("\n".join(f"made {name}" for name in made) or "Nothing to make.")
