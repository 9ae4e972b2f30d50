"""A small HTTP server that answers as an e-mail service does, and misbehaves on command.

In tests it lives in a thread; `python tests/http_stub.py 8025 0.1` serves every service on one port with
100 ms of latency, each under its name as path: http://127.0.0.1:8025/postmark/.
"""

from __future__ import annotations

import asyncio
import base64
import enum
import itertools
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs

KEY = "right-key"


class Response(NamedTuple):
    status: int
    body: Any = ""
    headers: dict[str, str] = {}  # noqa: RUF012


class Act(enum.Enum):
    """What a server may do instead of answering."""

    CLOSE = "hang up in good order"
    RESET = "hang up with RST"
    HANG = "say nothing more"


@dataclass
class Request:
    """One call, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form, without its files."""
        kind = self.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.body)
        parts = cast("list[Message]", whole.get_payload())
        named = ((part.get_param("name", header="content-disposition"), part) for part in parts)
        return {
            str(name): cast(bytes, part.get_payload(decode=True)).decode()
            for name, part in named
            if part.get_filename() is None
        }

    @property
    def said(self) -> str:
        """Everything that came, with the log-in in clear."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        log_in = base64.b64decode(token).decode() if scheme == "Basic" else token
        return f"{self.headers} {log_in} {self.body.decode('utf-8', 'replace')}"


def mailgun_id(request: Request, ident: str) -> Any:
    return {"id": f"<{ident}@mg.example>", "message": "Queued. Thank you."}


def sparkpost_id(request: Request, ident: str) -> Any:
    return {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": ident}}


# By service: what it answers when it has taken a mail.
TAKEN: dict[str, Callable[[Request, str], Any]] = {
    "amazon_ses": lambda request, ident: {"MessageId": ident},
    "brevo": lambda request, ident: {"messageId": ident},
    "mailersend": lambda request, ident: Response(
        202, "", {"Content-Type": "text/html; charset=UTF-8", "X-Message-Id": ident}
    ),
    "mailgun": mailgun_id,
    "mailjet": lambda request, ident: {
        "Messages": [{"Status": "success", "To": [{"Email": to(request), "MessageID": ident}]}]
    },
    "mailtrap": lambda request, ident: {"success": True, "message_ids": [ident]},
    "mandrill": lambda request, ident: [
        {"email": to(request), "status": "queued", "_id": ident, "reject_reason": None}
    ],
    "postal": lambda request, ident: {
        "status": "success",
        "data": {"message_id": f"{ident}@rp", "messages": {to(request): {"id": ident, "token": "t"}}},
    },
    "postmark": lambda request, ident: {
        "To": request.json["To"],
        "SubmittedAt": "2026-11-22T07:25:01.4178645-05:00",
        "MessageID": ident,
        "ErrorCode": 0,
        "Message": "OK",
    },
    "resend": lambda request, ident: {"id": ident},
    "scaleway": lambda request, ident: {
        "emails": [{"id": ident, "mail_rcpt": to(request), "status": "sending"}]
    },
    "sparkpost": sparkpost_id,
    "unisender_go": lambda request, ident: {"status": "success", "job_id": ident, "emails": [to(request)]},
}
# By service: what it answers to a key that it does not know.
WRONG_KEY = {
    "amazon_ses": Response(
        403,
        {"message": "The security token included in the request is invalid."},
        {"x-amzn-ErrorType": "UnrecognizedClientException"},
    ),
    "brevo": Response(401, {"message": "Key not found", "code": "unauthorized"}),
    "mailersend": Response(401, {"message": "Unauthenticated."}),
    "mailgun": Response(401, "Forbidden", {"Content-Type": "text/plain"}),
    "mailjet": Response(401, {"StatusCode": 401, "ErrorMessage": "API key authentication failure."}),
    "mailtrap": Response(401, {"success": False, "errors": ["Unauthorized"]}),
    "mandrill": Response(
        500, {"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}
    ),
    "postal": Response(
        200,
        {
            "status": "error",
            "data": {
                "code": "InvalidServerAPIKey",
                "message": "The API token provided in X-Server-API-Key was not valid.",
            },
        },
    ),
    "postmark": Response(401, {"ErrorCode": 10, "Message": "The Server Token is not valid."}),
    "resend": Response(401, {"statusCode": 401, "name": "invalid_api_key", "message": "API key is invalid"}),
    "scaleway": Response(401, {"message": "authentication is denied", "type": "denied_authentication"}),
    "sparkpost": Response(401, {"errors": [{"message": "Unauthorized."}]}),
    "unisender_go": Response(
        401, {"status": "error", "message": "Error ID:1. User with the API key is not found", "code": 114}
    ),
}
# By service: where the recipient stands.
RECIPIENT: dict[str, Callable[[Any], str]] = {
    "amazon_ses": lambda data: data["Destination"]["ToAddresses"][0],
    "brevo": lambda data: data["to"][0]["email"],
    "mailersend": lambda data: data["to"][0]["email"],
    "mailjet": lambda data: data["Messages"][0]["To"][0]["Email"],
    "mailtrap": lambda data: data["to"][0]["email"],
    "mandrill": lambda data: data["message"]["to"][0]["email"],
    "postal": lambda data: data["to"][0],
    "postmark": lambda data: data["To"],
    "resend": lambda data: data["to"][0],
    "scaleway": lambda data: data["to"][0]["email"],
    "sparkpost": lambda data: data["recipients"][0]["address"]["email"],
    "unisender_go": lambda data: data["message"]["recipients"][0]["email"],
}
# By service: what it answers to a call that names no recipient; the others with 422.
NO_RECIPIENT = {
    "amazon_ses": Response(
        400, {"message": "No recipients specified."}, {"x-amzn-ErrorType": "BadRequestException"}
    ),
    "brevo": Response(400, {"code": "missing_parameter", "message": "sender is missing"}),
    "mailgun": Response(400, {"message": "from parameter is missing"}),
    "mailjet": Response(400, {"ErrorMessage": "Messages is mandatory", "StatusCode": 400}),
    "mandrill": Response(
        500,
        {"status": "error", "code": -2, "name": "ValidationError", "message": "Validation error"},
    ),
    "postal": Response(
        200, {"status": "error", "data": {"code": "NoRecipients", "message": "There are no recipients"}}
    ),
    "postmark": Response(422, {"ErrorCode": 300, "Message": "Invalid 'From' address: ''."}),
    "resend": Response(422, {"name": "missing_required_field", "message": "Missing `from` field."}),
}
OTHER_BODY = Response(
    409,
    {
        "statusCode": 409,
        "name": "invalid_idempotent_request",
        "message": "This idempotency key has been used with a different payload",
    },
)
REASONS = {200: "OK", 202: "Accepted"}


def service(request: Request) -> str:
    return request.path.split("/")[1]


def to(request: Request) -> str:
    """The address of the one recipient of a call."""
    name = service(request)
    found = request.form["to"] if name == "mailgun" else RECIPIENT[name](request.json)
    return parseaddr(found)[1]


def idempotency_key(request: Request) -> str:
    """The key by which a service would know a repeated call; empty where it knows none."""
    if service(request) == "brevo":
        return str(request.json.get("headers", {}).get("idempotencyKey", ""))
    return request.headers.get("idempotency-key", "") if service(request) == "resend" else ""


@dataclass
class HttpStub:
    """A running server. `script` says what happens to each mail in turn; None and its end: it is taken."""

    script: Sequence[Response | Act | None] = ()
    latency: float = 0.0
    # What happens to a recipient, whenever it comes.
    for_recipient: dict[str, Response | Act] = field(default_factory=dict)
    # What happens to a call without a recipient, where it is not what the service does.
    for_nobody: Response | Act | None = None
    requests: list[Request] = field(default_factory=list)
    # Recipients of the mails that were taken, also when nobody was told so.
    accepted: list[str] = field(default_factory=list)
    # By idempotency key: the call that was taken with it, and what it was or would have been answered.
    known: dict[str, tuple[bytes, Response]] = field(default_factory=dict)
    connections: int = 0
    most_at_once: int = 0
    port: int = 0
    keep: bool = True

    def __post_init__(self) -> None:
        self.at_once = 0
        self.open: set[Dialogue] = set()
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> HttpStub:
        ready = threading.Event()
        self._loop.call_soon(ready.set)
        self._server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Dialogue(self), "127.0.0.1", self.port)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._hang_up())
        self._loop.close()

    def url(self, esp: str) -> str:
        return f"http://127.0.0.1:{self.port}/{esp}/"

    def serve(self) -> None:
        """Serve in this thread, until it is interrupted."""
        self._loop.run_until_complete(
            self._loop.create_server(lambda: Dialogue(self), "127.0.0.1", self.port)
        )
        self._loop.run_forever()

    def answer(self, request: Request) -> Response | Act:
        """Take the mail or do what the script has, which may be both."""
        number = next(self._numbers)
        if self.keep:
            self.requests.append(request)
        name = service(request)
        if KEY not in request.said:
            return WRONG_KEY[name]
        try:
            recipient = to(request)
        except (KeyError, IndexError):
            asks_for = Response(422, {"message": "The to field is required."})
            return self.for_nobody or NO_RECIPIENT.get(name, asks_for)
        if (key := idempotency_key(request)) in self.known:
            body, before = self.known[key]
            return before if body == request.body else OTHER_BODY
        act = self.for_recipient.get(recipient) or next(iter(self.script[number - 1 : number]), None)
        if isinstance(act, Response):
            return act
        taken = self.taken(request, f"id-{number}")
        if self.keep:
            self.accepted.append(recipient)
        if key:
            self.known[key] = request.body, taken
        return act or taken

    def taken(self, request: Request, ident: str) -> Response:
        body = TAKEN[service(request)](request, ident)
        return body if isinstance(body, Response) else Response(200, body)

    async def _hang_up(self) -> None:
        self._server.close()
        # Also those that are being accepted just now.
        while self.open:
            for dialogue in self.open:
                dialogue.transport.abort()
            await asyncio.sleep(0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


HEAD = re.compile(rb"(\w+) (\S+) HTTP/1\.1\r\n(.*)", re.DOTALL)


class Dialogue(asyncio.Protocol):
    """One connection."""

    def __init__(self, stub: HttpStub) -> None:
        self.stub = stub
        self.heard = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.stub.connections += 1
        self.stub.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.stub.open.discard(self)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        head, found, rest = self.heard.partition(b"\r\n\r\n")
        match = HEAD.fullmatch(head)
        if not found or match is None:
            return
        lines = (line.partition(":") for line in match[3].decode("latin-1").split("\r\n"))
        headers = {name.lower(): value.strip() for name, _, value in lines}
        if len(rest) < int(headers.get("content-length", 0)):
            return
        self.heard = b""
        self.stub.at_once += 1
        self.stub.most_at_once = max(self.stub.at_once, self.stub.most_at_once)
        request = Request(match[1].decode(), match[2].decode(), headers, rest)
        asyncio.get_running_loop().call_later(self.stub.latency, self.act, request)

    def act(self, request: Request) -> None:
        self.stub.at_once -= 1
        act = self.stub.answer(request)
        if act is Act.HANG:
            return
        if act is Act.RESET:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if isinstance(act, Act):
            self.transport.abort() if act is Act.RESET else self.transport.close()
            return
        self.transport.write(encode(act))


def encode(response: Response) -> bytes:
    is_text = isinstance(response.body, str)
    body = response.body.encode() if is_text else json.dumps(response.body).encode()
    kind = "text/html" if is_text else "application/json"
    headers = {"Content-Type": kind, **response.headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Stub')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


if __name__ == "__main__":
    HttpStub(port=int(sys.argv[1]), latency=float(sys.argv[2]), keep=False).serve()
