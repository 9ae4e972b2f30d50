"""Log-ins, failures and log-outs, written into the audit log. Django tells of them by signals alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import signals

from audience import audit


def listen() -> None:
    """Called once, when the app is ready."""
    for signal, receiver in (
        (signals.user_logged_in, _logged_in),
        (signals.user_logged_out, _logged_out),
        (signals.user_login_failed, _failed),
    ):
        signal.connect(receiver, dispatch_uid=f"audience.{receiver.__name__}")


def _logged_in(*, user: Any, **told: Any) -> None:
    audit.record("logged in", user, actor=user)


def _logged_out(*, user: Any, **told: Any) -> None:
    if user is not None:
        audit.record("logged out", user, actor=user)


def _failed(*, credentials: dict[str, Any], **told: Any) -> None:
    # Somebody may have typed a password into the wrong field.
    audit.record("log-in failed", name=str(credentials.get("username", ""))[:30])
