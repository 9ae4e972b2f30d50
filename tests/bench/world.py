"""The installation that is measured: its people, its campaign and the processes that send."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests import servers
from tests.bench import people
from tests.chaos.processes import PYTHON, Leash, Process, celery, children, memory, wait_for

if TYPE_CHECKING:
    from audience.models import Workspace
    from campaigns.models import Campaign, Sender

KEYS = ("SECRET_KEY", "LINK_KEYS", "CREDENTIAL_KEYS")
QUIETLY = ("--loglevel", "WARNING")
TEMPLATE = Path(__file__).with_name("campaign.mjml")
# Seconds that anything may take before the measurement has failed.
PATIENCE = 1800


@dataclass(eq=False)
class World:
    """One measurement's installation, on the servers that the environment names."""

    # Recipients, customers and rows are so much of what the targets speak of; tests take little.
    share: float = 1.0
    # How often everything is measured.
    runs: int = 3
    engine: list[Process] = field(default_factory=list, init=False)

    def __enter__(self) -> World:
        self.directory = servers.private_directory()
        self.leash = Leash(self.directory)
        data = self.directory / "var"
        data.mkdir()
        os.environ.update(
            **{name: f"{name}-only-for-measuring-{'0123456789' * 4}" for name in KEYS},
            EGRESS_ALLOW="127.0.0.0/8,::1",
            PROXIES="0",
            DEBUG="false",
            ENABLE_EMAIL_SCHEDULER="true",
            LOG_LEVEL="WARNING",
            DATA_DIR=str(data),
            SITE_URL="https://mail.bench.example",
            NO_PROXY="127.0.0.1,localhost",
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{data / 'drumbeat.sqlite3'}")
        return self

    def __exit__(self, *_: object) -> None:
        self.leash.let_go()

    @property
    def distributed(self) -> bool:
        from django.db import connection

        return connection.vendor == "postgresql"

    def scaled(self, number: int) -> int:
        return max(20, round(number * self.share))

    # --- Processes ---------------------------------------------------------------------------------

    def start(self, *arguments: str, **environment: str) -> Process:
        """A process of the installation; it ends with the world."""
        log = self.directory / f"{len(self.engine)}.log"
        process = Process(self.leash, [PYTHON, *arguments], log, os.environ | environment)
        process.start()
        self.engine.append(process)
        return process

    def celery(self, processes: int) -> Process:
        """A Celery worker with so many sending processes, and the beat that rings for it; ready."""
        from config.celery import app

        worker = self.start(*celery("worker", *QUIETLY, "--concurrency", str(processes)))
        self.start(*celery("beat", *QUIETLY, "--pidfile", ""))
        if not wait_for(lambda: app.control.ping(timeout=0.5), 60):
            raise servers.Unavailable(self.logs())
        return worker

    def stop(self) -> None:
        """End all processes in good order."""
        for process in self.engine:
            if not process.has_ended():
                process.end(signal.SIGTERM)
        self.engine.clear()

    def logs(self) -> str:
        return "".join(log.read_text(errors="replace")[-3000:] for log in self.directory.glob("*.log"))

    def peaks(self, worker: Process) -> list[int]:
        """The most memory, in MB, that each process has had that sends."""
        return [memory(pid) for pid in children(worker.pid) or [worker.pid]]

    # --- What is sent ------------------------------------------------------------------------------

    def workspace(self) -> Workspace:
        return people.workspace()

    def sender(self, port: int, **columns: object) -> Sender:
        from campaigns.models import Sender
        from tests.factories import SenderFactory

        smtp = {
            "transport": Sender.Transport.SMTP,
            "host": "127.0.0.1",
            "port": port,
            "security": Sender.Security.NONE,
        }
        made: Sender = SenderFactory(workspace=self.workspace(), **(smtp | columns))
        return made

    def campaign(self, *senders: Sender) -> Campaign:
        """A draft to everybody who opted in: a segment, the template of 10 KB, these senders."""
        from campaigns.models import Template
        from tests.factories import CampaignFactory, SegmentFactory, TemplateFactory

        workspace = self.workspace()
        made: Campaign = CampaignFactory(
            workspace=workspace,
            segment=SegmentFactory(workspace=workspace),
            template=TemplateFactory(
                workspace=workspace,
                format=Template.Format.MJML,
                subject="{{ customer_name }}, new at Needle & Groove",
                preheader="Three albums, {{ customer.orders }} orders",
                body=TEMPLATE.read_text(),
            ),
            senders=senders,
        )
        return made

    def send(self, campaign: Campaign, meanwhile: Callable[[int], None] = lambda sent: None) -> float:
        """Activate a campaign and wait until it has completed; the seconds from the one to the other.

        `meanwhile` is told the sum sent, four times a second: whoever looks on takes time from who sends.
        """
        from django.utils import timezone

        from campaigns import lifecycle
        from campaigns.models import Campaign
        from delivery.models import Progress

        begun = timezone.now()
        lifecycle.activate(campaign)
        if self.distributed:
            ring()

        def has_ended() -> bool:
            campaign.refresh_from_db(fields=["status", "result"])
            progress = Progress.objects.filter(pk=campaign.pk).values_list("sent", flat=True).first()
            meanwhile(progress or 0)
            return campaign.status != Campaign.Status.ACTIVE

        if not wait_for(has_ended, PATIENCE, every=0.25):
            raise TimeoutError(f"The campaign was not done after {PATIENCE} s.\n{self.logs()}")
        campaign.refresh_from_db(fields=["finished_at"])
        if campaign.finished_at is None:
            raise AssertionError(f"The campaign ended {campaign.status}: {campaign.result}\n{self.logs()}")
        return (campaign.finished_at - begun).total_seconds()


def ring() -> None:
    """Ring as beat does every few seconds, so that a figure does not depend on its last time."""
    from delivery.tasks import tick

    tick.apply_async(["bench"])
