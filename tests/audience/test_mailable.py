"""Why a customer may not be mailed, and how many of an audience remain."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience.audiences import Audience
from audience.mailable import audience_counts, funnel, refusal_sql
from audience.models import Customer, Suppression, Workspace
from audience.segments import matching
from tests.factories import CustomerFactory, SuppressionFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db

REASONS = Suppression.Reason


def everyone() -> list[tuple[Customer, str]]:
    """A customer for each way of being refused or not, and the reason that must be given."""
    people = []
    for reason, subscribed, unmailable in product([None, *REASONS], [True, False], [True, False]):
        customer = CustomerFactory(subscribed=subscribed, unmailable=unmailable)
        if reason:
            SuppressionFactory(email=customer.email, reason=reason)
        expected = reason or ("invalid" if unmailable else "") if subscribed else reason or "opted_out"
        people.append((customer, expected))
    return people


def refusals_by_join() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.id, {refusal_sql('c', 's')} FROM audience_customer c "  # noqa: S608
            "LEFT JOIN audience_suppression s ON s.workspace_id = c.workspace_id AND s.email = c.email"
        )
        return dict(cursor.fetchall())


def test_the_first_reason_in_order_is_given() -> None:
    expected = {customer.pk: reason for customer, reason in everyone()}
    assert refusals_by_join() == expected


def test_a_suppression_of_another_workspace_is_none_here() -> None:
    customer = CustomerFactory()
    SuppressionFactory(workspace=WorkspaceFactory(slug="other"), email=customer.email)
    assert refusals_by_join() == {customer.pk: ""}
    assert funnel(Customer.objects.all()).will_be_sent == 1


def test_the_funnel_accounts_for_everybody_in_one_query() -> None:
    people = everyone()
    with CaptureQueriesContext(connection) as queries:
        counted = funnel(Customer.objects.order_by("name"))
    assert len(queries) == 1
    reasons = [reason for _, reason in people if reason]
    assert counted.refused == {reason: reasons.count(reason) for reason in reasons}
    assert (counted.matched, counted.will_be_sent) == (len(people), 1)
    assert (counted.suppressed, counted.opted_out, counted.invalid) == (len(REASONS) * 4, 2, 1)


def test_the_funnel_is_of_the_customers_asked_about() -> None:
    for name in ("Ann", "Bob"):
        SuppressionFactory(email=CustomerFactory(name=name).email)
    rule = {"field": "name", "operator": "not_equals", "value": "bob"}
    counted = funnel(matching(WorkspaceFactory(), {"all": [rule]}))
    assert (counted.matched, counted.refused) == (1, {"manual": 1})


def test_the_funnel_of_nobody_is_empty() -> None:
    counted = funnel(Customer.objects.all())
    assert (counted.matched, counted.refused, counted.will_be_sent) == (0, {}, 0)


def test_the_opt_in_choices_are_counted_in_one_query() -> None:
    workspace: Workspace = WorkspaceFactory()
    for owner in (workspace, WorkspaceFactory(slug="other")):
        for (subscribed, sms), number in {(1, 1): 1, (1, 0): 2, (0, 1): 3, (0, 0): 4}.items():
            CustomerFactory.create_batch(
                number, workspace=owner, subscribed=bool(subscribed), sms_subscribed=bool(sms)
            )
    with CaptureQueriesContext(connection) as queries:
        counts = audience_counts(workspace)
    assert len(queries) == 1
    assert counts == {
        Audience.ALL_SUBSCRIBED: 6,
        Audience.EMAIL_ONLY: 2,
        Audience.SMS_ONLY: 3,
        Audience.BOTH: 1,
    }
