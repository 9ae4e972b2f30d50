"""Several at once, each with a connection to the database that is open before the others begin."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection, connections


def together(act: Callable[[], object], number: int = 8, rounds: int = 1) -> None:
    """Do something in so many threads at the same moment, once or several times. Raises what they raise."""
    begin = threading.Barrier(number)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            connection.ensure_connection()
            for _ in range(rounds):
                begin.wait()
                act()
        except BaseException as error:
            failures.append(error)
            begin.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
