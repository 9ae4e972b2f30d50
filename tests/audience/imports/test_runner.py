from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from audience import imports
from audience.imports import runner
from audience.models import Attribute, Customer, CustomerImport, Workspace
from tests.audience.imports.conftest import TakeIn, rejected
from tests.factories import CustomerFactory, WorkspaceFactory

Status = CustomerImport.Status

HEADER = "email,name,orders\n"
FILE = HEADER + "".join(
    f"c{n}@example.com,Customer {n},{n}\n" if n % 5 else f"nobody{n},,{n}\n" for n in range(1, 24)
)


def _counts(done: CustomerImport) -> tuple[int, int, int]:
    return done.created, done.updated, done.rejected


def test_an_import_creates_and_updates_customers(take_in: TakeIn, workspace: Workspace) -> None:
    CustomerFactory(email="al@example.com", name="Al", phone="1", attributes={"orders": 1, "shoe": 42})
    done = take_in(
        "email,external_id,name,time_zone,language,orders,last_order\n"
        "Jo@Example.com,17,Jo,Europe/Berlin,de,3,1998-01-31\n"
        "al@example.com,,,,,5,\n"
    )
    assert (done.status, done.position, *_counts(done)) == (Status.COMPLETED, done.size, 1, 1, 0)
    jo, al = Customer.objects.of(workspace).order_by("-email")
    assert (jo.email, jo.external_id, jo.name, jo.time_zone) == (
        "jo@example.com",
        "17",
        "Jo",
        "Europe/Berlin",
    )
    assert (jo.language, jo.attributes) == ("de", {"orders": 3, "last_order": "1998-01-31"})
    assert (al.name, al.phone, al.attributes) == ("Al", "1", {"orders": 5, "shoe": 42})
    assert al.updated_at > al.created_at


def test_text_is_stored_as_it_stands_whatever_its_characters(take_in: TakeIn) -> None:
    texts = [
        *("a,b", 'say "hi"', '"', '""', "back\\slash", "\\.", "\\N", "\\t", "NULL", "null", "'", ";|"),
        *("naïve 東京 👋", "first\nsecond", "first\r\nsecond\rthird", "\\.\n\\.", "True", "1"),
    ]
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        [("email", "name", "remark"), *((f"c{n:02}@example.com", text, text) for n, text in enumerate(texts))]
    )
    assert _counts(take_in(file.getvalue(), mapping={"remark": "attributes.remark"})) == (len(texts), 0, 0)
    stored = Customer.objects.order_by("id")
    assert [found.name for found in stored] == [" ".join(text.split()) for text in texts]
    assert [str(found.attributes["remark"]) for found in stored] == texts


def test_an_address_that_no_sender_can_mail_is_marked(take_in: TakeIn) -> None:
    take_in("email\njörg@example.com\njo@bücher.example\n")
    assert list(Customer.objects.filter(unmailable=True).values_list("email", flat=True)) == [
        "jörg@example.com"
    ]


@pytest.mark.usefixtures("small_chunks")
def test_of_duplicates_the_last_wins_within_a_chunk_and_across(take_in: TakeIn) -> None:
    done = take_in(
        "email,name,a,b\njo@example.com,Jo,1,1\nJO@example.com,,,2\nal@example.com,Al,,\njo@example.com,Joe,,3\n"
    )
    assert _counts(done) == (2, 2, 0)
    jo = Customer.objects.get(email="jo@example.com")
    assert (jo.name, jo.attributes) == ("Joe", {"a": 1, "b": 3})


def test_rejected_rows_are_reported_with_line_and_reason(take_in: TakeIn) -> None:
    Attribute.objects.create(workspace=WorkspaceFactory(), name="orders", type="number")
    done = take_in(
        'email,name,orders\njo@example.com,"Jo\nDoe",1\nal@example.com,Al,many\nragged\n\n'
        'b@example.com,"x"y,1\n=1+1,@SUM(A1),-2\nc@example.com,C,4\n'
    )
    assert _counts(done) == (2, 0, 4)
    assert rejected(done) == [
        ["4", 'orders: "many" is not a number', "al@example.com", "Al", "many"],
        ["5", "1 fields, where the first line names 3 columns", "ragged"],
        ["7", "a quotation mark inside a quoted field; write it twice", 'b@example.com,"x"y,1'],
        ["8", "email: '=1+1' has no @", "'=1+1", "'@SUM(A1)", "'-2"],
    ]


def test_a_field_of_ten_megabytes_costs_its_row_only(take_in: TakeIn) -> None:
    done = take_in(HEADER + "jo@example.com," + "x" * 10_000_000 + ",1\nal@example.com,Al,2\n")
    assert _counts(done) == (1, 0, 1)
    assert imports.rejected_path(done).stat().st_size < 5000


def test_without_rejected_rows_there_is_no_file_of_them(take_in: TakeIn) -> None:
    assert not imports.rejected_path(take_in("email\njo@example.com\n")).exists()


def test_the_stored_file_is_removed_when_it_has_been_taken_in(take_in: TakeIn) -> None:
    assert not Path(take_in("email\njo@example.com\n").file).exists()


@pytest.mark.usefixtures("small_chunks")
def test_progress_moves_with_every_chunk(create: TakeIn) -> None:
    seen: list[tuple[int, int]] = []
    stored = create("email\na@example.com\nb@example.com\nc@example.com\n")
    done = imports.run(stored, lambda now: seen.append((now.line, now.created)))
    assert seen == [(3, 2), (4, 3)]
    assert done.progressed_at is not None


def test_a_row_that_says_nothing_new_leaves_its_customer_alone(take_in: TakeIn) -> None:
    file = "email,name,language,orders\njo@example.com,Jo,,2\nal@example.com,Al,de,1\n"
    take_in(file)
    before = list(Customer.objects.order_by("email").values())
    assert _counts(take_in(file.replace("Al,de", ",fr"))) == (0, 2, 0)
    al, jo = Customer.objects.order_by("email").values()
    assert jo == before[1]
    assert al == before[0] | {"language": "fr", "updated_at": al["updated_at"]}
    assert al["updated_at"] > before[0]["updated_at"]


def test_another_workspace_is_not_touched(take_in: TakeIn) -> None:
    other = CustomerFactory(workspace=WorkspaceFactory(slug="other"), email="jo@example.com", name="Other")
    done = take_in("email,name\njo@example.com,Jo\n")
    other.refresh_from_db()
    assert (_counts(done), other.name) == ((1, 0, 0), "Other")


def test_running_a_completed_import_again_changes_nothing(take_in: TakeIn) -> None:
    done = take_in(FILE)
    Customer.objects.update(name="Changed")
    again = imports.run(done)
    assert (again.status, _counts(again)) == (Status.COMPLETED, (19, 0, 4))
    assert not Customer.objects.exclude(name="Changed").exists()


# --- Stopping and going on ------------------------------------------------------------------------


def _assert_whole(done: CustomerImport) -> None:
    assert (done.status, _counts(done)) == (Status.COMPLETED, (19, 0, 4))
    assert Customer.objects.count() == 19
    assert [row[0] for row in rejected(done)] == ["6", "11", "16", "21"]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("stop_at", [1, 2, 3, 7, 12])
def test_an_import_that_breaks_in_a_chunk_goes_on_with_that_chunk(
    create: TakeIn, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    stored, chunks, append = create(FILE), iter(range(1, 100)), runner.append

    def break_off(*args: Any) -> int:
        size = append(*args)
        if next(chunks) == stop_at:
            raise KeyboardInterrupt
        return size

    monkeypatch.setattr(runner, "append", break_off)
    with pytest.raises(KeyboardInterrupt):
        imports.run(stored)
    assert Customer.objects.count() < 19
    _assert_whole(imports.run(CustomerImport.objects.get()))


KILL_IN_THE_THIRD_CHUNK = """
import os, signal, sys
import django
django.setup()
from audience import imports
from audience.imports import runner
from audience.models import CustomerImport
runner.CHUNK_ROWS = 2
append, calls = runner.append, iter((False, False, True))
def kill(*args):
    size = append(*args)
    if next(calls):
        os.kill(os.getpid(), signal.SIGKILL)
    return size
runner.append = kill
imports.run(CustomerImport.objects.get())
"""


def test_a_killed_process_leaves_an_import_that_goes_on(
    create: TakeIn, child_environment: dict[str, str]
) -> None:
    stored = create(FILE)
    environment = child_environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    killed = subprocess.run(  # noqa: S603
        [sys.executable, "-c", KILL_IN_THE_THIRD_CHUNK], env=environment, cwd=settings.BASE_DIR, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    stored.refresh_from_db()
    assert (stored.status, _counts(stored)) == (Status.RUNNING, (4, 0, 0))
    _assert_whole(imports.run(stored))


@pytest.mark.usefixtures("small_chunks")
def test_a_second_runner_in_between_does_no_harm(create: TakeIn) -> None:
    def run_too(_: CustomerImport) -> None:
        imports.run(CustomerImport.objects.get())

    _assert_whole(imports.run(create(FILE), run_too))


@pytest.mark.usefixtures("small_chunks", "transactional_db")
def test_runners_at_the_same_time_do_no_harm(create: TakeIn) -> None:
    stored, start = create(FILE), threading.Barrier(3)

    def work() -> None:
        mine = CustomerImport.objects.get(pk=stored.pk)
        start.wait()
        imports.run(mine)
        connection.close()

    runners = [threading.Thread(target=work) for _ in range(3)]
    for thread in runners:
        thread.start()
    for thread in runners:
        thread.join()
    stored.refresh_from_db()
    _assert_whole(stored)


def test_what_cannot_go_on_says_why_and_can_be_run_again(create: TakeIn) -> None:
    stored = create(FILE)
    Attribute.objects.all().delete()
    failed = imports.run(stored)
    assert failed.status == Status.FAILED
    assert "attribute orders has been deleted" in failed.error
    Attribute.objects.create(workspace=stored.workspace, name="orders", type="number")
    done = imports.run(failed)
    assert done.error == ""
    _assert_whole(done)


def test_an_import_whose_file_is_gone_fails_and_says_so(create: TakeIn) -> None:
    stored = create(FILE)
    Path(stored.file).unlink()
    failed = imports.run(stored)
    assert (failed.status, "No such file" in failed.error) == (Status.FAILED, True)


# --- For a worker's loop --------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
def test_a_worker_gives_an_import_its_time_and_comes_back_to_it(create: TakeIn) -> None:
    create(FILE)
    waiting = imports.claim_and_run_next(seconds=0)
    assert waiting is not None
    assert (waiting.status, waiting.line) == (Status.PENDING, 3)
    while waiting := imports.claim_and_run_next(seconds=0):
        done = waiting
    _assert_whole(done)


def test_with_nothing_to_do_a_worker_is_told_so(take_in: TakeIn) -> None:
    take_in(FILE)
    assert imports.claim_and_run_next(seconds=1) is None


@pytest.mark.parametrize(("minutes", "taken"), [(4, False), (6, True)])
def test_a_running_import_is_taken_over_when_it_has_been_silent(
    create: TakeIn, minutes: int, taken: bool
) -> None:
    create(FILE)
    CustomerImport.objects.update(
        status=Status.RUNNING, progressed_at=timezone.now() - timedelta(minutes=minutes)
    )
    assert (imports.claim_and_run_next(seconds=60) is not None) is taken
