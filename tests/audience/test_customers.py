from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audience.customers import save_customer
from audience.models import Customer
from tests.factories import AttributeFactory, CustomerFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


def test_an_address_is_one_customer_however_it_is_written() -> None:
    workspace = WorkspaceFactory()
    first = save_customer(workspace, email="Jo@Example.com", name="Jo")
    again = save_customer(workspace, email=" jo@example.COM", phone="+49 30 1")
    assert first.pk == again.pk
    again.refresh_from_db()
    assert (again.email, again.name, again.phone, again.unmailable) == (
        "jo@example.com",
        "Jo",
        "+49 30 1",
        False,
    )


def test_a_new_customer_is_not_opted_in() -> None:
    assert not save_customer(WorkspaceFactory(), email="jo@example.com").subscribed


def test_an_address_that_no_sender_can_mail_is_marked() -> None:
    assert save_customer(WorkspaceFactory(), email="jörg@example.com").unmailable


def test_attributes_merge_and_an_empty_one_is_removed() -> None:
    workspace = WorkspaceFactory()
    for name in ("orders", "items", "total"):
        AttributeFactory(workspace=workspace, name=name)
    save_customer(workspace, email="jo@example.com", attributes={"orders": "1", "items": 2})
    customer = save_customer(workspace, email="jo@example.com", attributes={"items": "", "total": 3})
    customer.refresh_from_db()
    assert customer.attributes == {"orders": 1, "total": 3}


def test_the_address_of_a_customer_can_change_but_not_to_anothers() -> None:
    customer, other = CustomerFactory(), CustomerFactory(email="taken@example.com")
    save_customer(customer.workspace, customer=customer, email="new@example.com")
    customer.refresh_from_db()
    assert customer.email == "new@example.com"
    with pytest.raises(ValidationError, match="Another customer has this address"):
        save_customer(customer.workspace, customer=customer, email=other.email)


def test_a_customer_of_another_workspace_cannot_be_changed() -> None:
    customer = CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    with pytest.raises(Customer.DoesNotExist):
        save_customer(WorkspaceFactory(), customer=customer, email=customer.email, name="Mine")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "nobody"}, "email"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Jo\x07"}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"language": "Klingon!"}, "language"),
        ({"attributes": {"shoe": 1}}, "attributes"),
    ],
)
def test_what_does_not_fit_is_refused_by_field_and_nothing_is_written(
    fields: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        save_customer(WorkspaceFactory(), **{"email": "jo@example.com"} | fields)
    assert list(refusal.value.message_dict) == [wrong]
    assert not Customer.objects.exists()


def test_a_name_stays_on_one_line() -> None:
    customer = save_customer(
        WorkspaceFactory(), email="jo@example.com", name="Jo\r\nBcc: al@example.com", language="de_AT"
    )
    assert (customer.name, customer.language) == ("Jo Bcc: al@example.com", "de-AT")
