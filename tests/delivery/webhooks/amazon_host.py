"""A host on loopback that plays Amazon SNS: it has the certificate, and confirms subscriptions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from delivery.inbound import sns
from tests.delivery.webhooks import signing


class Host(ThreadingHTTPServer):
    """Knows what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.certificate = signing.certificate()
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.certificate if self.path.endswith(".pem") else b"<ConfirmSubscriptionResponse/>"
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def amazon_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host, taken for Amazon's own."""
    host = Host()
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name in ("CERTIFICATE", "CONFIRMATION"):
        pattern = getattr(sns, name).pattern.replace(sns.HOST, re.escape(host.url))
        monkeypatch.setattr(sns, name, re.compile(pattern))
    monkeypatch.setattr(signing, "CERTIFICATE_URL", f"{host.url}/SimpleNotificationService-abc123.pem")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sns._certificate.cache_clear()
    yield host
    sns._certificate.cache_clear()
    host.shutdown()
    thread.join()
    host.server_close()
