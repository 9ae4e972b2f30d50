"""People in a worker's hands: who comes late with somebody whom another has taken changes nothing."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.models import F

from campaigns.flows import people
from campaigns.flows.people import Party, State
from campaigns.models import Enrollment
from tests.delivery.test_life import on_the_way
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def taken(place: Enrollment) -> list[Party]:
    zone = place.campaign.workspace.zone
    return people.take(f"e.id = %s AND {people.IS_OPEN}", [place.pk], zone, 1)


def test_who_was_taken_by_somebody_else_meanwhile_stays_where_they_put_them() -> None:
    place = on_the_way(CustomerFactory(), 1)
    with transaction.atomic():
        [late] = taken(place)
        Enrollment.objects.filter(pk=place.pk).update(state=State.READY, fence=F("fence") + 1)
        late.leave(Enrollment.Reason.REMOVED)
        assert people.write([late]) == 0
    place.refresh_from_db()
    assert place.state == State.READY


def test_each_write_raises_the_fence() -> None:
    place = on_the_way(CustomerFactory(), 1)
    with transaction.atomic():
        first, second = taken(place), taken(place)
        assert (people.write(first), people.write(second)) == (1, 0)
