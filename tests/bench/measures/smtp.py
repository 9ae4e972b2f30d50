"""SMTP: a campaign through Celery to one smtp-sink, beside smtp-source in the same minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench import people, postfix
from tests.bench.lines import Line, line
from tests.bench.sinks import Sink, smtp_source
from tests.bench.verify import Wrong, verify
from tests.bench.world import World
from tests.chaos.processes import Process

RECIPIENTS = 100_000
PROCESSES = 2
SHARE_OF_SOURCE = 0.9
MAILS_PER_SECOND = 10_000


def measure(world: World) -> Iterator[Line]:
    people.customers(world.scaled(RECIPIENTS))
    with_engine = Engine(world, world.celery(PROCESSES))
    proof = with_engine.recorded()
    ours, theirs = [], []
    for _ in range(world.runs):
        ours.append(with_engine.rate())
        if postfix.programs():
            theirs.append(source(world, proof["wire_bytes"]))
    ratio = median(ours) / median(theirs) if theirs else None
    yield line(
        "smtp",
        ours,
        "mails/s",
        against="smtp-source -s 32 -d" if theirs else "nothing: there is no smtp-source here",
        against_runs=[round(rate) for rate in theirs],
        ratio=ratio and round(ratio, 3),
        least=MAILS_PER_SECOND,
        recipients=world.scaled(RECIPIENTS),
        target=SHARE_OF_SOURCE,
        passed=ratio is not None and ratio >= SHARE_OF_SOURCE and median(ours) >= MAILS_PER_SECOND,
        **with_engine.said(),
        **proof,
    )


def source(world: World, size: int) -> float:
    """Mails a second of smtp-source, of the size of ours, to a sink of its own."""
    sink = Sink(world)
    mails = world.scaled(RECIPIENTS)
    rate = smtp_source(sink.port, mails, size)
    if (taken := sink.close()) != mails:
        raise Wrong(f"smtp-source sent {mails} mails and its sink took {taken}")
    return rate


@dataclass
class Engine:
    """A running engine, and campaign after campaign through it, each to sinks of its own."""

    world: World
    worker: Process
    sinks: int = 1
    meanwhile: Callable[[int], None] = lambda sent: None
    sink_name: str = field(default="", init=False)

    def rate(self) -> float:
        """Mails a second from activation to completion, by the sinks' own count."""
        rate, _ = self._send(recorded=False)
        return rate

    def recorded(self) -> dict[str, Any]:
        """Send one campaign to sinks that keep every mail, and hold that against ledger and template."""
        rate, proof = self._send(recorded=True)
        return proof | {"recorded_rate": round(rate)}

    def said(self) -> dict[str, Any]:
        """What every line about sending says."""
        return {
            "sink": self.sink_name,
            "sinks": self.sinks,
            "processes": PROCESSES,
            "peak_mb": self.world.peaks(self.worker),
            "tracking": True,
        }

    def _send(self, recorded: bool) -> tuple[float, dict[str, Any]]:
        from delivery.models import SendLog

        sinks = [Sink(self.world, recorded=recorded) for _ in range(self.sinks)]
        self.sink_name = sinks[0].name
        campaign = self.world.campaign(*(self.world.sender(sink.port) for sink in sinks))
        seconds = self.world.send(campaign, self.meanwhile)
        taken = sum(sink.close() for sink in sinks)
        sent = SendLog.objects.filter(campaign=campaign, status=SendLog.Status.SENT).count()
        rows = SendLog.objects.filter(campaign=campaign).count()
        if not taken == sent == rows:
            raise Wrong(f"{rows} rows, {sent} sent, {taken} taken by the sink: {campaign.result}")
        proof = verify(campaign, *sinks) if recorded else {}
        for sink in sinks:
            sink.record.unlink(missing_ok=True)
        # The next campaign begins with an empty ledger, as this one did.
        people.run("TRUNCATE delivery_sendlog" if self.world.distributed else "DELETE FROM delivery_sendlog")
        return taken / seconds, proof
