"""The statistics of the best time to send, on plain arrays; docs/send-time.md explains them to people.

A mail sent at hour s is reacted to d hours later in proportion to `habit[s + d] * freshness[d]`: how
readily people react in that hour of their week, and how much of a mail's pull is left by then. Habits
are learnt from reactions *observed over expected*, never from counts alone: a mail sent at nine is
opened at nine, and who is only ever written to at nine is expected to react at nine.

One step does all the pooling: `shrunk`, the mean of a Gamma-Poisson posterior. It pulls an audience to
the prior and a customer to the audience, the less, the more there is to go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Hours = NDArray[np.int64]
Flags = NDArray[np.bool_]
WEEK, DAY = 168, 24
# Hours after its sending in which a reaction is counted for a mail.
WINDOW = 48
# What is believed before the data, in reactions an hour: of hours of the day, of hours of the week
# against those of the day, and of the freshness of mails.
DAY_STRENGTH, WEEK_STRENGTH, FRESHNESS_STRENGTH = 30.0, 60.0, 30.0
# By their content the levels of campaigns vary by a half of the average: 1 / 0.5 ** 2.
CAMPAIGN_STRENGTH = 4.0
# How much of a response comes true (see comes_true), before campaigns have shown it.
COMES_TRUE, DOUBT_THAT_IT_COMES_TRUE = 0.25, 0.2
# Somebody's level against the audience's, in reactions.
LEVEL_STRENGTH = 1.0
ROUNDS = 12
# Who seems to have an hour of their own gets the mail at it before it is sure: being wrong about somebody
# costs little and is soon seen. What is said about the gain stays with the cautious number.
BOLDNESS = 4.0
# An hour of one's own must seem better than the audience's by so much.
LEAST_GAIN = 0.02
# So many of those who got mail try another hour each week: what is never tried is never learnt.
EXPLORING = 0.05
# How alike people may be found: everybody is somebody of their own, or nobody is.
LEAST_STRENGTH, MOST_STRENGTH = 0.3, 200.0
# What happens in an hour says this much about the hours around it.
_NEAR = {0: 1.0, 1: 0.7, 2: 0.3}
# The hour of the week (0: Monday from 00:00) at which a mail sent at s is reacted to d hours later.
REACTED = (np.arange(WEEK)[:, None] + np.arange(WINDOW)[None, :]) % WEEK


@dataclass(frozen=True)
class Audience:
    """What is known about an audience.

    `habit` has a mean of one over the hours of the week (or of the day), `freshness` sums to one over the
    hours after a mail, and `rate` is what an average mail gets.
    """

    habit: Array
    freshness: Array
    rate: float = 0.0

    def response(self) -> Array:
        """How much a mail gets that is sent in each hour, against an average one."""
        return _spread(self.freshness, len(self.habit)) @ self.habit

    def day(self) -> Audience:
        """The same audience on an average day."""
        return Audience(self.habit.reshape(7, DAY).mean(axis=0), self.freshness, self.rate)

    def usual_hour(self) -> int:
        """The best hour of the day for somebody of whom nothing is known."""
        return int(self.day().response().argmax())


def shrunk(observed: Array, expected: Array, strength: float) -> Array:
    """Observed over expected, as if `strength` more had been expected, and observed."""
    return (strength + observed) / (strength + expected)


# --- An audience -------------------------------------------------------------------------------------


def fit_audience(
    prior: Audience,
    mails: Array,
    reactions: Array,
    weights: Array | None = None,
) -> Audience:
    """Learn an audience from its campaigns.

    `mails` are counted by campaign and hour of the week, `reactions` by campaign, hour of the mail and
    delay. Campaigns have levels of their own, so that good content sent at a bad hour does not make the
    hour look good. `weights` let some campaigns count more than others.
    """
    weights = np.ones(len(mails)) if weights is None else weights
    counts = np.tensordot(weights, reactions, 1)
    totals = reactions.sum(axis=(1, 2))
    by_hour = np.bincount(REACTED.ravel(), counts.ravel(), WEEK).astype(float)
    fitted = prior
    for _ in range(ROUNDS):
        expected = mails @ fitted.response()
        rate = float(weights @ totals / max(weights @ expected, 1e-9))
        exposed = (weights * rate * shrunk(totals, rate * expected, CAMPAIGN_STRENGTH)) @ mails
        habit = _habit(prior.habit, by_hour, exposed @ _spread(fitted.freshness, WEEK))
        freshness = _freshness(prior.freshness, counts.sum(axis=0), exposed @ habit[REACTED])
        fitted = Audience(habit, freshness, rate)
    return fitted


def responses(
    fitted: Audience, priors: Sequence[Audience], mails: Array, reactions: Array, seed: int
) -> Array:
    """The responses by hour of the week as they may be, one for each prior, with a mean of one.

    Each is learnt from another belief, and with other weights for the campaigns (a Bayesian bootstrap),
    and comes true as far as that of the fit may. Where they agree the data have spoken; what was merely
    believed, or what one campaign's content has done, makes them differ.
    """
    random = np.random.default_rng(seed)
    share, doubt = comes_true(fitted.response(), mails, reactions)
    drawn = []
    for prior in priors:
        weights = random.exponential(size=len(mails))
        response = fit_audience(prior, mails, reactions, weights).response()
        response = response ** max(random.normal(share, doubt), 0.0)
        drawn.append(response / response.mean())
    return np.array(drawn)


def comes_true(response: Array, mails: Array, reactions: Array) -> tuple[float, float]:
    """How much of a response the campaigns have really shown, as an exponent, and how unsure that is.

    Who is mailed at a bad hour looks later, and so hours differ less than habits do: replays
    (tests/bench) say a quarter, which is believed until the campaigns' own results, by hour of
    sending, say otherwise. A regression of logarithms: hours within a campaign, which share its content,
    count by their reactions; hours between campaigns as far as contents allow.
    """
    reacted = reactions.sum(axis=2) + 0.5
    weights = np.where(mails > 0, reacted, 0)
    response, got = np.log(response), np.log(reacted / np.maximum(mails, 1e-9))
    total = np.maximum(weights.sum(axis=1), 1e-9)
    of_campaign, got_by_campaign = (weights @ response) / total, (weights * got).sum(axis=1) / total
    apart = response - of_campaign[:, None]
    precision = 1 / (1 / CAMPAIGN_STRENGTH + 1 / total)
    between = of_campaign - precision @ of_campaign / precision.sum()
    known = (weights * apart**2).sum() + precision @ between**2
    shown = (weights * apart * got).sum() + precision @ (between * got_by_campaign)
    believed = 1 / DOUBT_THAT_IT_COMES_TRUE**2
    return (COMES_TRUE * believed + shown) / (believed + known), float((believed + known) ** -0.5)


def _habit(prior: Array, observed: Array, exposure: Array) -> Array:
    """The prior, corrected by hours of the day and then by hours of the week."""
    expected = exposure * prior
    of_days = [hours.reshape(7, DAY).sum(axis=0) @ _NEAR_DAY for hours in (observed, expected)]
    day = np.tile(shrunk(of_days[0], of_days[1], DAY_STRENGTH), 7)
    week = shrunk(observed @ _NEAR_WEEK, (expected * day) @ _NEAR_WEEK, WEEK_STRENGTH)
    habit = prior * day * week
    return np.asarray(habit / habit.mean())


def _freshness(prior: Array, observed: Array, exposure: Array) -> Array:
    freshness = prior * shrunk(observed, exposure * prior, FRESHNESS_STRENGTH)
    return np.asarray(freshness / freshness.sum())


# --- Its people --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """What is believed about customers: a Gamma distribution for each and each hour of the day, of how
    readily they react in it against the audience's habit.
    """

    audience: Audience
    shape: Array
    rate: Array

    def response(self) -> Array:
        """How much a mail to each of them gets that is sent in each hour of the day."""
        return self._response(self.shape / self.rate)

    def gain(self, hours: Hours, usual: int) -> Array:
        """How much more than at the usual hour a mail to each gets at theirs: 0.2 is a fifth."""
        response = self.response()
        return np.asarray(response[np.arange(len(hours)), hours] / response[:, usual] - 1)

    def draw(self, random: np.random.Generator) -> Array:
        """The same as it may be, as far as is known: who goes by it tries hours out (Thompson sampling)."""
        return self._response(random.standard_gamma(self.shape) / self.rate)

    def _response(self, relative: Array) -> Array:
        day = self.audience.day()
        return np.asarray((relative * day.habit) @ _spread(day.freshness, DAY).T)


def fit_people(audience: Audience, sent: Array, reacted: Array, strength: float) -> People:
    """Learn customers from their mails by hour of the week and their reactions by hour of the day.

    The audience's habit counts `strength` reactions an hour against their own.
    """
    expected = _expected(audience, sent, reacted)
    return People(audience, strength + reacted @ _NEAR_DAY, strength + expected @ _NEAR_DAY)


@dataclass(frozen=True)
class Choice:
    """The best hour of the day for each customer, whether it is worth an hour of their own, and its gain."""

    people: People
    usual: int
    best: Hours
    is_own: Flags
    gain: Array

    def hours(self, known: Flags, random: np.random.Generator) -> Hours:
        """The hours to send at: their own or the usual one; and some of those who are known try another."""
        tries = known & (random.random(len(known)) < EXPLORING)
        hours = np.where(self.is_own, self.best, self.usual)
        return np.where(tries, self.people.draw(random).argmax(axis=1), hours)


def choose(audience: Audience, sent: Array, reacted: Array, strength: float) -> Choice:
    """Each customer's hour, chosen boldly, and what it gains against the usual one, said cautiously."""
    usual = audience.usual_hour()
    bold = fit_people(audience, sent, reacted, max(strength / BOLDNESS, LEAST_STRENGTH))
    best = bold.response().argmax(axis=1)
    gain = fit_people(audience, sent, reacted, strength).gain(best, usual)
    return Choice(bold, usual, best, bold.gain(best, usual) >= LEAST_GAIN, gain)


def likeness(audience: Audience, sent: Array, reacted: Array, squares: Array) -> Array:
    """Sums over customers that say how alike people are; those of several groups are added up.

    `squares` are the sums of the squared values of each customer's reactions.
    """
    expected = _expected(audience, sent, reacted)
    share = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12)
    pairs = reacted.sum(axis=1) ** 2 - squares
    near = ((reacted @ _NEAR_DAY) * reacted).sum() - squares.sum()
    by_chance = (pairs * ((share @ _NEAR_DAY) * share).sum(axis=1)).sum()
    at_most = (pairs * ((share @ _NEAR_DAY**2) * share).sum(axis=1)).sum()
    return np.array([near, by_chance, at_most, pairs.sum()])


def strength(sums: Array) -> float:
    """What the audience's habit is worth against a person's own, in reactions an hour.

    If any two reactions of one person are nearer to each other than those of two people, people have
    habits of their own, and the audience's is worth little. From the sums of `likeness`, by moments.
    """
    near, by_chance, at_most, pairs = sums
    if near <= by_chance or pairs <= 0:
        return MOST_STRENGTH
    variance = (near - by_chance) / max(at_most - near * by_chance / pairs, 1e-9)
    return float(np.clip(1 / variance, LEAST_STRENGTH, MOST_STRENGTH))


def _expected(audience: Audience, sent: Array, reacted: Array) -> Array:
    """Reactions by hour of the day, of people with the audience's habit and levels of their own."""
    spread = (_spread(audience.freshness, WEEK) * audience.habit).reshape(WEEK, 7, DAY).sum(axis=1)
    expected = audience.rate * (sent @ spread)
    level = shrunk(reacted.sum(axis=1), expected.sum(axis=1), LEVEL_STRENGTH)
    return np.asarray(expected * level[:, None])


def _spread(freshness: Array, period: int) -> Array:
    """How the pull of a mail sent in one hour (row) spreads over the hours of the period (column)."""
    shares = np.bincount(np.arange(WINDOW) % period, freshness)
    hours = np.arange(period)[:, None]
    spread = np.zeros((period, period))
    spread[hours, (hours + np.arange(len(shares))) % period] = shares
    return spread


def _near(period: int) -> Array:
    apart = np.abs(np.arange(period)[:, None] - np.arange(period)[None, :])
    apart = np.minimum(apart, period - apart)
    return np.select([apart == hours for hours in _NEAR], list(_NEAR.values()), 0.0)


_NEAR_DAY, _NEAR_WEEK = _near(DAY), _near(WEEK)
