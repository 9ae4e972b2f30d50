"""A night's learning: what is kept of an audience and of its customers, and that it may be repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import Task
from django.core.management import CommandError, call_command

from analytics import tasks
from analytics.models import SendProfile, SendTime
from analytics.send_time import history, learn, model, people, prior
from audience.models import Customer, Workspace
from campaigns.models import Campaign
from delivery.models import Event, SendLog
from tests.analytics.reactions import NOW, habitual, react, send_to
from tests.factories import CampaignFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "DRAWS", 5)


@pytest.fixture
def nobody_explores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EXPLORING", 0)


def learnt(workspace: Workspace) -> dict[int, int | None]:
    """The best hour that each customer has after a night."""
    learn.learn(workspace, NOW)
    return dict(Customer.objects.of(workspace).values_list("pk", "best_hour"))


def evening_and_morning(workspace: Workspace) -> tuple[list[Customer], list[Customer]]:
    """Many who always click at nine, and some who always click at twenty."""
    return habitual(workspace, 9, people=30), habitual(workspace, 20, people=10)


def test_people_of_the_evening_get_an_hour_of_their_own(nobody_explores: None) -> None:
    workspace = WorkspaceFactory()
    morning, evening = evening_and_morning(workspace)
    hours = learnt(workspace)
    workspace.refresh_from_db()
    assert 7 <= workspace.best_hour <= 10
    assert all(17 <= (hours[customer.pk] or workspace.best_hour) <= 20 for customer in evening)
    assert all(abs((hours[customer.pk] or workspace.best_hour) - 9) <= 2 for customer in morning)
    rows = {row.customer_id: row for row in SendTime.objects.all()}
    assert all(rows[customer.pk].gain > 0.02 and rows[customer.pk].reactions > 5 for customer in evening)
    profile = SendProfile.objects.get()
    assert profile.is_enough and profile.own_hours == len(rows) and profile.own_gain > 0


def test_who_is_new_gets_the_audiences_hour(nobody_explores: None) -> None:
    workspace = WorkspaceFactory()
    evening_and_morning(workspace)
    new = CustomerFactory(workspace=workspace)
    assert learnt(workspace)[new.pk] is None
    assert not SendTime.objects.filter(customer=new).exists()


def test_machines_move_nobody(nobody_explores: None) -> None:
    workspace = WorkspaceFactory()
    evening_and_morning(workspace)
    before = learnt(workspace)
    profile = SendProfile.objects.values().get()
    for row in SendLog.objects.all():
        assert row.sent_at
        react(row, Event.Type.CLICKED, row.sent_at, verdict=Event.Verdict.SCANNER)
        react(row, Event.Type.OPENED, row.sent_at, verdict=Event.Verdict.APPLE)
    assert learnt(workspace) == before
    assert SendProfile.objects.values().get() == profile


def test_without_any_mail_nothing_is_learnt() -> None:
    customer = CustomerFactory()
    assert learn.learn(customer.workspace, NOW) == 0
    assert not SendProfile.objects.exists()
    assert Workspace.objects.get().best_hour == prior.audience().usual_hour()


def test_a_few_mails_are_not_enough_to_suggest_a_start() -> None:
    workspace = WorkspaceFactory()
    habitual(workspace, 20, people=5, weeks=2)
    learn.learn(workspace, NOW)
    profile = SendProfile.objects.get()
    assert (profile.is_enough, profile.campaigns) == (False, 2)


def test_a_second_time_changes_nothing() -> None:
    workspace = WorkspaceFactory()
    evening_and_morning(workspace)
    first = learnt(workspace), list(SendTime.objects.order_by("pk").values())
    assert (learnt(workspace), list(SendTime.objects.order_by("pk").values())) == first


def test_an_hour_of_ones_own_is_forgotten_with_what_it_was_learnt_from() -> None:
    workspace = WorkspaceFactory()
    _, evening = evening_and_morning(workspace)
    learn.learn(workspace, NOW)
    assert SendTime.objects.filter(customer=evening[0]).exists()
    Event.objects.filter(customer_id=evening[0].pk).delete()
    learn.learn(workspace, NOW)
    assert not SendTime.objects.filter(customer=evening[0]).exists()


def test_some_try_another_hour_and_others_in_another_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EXPLORING", 0.5)
    workspace = WorkspaceFactory()
    habitual(workspace, 9, people=40, weeks=6)
    tried = learnt(workspace)
    assert 5 < sum(hour is not None for hour in tried.values()) < 40
    learn.learn(workspace, NOW + timedelta(weeks=1))
    assert dict(Customer.objects.values_list("pk", "best_hour")) != tried


def test_nobody_tries_an_hour_who_never_got_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "EXPLORING", 1)
    workspace = WorkspaceFactory()
    habitual(workspace, 9, people=5, weeks=6)
    new = CustomerFactory.create_batch(20, workspace=workspace)
    hours = learnt(workspace)
    assert all(hours[customer.pk] is None for customer in new)


def test_mails_at_own_hours_are_left_out_of_the_audience_while_there_are_others() -> None:
    workspace = WorkspaceFactory()
    customers = habitual(workspace, 9, people=20)
    learn.learn(workspace, NOW)
    before = SendProfile.objects.get().habit
    for week in range(1, 9):
        campaign = CampaignFactory(workspace=workspace, clock=Campaign.Clock.BEST)
        send_to(customers, campaign, (NOW - timedelta(weeks=week)).replace(hour=22), 0)
    learn.learn(workspace, NOW)
    assert SendProfile.objects.get().habit == before
    Campaign.objects.update(clock=Campaign.Clock.BEST)
    learn.learn(workspace, NOW)
    assert SendProfile.objects.get().habit != before


def test_workspaces_are_learnt_apart() -> None:
    mine, other = WorkspaceFactory(), WorkspaceFactory(slug="other")
    habitual(other, 20, people=20)
    CustomerFactory(workspace=mine)
    assert learn.learn(mine, NOW) == 0
    assert not SendProfile.objects.exists() and not SendTime.objects.exists()


def test_it_goes_a_portion_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = WorkspaceFactory()
    habitual(workspace, 9, people=7, weeks=2)
    monkeypatch.setattr(history, "CHUNK", 2)
    monkeypatch.setattr(people, "PORTION", 3)
    profile = learn.learn_audience(workspace, NOW)
    assert profile is not None
    first, last = people.learn(profile, NOW)
    assert first == 4 and last == sorted(Customer.objects.values_list("pk", flat=True))[3]
    assert people.learn(profile, NOW, last) == (3, max(Customer.objects.values_list("pk", flat=True)))
    assert people.learn(profile, NOW, last + 3) == (0, 0)


def test_the_nightly_tasks_do_what_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rings for the next; here they answer at once, as a worker would."""
    workspace = WorkspaceFactory()
    WorkspaceFactory(slug="empty")
    evening_and_morning(workspace)
    monkeypatch.setattr(people, "PORTION", 15)
    monkeypatch.setattr(history, "CHUNK", 10)
    monkeypatch.setattr(tasks.timezone, "now", lambda: NOW)
    monkeypatch.setattr(Task, "delay", lambda task, *args: task(*args))
    tasks.learn_send_times()
    by_tasks = dict(Customer.objects.values_list("pk", "best_hour"))
    assert SendTime.objects.count() == SendProfile.objects.get().own_hours > 5
    assert learnt(workspace) == by_tasks


def test_the_command_learns_all_workspaces_or_the_one_that_is_named(capsys: Any) -> None:
    habitual(WorkspaceFactory(), 9, people=3, weeks=2)
    WorkspaceFactory(slug="empty")
    call_command("learn_send_times")
    said = capsys.readouterr().out
    assert "Acme: " in said and "Empty: no mail to learn from" in said
    call_command("learn_send_times", workspace="empty")
    assert "Acme" not in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no workspace nowhere"):
        call_command("learn_send_times", workspace="nowhere")
