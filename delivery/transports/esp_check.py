"""Whether an e-mail service knows a sender's key, found out without sending anything.

No service says what a key may do but by being asked to send. So it is asked to send a mail without
sender, recipient or text: it refuses, and how it refuses says what it thinks of the key.
"""

from __future__ import annotations

import json
from typing import Any

from delivery.errors import http
from delivery.transports.base import Mail
from delivery.transports.esp import Service
from delivery.transports.esp_backends import Message, make_backend

# Never sent: the service's own address for calls is made from a mail.
MAIL = (
    "From: <{0}>\r\nTo: <{0}>\r\nSubject: x\r\nMessage-ID: <x@{1}>\r\n"
    'Content-Type: multipart/alternative; boundary="x"\r\n\r\n'
    "--x\r\nContent-Type: text/plain\r\n\r\nx\r\n--x--"
)


def check(service: Service, from_email: str) -> http.Problem | None:
    """Ask the service; None when it knows the key, else the problem, whose error may hold credentials.

    Takes seconds when the service is silent, and raises nothing.
    """
    esp = service.esp
    try:
        backend = make_backend(esp, service.credentials, service.api_url, 1)
        backend.open()
        try:
            if esp.name == "amazon_ses":
                backend.client.send_email(Content={"Raw": {"Data": b""}})
                return None
            response = backend.session.request(**_empty_call(backend, service, from_email))
        finally:
            backend.close()
    except Exception as error:
        return http.key_problem(error, esp.name)
    return http.key_problem(response, esp.name)


def _empty_call(backend: Any, service: Service, from_email: str) -> dict[str, Any]:
    """The call that would send a mail, with everything taken out but the key."""
    mail = Mail(0, from_email, from_email, MAIL.format(from_email, from_email.rpartition("@")[2]).encode())
    payload = backend.build_message_payload(Message(mail, service.esp), backend.send_defaults)
    call: dict[str, Any] = payload.get_request_params(backend.api_url)
    key = {"key": service.credentials["api_key"]} if service.esp.name == "mandrill" else {}
    # Mailgun takes forms, all others JSON.
    data: Any = {"from": ""} if service.esp.name == "mailgun" else json.dumps(key)
    return {**call, "data": data, "files": None, "timeout": backend.timeout}
