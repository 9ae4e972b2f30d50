"""The Celery app of the distributed mode; its settings are the CELERY_ ones of config.settings.

A message is only a doorbell and carries no recipients: the rows are the queue, and a lost broker
costs one beat.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's checks import every page; `manage.py migrate` has made them, and a worker has no pages.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("drumbeat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
