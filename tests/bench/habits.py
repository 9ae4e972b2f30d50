"""Synthetic audiences whose habits are known, and what they do with a mail. Made up; not the model's own.

Each person looks at their mail now and then, more often in their own hours, and first sees a mail when
they next look. The longer that took, the less they click. The model that learns from them
(analytics.send_time.model) knows nothing of looks: it sees mails, clicks and opens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analytics.send_time.model import DAY, REACTED, WEEK, WINDOW, Array, Hours

# Kinds of people: the hours around which they look, how closely, and how much on each day of the week.
KINDS: dict[str, tuple[tuple[float, ...], float, tuple[float, ...]]] = {
    "office": ((9, 14), 1.2, (1, 1, 1, 1, 1, 0.25, 0.2)),
    "commuter": ((7.5, 18), 1.0, (1, 1, 1, 1, 1, 0.5, 0.4)),
    "evening": ((20.5,), 1.5, (1, 1, 1, 1, 1, 1, 1)),
    "night": ((2.5,), 1.8, (1, 1, 1, 1, 1, 1, 1)),
    "weekend": ((11, 16), 2.0, (0.3, 0.3, 0.3, 0.3, 0.5, 1, 1)),
    "any": ((), 1.0, (1, 1, 1, 1, 1, 1, 1)),
}
# Habits that are told apart in one audience; everybody has one of them.
HABITS = 120


@dataclass(frozen=True)
class Scenario:
    """An audience: which kinds it is made of, and what makes it hard to learn."""

    kinds: dict[str, float]
    zones: tuple[int, ...] = (0,)
    # Of a mail that is seen at once, by somebody of average zeal, in a campaign of average content.
    click: float = 0.08
    # Of the mails: clicks by machines at once that pass for people.
    machines: float = 0.01
    # By how much campaigns differ (of a logarithm).
    content: float = 0.4


@dataclass
class Crowd:
    """So many people of one scenario."""

    scenario: Scenario
    people: int
    random: np.random.Generator
    habit: Hours = field(init=False)
    zeal: Array = field(init=False)
    zone: Hours = field(init=False)

    def __post_init__(self) -> None:
        reactions = _reactions(_looks(self.scenario, self.random))
        # By habit and hour of the week: the chance of a reaction, and of one until each delay.
        self.chance = reactions.sum(axis=2)
        self.until = reactions.cumsum(axis=2)
        self.habit = self.random.integers(0, HABITS, self.people)
        self.zeal = self.random.gamma(1.5, 1 / 1.5, self.people)
        self.zone = self.random.choice(self.scenario.zones, self.people)

    def expected(self, day: int) -> Array:
        """What a mail on this day truly gets from each person, by hour; in no particular unit."""
        hours = self.chance.reshape(HABITS, 7, DAY)[:, day]
        return np.asarray(hours[self.habit] * self.zeal[:, None])

    def average(self) -> Array:
        """What a mail to all of them truly gets, by hour of the week."""
        return np.asarray(self.zeal @ self.chance[self.habit] / self.people)

    def react(self, sent: Hours) -> tuple[Hours, Array]:
        """Send everybody a mail at these hours of the week: the delays of reactions, and their values."""
        level = np.exp(self.random.normal(0, self.scenario.content)) * self.scenario.click * self.zeal
        clicks, opens = (self._delays(sent, level * times) for times in (1, 2.5))
        value = np.select([clicks < WINDOW, opens < WINDOW], [1.0, 0.25], 0.0)
        delay = np.where(clicks < WINDOW, clicks, opens) % WINDOW
        machine = (self.random.random(self.people) < self.scenario.machines) & (value == 0)
        return np.where(machine, 0, delay), np.where(machine, 1.0, value)

    def _delays(self, sent: Hours, level: Array) -> Hours:
        """Hours until the reaction; WINDOW: there was none."""
        drawn = self.random.random(self.people) / np.minimum(level, 1)
        return np.asarray((self.until[self.habit, sent] < drawn[:, None]).sum(axis=1))


def _looks(scenario: Scenario, random: np.random.Generator) -> Array:
    """How often people of each habit look at their mail in each hour of the week."""
    kinds = list(scenario.kinds)
    shares = np.array(list(scenario.kinds.values()))
    hours = np.arange(DAY)
    looks = np.zeros((HABITS, WEEK))
    for number, chosen in enumerate(random.choice(len(kinds), HABITS, p=shares / shares.sum())):
        peaks, width, days = KINDS[kinds[chosen]]
        day = 0.03 + 0.05 * ((hours >= 7) & (hours <= 22)) if peaks else np.full(DAY, 0.12)
        shift = random.normal(0, 1.5)
        for peak in peaks:
            apart = np.abs(hours - (peak + shift) % DAY)
            day = day + 0.6 * np.exp(-0.5 * (np.minimum(apart, DAY - apart) / width) ** 2)
        looks[number] = np.concatenate([day * share for share in days])
    return looks


def _reactions(looks: Array) -> Array:
    """The chance, by habit, hour of the mail and delay, to see it then for the first time and to react."""
    coming = looks[:, REACTED]
    sees = (1 - np.exp(-coming)) * np.exp(coming - np.cumsum(coming, axis=2))
    pull = 0.05 + 0.95 * np.exp(-np.arange(WINDOW) / 8)
    return np.asarray(sees * pull)
