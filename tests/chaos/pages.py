"""Somebody at the site: logs in, opens pages, clicks thrice, and holds a watch."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests

from tests.chaos.world import World

PASSWORD = "correct horse battery staple"
# Seconds after which a page has failed, whatever it says then.
TOO_LONG = 5.0
GIVE_UP = 20.0


class Visitor:
    """One person with a browser, who may click from several hands at once."""

    def __init__(self, world: World) -> None:
        self.slowest = 0.0
        self.visits = 0
        # Visits that ended in a server error, in nothing, or too late.
        self.failures: list[str] = []
        self._site = world.environment["SITE_URL"]
        self._log_in()

    def get(self, path: str) -> requests.Response | None:
        return self._visit("GET", path, {})

    def post(self, path: str, **data: str) -> requests.Response | None:
        return self._visit("POST", path, data)

    def click_thrice(self, path: str, **data: str) -> None:
        """The same button three times, before the first click is answered."""
        with ThreadPoolExecutor(3) as hands:
            for _ in range(3):
                hands.submit(self._visit, "POST", path, data)

    def _log_in(self) -> None:
        with requests.Session() as session:
            page = session.get(f"{self._site}/admin/login/", timeout=GIVE_UP)
            hidden = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
            assert hidden, page.text[:2000]
            who = {"username": "chaos", "password": PASSWORD, "csrfmiddlewaretoken": hidden[1]}
            answer = session.post(f"{self._site}/admin/login/?next=/admin/", who, timeout=GIVE_UP)
            assert "sessionid" in session.cookies, answer.text[:2000]
            self._cookies = session.cookies.get_dict()

    def _visit(self, method: str, path: str, data: dict[str, str]) -> requests.Response | None:
        start = time.monotonic()
        headers = {"X-CSRFToken": self._cookies["csrftoken"]}
        try:
            answer = requests.request(
                method,
                self._site + path,
                data=data,
                cookies=self._cookies,
                headers=headers,
                timeout=GIVE_UP,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            self.failures.append(f"{method} {path}: {type(error).__name__}")
            return None
        finally:
            took = time.monotonic() - start
            self.visits += 1
            self.slowest = max(self.slowest, took)
        if answer.status_code >= 400 or took > TOO_LONG:
            self.failures.append(f"{method} {path}: {answer.status_code} after {took:.1f} s")
        return answer


def make_user() -> None:
    """The superuser whom Visitor is."""
    from django.contrib.auth import get_user_model

    get_user_model().objects.create_superuser("chaos", "chaos@example.com", PASSWORD)


@contextmanager
def going_on(step: Callable[[], object], every: float) -> Iterator[None]:
    """Repeat a step beside what the block does, until that ends."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            step()
            over.wait(every)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
