"""Below stage 7: sessions for calls over HTTP that say whether the other side was ever reached."""

from __future__ import annotations

import os
import socket
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from campaigns import egress


def prepare(session: requests.Session, url: str, *, typed: bool) -> None:
    """Give a session for calls to this address our manners: read the environment once, follow no redirect.

    An address that somebody has typed is guarded by campaigns.egress, unless a proxy stands in between: then
    the operator's proxy decides. A failure before the connection stands, TLS included, is told as
    urllib3's NewConnectionError.
    """
    # It also keeps ~/.netrc from replacing the authorisation that a call brings.
    session.trust_env = False
    session.proxies.update(get_environ_proxies(url))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    # A redirect would take the key to another server, and 307 the mail a second time.
    session.max_redirects = 0
    adapter = _GuardedAdapter() if typed else _Adapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)


class Guarded:
    """Mixed in before a connection of urllib3: it reaches no inner address."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            sock = egress.connect(self._dns_host, self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock


class _SureToConnect:
    """Says of every failure before the connection stands, TLS included, that it was one."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except NewConnectionError:
            raise
        except (OSError, HTTPError) as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]


class _Http(_SureToConnect, HTTPConnection):
    pass


class _Https(_SureToConnect, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _GuardedHttp(Guarded, _Http):
    pass


class _GuardedHttps(Guarded, _Https):
    pass


class _GuardedHttpPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHttp


class _GuardedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHttps


class _Adapter(HTTPAdapter):
    """Makes connections that say whether they ever stood."""

    direct: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _HttpPool, "https": _HttpsPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.direct

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager


class _GuardedAdapter(_Adapter):
    """And that reach no inner address."""

    direct: ClassVar[dict[str, type[HTTPConnectionPool]]] = {
        "http": _GuardedHttpPool,
        "https": _GuardedHttpsPool,
    }
