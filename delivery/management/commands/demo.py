"""Send one real campaign to the local mailbox and count what arrived."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from tqdm import tqdm

from audience.models import Segment, Suppression, Workspace
from campaigns import drafts, lifecycle
from campaigns.models import Campaign, Sender, Template
from delivery import progress, simulated
from delivery.mailbox.server import Mailbox, MailboxUnavailable
from delivery.mailbox.store import MailboxStore
from delivery.models import SendLog
from delivery.worker import AnotherSender, Worker

NAME = "Your year in records, no."


@dataclass(frozen=True)
class Summary:
    """What the ledger says and what the mailbox holds, each counted at its own place."""

    matched: int
    ledger: Counter[str]
    received: int
    duplicates: int
    refused_but_received: int
    seconds: float

    def disagreements(self) -> list[str]:
        """Where the two contradict each other, or a promise was broken; empty when all is well."""
        found = []
        if self.matched != self.ledger.total():
            found.append(f"{self.matched} match the segment, {self.ledger.total()} are in the ledger")
        if self.received != self.ledger["sent"] and not self.ledger["unknown"]:
            found.append(f"the ledger says {self.ledger['sent']} were sent, the mailbox has {self.received}")
        if self.duplicates:
            found.append(f"{self.duplicates} mails came twice")
        if self.refused_but_received:
            found.append(f"{self.refused_but_received} suppressed people got mail")
        return found

    def __str__(self) -> str:
        sums = " ".join(f"{name}={self.ledger[name]}" for name in ("suppressed", "sent", "failed", "unknown"))
        return (
            f"demo matched={self.matched} {sums} duplicates={self.duplicates}"
            f" seconds={self.seconds:.1f} mails_per_second={self.received / self.seconds:.0f}"
        )


class Command(BaseCommand):
    help = "Send the sample campaign to the local mailbox, with its progress, and count what arrived."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ENABLE_EMAIL_SCHEDULER:
            raise CommandError("Sending is switched off. Set ENABLE_EMAIL_SCHEDULER=true and run it again.")
        with _mailbox(), MailboxStore(settings.MAILBOX_PATH) as store:
            campaign = _sample_campaign()
            store.forget(campaign.pk)
            started = time.monotonic()
            lifecycle.activate(campaign)
            _send(campaign)
            summary = _count(campaign, store, time.monotonic() - started)
        campaign.refresh_from_db()
        self.stdout.write(f"“{campaign}” is {campaign.status}: {campaign.result}")
        if problems := summary.disagreements():
            self.stdout.write(str(summary))
            raise CommandError("The figures disagree: " + "; ".join(problems))
        if before := simulated.go_before(campaign):
            self.stdout.write(f"{before} campaigns before it were made up, for reports to compare.")
        made_up = simulated.react(campaign)
        self.stdout.write(f"{made_up} reactions were made up for its reports, and are marked as such.")
        self.stdout.write(str(summary))


@contextmanager
def _mailbox() -> Iterator[None]:
    mailbox = Mailbox(settings.MAILBOX_HOST, settings.MAILBOX_PORT, settings.MAILBOX_PATH)
    try:
        mailbox.start()
    except MailboxUnavailable as error:
        raise CommandError(str(error)) from error
    try:
        yield
    finally:
        mailbox.stop()


def _sample_campaign() -> Campaign:
    workspace = Workspace.objects.filter(slug="needle-groove").first()
    if workspace is None:
        raise CommandError("The sample is not loaded. Run `manage.py load_sample` first.")
    number = Campaign.objects.of(workspace).filter(name__startswith=NAME).count() + 1
    draft = drafts.create(
        workspace,
        f"{NAME} {number}",
        segment_id=Segment.objects.of(workspace).get(name="Loyal or big spenders").pk,
        template_id=Template.objects.of(workspace).get(name="Your year in records").pk,
        sender_ids=[Sender.objects.of(workspace).get(name="Local mailbox").pk],
    )
    return draft.campaign


def _send(campaign: Campaign) -> None:
    """Send until the campaign is over; a site that runs already is left to do it."""
    with tqdm(unit=" mails", desc=campaign.name) as bar:
        try:
            with Worker() as worker:
                while _show(campaign, bar):
                    if not worker.run_once():
                        time.sleep(0.1)
        except AnotherSender:
            while _show(campaign, bar):
                time.sleep(0.2)


def _show(campaign: Campaign, bar: tqdm[Any]) -> bool:
    """Bring the progress bar up to date; False when the campaign has ended."""
    sums = progress.of(campaign.pk)
    bar.total = sums.matched
    bar.n = sums.done
    bar.refresh()
    campaign.refresh_from_db(fields=["status"])
    return campaign.status in (Campaign.Status.ACTIVE, Campaign.Status.PAUSED)


def _count(campaign: Campaign, store: MailboxStore, seconds: float) -> Summary:
    rows = SendLog.objects.filter(campaign=campaign)
    ledger = Counter(dict(rows.order_by().values_list("status").annotate(n=Count("id"))))
    received = set(store.recipients(campaign.pk))
    suppressed = Suppression.objects.of(campaign.workspace).filter(created_at__lt=campaign.activated_at)
    return Summary(
        matched=campaign.matching().count(),
        ledger=ledger,
        received=len(received),
        duplicates=store.duplicates(campaign.pk),
        refused_but_received=len(received & set(suppressed.values_list("email", flat=True))),
        seconds=seconds,
    )
