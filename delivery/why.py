"""“Why did or didn't this person get it?”: one look-up, answered in a sentence with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from audience.addresses import InvalidAddress, normalise
from audience.models import Customer
from campaigns.flows import persons
from campaigns.models import Campaign
from delivery import progress
from delivery.models import Event, SendLog

Status = SendLog.Status
Reason = SendLog.Reason


@dataclass(frozen=True)
class Moment:
    """One thing that happened to a mail."""

    at: datetime | None
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """The sentence, the ledger row behind it (None: there is none), and its history, oldest first."""

    sentence: str
    row: SendLog | None = None
    moments: list[Moment] = field(default_factory=list)


def why(campaign: Campaign, address: str) -> Answer:
    """Say whether an address got the campaign's mail, and why or why not. Reads only."""
    try:
        email = normalise(address)
    except InvalidAddress as error:
        return Answer(f"“{address}” is no e-mail address: {error}")
    customer = Customer.objects.of(campaign.workspace).filter(email=email).first()
    rows = SendLog.objects.filter(campaign=campaign)
    # By customer first: the address may have changed since.
    row = rows.filter(customer_id=customer.pk).first() if customer else None
    row = row or rows.filter(workspace=campaign.workspace, email=email).first()
    if row is not None:
        return explain(row)
    return Answer(_why_no_row(campaign, customer, email))


def explain(row: SendLog) -> Answer:
    """The answer for a ledger row."""
    return Answer(sentence(row), row, _moments(row))


def sentence(row: SendLog) -> str:
    """Whether the person got the mail, and why or why not. Costs no query."""
    reason = row.get_reason_display() if row.reason else ""
    match row.status:
        case Status.SENT:
            outcome = f" Then: {row.get_outcome_display().lower()}." if row.outcome else ""
            return f"{_sent(row)}{outcome}"
        case Status.SUPPRESSED:
            return f"No: {reason[:1].lower()}{reason[1:]}."
        case Status.FAILED:
            return f"No: {reason[:1].lower()}{reason[1:]}. {row.error}".strip()
        case Status.CANCELLED:
            return "No: the campaign ended before this mail's turn came."
        case Status.UNKNOWN:
            return (
                f"Perhaps: {reason[:1].lower()}{reason[1:]}, so the mail may or may not have been accepted."
            )
        case Status.QUEUED if row.reason == Reason.RESENT:
            return f"Not yet: {_chooser(row)} chose to send it again, so it may arrive twice."
        case _ if row.attempts:
            words = f"Not yet: attempt {row.attempts} did not succeed; it will be tried again. {row.error}"
            return words.strip()
        case _:
            return "Not yet: the mail waits for its turn."


def since(row: SendLog) -> datetime | None:
    """Since when the row has been what it is, as far as its history says."""
    return _moment(row.history[-1]["at"]) if row.history else None


def _sent(row: SendLog) -> str:
    if row.reason == Reason.COUNTED:
        return f"Perhaps: nobody could tell, and {_chooser(row)} chose to count it as sent."
    proof = " A later report proves it." if row.reason == Reason.PROVEN else ""
    return f"Yes: sent to {row.email}.{proof}"


def _chooser(row: SendLog) -> str:
    """Who settled the unknown mail last, by their user name."""
    return next((past["by"] for past in reversed(row.history) if past.get("by")), "somebody")


def _moments(row: SendLog) -> list[Moment]:
    """What we did and what came back, as one timeline."""
    moments = [Moment(row.created_at, "Entered into the ledger"), *map(_past, row.history)]
    # Of a mail that was counted or proven, the history says what is known about it.
    if row.sent_at and row.reason not in (Reason.COUNTED, Reason.PROVEN):
        moments.append(Moment(row.sent_at, "Handed over", row.provider_id))
    events = Event.objects.filter(sendlog_id=row.pk).order_by("at")
    return moments + [Moment(event.at, _said(event), event.detail) for event in events]


def _said(event: Event) -> str:
    """What came back; of an open or a click by whom, and of what was made up that it was."""
    words = [event.in_words]
    if event.link is not None:
        words.append(f"link {event.link}")
    if event.verdict:
        words.append(event.get_verdict_display())
    if event.source == Event.Source.SIMULATED:
        words.append(event.get_source_display())
    return " · ".join(words)


def _past(item: dict[str, str]) -> Moment:
    words = str(Status(item["status"]).label)
    if item["reason"]:
        words += f": {Reason(item['reason']).label}"
    return Moment(_moment(item["at"]), words, f"by {item['by']}" if item.get("by") else item["error"])


def _moment(text: str) -> datetime | None:
    moment = parse_datetime(text)
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _why_no_row(campaign: Campaign, customer: Customer | None, email: str) -> str:
    if customer is None:
        return f"No: {email} is not among the customers of {campaign.workspace}."
    if campaign.status == Campaign.Status.DRAFT:
        return "No: the campaign is a draft; nothing has been sent."
    if campaign.flow_id:
        return _why_no_mail_yet(campaign, customer)
    if not campaign.matching().filter(pk=customer.pk).exists():
        return "No: this person is not in the campaign's audience."
    if progress.of(campaign.pk).filled_at is None:
        return "Not yet: the campaign's audience is still being written into the ledger."
    return "No: this person came into the audience after the campaign had started."


def _why_no_mail_yet(campaign: Campaign, customer: Customer) -> str:
    place = persons.enrollments(campaign, customer).select_related("version").first()
    if place is None:
        return "No: this person has not begun the campaign's flow."
    return f"No mail so far. {persons.sentence(place, campaign)}"
