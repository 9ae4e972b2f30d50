"""A template as one customer would get it, for the pages on which it is written. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from audience.addresses import InvalidAddress, normalise
from audience.customers import address_begins
from audience.models import Customer, Workspace
from campaigns import content
from campaigns.content import qr
from campaigns.templates import Sources

PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
# A media feature that every screen has, and one that none has.
ALWAYS, NEVER = "(min-width: 0)", "(max-width: 0)"
HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
SUGGESTIONS = 8


class NoCustomer(Exception):
    """There is no such customer; the message says what to do."""


def render(workspace: Workspace, sources: Sources, customer: Customer | None) -> content.Rendered:
    """The mail that this customer would get; an example person's for None.

    Raises ContentError and RenderError.
    """
    renderer = content.Renderer(content.compile_template(*sources.parts))
    links = {"unsubscribe_link": "#unsubscribe", "view_in_browser_link": "#view-in-browser"}
    said = content.context(_columns(workspace, customer), workspace, "Preview", **links)
    code = qr.of_customer(workspace.pk, customer.pk if customer else 0)
    return renderer.render(content.with_qr_code(said, code))


def preheader(workspace: Workspace, sources: Sources, customer: Customer | None) -> str:
    """The line that inboxes show after the subject; raises as render() does."""
    alone = content.Compiled("", "", sources.preheader)
    data = content.context(_columns(workspace, customer), workspace, "Preview", "")
    return content.Renderer(alone).render(data).text.strip()


def find_customer(workspace: Workspace, address: str) -> Customer | None:
    """The customer with this address; the newest for none; None in an empty audience. Raises NoCustomer."""
    customers = Customer.objects.of(workspace)
    if not address.strip():
        newest: Customer | None = customers.order_by("-id").first()
        return newest
    try:
        found: Customer = customers.get(email=normalise(address))
    except (InvalidAddress, Customer.DoesNotExist) as error:
        raise NoCustomer(f"{address} is no customer. Choose another, or leave it empty.") from error
    return found


def suggest_customers(workspace: Workspace, text: str) -> list[Customer]:
    """A few customers whose address begins with `text`, or who have it as their external id."""
    customers = Customer.objects.of(workspace)
    text = text.strip()[:254]
    named = customers.filter(external_id=text).exclude(external_id="")[:SUGGESTIONS] if text else ()
    beginning = customers.filter(address_begins(text.lower())).order_by("email")[:SUGGESTIONS]
    return [*{customer.pk: customer for customer in (*named, *beginning)}.values()][:SUGGESTIONS]


def in_scheme(document: str, scheme: str) -> str:
    """The document as a mail program shows it that is set to `scheme`, whatever this browser is set to."""
    chosen = PREFERS.sub(lambda query: ALWAYS if query[1].lower() == scheme else NEVER, document)
    if chosen == document or scheme != "dark":
        return chosen
    # It knows dark; so the paper below it is dark as well.
    style = "<style>:root { color-scheme: dark; }</style>"
    return HEAD.sub(lambda head: head[0] + style, chosen, count=1)


def knows_dark(document: str) -> bool:
    """Whether the mail says how it looks in the dark; others are inverted by some mail programs."""
    return any(query.lower() == "dark" for query in PREFERS.findall(document))


def _columns(workspace: Workspace, customer: Customer | None) -> Mapping[str, Any]:
    if customer is not None:
        return {column: getattr(customer, column) for column in content.CUSTOMER_COLUMNS}
    samples = {
        field.name.removeprefix("customer."): field.sample for field in content.merge_fields(workspace)
    }
    columns = {column: samples.get(column, "") for column in content.CUSTOMER_COLUMNS}
    return columns | {"attributes": samples}
