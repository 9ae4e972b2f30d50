"""The embedded mode: the site, its worker and the local mailbox in one process."""

from __future__ import annotations

import logging
import os
import threading
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils.crypto import get_random_string
from gunicorn.app.base import BaseApplication

from delivery.mailbox.server import Mailbox, MailboxUnavailable
from delivery.worker import AnotherSender, Worker

logger = logging.getLogger(__name__)

# Seconds between two tries to become the sender while another process is.
RETRY_EVERY = 10.0
# Seconds for requests to end once the site is told to stop, and then for the engine.
REQUEST_SECONDS = 5
ENGINE_SECONDS = 60


class Command(BaseCommand):
    help = "Serve the site with its worker and the local mailbox: the embedded mode, in one process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        site = urlsplit(settings.SITE_URL)
        parser.add_argument("--bind", default=f"{site.hostname}:{site.port or 8000}", help="host:port")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"\nDrumbeat is at http://{options['bind']}/admin/")
        self.stdout.write(_how_to_log_in())
        self.stdout.write(f"The local mailbox is at http://{options['bind']}/mailbox/. Stop with Ctrl-C.\n")
        self.stdout.flush()
        _Site(options["bind"]).run()


def _how_to_log_in() -> str:
    """Make the first user when there is none; its password is kept in a file only you can read."""
    users = get_user_model()
    kept = settings.DATA_DIR / "first-login.txt"
    if not users.objects.exists():
        password = get_random_string(16)
        users.objects.create_superuser("admin", password=password)
        kept.touch(mode=0o600)
        kept.write_text(f"Log in as admin with the password {password}\n")
    return kept.read_text().strip() if kept.exists() else "Log in with your user name and password."


class _Site(BaseApplication):
    """gunicorn with one worker process, whose threads share it with the engine."""

    def __init__(self, bind: str) -> None:
        self._bind = bind
        self._engine = _Engine()
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", self._bind)
        self.cfg.set("workers", 1)
        self.cfg.set("threads", 8)
        self.cfg.set("loglevel", "warning")
        self.cfg.set("logger_class", "config.gunicorn.Logger")
        # When it is over, the parent kills the site's process with all that is in it.
        self.cfg.set("graceful_timeout", REQUEST_SECONDS + ENGINE_SECONDS)
        # After the fork: a thread and an open database do not survive one.
        self.cfg.set("post_worker_init", self._begin)
        self.cfg.set("worker_exit", self._end)

    def load(self) -> Any:
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()

    def _begin(self, worker: Any) -> None:
        # In this process it says how long requests may take, be it that a browser never ends one.
        worker.cfg.set("graceful_timeout", REQUEST_SECONDS)
        self._engine.start()

    def _end(self, server: Any, worker: Any) -> None:
        if self._engine.stop():
            # Python's own end would wait for the threads of the requests that were given up.
            os._exit(0)


class _Engine:
    """The mailbox and the sending worker, in threads beside the site."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._mailbox = Mailbox(settings.MAILBOX_HOST, settings.MAILBOX_PORT, settings.MAILBOX_PATH)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        try:
            self._mailbox.start()
        except MailboxUnavailable as error:
            logger.error("%s", error)
        self._thread = threading.Thread(target=self._run, name="drumbeat-worker")
        self._thread.start()

    def stop(self) -> bool:
        """Let the turn in hand end, then stop. False where it never started, as in the parent process."""
        if self._thread is None:
            return False
        self._stop.set()
        self._thread.join()
        self._mailbox.stop()
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Worker() as worker:
                    worker.run_forever(self._stop.wait)
            except AnotherSender:
                self._stop.wait(RETRY_EVERY)
            except Exception:
                logger.exception("the worker failed; starting it again")
                self._stop.wait(RETRY_EVERY)
