"""The statistics by themselves: what they believe before the data, and what makes them change their mind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.send_time import model, prior
from analytics.send_time.model import DAY, WEEK, WINDOW, Array, Audience, Hours

PRIOR = prior.audience()


def campaigns(number: int, *, hours: tuple[int, ...] = (33, 81), clicks: float = 0) -> tuple[Array, Array]:
    """Campaigns sent at these hours of the week in turn; so many click, when the prior says."""
    mails, reactions = np.zeros((number, WEEK)), np.zeros((number, WEEK, WINDOW))
    shape = PRIOR.habit[model.REACTED] * PRIOR.freshness
    for campaign in range(number):
        hour = hours[campaign % len(hours)]
        mails[campaign, hour] = 1000
        reactions[campaign, hour] = clicks * shape[hour]
    return mails, reactions


def one_person(hours: list[int]) -> tuple[Array, Array]:
    """Somebody who gets as many mails as they click, at all hours; and clicks at these hours of the day."""
    reacted = np.zeros((1, DAY))
    np.add.at(reacted, (0, hours), 1)
    return np.full((1, WEEK), len(hours) / WEEK), reacted


def audience(rate: float = 0.5) -> Audience:
    return Audience(PRIOR.habit, PRIOR.freshness, rate)


def test_without_data_an_audience_is_the_prior() -> None:
    fitted = model.fit_audience(PRIOR, *campaigns(3))
    assert np.allclose(fitted.habit, PRIOR.habit) and np.allclose(fitted.freshness, PRIOR.freshness)


def test_without_data_a_person_is_like_their_audience() -> None:
    people = model.fit_people(audience(), np.zeros((2, WEEK)), np.zeros((2, DAY)), 1.0)
    assert people.response() == pytest.approx(np.tile(PRIOR.day().response(), (2, 1)))
    assert people.response().argmax(axis=1).tolist() == [PRIOR.usual_hour()] * 2


def test_an_audience_that_clicks_in_the_evening_is_mailed_before_the_evening() -> None:
    mails, reactions = campaigns(30, hours=(33, 44, 57, 68, 81, 92))
    for campaign, sent in zip(*mails.nonzero(), strict=True):
        reactions[campaign, sent, (20 - sent) % DAY] = 200
    fitted = model.fit_audience(PRIOR, mails, reactions)
    assert 18 <= fitted.usual_hour() <= 20
    assert int(fitted.day().habit.argmax()) == 20


def test_a_campaign_that_everybody_likes_does_not_make_its_hour_look_good() -> None:
    mails, reactions = campaigns(20, hours=(33, 57, 81, 105, 130), clicks=100)
    reactions[4] *= 10
    response = model.fit_audience(PRIOR, mails, reactions).response()
    assert np.allclose(response / response[33], PRIOR.response() / PRIOR.response()[33], rtol=0.1)


@settings(max_examples=30, deadline=None)
@given(hour=st.integers(0, 23), clicks=st.integers(60, 200))
def test_with_much_data_the_hour_is_the_persons_own(hour: int, clicks: int) -> None:
    people = model.fit_people(audience(), *one_person([hour] * clicks), 1.0)
    best = int(people.response().argmax())
    # Best is what comes a little before.
    assert (hour - best) % DAY in (23, 0, 1, 2)


@settings(max_examples=30, deadline=None)
@given(hours=st.lists(st.integers(0, 23), max_size=30), more=st.integers(1, 50))
def test_more_of_the_same_moves_a_person_further_from_the_audience(hours: list[int], more: int) -> None:
    belief = [model.fit_people(audience(), *one_person([*hours, *[3] * times]), 1.0) for times in (0, more)]
    few, many = ((people.shape / people.rate)[0, 3] for people in belief)
    assert many > few


def test_where_mail_comes_at_one_hour_only_clicking_then_is_no_habit() -> None:
    """Twenty clicks, most of them at nine, as the audience would click too that is only mailed at nine."""
    sent, reacted = np.zeros((1, WEEK)), np.zeros((1, DAY))
    sent[0, 9::DAY] = 10
    hours = (9 + np.arange(WINDOW)) % DAY
    expected = PRIOR.freshness * PRIOR.day().habit[hours]
    np.add.at(reacted, (0, hours), 20 * expected / expected.sum())
    assert reacted.argmax() == 9 and reacted.max() > 4
    people = model.fit_people(audience(), sent, reacted, model.LEAST_STRENGTH)
    assert np.allclose(people.shape / people.rate, 1, atol=0.15)


def crowd(random: np.random.Generator, peaks: Hours) -> tuple[Array, Array]:
    """People with twenty mails at odd hours and ten reactions around their peak."""
    number = len(peaks)
    sent, reacted = np.zeros((number, WEEK)), np.zeros((number, DAY))
    everybody = np.arange(number)
    for _ in range(20):
        np.add.at(sent, (everybody, random.integers(0, WEEK, number)), 1)
    for _ in range(10):
        np.add.at(reacted, (everybody, (peaks + random.integers(-1, 2, number)) % DAY), 1)
    return sent, reacted


def test_people_who_are_alike_get_no_hours_of_their_own() -> None:
    random = np.random.default_rng(1)
    sent, differ = crowd(random, random.integers(0, DAY, 500))
    # The same reactions, dealt out one by one.
    hours = np.repeat(np.arange(DAY), differ.sum(axis=0).astype(int))
    random.shuffle(hours)
    alike = np.zeros_like(differ)
    np.add.at(alike, (np.arange(len(hours)) % 500, hours), 1)
    strengths = [
        model.strength(model.likeness(audience(), sent, reacted, reacted.sum(axis=1)))
        for reacted in (differ, alike)
    ]
    assert strengths[0] == model.LEAST_STRENGTH and strengths[1] > 20


def test_sums_of_two_groups_are_those_of_all() -> None:
    random = np.random.default_rng(1)
    sent, reacted = crowd(random, random.integers(0, DAY, 40))
    squares = reacted.sum(axis=1)
    parts = [model.likeness(audience(), sent[p], reacted[p], squares[p]) for p in (slice(25), slice(25, 40))]
    assert np.allclose(parts[0] + parts[1], model.likeness(audience(), sent, reacted, squares))


def test_who_nobody_knows_is_of_the_greatest_strength() -> None:
    assert model.strength(np.zeros(4)) == model.MOST_STRENGTH


def test_trying_hours_out_is_the_same_for_the_same_seed_and_differs_between_people() -> None:
    people = model.fit_people(audience(), np.zeros((300, WEEK)), np.zeros((300, DAY)), 1.0)
    drawn = [people.draw(np.random.default_rng(seed)).argmax(axis=1) for seed in (1, 1, 2)]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()
    assert len(set(drawn[0].tolist())) > 5


def test_what_hours_gain_is_what_the_campaigns_have_shown() -> None:
    """Half of what is read from habits shows in the results by hour of sending."""
    response = PRIOR.response()
    mails, reactions = campaigns(120, hours=(33, 36, 44, 47, 57, 62), clicks=1)
    for campaign, sent in zip(*mails.nonzero(), strict=True):
        reactions[campaign, sent] *= 300 * response[sent] ** 0.5 / reactions[campaign, sent].sum()
    share, doubt = model.comes_true(response, mails, reactions)
    assert share == pytest.approx(0.5, abs=0.12) and doubt < model.DOUBT_THAT_IT_COMES_TRUE
    nothing = model.comes_true(response, mails[:1], reactions[:1])
    assert nothing == pytest.approx((model.COMES_TRUE, model.DOUBT_THAT_IT_COMES_TRUE), abs=0.01)


def test_hours_within_a_campaign_say_more_than_hours_of_different_campaigns() -> None:
    """A campaign that reaches people in several zones compares hours without its content in between."""
    response = PRIOR.response()
    mails, reactions = campaigns(6, hours=(33, 44, 47), clicks=100)
    together = mails.reshape(2, 3, -1).sum(axis=1), reactions.reshape(2, 3, WEEK, -1).sum(axis=1)
    assert model.comes_true(response, *together)[1] < model.comes_true(response, mails, reactions)[1]


def test_the_range_is_wider_where_nobody_was_mailed() -> None:
    data = campaigns(30, hours=(33, 36, 57), clicks=200)
    drawn = model.responses(model.fit_audience(PRIOR, *data), prior.audiences(60, 1), *data, 1)
    low, high = np.quantile(drawn[:, [33]] / drawn[:, [36, 6 * DAY + 3]], (0.05, 0.95), axis=0)
    near, far = high / low
    assert 1 < near < 1.5 < far


@pytest.mark.parametrize("believed", [prior.audience(), *prior.audiences(3, 1)])
def test_what_is_believed_is_well_formed(believed: Audience) -> None:
    assert believed.habit.shape == (WEEK,) and believed.freshness.shape == (WINDOW,)
    assert believed.habit.mean() == pytest.approx(1) and believed.freshness.sum() == pytest.approx(1)
