"""What is believed before anybody has reacted: weak, the same for every workspace, and soon outvoted."""

from __future__ import annotations

import numpy as np

from analytics.send_time.model import WINDOW, Audience

# How readily people react in each hour of a day: awake, and at work with a mail program open; at the
# weekend later and less. Ours, from common sense; only the proportions count.
_WORKDAY = (3, 2, 1, 1, 2, 4, 8, 12, 15, 17, 17, 16, 14, 14, 15, 14, 13, 12, 11, 12, 13, 12, 9, 5)
_WEEKEND = (4, 3, 2, 1, 1, 2, 4, 7, 10, 13, 14, 13, 12, 11, 11, 11, 11, 11, 11, 12, 12, 11, 8, 5)
# Hours after which a mail has half its pull.
HALF_LIFE = 3.0


def audience(contrast: float = 1.0, half_life: float = HALF_LIFE) -> Audience:
    """An audience of whom nothing is known; with a contrast of 0 all hours are the same to it."""
    habit = np.array(_WORKDAY * 5 + _WEEKEND * 2, dtype=float) ** contrast
    freshness = 0.5 ** (np.arange(WINDOW) / half_life)
    return Audience(habit / habit.mean(), freshness / freshness.sum())


def audiences(number: int, seed: int) -> list[Audience]:
    """Audiences of whom as little is known, and which may be believed as well."""
    random = np.random.default_rng(seed)
    contrasts = random.uniform(0, 1.5, number)
    half_lives = HALF_LIFE * np.exp(random.normal(0, 0.8, number))
    return [audience(*drawn) for drawn in zip(contrasts.tolist(), half_lives.tolist(), strict=True)]
