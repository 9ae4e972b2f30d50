from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from audience.best_hours import set_best_hours, set_usual_hour
from audience.models import Customer, Workspace
from tests.factories import CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


def hours() -> dict[int, int | None]:
    return dict(Customer.objects.values_list("pk", "best_hour"))


def test_hours_are_set_changed_and_taken_away() -> None:
    ada, bob, cleo = CustomerFactory.create_batch(3)
    assert set_best_hours(ada.workspace, {ada.pk: 7, bob.pk: 0}) == 2
    assert set_best_hours(ada.workspace, {ada.pk: 8, bob.pk: None, cleo.pk: 23}) == 3
    assert hours() == {ada.pk: 8, bob.pk: None, cleo.pk: 23}


def test_what_is_the_same_already_is_not_written(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ada, bob = CustomerFactory.create_batch(2)
    set_best_hours(ada.workspace, {ada.pk: 7})
    with django_assert_num_queries(1):
        assert set_best_hours(ada.workspace, {ada.pk: 7, bob.pk: None}) == 0


def test_learning_is_no_edit_of_the_customer() -> None:
    customer = CustomerFactory()
    set_best_hours(customer.workspace, {customer.pk: 7})
    assert Customer.objects.get().updated_at == customer.updated_at


def test_customers_of_another_workspace_stay_as_they_are() -> None:
    foreign = CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    assert set_best_hours(WorkspaceFactory(), {foreign.pk: 7}) == 0
    assert hours() == {foreign.pk: None}


def test_the_usual_hour_belongs_to_one_workspace() -> None:
    mine, other = WorkspaceFactory(), WorkspaceFactory(slug="other")
    set_usual_hour(mine, 14)
    assert dict(Workspace.objects.values_list("pk", "best_hour")) == {mine.pk: 14, other.pk: 9}


def test_there_is_no_25th_hour() -> None:
    customer = CustomerFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        set_best_hours(customer.workspace, {customer.pk: 24})


@pytest.mark.django_db(transaction=True)
def test_a_customer_who_is_being_written_is_left_for_the_next_time() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer.")
    busy, free = CustomerFactory.create_batch(2)
    locked, over = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Customer.objects.select_for_update().get(pk=busy.pk)
            locked.set()
            over.wait(20)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert locked.wait(20)
    try:
        assert set_best_hours(busy.workspace, {busy.pk: 7, free.pk: 7}) == 1
    finally:
        over.set()
        writer.join()
    assert hours() == {busy.pk: None, free.pk: 7}
