"""An e-mail service over HTTP: our calls in flight beside Anymail's own backend in a bare loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.sinks import Sink
from tests.bench.verify import Wrong
from tests.bench.world import World
from tests.chaos.processes import PYTHON, ROOT

RECIPIENTS = 5_000
LATENCY = 0.1
SHARE_OF_ANYMAIL = 0.85


def measure(world: World) -> Iterator[Line]:
    from django.conf import settings

    people.customers(world.scaled(RECIPIENTS))
    bare = [anymail(world) for _ in range(world.runs)]
    ones, peak = ours(world, 1)
    twos, _ = ours(world, 2)
    one, two = median(ones) / median(bare), median(twos) / median(bare)
    yield line(
        "http",
        ones,
        "mails/s",
        against="Anymail in a bare loop, at the same concurrency",
        against_runs=[round(rate, 1) for rate in bare],
        ratio=round(one, 3),
        two_processes=[round(rate, 1) for rate in twos],
        two_processes_ratio=round(two, 3),
        in_flight=settings.ESP_CONNECTIONS,
        latency_ms=LATENCY * 1000,
        recipients=world.scaled(RECIPIENTS),
        peak_mb=peak,
        tracking=True,
        target=SHARE_OF_ANYMAIL,
        passed=one >= SHARE_OF_ANYMAIL and two >= 2 * SHARE_OF_ANYMAIL,
    )


def ours(world: World, processes: int) -> tuple[list[float], list[int]]:
    """Mails a second of each run with so many sending processes, and their memory."""
    worker = world.celery(processes)
    rates = [campaign(world) for _ in range(world.runs)]
    peaks = world.peaks(worker)
    world.stop()
    return rates, peaks


def campaign(world: World) -> float:
    """One campaign through a stub of the service, each mail counted there by its recipient."""
    from campaigns.models import Sender
    from delivery.models import SendLog

    sink = Sink(world, recorded=True, latency=LATENCY, ours=True)
    sender = world.sender(
        25, transport=Sender.Transport.ESP, esp="postmark", api_url=f"http://127.0.0.1:{sink.http_port}/"
    )
    sender.set_credentials({"server_token": "bench"})
    sender.save(update_fields=["sealed_credentials"])
    draft = world.campaign(sender)
    seconds = world.send(draft)
    sink.close()
    expected = set(SendLog.objects.filter(campaign=draft).values_list("email", flat=True))
    taken = [recipient for recipient, _ in sink.mails()]
    if len(taken) != len(expected) or set(taken) != expected:
        raise Wrong(f"{len(taken)} calls for {len(expected)} recipients: {draft.result}")
    sink.record.unlink()
    people.run("TRUNCATE delivery_sendlog")
    return len(taken) / seconds


def anymail(world: World) -> float:
    """Mails a second of Anymail's backend alone, in a process of its own."""
    import os
    import subprocess

    from django.conf import settings

    sink = Sink(world, latency=LATENCY, ours=True)
    mails, threads = world.scaled(RECIPIENTS), settings.ESP_CONNECTIONS
    command = [PYTHON, "-m", "tests.bench.control.anymail", str(sink.http_port), str(mails), str(threads)]
    begun = time.perf_counter()
    said = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    if sink.close() != mails:
        raise Wrong(f"Anymail's loop did not send {mails} mails in {time.perf_counter() - begun:.1f} s")
    return float(said.stdout)
