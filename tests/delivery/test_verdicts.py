"""Who opened and who clicked: each kind of machine, what its company shows, and judging anew."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from campaigns.models import Campaign
from delivery import events, feedback, verdicts
from delivery.models import Event, SendLog
from delivery.spool import Hit
from delivery.verdicts import HEAD, HIDDEN_LINK, PREFETCH, Fact

MakeCampaign = Callable[..., Campaign]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OPENED, CLICKED = Event.Type.OPENED, Event.Type.CLICKED
idents = count()


def fact(
    type_: str = CLICKED,
    seconds: float = 0,
    *,
    link: int | None = 1,
    sign: str = "",
    agent: str = PERSON,
    source: str = Event.Source.TRACKER,
    is_tracked: bool = True,
) -> Fact:
    at = NOW + timedelta(seconds=seconds)
    return Fact(0, 1, type_, source, link if type_ == CLICKED else None, sign, agent, at, is_tracked)


def judged(*facts: Fact) -> list[tuple[str, str]]:
    return [(str(judgement.verdict), judgement.reason) for judgement in verdicts.judge(facts)]


@pytest.mark.parametrize(
    ("one", "verdict", "reason"),
    [
        (fact(), "person", "ordinary"),
        (fact(OPENED), "person", "ordinary"),
        (fact(agent="Mozilla/5.0 (Linux; Android 9; CUBOT_X19) Chrome/140.0 Mobile"), "person", "ordinary"),
        (fact(OPENED, agent="Mozilla/4.0 (compatible; ms-office; MSOffice 16)"), "person", "ordinary"),
        (fact(OPENED, agent="Mozilla/5.0"), "apple", "apple"),
        (fact(CLICKED, agent="Mozilla/5.0"), "scanner", "agent"),
        (fact(OPENED, agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)"), "proxy", "proxy"),
        (fact(OPENED, agent="YahooMailProxy; https://help.yahoo.com/kb/x.html"), "proxy", "proxy"),
        (fact(OPENED, agent="Outlook-ImageProxy/1.0"), "proxy", "proxy"),
        (fact(agent=""), "scanner", "no_agent"),
        (fact(agent="Mozilla/5.0 (compatible; bingbot/2.0)"), "scanner", "agent"),
        (fact(agent="Slackbot-LinkExpanding 1.0"), "scanner", "agent"),
        (fact(agent="python-requests/2.32"), "scanner", "agent"),
        (fact(agent="Mozilla/5.0 HeadlessChrome/141.0"), "scanner", "agent"),
        (fact(agent="BarracudaCentral/1.0"), "scanner", "agent"),
        (fact(sign=HEAD), "scanner", "head"),
        (fact(sign=PREFETCH), "prefetch", "prefetch"),
        (fact(sign=HIDDEN_LINK, link=None), "scanner", "hidden_link"),
        (fact(OPENED, source="provider"), "", "tracked"),
        (fact(OPENED, source="provider", agent="", is_tracked=False), "person", "reported"),
        (fact(OPENED, source="provider", agent="Mozilla/5.0", is_tracked=False), "apple", "apple"),
    ],
)
def test_what_a_hit_shows_by_itself(one: Fact, verdict: str, reason: str) -> None:
    assert judged(one) == [(verdict, reason)]
    assert reason in verdicts.REASONS


def test_three_links_within_a_second_are_no_person() -> None:
    burst = [fact(link=n, seconds=n / 10) for n in (1, 2, 3)]
    assert judged(*burst, fact(OPENED, 0.5), fact(OPENED, 60), fact(link=1, seconds=60)) == [
        *[("scanner", "burst")] * 4,
        *[("person", "ordinary")] * 2,
    ]


def test_people_may_click_often_and_fast() -> None:
    again = [fact(link=1, seconds=n / 100) for n in range(20)]
    slowly = [fact(link=n, seconds=100 + n) for n in range(1, 9)]
    two = [fact(link=n, seconds=200 + n / 10) for n in (1, 2)]
    assert set(judged(*again, *slowly, *two)) == {("person", "ordinary")}


def test_the_hidden_link_gives_its_company_away() -> None:
    trap = fact(sign=HIDDEN_LINK, link=None, seconds=5)
    assert judged(fact(), trap, fact(OPENED, 14), fact(link=2, seconds=16)) == [
        ("scanner", "near_hidden_link"),
        ("scanner", "hidden_link"),
        ("scanner", "near_hidden_link"),
        ("person", "ordinary"),
    ]


def test_the_hidden_link_counts_in_a_burst_of_a_mail_with_two_links() -> None:
    hits = [fact(link=1), fact(link=2, seconds=0.1), fact(link=None, sign=HIDDEN_LINK, seconds=0.2)]
    assert {verdict for verdict, _ in judged(*hits)} == {"scanner"}


def test_somebody_who_asks_thousands_of_times_is_judged_as_fast_as_anybody() -> None:
    calls = Counter[str]()
    hits = [fact(link=n % 4, seconds=n / 1000) for n in range(4000)]
    sys.setprofile(lambda frame, kind, _: calls.update([frame.f_code.co_name] if kind == "call" else []))
    found = verdicts.judge(hits)
    sys.setprofile(None)
    assert {judgement.reason for judgement in found} == {"burst"}
    assert calls.total() < 60 * len(hits)


def test_a_machine_of_another_kind_stays_what_it_is() -> None:
    burst = [fact(link=n, seconds=n / 10) for n in (1, 2, 3)]
    assert judged(*burst, fact(OPENED, agent="Mozilla/5.0"))[-1] == ("apple", "apple")


# --- As they come, in any order, and anew -------------------------------------------------------------


def hit(row: SendLog, one: Fact) -> Hit:
    link = 0 if one.sign == HIDDEN_LINK else one.link
    return Hit(
        str(next(idents)),
        one.at.timestamp(),
        row.pk,
        row.workspace_id,
        row.customer_id,
        link,
        one.sign,
        one.agent,
        "",
    )


def written() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("at", "key").values_list("verdict", "verdict_reason"))


def rejudge(*arguments: str) -> str:
    said = StringIO()
    call_command("rejudge_events", *arguments, stdout=said)
    return said.getvalue()


HITS = st.lists(
    st.builds(
        fact,
        st.sampled_from([OPENED, CLICKED, CLICKED]),
        st.sampled_from([0, 0.2, 0.4, 0.9, 1.5, 2.5, 5, 9, 11, 15, 21, 30]),
        link=st.integers(1, 4),
        sign=st.sampled_from(["", "", "", HEAD, PREFETCH]),
        agent=st.sampled_from([PERSON, PERSON, "curl/8", "Mozilla/5.0"]),
    )
    | st.builds(
        fact, st.just(CLICKED), st.sampled_from([0, 3, 12, 25]), sign=st.just(HIDDEN_LINK), link=st.none()
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def row(active_campaign: MakeCampaign) -> SendLog:
    active_campaign(1)
    return SendLog.objects.get()


@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hits=HITS, seed=st.integers(0, 9), size=st.integers(1, 5))
def test_the_order_in_which_hits_come_changes_no_verdict(
    row: SendLog, hits: Sequence[Fact], seed: int, size: int
) -> None:
    Event.objects.all().delete()
    shuffled = [hit(row, one) for one in hits]
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    for start in range(0, len(shuffled), size):
        events.record_hits(shuffled[start : start + size])
    found = written()
    together = sorted(judged(*sorted(hits, key=lambda one: one.at)))
    assert sorted(found) == together
    assert rejudge() == "rejudge_events: 0 verdicts changed\n"
    Event.objects.update(verdict="person", verdict_reason="ordinary")
    rejudge()
    assert written() == found


def test_evidence_that_is_out_of_sight_is_not_forgotten(row: SendLog) -> None:
    events.record_hits([hit(row, fact(sign=HIDDEN_LINK, link=None)), hit(row, fact(seconds=9))])
    events.record_hits([hit(row, fact(seconds=20))])
    assert [reason for _, reason in written()] == ["hidden_link", "near_hidden_link", "ordinary"]


def test_only_mails_of_lately_are_judged_anew(row: SendLog) -> None:
    events.record_hits([hit(row, fact(agent="curl/8"))])
    Event.objects.update(verdict="person")
    assert "0 verdicts" in rejudge("--since", "2026-05-02")
    assert "1 verdicts" in rejudge("--since", "2026-05-01T11:00")
    with pytest.raises(CommandError, match="is no moment"):
        rejudge("--since", "lately")


def test_judging_anew_goes_through_all_mails_some_at_a_time(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(5)
    events.record_hits([hit(row, fact(agent="curl/8")) for row in SendLog.objects.all()])
    Event.objects.update(verdict="person")
    monkeypatch.setattr(verdicts, "CHUNK", 2)
    assert list(verdicts.rejudge()) == [2, 2, 1]
    assert set(Event.objects.values_list("verdict", flat=True)) == {"scanner"}


# --- Counted once -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tracked", "verdict"), [(True, ""), (False, "person")])
def test_what_a_provider_reports_counts_where_we_do_not(
    active_campaign: MakeCampaign, tracked: bool, verdict: str
) -> None:
    campaign = active_campaign(1, tracked=tracked)
    row = SendLog.objects.get()
    for type_ in (OPENED, CLICKED):
        assert feedback.report(row.pk, type_, fact="e1", at=NOW)
    events.record_hits([hit(row, fact()), hit(row, fact(OPENED))])
    counted = Event.objects.exclude(verdict="").filter(sendlog__campaign=campaign)
    assert sorted(counted.values_list("type", flat=True)) == ["clicked", "opened"]
    reported = Event.objects.filter(source="provider")
    assert set(reported.values_list("verdict", flat=True)) == {verdict}
    before = written()
    assert rejudge() == "rejudge_events: 0 verdicts changed\n"
    assert written() == before


def test_other_reports_have_no_verdict(active_campaign: MakeCampaign) -> None:
    active_campaign(1)
    feedback.report(SendLog.objects.get().pk, Event.Type.DELIVERED)
    assert written() == [("", "")]
    assert verdicts.shown(Event.objects.get()) == ""
