"""What a look at a domain comes to, in words for people and with the records that are missing."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any


class State(enum.StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to add, as the pages of DNS providers ask for it."""

    kind: str
    name: str
    # Empty where only the provider knows it.
    value: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One topic: how it stands, and what to do where it does not stand well."""

    topic: str
    state: State
    says: str
    record: Record | None = None

    def stored(self) -> dict[str, Any]:
        """As it is kept in DomainCheck.findings."""
        return asdict(self)
