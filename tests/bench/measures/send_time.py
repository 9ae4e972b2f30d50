"""Best time to send: what it loses against knowing everything, replayed over weeks of campaigns.

Regret is the share of clicks lost against the oracle, who knows everybody's best hour of the day. Beside
the model stand the global best hour, which no real sender knows so exactly, and a random hour. Chances
are computed from the habits themselves, so no luck is in them but that of what was learnt from.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analytics.send_time import model, prior
from analytics.send_time.model import DAY, WEEK, WINDOW, Array, Audience, Hours
from tests.bench.habits import Crowd, Scenario
from tests.bench.lines import Line, line
from tests.bench.world import World

SEED = 1
PEOPLE = 3000
# Two campaigns a week: to everybody at once at first, at the hours that marketers like; then by the model.
WEEKS, BEFORE, LAST = 32, 8, 6
DAYS, LIKED_HOURS = (1, 3, 5), (9, 10, 11, 14)
DECAY = 0.5 ** (1 / 12)
# Of the global best hour's regret, over the audiences in which people differ.
TARGET = 0.7
MANY = {"office": 6.0, "commuter": 4.0, "evening": 5.0, "night": 2.0, "weekend": 3.0}
SCENARIOS = {
    "office": Scenario({"office": 1}),
    "office and evening": Scenario({"office": 1, "evening": 1}),
    "many, three zones": Scenario(MANY, zones=(0, -6, 1)),
    "many, few clicks": Scenario(MANY, click=0.02, machines=0.002),
    # As many clicks by machines that pass for people as by people.
    "many, many machines": Scenario(MANY, machines=0.03),
    "no habits": Scenario({"any": 1}),
}
# Where everybody is alike, there is nothing to gain from hours of one's own: it must cost next to nothing.
ALIKE, COSTS_AT_MOST = ("office", "no habits"), 2.0


@dataclass
class Learner:
    """The model's memory, as history.read gives it to the product: recent mails count more."""

    people: int
    sent: Array = field(init=False)
    reacted: Array = field(init=False)
    squares: Array = field(init=False)
    mails: list[Array] = field(default_factory=list)
    reactions: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent, self.reacted = np.zeros((self.people, WEEK)), np.zeros((self.people, DAY))
        self.squares = np.zeros(self.people)

    def forget(self) -> None:
        """A week goes by."""
        for memory in (self.sent, self.reacted, *self.mails, *self.reactions):
            memory *= DECAY
        self.squares *= DECAY**2

    def see(self, sent: Hours, delay: Hours, value: Array, *, at_own_hour: bool) -> None:
        everybody = np.arange(self.people)
        self.sent[everybody, sent] += 1
        self.reacted[everybody, (sent + delay) % DAY] += value
        self.squares += value**2
        if not at_own_hour:
            reactions = np.zeros((WEEK, WINDOW))
            np.add.at(reactions, (sent, delay), value)
            self.mails.append(np.bincount(sent, minlength=WEEK).astype(float))
            self.reactions.append(reactions)

    def audience(self) -> Audience:
        return model.fit_audience(prior.audience(), np.array(self.mails), np.array(self.reactions))

    def hours(self, random: np.random.Generator) -> tuple[Hours, int, float]:
        """Everybody's hour of the day, the usual one, and by how much theirs are said to be better."""
        audience = self.audience()
        strength = model.strength(model.likeness(audience, self.sent, self.reacted, self.squares))
        choice = model.choose(audience, self.sent, self.reacted, strength)
        said = np.expm1(np.log1p(np.where(choice.is_own, choice.gain, 0)).mean())
        return choice.hours(np.full(self.people, True), random), choice.usual, float(said)


def measure(world: World) -> Iterator[Line]:
    begun = time.perf_counter()
    found = {name: replay(scenario, world.scaled(PEOPLE)) for name, scenario in SCENARIOS.items()}
    differ = [name for name in found if name not in ALIKE]
    of_model, of_global = (np.mean([found[name][who] for name in differ]) for who in ("model", "global"))
    costs = max(found[name]["model"] - found[name]["global"] for name in ALIKE)
    ratio = float(of_model / of_global)
    yield line(
        "send_time",
        [float(of_model)],
        "% regret",
        against="the global best hour",
        against_runs=[round(float(of_global), 2)],
        ratio=round(ratio, 2),
        seed=SEED,
        people=world.scaled(PEOPLE),
        weeks=WEEKS,
        regret=found,
        alike_lose_at_most=COSTS_AT_MOST,
        seconds=round(time.perf_counter() - begun, 1),
        target=TARGET,
        passed=ratio <= TARGET and costs <= COSTS_AT_MOST,
    )


def replay(scenario: Scenario, people: int) -> dict[str, Any]:
    """Weeks of campaigns to one audience: regret of the last weeks in %, and what was said about it."""
    random = np.random.default_rng(SEED)
    crowd, learner = Crowd(scenario, people, random), Learner(people)
    for _ in range(BEFORE):
        learner.forget()
        for _ in range(2):
            hours = (random.choice(LIKED_HOURS) + crowd.zone) % DAY
            send(crowd, learner, random.choice(DAYS) * DAY + hours, at_own_hour=False)
    start = of_start(crowd, learner)
    weeks = []
    for _ in range(BEFORE, WEEKS):
        learner.forget()
        hours, usual, claimed = learner.hours(random)
        for day in random.choice(DAYS, 2):
            weeks.append(regret(crowd, day, hours, usual) | {"gain_said": 100 * claimed})
            send(crowd, learner, day * DAY + hours, at_own_hour=True)
    last = weeks[-2 * LAST :]
    # Zero is added since a rounded zero may have a sign.
    return {key: round(float(np.mean([week[key] for week in last])), 1) + 0.0 for key in last[0]} | start


def send(crowd: Crowd, learner: Learner, sent: Hours, *, at_own_hour: bool) -> None:
    learner.see(sent, *crowd.react(sent), at_own_hour=at_own_hour)


def regret(crowd: Crowd, day: int, hours: Hours, usual: int) -> dict[str, float]:
    """In % of the oracle's clicks; and what the hours really gain against the model's usual one."""
    expected = crowd.expected(day)
    oracle = expected.max(axis=1).mean()
    got = {
        "model": expected[np.arange(crowd.people), hours].mean(),
        "global": expected.mean(axis=0).max(),
        "random": expected.mean(),
    }
    gain = got["model"] / expected[:, usual].mean() - 1
    return {name: 100 * (1 - clicks / oracle) for name, clicks in got.items()} | {"gain": 100 * gain}


def of_start(crowd: Crowd, learner: Learner) -> dict[str, float]:
    """The start that is suggested for all, after the first weeks: its regret against the best hour of the
    week, that of a random start, and how often the true gain lies in the range that is given.
    """
    mails, reactions = np.array(learner.mails), np.array(learner.reactions)
    audience, truth = learner.audience(), crowd.average()
    draws = model.responses(audience, prior.audiences(100, SEED), mails, reactions, SEED)
    best = int(audience.response().argmax())
    low, said, high = np.quantile(draws[:, [best]] / draws, (0.05, 0.5, 0.95), axis=0)
    true = truth[best] / truth
    return {
        "start": round(float(100 * (1 - truth[best] / truth.max())), 1),
        "random_start": round(float(100 * (1 - truth.mean() / truth.max())), 1),
        "start_gain": round(100 * float(true.mean() - 1), 1),
        "start_gain_said": round(100 * float(said.mean() - 1), 1),
        "in_range": round(100 * float(np.mean((low <= true) & (true <= high)))),
    }
