from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from audience import suppression
from audience.addresses import InvalidAddress
from audience.models import Suppression
from tests.factories import SuppressionFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
Reason = Suppression.Reason


def test_an_address_is_suppressed_in_its_normal_form() -> None:
    actor = UserFactory()
    row = suppression.suppress(
        WorkspaceFactory(), "Jo@Bücher.example", Reason.MANUAL, note="asked", actor=actor
    )
    assert (row.email, row.note, row.created_by) == ("jo@xn--bcher-kva.example", "asked", actor)


@pytest.mark.parametrize(("first", "second"), list(product(Reason, Reason)))
def test_the_stronger_reason_stays(first: Reason, second: Reason) -> None:
    workspace = WorkspaceFactory()
    suppression.suppress(workspace, "jo@example.com", first, note="first")
    row = suppression.suppress(workspace, "jo@example.com", second, note="second")
    stronger = list(Reason).index(second) > list(Reason).index(first)
    assert (row.reason, row.note) == ((second, "second") if stronger else (first, "first"))
    assert Suppression.objects.count() == 1


def test_many_are_suppressed_in_few_statements(django_assert_num_queries: Any) -> None:
    workspace = WorkspaceFactory()
    SuppressionFactory(workspace=workspace, email="c1@example.com", reason=Reason.UNSUBSCRIBE)
    SuppressionFactory(workspace=workspace, email="c2@example.com", reason=Reason.COMPLAINT)
    emails = [f"C{number % 6000}@example.com" for number in range(7000)]
    # A savepoint around two statements, on PostgreSQL each with its lock against gates.
    with django_assert_num_queries(6 if connection.vendor == "postgresql" else 4):
        written = suppression.suppress_many(workspace, iter(emails), Reason.HARD_BOUNCE)
    assert written == 5999
    assert Suppression.objects.count() == 6000
    assert Suppression.objects.exclude(reason=Reason.HARD_BOUNCE).get().email == "c2@example.com"


def test_many_are_suppressed_all_or_none() -> None:
    with pytest.raises(InvalidAddress):
        suppression.suppress_many(WorkspaceFactory(), ["jo@example.com", "nobody"], Reason.MANUAL)
    assert not Suppression.objects.exists()


def test_a_suppression_belongs_to_its_workspace() -> None:
    mine, other = WorkspaceFactory(), WorkspaceFactory(slug="other")
    suppression.suppress(mine, "jo@example.com", Reason.MANUAL)
    suppression.suppress(other, "jo@example.com", Reason.COMPLAINT)
    assert Suppression.objects.of(mine).get().reason == Reason.MANUAL


def test_lifting_says_in_the_log_who_did_it() -> None:
    row, actor = SuppressionFactory(email="jo@example.com", reason=Reason.HARD_BOUNCE), UserFactory()
    assert suppression.lift(row, actor)
    assert not suppression.lift(row, actor)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (actor, "jo@example.com")
    assert "Hard bounce" in entry.change_message


def test_a_reason_that_grew_since_it_was_shown_is_not_lifted() -> None:
    shown = SuppressionFactory(email="jo@example.com", reason=Reason.UNSUBSCRIBE)
    suppression.suppress(shown.workspace, shown.email, Reason.COMPLAINT)
    assert not suppression.lift(shown, UserFactory())
    assert Suppression.objects.get().reason == Reason.COMPLAINT
