"""Campaigns with a plausible life: mails to four providers, opens and clicks that fade, machines too."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from audience.models import ConsentRecord, Customer, Workspace
from campaigns import lifecycle
from campaigns.models import Campaign, Sender
from delivery.models import Event, Progress, SenderDay, SendLog
from tests.factories import CampaignFactory, SegmentFactory, SenderFactory, TemplateFactory, WorkspaceFactory

Status = SendLog.Status
Reason = SendLog.Reason
DOMAINS = {"google": "gmail.com", "microsoft": "outlook.com", "yahoo": "yahoo.com", "other": "example.org"}
BODY = """
<div style="max-width:600px;margin:0 auto;font-family:Georgia,serif;background:#fff;color:#1f2937">
<h1 style="padding:32px 24px 0">{{ customer_name }}, new at Needle &amp; Groove</h1>
<p style="padding:0 24px">Three albums came in this week that we think you will want to hear.</p>
<p style="padding:8px 24px"><a href="https://shop.example/kind-of-blue"
style="background:#4338ca;color:#fff;padding:12px 20px">Kind of Blue</a></p>
<p style="padding:8px 24px"><a href="https://shop.example/blue-train">Blue Train</a>, and
<a href="https://shop.example/new">everything that is new</a>.</p>
<p style="padding:24px;color:#6b7280">Read <a href="https://shop.example/journal">our journal</a>, or
<a href="{{ unsubscribe_link }}">unsubscribe</a>.</p></div>
"""
FAILURES = (
    "550 5.1.1 <{}>: Recipient address rejected: User unknown",
    "554 5.7.1 Message rejected under suspicion of SPAM",
    "552 5.2.2 Mailbox full",
)
BOUNCES = (
    ("hard", "550 5.1.1 The account does not exist"),
    ("soft", "452 4.2.2 Over quota"),
    ("hard", ""),
)


class Sample:
    """Makes a workspace's campaigns, the same ones for the same seed."""

    def __init__(self, seed: int = 7, people: int = 400) -> None:
        self.random = random.Random(seed)  # noqa: S311 - nobody is to guess anything
        self.workspace: Workspace = WorkspaceFactory(slug="needle-groove", name="Needle & Groove")
        self.senders: list[Sender] = [
            SenderFactory(workspace=self.workspace, name=name, from_email=address)
            for name, address in (("Newsletter", "news@needle.example"), ("Shop", "shop@groove.example"))
        ]
        self.customers = self._customers(people)

    def campaign(self, name: str, days_ago: int, *, charm: float = 1.0) -> Campaign:
        """A completed campaign of so many days ago; the higher its charm, the more open and click."""
        template = TemplateFactory(workspace=self.workspace, name=name, body=BODY)
        segment = SegmentFactory(workspace=self.workspace)
        made: Campaign = CampaignFactory(
            workspace=self.workspace, name=name, template=template, segment=segment, senders=self.senders
        )
        lifecycle.activate(made)
        start = (timezone.now() - timedelta(days=days_ago)).replace(hour=9, minute=0, second=0, microsecond=0)
        rows = [self._mail(made, customer, start) for customer in self.customers]
        SendLog.objects.bulk_create(rows, batch_size=1000)
        events = [event for row in rows if row.status == Status.SENT for event in self._life(row, charm)]
        Event.objects.bulk_create(events, batch_size=1000)
        sent = sum(row.status == Status.SENT for row in rows)
        Progress.objects.update_or_create(
            campaign=made, defaults={"matched": len(rows), "sent": sent, "filled_at": start}
        )
        Campaign.objects.filter(pk=made.pk).update(activated_at=start)
        lifecycle.complete(made, result=f"{sent:,} of {len(rows):,} sent")
        for sender in self.senders:
            mine = sum(row.sender_id == sender.pk and row.status == Status.SENT for row in rows)
            SenderDay.objects.update_or_create(sender=sender, day=start.date(), defaults={"sent": mine})
        return made

    def _customers(self, number: int) -> list[Customer]:
        """Customers, each with the consent that they gave some time in the last months."""
        names = self.random.choices(list(DOMAINS), (45, 20, 10, 25), k=number)
        people = [
            Customer(
                workspace=self.workspace,
                email=f"customer{n}@{DOMAINS[name]}",
                subscribed=True,
            )
            for n, name in enumerate(names)
        ]
        made = Customer.objects.bulk_create(people)
        ConsentRecord.objects.bulk_create(
            ConsentRecord(
                workspace=self.workspace,
                customer=customer,
                email=customer.email,
                granted=True,
                source=ConsentRecord.Source.IMPORT,
                at=timezone.now() - timedelta(days=90 * self.random.random() ** 1.5),
            )
            for customer in made
        )
        return made

    def _mail(self, campaign: Campaign, customer: Customer, start: datetime) -> SendLog:
        domain = customer.email.partition("@")[2]
        provider = next(name for name, known in DOMAINS.items() if known == domain)
        status, reason, error = self.random.choices(
            [
                (Status.SENT, "", ""),
                (Status.SUPPRESSED, Reason.OPTED_OUT, ""),
                (Status.SUPPRESSED, Reason.UNSUBSCRIBE, ""),
                (Status.FAILED, Reason.REFUSED, self.random.choice(FAILURES).format(customer.email)),
                (Status.UNKNOWN, Reason.NO_ANSWER, ""),
            ],
            (92, 3, 2, 2.5, 0.5),
        )[0]
        sent_at = start + timedelta(minutes=self.random.random() * 40)
        return SendLog(
            workspace=self.workspace,
            campaign=campaign,
            customer=customer,
            sender=self.senders[self.random.random() > 0.7],
            email=customer.email,
            mailbox_provider=provider,
            status=status,
            reason=reason,
            error=error,
            due_at=start,
            sent_at=sent_at if status == Status.SENT else None,
        )

    def _life(self, row: SendLog, charm: float) -> list[Event]:
        """What comes back about one mail."""
        chance = self.random.random
        if chance() < 0.02:
            bounce, detail = self.random.choice(BOUNCES)
            return [self._event(row, "bounced", 1, bounce=bounce, detail=detail)]
        found = []
        if row.mailbox_provider == "other" and chance() < 0.6:
            found.append(self._event(row, "opened", 2 * chance(), verdict="apple"))
        if row.mailbox_provider == "microsoft" and chance() < 0.15:
            found += [
                self._event(row, "clicked", 1 + n / 100, verdict="scanner", link=n) for n in (1, 2, 3, 4)
            ]
        if chance() < 0.34 * charm:
            found.append(self._event(row, "opened", self._minutes(), verdict="person"))
            if chance() < 0.3:
                found.append(self._event(row, "opened", self._minutes(), verdict="person"))
            if chance() < 0.25 * charm:
                link = self.random.choices((1, 2, 3, 4), (50, 22, 18, 10))[0]
                found.append(self._event(row, "clicked", self._minutes(), verdict="person", link=link))
            if chance() < 0.015:
                found.append(self._event(row, "unsubscribed", self._minutes()))
        if chance() < 0.002:
            found.append(self._event(row, "complained", self._minutes()))
        return found

    def _minutes(self) -> float:
        """Most react within hours, some after days; fewer at night."""
        while True:
            minutes = 60 * math.exp(self.random.gauss(1.3, 1.4))
            hour = (9 + minutes / 60) % 24
            if self.random.random() < (0.25 if hour < 6 or hour > 22 else 1):
                return minutes

    def _event(self, row: SendLog, type_: str, minutes: float, **columns: Any) -> Event:
        assert row.sent_at
        return Event(
            workspace=self.workspace,
            sendlog_id=row.pk,
            customer_id=row.customer_id,
            type=type_,
            source=Event.Source.SIMULATED,
            key=f"{row.pk}:{type_}:{self.random.random()}",
            at=row.sent_at + timedelta(minutes=minutes),
            applied_at=row.sent_at,
            **columns,
        )
