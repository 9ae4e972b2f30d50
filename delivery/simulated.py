"""Made-up reactions to the sample campaign, so that its reports have something to show.

No mail is sent and nobody is opted out or suppressed by them. Every event says that it is made up
(Event.Source.SIMULATED), and so do the pages that show it and the campaign's history. The same seed makes
the same reactions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from django.db import connection, transaction
from django.db.models import Count, F
from django.db.models.functions import TruncDate
from django.utils import timezone

from audience.mailbox_providers import MailboxProvider
from audience.models import Customer
from campaigns import lifecycle
from campaigns.content import CUSTOMER_COLUMNS
from campaigns.models import Campaign, CampaignSender, CampaignTransition, Sender
from delivery import feedback, verdicts
from delivery.message import Builder, Recipient
from delivery.models import Event, Progress, SenderDay, SendLog

Type = Event.Type
# Ledger rows in one transaction.
CHUNK = 500
NOTE = "The reactions to this campaign are made up, and its dates moved back by {days} days for them."
COUNTED = re.compile(rb"/(\d+)\"")

WEBMAIL = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148"
)
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.3"
OUTLOOK = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; ms-office; MSOffice 16)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
GATEWAY = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/119.0 Safari/537.36"
BROWSERS = (WEBMAIL, PHONE, THUNDERBIRD)


@dataclass(frozen=True)
class Habits:
    """How the people of one mailbox provider react: shares of their mails, and with what they open."""

    bounces: float
    defers: float
    opens: float
    # Of those who open.
    clicks: float
    gateways: float
    apple: float
    openers: Sequence[str]


HABITS = {
    MailboxProvider.GOOGLE: Habits(0.004, 0.01, 0.44, 0.13, 0.0, 0.1, (GMAIL,)),
    MailboxProvider.MICROSOFT: Habits(0.009, 0.05, 0.33, 0.10, 0.05, 0.05, (OUTLOOK, WEBMAIL)),
    MailboxProvider.YAHOO: Habits(0.012, 0.02, 0.27, 0.08, 0.0, 0.12, (YAHOO,)),
    MailboxProvider.OTHER: Habits(0.010, 0.01, 0.37, 0.12, 0.06, 0.3, BROWSERS),
}
COMPLAINTS, LEAVERS = 0.0008, 0.004
BOUNCES = (
    (Event.Bounce.HARD, "550 5.1.1 The e-mail account that you tried to reach does not exist"),
    (Event.Bounce.HARD, "550 5.1.1 User unknown"),
    (Event.Bounce.SOFT, "452 4.2.2 The recipient's mailbox is full"),
    (Event.Bounce.SOFT, "421 4.7.0 Try again later"),
)
# Hours of the day at which people look at their mail, by the workspace's clock.
HOURS = (7, 8, 8, 9, 12, 13, 17, 18, 19, 20, 20, 21, 22)


# Campaigns that went before the sample's, the newest first, and how they were liked.
EARLIER = (("A free CD for regulars", 1.2), ("Autumn arrivals", 0.8), ("Blue Hours is out", 1.0))
MADE_UP = "This campaign was made up: no mail of it was ever sent."


def go_before(campaign: Campaign) -> int:
    """Make up campaigns to the people of this one, a week apart, and reactions to them; how many campaigns.

    Reports have something to compare then. 0, and nothing is done, when they are there. Commits campaign
    by campaign.
    """
    made = 0
    for number, (name, appeal) in enumerate(EARLIER, 1):
        if Campaign.objects.of(campaign.workspace).filter(name=name).exists():
            continue
        with transaction.atomic():
            before = _copied(campaign, name)
        react(before, seed=number + 1, days=7 * number + 3, appeal=appeal)
        made += 1
    return made


def _copied(campaign: Campaign, name: str) -> Campaign:
    """A campaign that went to the same people, as its ledger has it."""
    copy = Campaign.objects.get(pk=campaign.pk)
    copy.pk, copy.name, copy.result = None, name, MADE_UP
    copy.save(force_insert=True)
    for share in CampaignSender.objects.filter(campaign=campaign):
        CampaignSender.objects.create(campaign=copy, sender=share.sender, weight=share.weight)
    own = ("id", "campaign")
    columns = [f.column for f in SendLog._meta.concrete_fields if f.column and f.name not in own]
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO delivery_sendlog (campaign_id, {names})"  # noqa: S608 - columns of ours
            f" SELECT %s, {names} FROM delivery_sendlog WHERE campaign_id = %s",
            [copy.pk, campaign.pk],
        )
    sums = Progress.objects.get(pk=campaign.pk)
    sums.pk = copy.pk
    sums.save(force_insert=True)
    SendLog.objects.filter(campaign=copy).update(outcome="", outcome_at=None)
    lifecycle.note(copy, None, MADE_UP)
    return copy


def react(campaign: Campaign, *, seed: int = 1, days: int = 3, appeal: float = 1.0) -> int:
    """Make reactions up for what a campaign has sent; how many, 0 when it has some already.

    Moves the campaign back in time, so that they are spread over the days until now. `appeal` is how much
    more of its readers than usual open and click. Commits some rows at a time. Outcomes and sums follow
    as from real ones.
    """
    if Event.objects.filter(sendlog__campaign=campaign, source=Event.Source.SIMULATED).exists():
        return 0
    _move_back(campaign, days)
    chance = Random(seed)  # noqa: S311 - nothing depends on it
    crowd, made = _Crowd(campaign, chance, timezone.now(), appeal), 0
    rows = SendLog.objects.filter(campaign=campaign, status=SendLog.Status.SENT).order_by("customer_id")
    waiting = rows.iterator(CHUNK)
    while chunk := list(islice(waiting, CHUNK)):
        with transaction.atomic():
            events = Event.objects.bulk_create(crowd.reactions(chunk))
        feedback.apply([event.pk for event in events if event.type in feedback.RANKS])
        made += len(events)
    return made


def _move_back(campaign: Campaign, days: int) -> None:
    """Let everything about the campaign have happened so many days earlier, and say so in its history."""
    earlier = timedelta(days=days)
    with transaction.atomic():
        moments = {"created_at", "due_at", "sent_at"}
        rows = SendLog.objects.filter(campaign=campaign)
        rows.update(**{moment: F(moment) - earlier for moment in moments})
        CampaignTransition.objects.filter(campaign=campaign).update(at=F("at") - earlier)
        moments = {"activated_at", "finished_at", "created_at"}
        Campaign.objects.filter(pk=campaign.pk).update(**{name: F(name) - earlier for name in moments})
        _count_days(campaign)
        lifecycle.note(campaign, None, NOTE.format(days=days))
    campaign.refresh_from_db()


def _count_days(campaign: Campaign) -> None:
    """Count anew what its senders have sent on each day, as the ledger now has it."""
    senders = list(campaign.senders.values_list("pk", flat=True))
    rows = SendLog.objects.filter(sender__in=senders, status=SendLog.Status.SENT, sent_at__isnull=False)
    per_day = rows.order_by().values_list("sender_id", TruncDate("sent_at", tzinfo=UTC)).annotate(Count("pk"))
    SenderDay.objects.filter(sender__in=senders).update(sent=0)
    SenderDay.objects.bulk_create(
        [SenderDay(sender_id=sender, day=day, sent=mails) for sender, day, mails in per_day],
        update_conflicts=True,
        update_fields=["sent"],
        unique_fields=["sender", "day"],
    )


@dataclass
class _Crowd:
    """Everybody who got the campaign, and chance."""

    campaign: Campaign
    chance: Random
    now: datetime
    appeal: float = 1.0
    _builder: Builder = field(init=False)

    def __post_init__(self) -> None:
        sender = Sender.objects.filter(pk__in=self.campaign.senders.values("pk")).first()
        self._builder = Builder(self.campaign, sender or Sender(from_email="news@sample.example"))

    def reactions(self, rows: Sequence[SendLog]) -> Iterator[Event]:
        """What comes back about some mails, opens and clicks judged."""
        people = Customer.objects.in_bulk([row.customer_id for row in rows])
        for row in rows:
            if row.customer_id in people:
                events = list(self._about(row, people[row.customer_id]))
                _judge(events)
                yield from events

    def _about(self, row: SendLog, customer: Customer) -> Iterator[Event]:
        habits = HABITS[MailboxProvider(row.mailbox_provider)]
        arrived = (row.sent_at or row.created_at) + timedelta(seconds=self.chance.uniform(1, 40))
        if self._happens(habits.bounces):
            bounce, words = self.chance.choice(BOUNCES)
            yield _event(row, Type.BOUNCED, arrived, bounce=bounce, detail=words)
            return
        if self._happens(habits.defers):
            yield _event(row, Type.DEFERRED, arrived, detail="421 4.7.0 Too many mails at once, try again")
            arrived += timedelta(minutes=self.chance.uniform(5, 90))
        yield _event(row, Type.DELIVERED, arrived)
        if self._happens(habits.gateways):
            yield from self._gateway(row, customer, arrived)
        if self._happens(habits.apple):
            fetched = arrived + timedelta(minutes=self.chance.expovariate(1 / 20))
            yield _event(row, Type.OPENED, self._by_now(fetched), user_agent=verdicts.APPLE)
        if self._happens(habits.opens * self.appeal):
            yield from self._reader(row, customer, arrived, habits)

    def _gateway(self, row: SendLog, customer: Customer, arrived: datetime) -> Iterator[Event]:
        """A company's scanner, which looks behind every link before it lets the mail in."""
        at = arrived + timedelta(seconds=self.chance.uniform(1, 8))
        yield _event(row, Type.OPENED, at, user_agent=GATEWAY)
        for number in self._links(row, customer):
            at += timedelta(milliseconds=self.chance.uniform(20, 120))
            yield _event(row, Type.CLICKED, at, link=number, user_agent=GATEWAY)
        yield _event(row, Type.CLICKED, at, detail=verdicts.HIDDEN_LINK, user_agent=GATEWAY)

    def _reader(self, row: SendLog, customer: Customer, arrived: datetime, habits: Habits) -> Iterator[Event]:
        opened, agent = self._by_now(self._looks_at(arrived, row)), self.chance.choice(habits.openers)
        yield _event(row, Type.OPENED, opened, user_agent=agent)
        if self._happens(0.2):
            again = self._by_now(opened + timedelta(hours=self.chance.uniform(1, 30)))
            yield _event(row, Type.OPENED, again, user_agent=agent)
        if self._happens(habits.clicks * self.appeal):
            numbers = self._links(row, customer)
            for number in self.chance.choices(numbers, range(len(numbers), 0, -1), k=1) if numbers else []:
                clicked = self._by_now(opened + timedelta(seconds=self.chance.uniform(15, 240)))
                yield _event(row, Type.CLICKED, clicked, link=number, user_agent=self.chance.choice(BROWSERS))
        for type_, share in ((Type.UNSUBSCRIBED, LEAVERS), (Type.COMPLAINED, COMPLAINTS)):
            if self._happens(share):
                yield _event(row, type_, self._by_now(opened + timedelta(seconds=50)))

    def _links(self, row: SendLog, customer: Customer) -> list[int]:
        """The links that this person's mail has, which conditions may have left out."""
        columns = {name: getattr(customer, name) for name in CUSTOMER_COLUMNS}
        mail = self._builder.build(Recipient(row.pk, row.customer_id, row.email, columns))
        found = COUNTED.findall(mail.message.replace(b"=\r\n", b""))
        return [int(number) for number in dict.fromkeys(found) if number != b"0"]

    def _looks_at(self, arrived: datetime, row: SendLog) -> datetime:
        """When somebody sees a mail: soon, or at the hour that is theirs."""
        if self._happens(0.35):
            return arrived + timedelta(minutes=self.chance.expovariate(1 / 45))
        # Everybody has a favourite hour, and keeps it from mail to mail.
        hour = HOURS[row.customer_id * 7919 % len(HOURS)]
        local = arrived.astimezone(self.campaign.workspace.zone)
        wait = (hour - local.hour) % 24 + 24 * self.chance.choice((0, 0, 0, 1))
        return arrived + timedelta(hours=wait, minutes=self.chance.uniform(0, 59))

    def _by_now(self, at: datetime) -> datetime:
        """Nothing comes from the future."""
        return at if at < self.now else self.now - timedelta(minutes=self.chance.uniform(1, 300))

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share


def _event(row: SendLog, type_: Event.Type, at: datetime, **columns: object) -> Event:
    return Event(
        workspace_id=row.workspace_id,
        sendlog_id=row.pk,
        customer_id=row.customer_id,
        type=type_,
        source=Event.Source.SIMULATED,
        at=at,
        applied_at=None if type_ in feedback.RANKS else at,
        **columns,
    )


def _judge(events: Sequence[Event]) -> None:
    """Number the events of one mail, and judge its opens and clicks as real ones are."""
    for number, event in enumerate(events):
        event.key = f"{event.source}:{event.sendlog_id}:{event.type}:{number}"
    seen = [event for event in events if event.type in verdicts.JUDGED]
    facts = [
        verdicts.Fact(0, e.sendlog_id, e.type, e.source, e.link, e.detail, e.user_agent, e.at) for e in seen
    ]
    for event, judgement in zip(seen, verdicts.judge(facts), strict=True):
        event.verdict, event.verdict_reason = judgement
