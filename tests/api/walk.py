"""Every operation of the API, with ids of another workspace and bodies of the examples to ask it with."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from django.http import HttpResponse

from audience.models import Customer, CustomerImport, Segment, Suppression
from campaigns.models import Campaign, Enrollment, Flow, FlowVersion, Sender, Template
from config.api import api
from delivery.models import SendLog
from tests.api.program import Program
from tests.world import World

FOREIGN: dict[str, type[Model]] = {
    "campaign_id": Campaign,
    "customer_id": Customer,
    "enrollment_id": Enrollment,
    "flow_id": Flow,
    "import_id": CustomerImport,
    "number": FlowVersion,
    "recipient_id": SendLog,
    "segment_id": Segment,
    "sender_id": Sender,
    "senders.0.id": Sender,
    "suppression_id": Suppression,
    "template_id": Template,
}
Operation = tuple[str, str, dict[str, Any]]


def operations() -> Iterator[Operation]:
    """Method, path and description of every operation."""
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.removeprefix("/api"), operation


def body_of(operation: dict[str, Any]) -> Any:
    """The example of the body that an operation takes; None when it takes no JSON."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    name = content["schema"]["$ref"].rpartition("/")[2]
    return copy.deepcopy(api.get_openapi_schema()["components"]["schemas"][name]["examples"][0])


def filled(path: str, world: World, own: dict[str, int] | None = None) -> str:
    """The path, with the ids of the other workspace where there are none of one's own."""
    ids = {name: world.pk(model) for name, model in FOREIGN.items()} | {"number": 1} | (own or {})
    return re.sub(r"{(\w+)}", lambda found: str(ids[found[1]]), path)


def call(program: Program, method: str, path: str, body: Any) -> HttpResponse:
    if path == "/imports" and method == "POST":
        return program.upload("c.csv", b"email\nmine@example.com\n", {})
    return program.call(method, path, body, If_Match="*")
