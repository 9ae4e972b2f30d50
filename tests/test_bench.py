"""The benchmarks themselves: a tiny run, and that what is wrong with a send would be seen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.urls import resolve

from audience import attributes
from audience.models import Attribute, Customer
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.fill import fill_page
from delivery.models import SendLog
from tests.bench import people, verify
from tests.bench.habits import Crowd
from tests.bench.measures import MEASURES, idle, imports, pages, send_time
from tests.bench.measures.segments import RULE_SETS
from tests.bench.measures.tracking import LINKS
from tests.bench.measures.usual_design import django_template
from tests.bench.sinks import Sink
from tests.bench.world import TEMPLATE, World
from tests.factories import CampaignFactory, SenderFactory, SuppressionFactory
from tests.test_roles import documented


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    refused = bench("--only", "smpt")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no smpt" in refused.stderr and all(name in refused.stderr for name in MEASURES)


def test_a_tiny_run_says_the_machine_and_its_line_and_nothing_else() -> None:
    done = bench("--only", "sqlite", "--share", "0.0006", "--runs", "1", "--own-sink")
    machine, line = map(json.loads, done.stdout.splitlines())
    assert machine["bench"] == "machine" and machine["cores"] and machine["python"]["version"]
    assert line["bench"] == "sqlite", done.stderr
    # So few are sent slowly, and the exit code says so.
    assert line["pass"] is (line["value"] >= line["target"]) is (done.returncode == 0)
    assert (line["recipients"], line["recorded"], line["compared"]) == (30, 30, 30)
    assert len(line["runs"]) == 1 and line["peak_mb"][0] > 0


@pytest.mark.django_db
def test_the_people_are_what_the_product_would_have_stored() -> None:
    people.customers(500, opted_in=85)
    types = dict(Attribute.objects.values_list("name", "type"))
    customers = list(Customer.objects.order_by("id"))
    assert len({customer.email for customer in customers}) == len(customers) == 500
    for customer in customers:
        stored = customer.attributes
        assert {name: attributes.parse(types[name], str(value)) for name, value in stored.items()} == stored
    assert 380 < sum(customer.subscribed for customer in customers) < 470
    assert len({customer.attributes["city"] for customer in customers}) > 50


@pytest.mark.django_db
def test_the_same_people_are_made_each_time() -> None:
    found = []
    for _ in range(2):
        Customer.objects.all().delete()
        people.customers(50)
        found.append(list(Customer.objects.order_by("email").values_list("email", "name", "attributes")))
    assert found[0] == found[1]


def test_rule_sets_are_five_and_ask_about_everything_that_was_promised() -> None:
    text = json.dumps(RULE_SETS)
    assert len(RULE_SETS) == 5
    assert all(word in text for word in ('"any"', '"all"', "between", "attributes.", "engagement."))


# --- Seeing what is wrong -------------------------------------------------------------------------


@pytest.fixture
def sent(tmp_path: Path, db: None) -> tuple[Campaign, Sink]:
    """A campaign whose mails are on record, as smtp-sink writes them."""
    from delivery.message import Builder

    people.customers(20)
    SuppressionFactory(workspace=people.workspace(), email=Customer.objects.first().email)
    campaign = CampaignFactory(workspace=people.workspace())
    lifecycle.activate(campaign)
    while fill_page(campaign):
        pass
    SendLog.objects.filter(status=SendLog.Status.QUEUED).update(status=SendLog.Status.SENT)
    return campaign, recorded(
        tmp_path, [built(Builder, campaign, row) for row in SendLog.objects.filter(status="sent")]
    )


def test_a_faithful_record_is_found_right(sent: tuple[Campaign, Sink]) -> None:
    assert verify.verify(*sent) | {"wire_bytes": 0} == {"recorded": 19, "compared": 19, "wire_bytes": 0}


@pytest.mark.parametrize("wrong", ["twice", "missing", "other text", "other subject"])
def test_what_is_wrong_with_a_send_is_seen(sent: tuple[Campaign, Sink], wrong: str) -> None:
    campaign, sink = sent
    mails = sink.record.read_bytes().split(b"X-Client-Addr")[1:]
    if wrong == "twice":
        mails.append(mails[0])
    elif wrong == "missing":
        mails.pop()
    elif wrong == "other text":
        mails[3] = mails[3].replace(b"<p>Hello", b"<p>Hallo")
    else:
        mails[3] = mails[3].replace(b"Subject: Hello", b"Subject: Hallo")
    sink.record.write_bytes(b"".join(b"X-Client-Addr" + mail for mail in mails))
    with pytest.raises(verify.Wrong):
        verify.verify(campaign, sink)


def test_a_mail_that_the_ledger_does_not_have_is_seen() -> None:
    with pytest.raises(verify.Wrong, match="1 one that is not"):
        verify._check_recipients({"a@b.c"}, Counter({"a@b.c": 1, "x@b.c": 1}), {b"1", b"2"})


def built(builder: Any, campaign: Campaign, row: SendLog) -> tuple[str, bytes]:
    return row.email, message_of(builder, campaign, row)


def message_of(builder: Any, campaign: Campaign, row: SendLog) -> bytes:
    from campaigns.content import CUSTOMER_COLUMNS
    from delivery.message import Recipient

    columns = Customer.objects.filter(pk=row.customer_id).values(*CUSTOMER_COLUMNS).get()
    mail = builder(campaign, campaign.senders.get()).build(
        Recipient(row.pk, row.customer_id, row.email, columns)
    )
    return bytes(mail.message)


def recorded(directory: Path, mails: list[tuple[str, bytes]]) -> Sink:
    sink = Sink.__new__(Sink)
    sink.record = directory / "record"
    head = "X-Client-Addr: 127.0.0.1\nX-Client-Proto: ESMTP\nX-Helo-Args: vm\nX-Mail-Args: <a@b.c>\n"
    sink.record.write_bytes(
        b"".join(
            f"{head}X-Rcpt-Args: <{email}>\n".encode() + message.replace(b"\r\n", b"\n") + b"\n"
            for email, message in mails
        )
    )
    return sink


# --- Habits that are known ------------------------------------------------------------------------


def test_replayed_people_are_learnt_and_judged_by_what_is_true_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send_time, "WEEKS", 20)
    found = send_time.replay(send_time.SCENARIOS["office and evening"], 400)
    assert 0 < found["model"] < found["global"] < found["random"]
    assert 0 <= found["start"] < found["random_start"]
    assert send_time.replay(send_time.SCENARIOS["office and evening"], 400) == found


def test_the_oracle_and_the_best_hour_of_all_are_the_same_where_nobody_has_habits() -> None:
    crowd = Crowd(send_time.SCENARIOS["no habits"], 50, np.random.default_rng(1))
    told = send_time.regret(crowd, 1, np.full(50, 4), 9)
    assert all(regret == pytest.approx(0, abs=0.1) for regret in told.values())


# --- Smaller parts --------------------------------------------------------------------------------


def test_statements_are_counted_without_their_values(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text(
        "LOG:  statement: SELECT 1\nLOG:  statement: SELECT a FROM b WHERE c = 'x' AND d = 3\n"
        "LOG:  execute <unnamed>: SELECT a FROM b WHERE c = 'y' AND d = 4\nLOG:  checkpoint\n"
    )
    assert idle.statements(log, 26) == {"SELECT a FROM b WHERE c = ? AND d = ?": 2}


def test_the_file_to_import_has_its_rows(tmp_path: Path) -> None:
    imports.write_file(tmp_path / "c.csv", 20)
    assert (tmp_path / "c.csv").read_text().count("\n") == 21


@pytest.mark.django_db
def test_every_bench_mail_has_eight_links_that_count() -> None:
    campaign = World().campaign(SenderFactory(workspace=people.workspace()))
    lifecycle.activate(campaign)
    assert len(campaign.content.links) == LINKS == 8
    assert campaign.content.tracked_html.count("{{ click_base }}/") == 9
    assert campaign.content.tracked_html.count("{{ pixel_link }}") == 1


def test_the_control_sends_as_much_as_we_do() -> None:
    from django.template import Context, Template

    customer = SimpleNamespace(orders=7, total_spent=12, city="Rome", plan="pro")
    html = Template(django_template(TEMPLATE.read_text())).render(Context({"customer": customer}))
    assert html.count("href=") == 9 and html.count("180 g") == 3 and 9_000 < len(html) < 12_000


# --- Pages ----------------------------------------------------------------------------------------

# The pages of an app (one of them is asked for), somebody's own account, ways out and in, what is opened
# from a mail, a file to take away, and what asks once more before it does something.
NOT_DAILY = (
    "admin/^", "account/", "admin/auth/user/<id>/password", "admin/login", "admin/logout",
    "admin/password_change", "admin/jsi18n", "admin/r/",
    "admin/audience/customerimport/<int:pk>/rejected", "customers/<int:pk>/erase",
    "customers/<int:pk>/export", "customers/export", "mailboxes/callback", "o/<", "p/<",
    "templates/<int:pk>/delete", "words.js",
    "admin/campaigns/template/<int:pk>/attachments/<int:attachment>/remove",
)  # fmt: skip


def test_no_page_that_somebody_reads_daily_is_left_out() -> None:
    addresses = [re.sub("{.*?}", "1", address).partition("?")[0] for address in (*pages.PAGES, *pages.walk())]
    measured = {resolve(address).route.strip("/") for address in addresses}
    left_out = [
        page
        for page, cells in documented().items()
        if "reads" in cells["manager"] + cells["owner"] + cells["site staff"]
        and not page.endswith("delete")
        and not page.startswith(NOT_DAILY)
        and page not in measured
    ]
    assert left_out == ["customers/<int:pk>/why", "settings"], "which lead to other pages"


def test_a_tiny_site_is_asked_for_every_page_and_none_takes_more_queries_than_it_may() -> None:
    done = bench("--only", "reports,pages", "--share", "0.0005", "--runs", "1")
    _, *reports, line = map(json.loads, done.stdout.splitlines())
    assert {each["bench"] for each in reports} == {"reports"}, done.stderr
    assert line["bench"] == "pages", done.stderr
    assert (line["customers"], line["campaigns"]) == (500, 100) and line["mails"] > 5_000
    table = line["pages"]
    assert table.keys() >= set(pages.PAGES) and any(name.startswith("GET /api/") for name in table)
    assert {name for name, asked in table.items() if asked["queries"] > pages.QUERIES} <= pages.ENGINE
    assert all(asked["queries"] and asked["worst"] >= asked["ms"] > 0 for asked in table.values())
    assert line["pass"] is (not line["missed"])
    assert (done.returncode == 0) is all(each["pass"] is not False for each in (*reports, line))


def test_a_page_misses_by_its_time_or_by_its_queries() -> None:
    assert not pages.Asked([1, 1, 900], 1, pages.QUERIES, pages.PAGE_MS).misses
    assert pages.Asked([1, 900, 900], 1, 1, pages.PAGE_MS).misses
    assert pages.Asked([1], 1, pages.QUERIES + 1, pages.PAGE_MS).misses
