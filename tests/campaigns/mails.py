"""A customer, and their mail from a template's sources."""

from __future__ import annotations

from lxml import html as lxml_html

from campaigns.content import Rendered, Renderer, compile_template

LINK = "https://mail.example/u/AbC_d-9?x=1&y=2"
CUSTOMER = {
    "name": 'Zoë <b>"Q"</b>',
    "email": "zoe@example.com",
    "external_id": "42",
    "orders": 12,
    "items": 30,
    "total_spent": 612.4,
    "first_order": "1997-01-12",
    "last_order": "1998-06-03",
}


def data(**customer: object) -> dict[str, object]:
    return {
        "customer_name": (CUSTOMER | customer)["name"],
        "unsubscribe_link": LINK,
        "customer": CUSTOMER | customer,
        "workspace": {"name": "Acme", "postal_address": "1 Road\nTown"},
        "campaign": {"name": "Spring"},
    }


def render(format: str, body: str, preheader: str = "", subject: str = "Hi", **customer: object) -> Rendered:
    return Renderer(compile_template(format, subject, preheader, body)).render(data(**customer))


def visible(document: str) -> str:
    root = lxml_html.document_fromstring(document)
    for hidden in root.xpath("//style|//title|//comment()|//*[contains(@style, 'display:none')]"):
        hidden.drop_tree()
    return " ".join(" ".join(root.itertext()).split())
