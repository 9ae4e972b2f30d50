from __future__ import annotations

from collections import Counter

import pytest
from django.core.management import CommandError, call_command

from audience.models import Attribute, Customer
from campaigns.flows.problems import InvalidFlow
from campaigns.models import Campaign, Enrollment, FlowVersion, SenderLimit
from delivery.models import SendLog
from delivery.simulator import simulate
from tests.factories import AttributeFactory, CustomerFactory, SenderFactory
from tests.flows import ask, at, cast, ids, leave, make_flow, same, send, table, wait

pytestmark = pytest.mark.django_db


def test_send_wait_send_keeps_the_time_of_day_on_each_clock() -> None:
    """Clocks in Berlin go forward on 29 March; Lima's never do."""
    flow = make_flow(send(1), wait(2, days=3), send(3), leave(4))
    cast(ada="Europe/Berlin", bo="America/Lima")
    plan = simulate(flow, ids(), at("2026-03-27 09:00"))
    same(
        table(plan),
        """
        ada  step 1  Fri 27 Mar 09:00
        bo   step 1  Fri 27 Mar 09:00
        ada  step 3  Mon 30 Mar 09:00
        bo   step 3  Mon 30 Mar 10:00
        """,
    )
    assert not plan.is_cut


def test_simulation_leaves_nothing_behind() -> None:
    flow = make_flow(send(1), leave(2))
    cast(ada="")
    before = list(Customer.objects.values())
    assert len(simulate(flow, ids(), at("2026-03-27 09:00")).mails) == 1
    assert not any(model.objects.exists() for model in (Campaign, Enrollment, SendLog))
    assert FlowVersion.objects.count() == 1
    assert list(Customer.objects.values()) == before


def test_limits_of_senders_spread_the_mails() -> None:
    sender = SenderFactory()
    SenderLimit.objects.create(sender=sender, period=SenderLimit.Period.HOUR, mails=2)
    flow = make_flow(send(1), leave(2))
    cast(ada="", bo="", cy="", di="", ed="")
    plan = simulate(flow, ids(), at("2027-03-26 09:00"), senders=[sender])
    assert Counter(f"{mail.at:%H:%M}" for mail in plan.mails if mail.at) == {
        "08:00": 2,
        "09:00": 2,
        "10:00": 1,
    }


def test_many_people_are_simulated_by_quarters_of_an_hour_and_keep_their_minutes() -> None:
    CustomerFactory.create_batch(60)
    flow = make_flow(send(1), wait(2, hours=1, minutes=7), send(3), leave(4))
    plan = simulate(flow, ids(), at("2027-03-26 09:00"))
    assert {f"{mail.due_at:%H:%M}" for mail in plan.mails if mail.step == 3} == {"09:07"}


def test_flow_that_cannot_be_published_cannot_be_simulated() -> None:
    flow = make_flow(send(1), published=False)
    cast(ada="")
    with pytest.raises(InvalidFlow):
        simulate(flow, ids(), at("2027-03-26 09:00"))
    assert not Campaign.objects.exists()


def test_command_says_who_gets_what_when_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    flow = make_flow(
        send(1), wait(2, days=3), ask(3, ("attributes.orders", "greater", 3), yes=[send(4)]), leave(5)
    )
    cast(ada="Europe/Berlin", bo="")
    call_command("simulate_flow", str(flow.pk), "--start=2027-03-26 09:00", "--person=ada@example.com")
    said = capsys.readouterr().out
    assert "Fri 26 Mar 2027  step 1           1 mails" in said
    assert "1 came to an end of the flow" in said
    assert "Mon 29 Mar 2027 08:00  Condition (step 3): No (orders > 3)" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["99"], "There is no flow 99"),
        (["{flow}", "--person=nobody@example.com"], "not among the customers"),
        (["{flow}", "--segment=99"], "There is no segment 99"),
        (["{flow}", "--start=soon"], "Write the start like"),
        (["{flow}"], "There is nobody to run it for"),
    ],
)
def test_command_refuses_what_is_not_there(arguments: list[str], says: str) -> None:
    flow = make_flow(send(1), leave(2))
    if "--start=soon" in arguments:
        cast(ada="")
    with pytest.raises(CommandError, match=says):
        call_command("simulate_flow", *(argument.format(flow=flow.pk) for argument in arguments))
