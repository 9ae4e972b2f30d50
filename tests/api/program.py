"""A program that uses the API: a key, requests in JSON, and what to make of the answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from audience import api_keys
from audience.models import ApiKey, Membership, Workspace
from tests.factories import MembershipFactory, WorkspaceFactory


class Program:
    """Calls the API with a key of its own; all scopes, and an owner's role, unless told otherwise."""

    def __init__(
        self,
        workspace: Workspace | None = None,
        role: str = Membership.Role.OWNER,
        scopes: tuple[str, ...] = tuple(api_keys.SCOPES),
        user: User | None = None,
        **key: Any,
    ) -> None:
        self.workspace = workspace or WorkspaceFactory()
        self.user = user or MembershipFactory(workspace=self.workspace, role=role).user
        self.key: ApiKey
        self.key, self.text = api_keys.create(self.workspace, self.user, "A program", scopes, **key)
        self.client = Client()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """The answer to a request; headers are written as in If_Match="*"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(
            method, f"/api{path}", headers={"Authorization": f"Bearer {self.text}", **named}, **data
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.call("PATCH", path, body, **{"If_Match": "*", **headers})

    def put(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.call("PUT", path, body, **headers)

    def upload(self, name: str, data: bytes, fields: dict[str, str], **headers: str) -> HttpResponse:
        """Upload a file to be imported."""
        file = BytesIO(data)
        file.name = name
        named = {header.replace("_", "-"): value for header, value in headers.items()}
        return self.client.post(
            "/api/imports",
            {**fields, "file": file},
            headers={"Authorization": f"Bearer {self.text}", **named},
        )


def problem(response: HttpResponse, status: int, kind: str) -> dict[str, Any]:
    """The problem details of an answer that has to be one."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert (found["type"], found["status"]) == (f"urn:drumbeat:problem:{kind}", status)
    assert found["title"] and found["detail"].endswith(".")
    return found


def fields(found: dict[str, Any]) -> list[str]:
    return [error["field"] for error in found["errors"]]


def at_once(*calls: Callable[[], HttpResponse]) -> list[HttpResponse]:
    """The answers to calls that are made at the same moment."""
    gate, answers = threading.Barrier(len(calls)), []

    def make(call: Callable[[], HttpResponse]) -> None:
        gate.wait()
        try:
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
