"""What a site that others reach must have before it starts, and what its error reports keep to themselves."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

LEAST_LENGTH = 50
LEAST_LETTERS = 5
USES = {
    "LINK_KEYS": "sign links in mails",
    "CREDENTIAL_KEYS": "encrypt senders' passwords and second factors",
}


def refuse_unless_complete(env: Any, site_url: str, secret_key: str, hosts: list[str]) -> None:
    """Raise ImproperlyConfigured with all that is missing and how to mend it."""
    problems = [*_key_problems(env, secret_key)]
    if urlsplit(site_url).scheme != "https":
        problems.append(f"SITE_URL is {site_url}. Begin it with https: passwords would cross the network.")
    if "*" in hosts:
        problems.append("ALLOWED_HOSTS allows every host. Name those that this site has.")
    if problems:
        raise ImproperlyConfigured(
            "This site is reached by others (DEBUG is off, SITE_URL is not this machine) and lacks:\n- "
            + "\n- ".join(problems)
        )


def _key_problems(env: Any, secret_key: str) -> list[str]:
    problems = []
    if len(secret_key) < LEAST_LENGTH or len(set(secret_key)) < LEAST_LETTERS or "insecure" in secret_key:
        problems.append(f"SECRET_KEY is too weak. Use {LEAST_LENGTH} random characters or more.")
    for name, use in USES.items():
        keys = env.list(name, default=[])
        if not keys or not all(keys):
            problems.append(f"{name} is not set. Give it a key of its own, to {use}; keep it for years.")
        elif secret_key in keys:
            problems.append(f"{name} holds SECRET_KEY, which must be free to change. Give it its own key.")
        elif min(map(len, keys)) < LEAST_LENGTH:
            problems.append(f"{name} holds a weak key. Use {LEAST_LENGTH} random characters or more.")
    return problems


class DiscreetReports(SafeExceptionReporterFilter):
    """Django's error reports without what addresses of servers carry, and without what forms sent.

    Variables whose names sound like a secret are starred even where nobody has marked them.
    """

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|URL|STORAGE|BROKER|CREDENTIAL|SEALED", re.I
    )
    hidden_names = re.compile("PASS|SECRET|TOKEN|KEY|CREDENTIAL|SEALED|AUTH|CODE|COOKIE|ENVIRON", re.I)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        if request is None:
            return {}
        return dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        stars = self.cleansed_substitute
        told = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, stars if self.hidden_names.search(name) else value) for name, value in told]
