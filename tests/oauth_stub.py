"""A provider of mailboxes, as far as OAuth 2 goes: a page that asks for consent, tokens that are used up.

tests.google_stub and tests.microsoft_stub add what each does with the mails.
"""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from pytest_django import Settings

from tests.http_stub import Act, HttpStub, Request, Response

CLIENT_ID, CLIENT_SECRET = "drumbeat", "hush"
PAGE = """<!doctype html><title>Consent</title><h1>Drumbeat wants to send mail as {account}</h1>
<p>{scopes}</p><a href="{allow}">Allow</a> <a href="{deny}">Deny</a>"""


@dataclass
class OAuthStub(HttpStub):
    """The authorisation server of a provider; `mail` is called with what comes for its API."""

    # Whose browser it is.
    account: str = "news@acme.example"
    # What is granted of what is asked; None: all of it.
    grants: str | None = None
    # A new refresh token with every use, as Microsoft has it; the old one stays good.
    rotates: bool = False
    lifetime: int = 3600
    # The consent ends with this mail.
    ends_after: int | None = None
    # What happens at the token endpoint instead, call by call.
    token_script: Sequence[Response | Act | None] = ()
    # Of the token endpoint, in the order of their arrival.
    token_calls: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    # Calls of the API that carried a token which is not good.
    unauthorized: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._serial = itertools.count(1)
        # code -> what the page was asked
        self._codes: dict[str, dict[str, str]] = {}
        self.refresh_tokens: list[str] = []
        self.access_tokens: list[str] = []

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def point(self, settings: Settings) -> None:
        """Let the settings name this server; `prefix` says whose."""
        raise NotImplementedError

    def _point(self, settings: Settings, prefix: str, **urls: str) -> None:
        values = {
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": CLIENT_SECRET,
            "AUTHORIZE_URL": f"{self.root}/authorize",
            "TOKEN_URL": f"{self.root}/token",
            **urls,
        }
        for name, value in values.items():
            setattr(settings, f"{prefix}_{name}", value)

    # --- What the owner of the mailbox does ----------------------------------------------------------

    def consent(self, url: str, choice: str = "Allow") -> str:
        """Open the page that asks, choose, and say to which address the browser is sent."""
        page = requests.get(url, timeout=10).text
        found = re.search(rf'href="([^"]+)">{choice}<', page)
        assert found, page
        return html.unescape(found[1])

    def end_consent(self) -> None:
        """Take back the permission: no token is good any more."""
        self.refresh_tokens.clear()
        self.access_tokens.clear()

    def expire(self) -> None:
        """Let the access tokens end, and keep the permission."""
        self.access_tokens.clear()

    # --- The server -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response | Act:
        self.requests.append(request)
        path = urlsplit(request.path).path
        if path == "/authorize":
            return self._ask(request)
        if path == "/token":
            return self._token(request)
        if path == "/revoke":
            self.revoked.append(request.form["token"])
            self.end_consent()
            return Response(200, {})
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.access_tokens:
            self.unauthorized += 1
            return self.wrong_token()
        answer = self.api(request, path)
        if len(self.accepted) == self.ends_after:
            self.end_consent()
            self.ends_after = None
        return answer

    def api(self, request: Request, path: str) -> Response | Act:
        raise NotImplementedError

    def wrong_token(self) -> Response:
        raise NotImplementedError

    def _ask(self, request: Request) -> Response:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        if asked["client_id"] != CLIENT_ID or asked.get("code_challenge_method") != "S256":
            return Response(400, "<h1>Error 400: invalid_request</h1>")
        code = f"code-{next(self._serial)}"
        self._codes[code] = asked
        allow = asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})
        deny = asked["redirect_uri"] + "?" + urlencode({"error": "access_denied", "state": asked["state"]})
        known = {"account": self.account, "scopes": asked["scope"], "allow": allow, "deny": deny}
        return Response(200, PAGE.format(**{name: html.escape(value) for name, value in known.items()}))

    def _token(self, request: Request) -> Response | Act:
        form = request.form
        number = len(self.token_calls)
        self.token_calls.append(form)
        act = next(iter(self.token_script[number : number + 1]), None)
        if act is not None:
            return act
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return Response(401, {"error": "invalid_client"})
        if form["grant_type"] == "authorization_code":
            return self._for_code(form)
        if form["refresh_token"] not in self.refresh_tokens:
            return Response(
                400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            )
        return Response(200, self._tokens("", renewed=form["refresh_token"]))

    def _for_code(self, form: dict[str, str]) -> Response:
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return Response(400, {"error": "invalid_grant"})
        if asked["redirect_uri"] != form["redirect_uri"]:
            return Response(400, {"error": "redirect_uri_mismatch"})
        return Response(200, self._tokens(self.grants if self.grants is not None else asked["scope"]))

    def _tokens(self, scope: str, renewed: str = "") -> dict[str, object]:
        number = next(self._serial)
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.access_tokens.append(access)
        told: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        if scope:
            told["scope"] = scope
        if not renewed or self.rotates:
            self.refresh_tokens.append(refresh)
            told["refresh_token"] = refresh
        return told
