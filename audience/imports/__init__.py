"""Customers from a CSV file: `create` checks and stores it, `run` takes it in, from wherever it stopped."""

from audience.imports.mapping import suggest_mapping
from audience.imports.reader import Header, ImportRefused, read_header
from audience.imports.rejects import rejected_path
from audience.imports.runner import claim_and_run_next, pending, run
from audience.imports.store import create

__all__ = [
    "Header",
    "ImportRefused",
    "claim_and_run_next",
    "create",
    "pending",
    "read_header",
    "rejected_path",
    "run",
    "suggest_mapping",
]
