"""Anymail's Postmark backend in a bare loop: `python -m tests.bench.control.anymail PORT MAILS THREADS`.

Each thread keeps a backend, and so a session, of its own; the messages are as long as the campaign's.
Prints mails a second.
"""

from __future__ import annotations

import sys
import threading
import time
from itertools import count

import django

django.setup()

from anymail.backends.postmark import EmailBackend  # noqa: E402
from django.core.mail import EmailMultiAlternatives  # noqa: E402, TID251 - the control's own way

TEXT, HTML = "Hello, here are three albums. " * 30, "<p>Hello, here are three albums.</p>" * 290


def main(port: int, mails: int, threads: int) -> float:
    numbers = count()

    def work() -> None:
        backend = EmailBackend(server_token="bench", api_url=f"http://127.0.0.1:{port}/")
        backend.open()
        while (number := next(numbers)) < mails:
            backend.send_messages([message(number)])
        backend.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return mails / (time.perf_counter() - begun)


def message(number: int) -> EmailMultiAlternatives:
    made = EmailMultiAlternatives("News", TEXT, "Acme <news@acme.example>", [f"customer{number}@example.com"])
    made.attach_alternative(HTML, "text/html")
    return made


if __name__ == "__main__":
    sys.stdout.write(f"{main(*map(int, sys.argv[1:4]))}\n")
