"""What people do to flows that run: publish anew, move somebody, end the campaign."""

from __future__ import annotations

import pytest

from audience.models import Attribute
from campaigns import lifecycle
from campaigns.flows import persons, publishing, runs
from campaigns.models import Enrollment
from delivery import flow_mails, why
from delivery.models import SendLog
from tests.factories import AttributeFactory, SenderFactory, UserFactory
from tests.flows import (
    activated,
    ask,
    cast,
    days,
    edit,
    leave,
    make_flow,
    on_flow,
    send,
    sent,
    wait,
    work,
    work_at,
)

pytestmark = pytest.mark.django_db


def test_publishing_again_touches_nobody_unless_told_to(begun: None) -> None:
    cast(ada="", bo="")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))
    work()
    flow = campaign.flow
    assert flow is not None
    edit(flow, send(1), wait(2, days=9), send(5), leave(4))
    assert [(line.step, line.people, line.is_kept) for line in publishing.standing(flow)] == [(2, 2, True)]
    publishing.publish(flow)
    work_at(days(1))
    assert sorted(sent(campaign)[2:]) == [("ada", 3), ("bo", 3)]


def test_publishing_again_moves_people_where_somebody_chose(begun: None) -> None:
    cast(ada="")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))
    work()
    flow = campaign.flow
    assert flow is not None
    edit(flow, send(1), wait(2, days=9), send(5), leave(4))
    publishing.publish(flow, choices={2: publishing.MoveTo(2)})
    work_at(days(1))
    assert sent(campaign)[1:] == [("ada", 5)], "with what remained of the wait, by the new version"


def test_publishing_again_may_let_people_leave_or_go_elsewhere(begun: None) -> None:
    cast(ada="")
    campaign = activated(send(1), wait(2, days=1), send(3), leave(4))
    work()
    flow = campaign.flow
    assert flow is not None
    edit(flow, send(1), wait(6, days=1), send(5), leave(4))
    with pytest.raises(publishing.InvalidFlow, match="no step 99"):
        publishing.publish(flow, choices={2: publishing.MoveTo(99)})
    publishing.publish(flow, choices={2: publishing.MoveTo(5)})
    work()
    assert sent(campaign)[1:] == [("ada", 5)]
    other = activated(send(1), wait(2, days=1), leave(3))
    work()
    edit(other.flow, send(1), leave(3))  # type: ignore[arg-type]
    publishing.publish(other.flow, choices={2: publishing.Leave()})  # type: ignore[arg-type]
    assert Enrollment.objects.get(campaign=other).reason == "version"
    work()
    other.refresh_from_db()
    assert other.status == "completed"


def test_staff_may_skip_a_wait_move_and_remove_and_it_is_recorded(begun: None) -> None:
    people = cast(ada="", bo="", cy="")
    campaign = activated(send(1), wait(2, days=9), send(3), leave(4))
    work()
    actor = UserFactory(username="grace")
    place = {name: persons.enrollments(campaign, person).get() for name, person in people.items()}
    persons.skip_wait(place["ada"], actor)
    persons.move(place["bo"], 1, actor, "asked for it again")
    persons.remove(place["cy"], actor, "called us")
    work()
    assert sorted(sent(campaign)[3:]) == [("ada", 3), ("bo", 1)]
    assert persons.sentence(Enrollment.objects.get(pk=place["cy"].pk), campaign).startswith("Left the flow")
    told = [
        (line.what, line.why)
        for entry in place.values()
        for line in persons.timeline(Enrollment.objects.get(pk=entry.pk), campaign)
    ]
    assert ("The wait was cut short by grace", "") in told
    assert ("Was moved by grace", "asked for it again") in told
    assert ("Left the flow by grace", "called us") in told
    with pytest.raises(persons.CannotMove):
        persons.remove(place["cy"], actor)


def test_mail_of_a_person_who_is_removed_is_not_sent(begun: None) -> None:
    person = cast(ada="")["ada"]
    campaign = activated(send(1), leave(2))
    while flow_mails.run(campaign):
        pass
    persons.remove(persons.enrollments(campaign, person).get(), UserFactory())
    work()
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "left_flow")


def test_ended_campaign_lets_everybody_leave(begun: None) -> None:
    cast(ada="")
    campaign = activated(wait(1, days=1), send(2), leave(3))
    work()
    lifecycle.cancel(campaign)
    work_at(days(1))
    runs.leave_ended()
    assert set(Enrollment.objects.values_list("state", "reason")) == {("left", "ended")}
    assert not sent(campaign)


def test_condition_that_cannot_be_asked_any_more_pauses_the_campaign(begun: None) -> None:
    AttributeFactory(name="orders")
    cast(ada="")
    campaign = activated(ask(1, ("attributes.orders", "greater", 3), yes=[send(2)]), leave(3))
    Attribute.objects.all().delete()
    work()
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert "there is no field" in campaign.result


def test_step_may_name_its_sender(begun: None) -> None:
    cast(ada="", bo="")
    one, two = SenderFactory(), SenderFactory()
    flow = make_flow(send(1, sender=two.pk), leave(2))
    campaign = on_flow(flow, senders=[one])
    with pytest.raises(lifecycle.NotReady, match="no sender of this campaign"):
        lifecycle.activate(campaign)
    campaign = on_flow(flow, senders=[one, two])
    lifecycle.activate(campaign)
    work()
    assert set(SendLog.objects.values_list("sender_id", flat=True)) == {two.pk}


def test_why_says_where_somebody_stands_who_has_had_no_mail(begun: None) -> None:
    cast(ada="")
    campaign = activated(wait(1, days=2), send(2), leave(3))
    assert "has not begun" in why.why(campaign, "ada@example.com").sentence
    work()
    assert "Waits at “Wait (step 1)” until 28 Mar 2027" in why.why(campaign, "ada@example.com").sentence
    work_at(days(2))
    assert why.why(campaign, "ada@example.com").sentence.startswith("Yes: sent")
