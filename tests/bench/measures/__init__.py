"""The measurements by name, each a function of a World that says its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.lines import Line
from tests.bench.measures import (
    activation,
    flows,
    guarantees,
    http,
    idle,
    imports,
    million,
    pages,
    reports,
    segments,
    send_time,
    smtp,
    smtp_two_sinks,
    sqlite,
    stages,
    tracking,
    usual_design,
)
from tests.bench.world import World

BOTH = ("postgres", "redis")


@dataclass(frozen=True)
class Measure:
    """What is measured, and on which servers; without any, on SQLite.

    Those that name the same world, and are asked for one after the other, share what takes long to write.
    """

    function: Callable[[World], Iterator[Line]]
    servers: tuple[str, ...] = BOTH
    world: str = ""


MEASURES = {
    "smtp": Measure(smtp.measure),
    "smtp_two_sinks": Measure(smtp_two_sinks.measure),
    "million": Measure(million.measure),
    "usual_design": Measure(usual_design.measure),
    "sqlite": Measure(sqlite.measure, ()),
    "stages": Measure(stages.measure),
    "guarantees": Measure(guarantees.measure),
    "http": Measure(http.measure),
    "activation": Measure(activation.measure, ("postgres",)),
    "segments": Measure(segments.measure, ("postgres",)),
    "import": Measure(imports.measure, ("postgres",)),
    "idle": Measure(idle.measure),
    "tracking": Measure(tracking.measure, ("postgres",)),
    "send_time": Measure(send_time.measure, ()),
    "flows": Measure(flows.measure, ("postgres",)),
    "reports": Measure(reports.measure, world="brand"),
    "pages": Measure(pages.measure, world="brand"),
}
