"""Settings, URLs and Celery: what stands on top of all four apps."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
