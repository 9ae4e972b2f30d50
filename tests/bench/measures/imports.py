"""Import: a million customers with consent from a CSV file, by the command that people use."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.world import World
from tests.chaos.processes import Process, memory

ROWS = 1_000_000
ROWS_PER_SECOND = 30_000
# The most that memory may grow from the middle of the file to its end.
GROWTH = 1.1
HEADER = "email,name,external_id,language,plan,city,orders,total_spent,last_order,vip\n"
DOMAINS = ["gmail.com"] * 4 + ["outlook.com", "yahoo.com", "example.com", "example.net", "example.org"]
NAMES = ["Ada Adams", "Jörg Berg", "Eve Díaz"]
CITIES = ["Berlin", "Paris", "London"]


def measure(world: World) -> Iterator[Line]:
    rows = world.scaled(ROWS)
    path = world.directory / "customers.csv"
    write_file(path, rows)
    people.workspace()
    rates, halves, peaks = [], [], []
    for _ in range(world.runs):
        people.run("TRUNCATE audience_customer, audience_consentrecord, audience_customerimport")
        people.run("CHECKPOINT")
        rate, half, peak = take_in(world, path, rows)
        rates.append(rate)
        halves.append(half)
        peaks.append(peak)
    again, *_ = take_in(world, path, rows)
    yield line(
        "import",
        rates,
        "rows/s",
        rows=rows,
        consent=True,
        again_unchanged=round(again),
        half_mb=max(halves),
        peak_mb=max(peaks),
        target=ROWS_PER_SECOND,
        passed=median(rates) >= ROWS_PER_SECOND and max(peaks) <= GROWTH * max(halves),
    )


def write_file(path: Path, rows: int) -> None:
    draw = random.Random(7)  # noqa: S311 - the same file everywhere
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(rows):
            day = f"20{draw.randrange(20, 26)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
            file.write(
                f"customer{number}@{draw.choice(DOMAINS)},{draw.choice(NAMES)},{number:08d},"
                f"{draw.choice(['en', 'de', 'fr'])},{draw.choice(['free', 'pro'])},{draw.choice(CITIES)},"
                f"{draw.randrange(40)},{draw.random() * 900:.2f},"
                f"{day},{draw.choice(['yes', 'no'])}\n"
            )


def take_in(world: World, path: Path, rows: int) -> tuple[float, int, int]:
    """Rows a second of one import, and its memory in MB at half its way and at most."""
    from audience.models import CustomerImport

    before = set(CustomerImport.objects.values_list("pk", flat=True))
    command = ["import_customers", str(path), "--subscribe", "--consent-note", "bench"]
    process = world.start("manage.py", *command)
    half = peak = 0
    while not process.has_ended():
        peak = max(peak, memory(process.pid))
        row = CustomerImport.objects.exclude(pk__in=before).values("position", "size").first()
        if row and row["position"] < row["size"] / 2:
            half = peak
        time.sleep(0.1)
    return rows / seconds(process, before, rows), half or peak, peak


def seconds(process: Process, before: set[int], rows: int) -> float:
    """From the import's first row to its end, as its own row says; raises unless all were taken in."""
    from audience.models import CustomerImport

    done = CustomerImport.objects.exclude(pk__in=before).get()
    if process.popen.returncode or done.created + done.updated != rows or done.finished_at is None:
        raise AssertionError(
            json.dumps({"status": done.status, "error": done.error, "created": done.created})
        )
    return (done.finished_at - done.created_at).total_seconds()
