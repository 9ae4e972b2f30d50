"""Stage 9: who opened and who clicked, as far as can be told; each verdict with its reason.

What each hit shows by itself is judged first, then what the other hits of the same mail show about it.
Evidence only ever turns a person into a scanner, so hits may be judged as they come, in any order, and
again later: the end is the same. Nothing is thrown away.

**Counted once.** An open or click has a verdict, and with it counts, or has none and does not. Where a
campaign is tracked by us, our own pixel and links count, and what the provider reports about the same
mails is kept without a verdict. Where it is not, the provider's reports count.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.expressions import Combinable

from delivery import sql
from delivery.models import Event

Verdict = Event.Verdict
JUDGED = (Event.Type.OPENED, Event.Type.CLICKED)

# What a request said of itself, as an event keeps it in `detail`.
HEAD, PREFETCH, HIDDEN_LINK = "HEAD", "Prefetch", "Hidden link"

# Nobody follows so many different links within so short a time.
BURST_LINKS, BURST_TIME = 3, timedelta(seconds=1)
# What comes so close to a click on the hidden link comes from the same machine.
TRAP = timedelta(seconds=10)
# Events further apart say nothing about each other.
REACH = TRAP + 2 * BURST_TIME
# From a moment to another, both of them included.
Span = tuple[datetime, datetime]
# Whether our own tracking counts, by an event's campaign.
OF_CAMPAIGN = F("sendlog__campaign__tracked")
# Mails that are judged again in one transaction.
CHUNK = 1000

# Apple's servers, which fetch every picture of every mail, say this and nothing else.
APPLE = "Mozilla/5.0"
# Servers of mailbox providers that fetch pictures in a reader's place: Gmail, Yahoo, Outlook and others.
PROXY = re.compile(r"image[ _-]?proxy|mail[ _-]?proxy|yahoo ?cache|ggpht", re.IGNORECASE)
# Programs that say what they are. The telephones by Cubot are none.
MACHINE = re.compile(
    r"(?<!cu)bot\b|crawl|spider|scanner|preview|externalhit|headless|phantomjs|puppeteer|selenium"
    r"|barracuda|proofpoint|mimecast|messagelabs|symantec|trendmicro|fortinet|safe-?links|url-?defense"
    r"|existence discovery|protocol discovery|monitoring|uptime|virus"
    r"|^(?:curl|wget|libwww|lwp|python|aiohttp|httpx|go-http|java|apache-http|okhttp|ruby|php|guzzle|node|axios)",
    re.IGNORECASE,
)

# In words for people, by what stands in Event.verdict_reason.
REASONS = {
    "ordinary": "Nothing speaks against a person",
    "reported": "Reported by the provider, which did not say by whom",
    "tracked": "Reported by the provider, and not counted: our own tracking counts for this campaign",
    "head": "Asked for the headers only, as no reader does",
    "prefetch": "Fetched ahead, before anybody looked at it",
    "hidden_link": "Followed a link that people cannot see",
    "near_hidden_link": "Came with a click on a link that people cannot see",
    "burst": f"{BURST_LINKS} different links or more within a second",
    "agent": "The program says that it is a machine",
    "no_agent": "The program does not say what it is",
    "apple": "Apple fetches every picture, whether the mail is read or not",
    "proxy": "The mailbox provider fetched the picture",
}


class Judgement(NamedTuple):
    verdict: str
    reason: str


class Fact(NamedTuple):
    """What is known of one open or click. `id` is the event's, or below 0: it is yet to be kept."""

    id: int
    row_id: int
    type: str
    source: str
    link: int | None
    # One of HEAD, PREFETCH and HIDDEN_LINK, or anything else.
    sign: str
    agent: str
    at: datetime
    # Whether the campaign's own tracking counts.
    is_tracked: bool = True


PERSON = Judgement(Verdict.PERSON, "ordinary")
NEAR_HIDDEN_LINK = Judgement(Verdict.SCANNER, "near_hidden_link")
BURST = Judgement(Verdict.SCANNER, "burst")
# What the company of a hit shows, the weaker evidence first.
WEIGHTS = {PERSON: 0, BURST: 1, NEAR_HIDDEN_LINK: 2}
BY_SIGN = {
    HEAD: Judgement(Verdict.SCANNER, "head"),
    PREFETCH: Judgement(Verdict.PREFETCH, "prefetch"),
    HIDDEN_LINK: Judgement(Verdict.SCANNER, "hidden_link"),
}


def judge(facts: Sequence[Fact]) -> list[Judgement]:
    """Judge the opens and clicks of one mail, in their order. Reads no database."""
    judged = [_by_itself(fact) for fact in facts]
    ours = [fact for fact in facts if fact.source != Event.Source.PROVIDER]
    traps = _merged(_around(fact.at, fact.at, TRAP) for fact in ours if fact.sign == HIDDEN_LINK)
    bursts = _merged(_around(first, last, BURST_TIME) for first, last in _bursts(ours))
    return [
        _in_company(fact, traps, bursts) if judgement == PERSON else judgement
        for fact, judgement in zip(facts, judged, strict=True)
    ]


def judge_new(new: Sequence[Fact]) -> dict[int, Judgement]:
    """Judge facts that are about to be kept, by id, with what is known of their mails already.

    Writes the verdicts of earlier events that these show to be a machine's, in the caller's transaction.
    """
    moments = [fact.at for fact in new]
    near = Event.objects.filter(
        sendlog_id__in={fact.row_id for fact in new},
        type__in=JUDGED,
        at__gte=min(moments) - REACH,
        at__lte=max(moments) + REACH,
    )
    known = dict(_stored(near.exclude(source=Event.Source.PROVIDER), Value(True)))
    judged = {fact.id: judgement for fact, judgement in _judge_mails([*known, *new])}
    _write((f.id, judged[f.id]) for f, before in known.items() if _outweighs(judged[f.id], before))
    return {fact.id: judged[fact.id] for fact in new}


def judge_reported(event_ids: Sequence[int]) -> None:
    """Judge the opens and clicks among events that a provider reported, in the caller's transaction."""
    reported = Event.objects.filter(pk__in=event_ids, type__in=JUDGED)
    _write((fact.id, judge([fact])[0]) for fact, _ in _stored(reported))


def rejudge(since: datetime | None = None) -> Iterator[int]:
    """Judge all opens and clicks anew, of mails that had one since then; how many changed, per chunk.

    Commits chunk by chunk, some mails each; may be stopped, repeated and run beside everything else.
    """
    mails = Event.objects.filter(type__in=JUDGED)
    if since is not None:
        mails = mails.filter(at__gte=since)
    ids = mails.order_by("sendlog_id").values_list("sendlog_id", flat=True).distinct()
    last = 0
    while chunk := list(ids.filter(sendlog_id__gt=last)[:CHUNK]):
        last = chunk[-1]
        yield _rejudge(chunk)


@transaction.atomic
def _rejudge(row_ids: Sequence[int]) -> int:
    sql.wait_for_lock(sql.Lock.JUDGING)
    known = dict(_stored(Event.objects.filter(sendlog_id__in=row_ids, type__in=JUDGED)))
    return _write((fact.id, found) for fact, found in _judge_mails(known) if found != known[fact])


def _judge_mails(facts: Iterable[Fact]) -> Iterator[tuple[Fact, Judgement]]:
    """Judge the opens and clicks of any mails, each with those of the same mail."""
    mails: dict[int, list[Fact]] = defaultdict(list)
    for fact in facts:
        mails[fact.row_id].append(fact)
    for mail in mails.values():
        yield from zip(mail, judge(mail), strict=True)


def _outweighs(found: Judgement, before: Judgement) -> bool:
    """Whether there is stronger evidence now; what is further away is not seen here."""
    return before in WEIGHTS and WEIGHTS.get(found, 0) > WEIGHTS[before]


def _write(judged: Iterable[tuple[int, Judgement]]) -> int:
    """Write verdicts by event, in one statement; how many differed.

    An event that had no verdict is new, and whoever counts comes by it anyway.
    """
    columns = {"id": "bigint", "verdict": "text", "reason": "text"}
    statement = f"""
        UPDATE delivery_event SET verdict = r.verdict, verdict_reason = r.reason,
            rejudged_at = CASE WHEN delivery_event.verdict_reason <> '' THEN {sql.now()} END
        FROM {sql.table(columns)} AS r
        WHERE delivery_event.id = r.id
          AND (delivery_event.verdict <> r.verdict OR delivery_event.verdict_reason <> r.reason)"""  # noqa: S608
    rows = [{"id": pk, **judgement._asdict()} for pk, judgement in sorted(judged)]
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.rows(rows)])
        return int(cursor.rowcount)


def _stored(
    events: QuerySet[Event], is_tracked: Combinable = OF_CAMPAIGN
) -> Iterator[tuple[Fact, Judgement]]:
    """Events with what they were judged; `is_tracked` is asked of their campaigns unless it is known."""
    columns = ("id", "sendlog_id", "type", "source", "link", "detail", "user_agent", "at", "is_tracked")
    found = events.annotate(is_tracked=is_tracked).order_by("id")
    for *known, verdict, reason in found.values_list(*columns, "verdict", "verdict_reason"):
        yield Fact(*known), Judgement(verdict, reason)


def _by_itself(fact: Fact) -> Judgement:
    """What a hit shows by itself."""
    if fact.source == Event.Source.PROVIDER and fact.is_tracked:
        return Judgement("", "tracked")
    if fact.source != Event.Source.PROVIDER and fact.sign in BY_SIGN:
        return BY_SIGN[fact.sign]
    if fact.source == Event.Source.PROVIDER and not fact.agent:
        return Judgement(Verdict.PERSON, "reported")
    return _by_agent(fact.type, fact.agent)


@lru_cache(maxsize=10_000)
def _by_agent(type_: str, agent: str) -> Judgement:
    """What the program that asked says of itself."""
    if not agent.strip():
        return Judgement(Verdict.SCANNER, "no_agent")
    if agent == APPLE and type_ == Event.Type.OPENED:
        return Judgement(Verdict.APPLE, "apple")
    if PROXY.search(agent):
        return Judgement(Verdict.PROXY, "proxy")
    if agent == APPLE or MACHINE.search(agent):
        return Judgement(Verdict.SCANNER, "agent")
    return PERSON


def _in_company(fact: Fact, traps: Sequence[Span], bursts: Sequence[Span]) -> Judgement:
    """What a person's hit turns out to be by those of the same mail."""
    if _covered(fact.at, traps):
        return NEAR_HIDDEN_LINK
    return BURST if _covered(fact.at, bursts) else PERSON


def _bursts(facts: Iterable[Fact]) -> Iterator[Span]:
    """The spans in which too many different links were followed; the hidden one counts as one."""
    clicks = sorted((fact.at, fact.link or 0) for fact in facts if fact.type == Event.Type.CLICKED)
    within: Counter[int] = Counter()
    first = 0
    for at, link in clicks:
        within[link] += 1
        while at - clicks[first][0] > BURST_TIME:
            within -= Counter([clicks[first][1]])
            first += 1
        if len(within) >= BURST_LINKS:
            yield clicks[first][0], at


def _around(first: datetime, last: datetime, margin: timedelta) -> Span:
    return first - margin, last + margin


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not touch, in order."""
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged


def _covered(at: datetime, spans: Sequence[Span]) -> bool:
    place = bisect_right(spans, at, key=lambda span: span[0])
    return place > 0 and at <= spans[place - 1][1]


def shown(event: Any) -> str:
    """The verdict and its reason in words; empty for what is no open or click."""
    reason = REASONS.get(event.verdict_reason, "")
    return ": ".join(filter(None, (event.get_verdict_display() if event.verdict else "", reason)))
