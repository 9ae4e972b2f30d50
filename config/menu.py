"""The site's menu, and what every page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext

from audience import access

Permission = Callable[[HttpRequest], bool]


def for_every_page(request: HttpRequest) -> dict[str, Any]:
    return {"sending_is_off": not settings.ENABLE_EMAIL_SCHEDULER}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {"items": [_page(gettext("Home"), "home", "admin:index", lambda request: True)]},
        {
            "title": gettext("Campaigns"),
            "items": [
                _page(gettext("Campaigns"), "send", "site:campaigns") | {"active": _is_about("campaign")},
                _list(gettext("Automations"), "autoplay", "campaigns_automation"),
                _list(gettext("Flows"), "account_tree", "campaigns_flow") | {"active": _is_about("flow")},
                _page(gettext("Templates"), "draft", "campaigns:templates")
                | {"active": _is_about("template")},
                _list(gettext("Senders"), "badge", "campaigns_sender"),
                _page(gettext("Reports"), "monitoring", "analytics:overview") | {"active": _is_report},
            ],
        },
        {
            "title": gettext("Audience"),
            "items": [
                _page(gettext("Customers"), "group", "audience:customers")
                | {"active": _is_about("customer")},
                _list(gettext("Segments"), "filter_alt", "audience_segment"),
                _list(gettext("Sign-up forms"), "how_to_reg", "delivery_signupform"),
                _list(gettext("Suppressions"), "block", "audience_suppression"),
                _list(gettext("Imports"), "upload_file", "audience_customerimport"),
                _list(gettext("Attributes"), "label", "audience_attribute"),
                _list(gettext("Customer events"), "shopping_bag", "audience_customerevent"),
            ],
        },
        {
            "title": gettext("Delivery"),
            "items": [
                _list(gettext("Ledger"), "receipt_long", "delivery_sendlog"),
                _list(gettext("Events"), "bolt", "delivery_event"),
                _list(gettext("Provider reports"), "move_to_inbox", "delivery_inbound"),
                _page(gettext("Mailbox"), "inbox", "delivery:mailbox"),
                _page(gettext("Operations"), "monitor_heart", "delivery:operations", _is_superuser),
            ],
        },
        _settings(request),
    ]


def _settings(request: HttpRequest) -> dict[str, Any]:
    one = access.sole_workspace(request.user) is not None
    words = gettext("General and members") if one else gettext("Workspace and members")
    general = _page(words, "tune", "audience:settings") | {"active": _is_settings}
    workspaces = _list(gettext("Workspaces"), "domain", "audience_workspace", _is_superuser)
    users = _list(gettext("Users"), "person", "auth_user", _is_superuser)
    memberships = _list(gettext("Memberships"), "group_add", "audience_membership", _is_superuser)
    keys = _list(gettext("API keys"), "key", "audience_apikey", _owns)
    log = _list(gettext("Audit log"), "history", "audience_auditentry", _owns)
    return {"title": gettext("Settings"), "items": [general, workspaces, users, memberships, keys, log]}


def _is_about(thing: str) -> Callable[[HttpRequest], bool]:
    """Whether a page is about campaigns, or customers: those of the admin, and delivery's."""

    def active(request: HttpRequest) -> bool:
        return f"/{thing}/" in request.path or request.path.startswith(f"/{thing}s/")

    return active


def _is_report(request: HttpRequest) -> bool:
    return request.path.startswith("/reports/")


def _is_settings(request: HttpRequest) -> bool:
    return request.path.startswith("/settings/")


def _may_view(request: HttpRequest) -> bool:
    return access.may_view(request.user)


def _owns(request: HttpRequest) -> bool:
    return access.owns(request.user)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)


def _list(title: str, icon: str, model: str, permission: Permission = _may_view) -> dict[str, Any]:
    return _page(title, icon, f"admin:{model}_changelist", permission)


def _page(title: str, icon: str, view: str, permission: Permission = _may_view) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(view), "permission": permission}
