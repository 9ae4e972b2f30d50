"""Learning when the audience of a workspace reacts: at night, in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.utils import timezone

from analytics.models import SendProfile
from analytics.send_time import history, model, people, prior
from analytics.send_time.history import History
from analytics.send_time.model import WEEK, WINDOW, Array, Audience
from audience import best_hours
from audience.models import Customer, Workspace

# An audience is learnt from about so many of its customers, evenly taken.
SAMPLE = 50_000
# Campaigns that are told apart; more of them share places.
CAMPAIGNS = 400
# Fewer reactions and campaigns than that are not enough to say anything about an audience.
LEAST_REACTIONS, LEAST_CAMPAIGNS = 100, 5
# How often an audience is learnt from other beliefs, to say how sure a gain is.
DRAWS = 100


@dataclass
class Tally:
    """Mails and reactions by campaign, as model.fit_audience wants them."""

    places: dict[int, int] = field(default_factory=dict)
    mails: Array = field(default_factory=lambda: np.zeros((CAMPAIGNS, WEEK)))
    reactions: Array = field(default_factory=lambda: np.zeros((CAMPAIGNS, WEEK, WINDOW)))

    def add(self, read: History) -> None:
        campaigns, which = np.unique(read.campaign, return_inverse=True)
        places = [self.places.setdefault(int(pk), len(self.places) % CAMPAIGNS) for pk in campaigns]
        place = np.array(places, dtype=np.int64)[which]
        np.add.at(self.mails, (place, read.sent), read.recency)
        np.add.at(self.reactions, (place, read.sent, read.delay), read.recency * read.value)

    @property
    def used(self) -> tuple[Array, Array]:
        number = min(len(self.places), CAMPAIGNS)
        return self.mails[:number], self.reactions[:number]

    @property
    def is_enough(self) -> bool:
        return len(self.places) >= LEAST_CAMPAIGNS and self.reactions.sum() >= LEAST_REACTIONS


def learn(workspace: Workspace, now: datetime | None = None) -> int:
    """Learn the workspace's audience, then each of its customers; how many of these there are.

    Commits some thousand customers at a time. May be repeated, and gives the same for the same history in
    the same week; two at once do no harm.
    """
    now = now or timezone.now()
    profile = learn_audience(workspace, now)
    if profile is None:
        return 0
    learnt, last = people.learn(profile, now)
    while last:
        portion, last = people.learn(profile, now, last)
        learnt += portion
    return learnt


def learn_audience(workspace: Workspace, now: datetime) -> SendProfile | None:
    """Learn when the workspace's audience reacts, and keep it; None when it got no mail in a long time.

    Every customer's hour is learnt against this, by people.learn.
    """
    every = max(1, Customer.objects.of(workspace).count() // SAMPLE)
    tally, zones = _tally(workspace, now, every)
    if not tally.places:
        return None
    mails, reactions = tally.used
    fitted = model.fit_audience(prior.audience(), mails, reactions)
    beliefs = prior.audiences(DRAWS, workspace.pk)
    draws = model.responses(fitted, beliefs, mails, reactions, workspace.pk)
    best_hours.set_usual_hour(workspace, fitted.usual_hour())
    profile, _ = SendProfile.objects.update_or_create(
        workspace=workspace,
        defaults={
            "habit": fitted.habit.tolist(),
            "freshness": fitted.freshness.tolist(),
            "rate": fitted.rate,
            "strength": _strength(workspace, now, every, fitted),
            "comes_true": model.comes_true(fitted.response(), mails, reactions)[0],
            "draws": draws.astype(np.float32).tobytes(),
            "campaigns": len(tally.places),
            "reactions": float(reactions.sum()),
            "is_enough": tally.is_enough,
            "zones": {zone: number / zones.total() for zone, number in zones.items()},
            "computed_at": now,
        },
    )
    return profile


def _tally(workspace: Workspace, now: datetime, every: int) -> tuple[Tally, Counter[str]]:
    """The audience's mails by campaign, and its customers by time zone.

    What everybody gets at their own best hour says little about all of them together: who is mailed in
    the evening is a person of the evening. It is left out as long as there is enough else.
    """
    shared, own, zones = Tally(), Tally(), Counter[str]()
    for read in history.read(workspace, now, every=every):
        shared.add(read.only(~read.own_hour))
        own.add(read.only(read.own_hour))
        zones.update(read.zones)
    return max(shared, own, key=lambda tally: (tally.is_enough, bool(tally.places))), zones


def _strength(workspace: Workspace, now: datetime, every: int, audience: Audience) -> float:
    """What the audience's habit is worth against a person's own, by the same sample."""
    sums = np.zeros(4)
    for read in history.read(workspace, now, every=every):
        sent, reacted = read.sent_by_person(), read.reacted_by_person()
        sums += model.likeness(audience, sent, reacted, read.squares_by_person())
    return model.strength(sums)
