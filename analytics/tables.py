"""The tables behind the charts: what a page shows and what its CSV file holds are the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analytics.totals import Totals
from audience import spreadsheets


@dataclass(frozen=True)
class Cell:
    """A value, the share it is of something, and the people behind it."""

    value: Any
    rate: float | None = None
    url: str = ""
    note: str = ""


@dataclass(frozen=True)
class Column:
    heading: str
    # text, code, number, rate or moment.
    kind: str = "number"
    rated: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows; `key` names it in the address of its CSV file."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    def lines(self) -> Iterator[list[Any]]:
        """What the CSV file holds: a rate has a column of its own."""
        yield [
            spreadsheets.cell(heading)
            for column in self.columns
            for heading in (
                [column.heading, gettext("{heading} rate").format(heading=column.heading)]
                if column.rated
                else [column.heading]
            )
        ]
        for row in self.rows:
            line: list[Any] = []
            for column, cell in zip(self.columns, row, strict=True):
                line += (
                    [spreadsheets.cell(cell.value), cell.rate]
                    if column.rated
                    else [spreadsheets.cell(cell.value)]
                )
            yield line

    @property
    def cells(self) -> Iterator[list[tuple[Column, Cell]]]:
        for row in self.rows:
            yield list(zip(self.columns, row, strict=True))


@dataclass(frozen=True)
class Series:
    """One line or row of bars of a chart."""

    label: str
    values: Sequence[float | None]
    # Which of the site's colours.
    tone: str
    kind: str = "line"
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """What a chart draws; `format` is number or rate, `summary` what it shows, in words."""

    labels: Sequence[str]
    series: Sequence[Series]
    summary: str
    format: str = "number"
    stacked: bool = False

    def as_data(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "format": self.format,
            "stacked": self.stacked,
            "series": [vars(each) | {"values": list(each.values)} for each in self.series],
        }


# The numbers of a mail's way, each with what it is a share of.
METRICS = {
    "sent": (_("Sent"), "audience"),
    "delivered": (_("Delivered"), "sent"),
    "bounced": (_("Bounced"), "sent"),
    "opened": (_("Opened"), "delivered"),
    "clicked": (_("Clicked"), "delivered"),
    "unsubscribed": (_("Unsubscribed"), "delivered"),
    "complained": (_("Complained"), "delivered"),
    "goal_clicked": (_("Goal after a click"), "clicked"),
    "goal_sent": (_("Goal after the mail"), "delivered"),
}


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def metric(totals: Totals, number: str, url: str = "") -> Cell:
    """One of METRICS with its rate; a number that counts nobody leads nowhere."""
    value = getattr(totals, number)
    whole = getattr(totals, METRICS[number][1])
    return Cell(value, share(value, whole), url if value else "")


def metric_columns(numbers: Iterable[str]) -> list[Column]:
    return [Column(str(METRICS[number][0]), rated=True) for number in numbers]


def metric_cells(totals: Totals, numbers: Iterable[str], url_of: Callable[[str], str]) -> list[Cell]:
    return [metric(totals, number, url_of(number)) for number in numbers]
