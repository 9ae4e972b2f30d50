"""Who and what a world is filled with: customers, a sender to the sink, a template, a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.chaos.world import World

if TYPE_CHECKING:
    from audience.models import Workspace
    from campaigns.models import Campaign, Sender, Template
    from delivery.tokens import Reference

BODY = """<p>Hello {{ customer_name }}, you have {{ customer.orders }} orders.</p>
<p><a href="https://example.com/{{ customer.orders }}">See them</a></p>
<p><a href="{{ unsubscribe_link }}">Unsubscribe</a></p>"""
# A page of customers in one INSERT.
CHUNK = 1000


def address(number: int) -> str:
    return f"customer{number:06d}@example.com"


def workspace() -> Workspace:
    from tests.factories import WorkspaceFactory

    made: Workspace = WorkspaceFactory()
    return made


def customers(world: World, attributes: dict[int, dict[str, Any]] | None = None) -> None:
    """The recipients of a test; `attributes` says what some of them, by number, have instead."""
    from audience.models import Attribute, Customer
    from tests.factories import AttributeFactory

    acme = workspace()
    AttributeFactory(workspace=acme, name="orders")
    AttributeFactory(workspace=acme, name="notes", type=Attribute.Type.TEXT)
    odd = attributes or {}
    everyone: Iterable[Customer] = (
        Customer(
            workspace=acme,
            email=address(number),
            name=f"Customer {number}",
            subscribed=True,
            attributes=odd.get(number, {"orders": number % 7 + 1}),
        )
        for number in range(world.dose.recipients)
    )
    Customer.objects.bulk_create(everyone, batch_size=CHUNK)


def sender(world: World) -> Sender:
    """An SMTP sender whose server is the sink."""
    from campaigns.models import Sender
    from tests.factories import SenderFactory

    way = {"transport": Sender.Transport.SMTP, "security": Sender.Security.NONE}
    made: Sender = SenderFactory(host="127.0.0.1", port=world.sink.smtp, **way)
    return made


def service(world: World) -> Sender:
    """A sender through an e-mail service, whose API is the sink."""
    from campaigns.models import Sender
    from tests.factories import SenderFactory

    way = {
        "transport": Sender.Transport.ESP,
        "esp": "postmark",
        "api_url": f"http://127.0.0.1:{world.sink.http}/",
    }
    made: Sender = SenderFactory.build(workspace=workspace(), **way)
    made.set_credentials({"server_token": "only-for-tests"})
    made.save()
    return made


def template(body: str = BODY) -> Template:
    from tests.factories import TemplateFactory

    made: Template = TemplateFactory(subject="Hello {{ customer_name }}", body=body)
    return made


def campaign(world: World, **columns: Any) -> Campaign:
    """A draft to every customer, from one sender unless told otherwise."""
    from tests.factories import CampaignFactory

    columns.setdefault("senders", [sender(world)])
    columns.setdefault("template", template())
    made: Campaign = CampaignFactory(name=world.name, **columns)
    return made


def filled(world: World) -> Campaign:
    """Customers and a draft to them all: what most tests start from."""
    customers(world)
    return campaign(world)


def some(world: World, many: int) -> list[Reference]:
    """Some recipients, at random: of these, some have their mail, some wait for it, some are in hand."""
    from delivery.tokens import Reference

    rows = world.books.all("SELECT workspace_id, customer_id, id FROM delivery_sendlog ORDER BY id")
    return [Reference(*row) for row in world.random.sample(rows, many)]
