"""Flows: which branch of a split is a person's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

PARTS = 2**64


def branch(flow_id: int, step: int, customer_id: int, weights: Sequence[int]) -> int:
    """The number of the branch that a customer takes, by weight; the same each time they come.

    Splits are independent of each other, and so are flows.
    """
    whose = f"{flow_id}:{step}:{customer_id}".encode()
    place = int.from_bytes(hashlib.blake2b(whose, digest_size=8).digest()) * sum(weights) // PARTS
    for number, weight in enumerate(weights):
        place -= weight
        if place < 0:
            return number
    raise AssertionError("the place lies within the sum of the weights")
