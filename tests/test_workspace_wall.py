"""The wall between workspaces: every URL of the site, asked with what belongs to another workspace.

The walk finds the URLs in the resolver by itself. One that takes an argument and is not known here
fails the test: whoever adds a page says what of another workspace it could be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from audience.models import (
    Customer,
    Membership,
    Segment,
)
from campaigns.content import qr
from campaigns.models import Attachment, Campaign, Enrollment, Flow, Sender, Template
from delivery.models import SendLog, SignupForm
from tests.factories import MembershipFactory, UserFactory, WorkspaceFactory
from tests.world import BEGINNING, World, everything, shows_nothing

ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


# --- The URLs, and what of another workspace they are asked for -----------------------------------


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """Every route of the site, as urls.py write it."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern, route)


def model_of(route: str) -> type[Model] | None:
    """The model whose admin a route belongs to."""
    for model in admin.site._registry:
        if route.startswith(f"admin/{model._meta.app_label}/{model._meta.model_name}/"):
            return model
    return None


# Routes outside the models' admins, and arguments that are no ids.
EXAMPLES: dict[str, Callable[[World], dict[str, Any]]] = {
    "admin/r/<path:content_type_id>/<path:object_id>/": lambda world: {
        "content_type_id": ContentType.objects.get_for_model(Customer).pk,
        "object_id": world.pk(Customer),
    },
    "admin/audience/customerimport/map/<str:upload_id>/": lambda world: {"upload_id": world.upload_id},
    "admin/campaigns/template/<int:pk>/attachments/<int:attachment>/remove/": lambda world: {
        "pk": world.pk(Template),
        "attachment": Attachment.objects.get(template=world.pk(Template)).pk,
    },
    "p/<str:token>": lambda world: {
        "token": qr.of_customer(world.other.pk, world.pk(Customer)).rpartition("/")[2]
    },
    "admin/campaigns/campaign/<int:pk>/people/<int:customer_pk>/": lambda world: {
        "pk": world.pk(Campaign),
        "customer_pk": world.pk(Customer),
    },
    "admin/campaigns/flow/<int:pk>/editor/<int:key>/": lambda world: {"pk": world.pk(Flow), "key": 1},
    "flows/<int:pk>/preview/": lambda world: {"pk": world.pk(Flow)},
    "flows/<int:pk>/simulate/": lambda world: {"pk": world.pk(Flow)},
    "templates/designs/<slug:key>/": lambda world: {"key": "sale"},
    **{
        f"templates/<int:pk>/{page}": lambda world: {"pk": world.pk(Template)}
        for page in ("", "check/", "preview/", "customers/", "images/", "picture/", "clone/", "delete/")
        + ("versions/", "test/")
    },
    **{
        f"templates/<int:pk>/versions/<int:number>/{page}": lambda world: {
            "pk": world.pk(Template),
            "number": 1,
        }
        for page in ("", "picture/", "restore/")
    },
    "campaigns/<int:pk>/send/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/reasons/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/audience/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/audience/counts/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/content/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/schedule/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/reach/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/start/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/clone/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/steer/<str:action>/": lambda world: {"pk": world.pk(Campaign), "action": "pause"},
    "campaigns/<int:pk>/follow-up/<str:kind>/": lambda world: {"pk": world.pk(Campaign), "kind": "failed"},
    "campaigns/<int:pk>/send/checks/mail/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/send/checks/times/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/send/schedule/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/send-time/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/send/test/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/send/customers/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/progress/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/why/": lambda world: {"pk": world.pk(Campaign)},
    "campaigns/<int:pk>/unknown/": lambda world: {"pk": world.pk(Campaign)},
    "settings/<int:pk>/": lambda world: {"pk": world.other.pk},
    "settings/<int:pk>/mailing/": lambda world: {"pk": world.other.pk},
    "settings/<int:pk>/members/": lambda world: {"pk": world.other.pk},
    "settings/<int:pk>/members/add/": lambda world: {"pk": world.other.pk},
    **{
        f"settings/<int:pk>/members/<int:member>/{page}/": lambda world: {
            "pk": world.other.pk,
            "member": world.pk(Membership),
        }
        for page in ("role", "invite", "remove")
    },
    **{
        f"customers/<int:pk>/{page}": lambda world: {"pk": world.pk(Customer)}
        for page in ("", "why/", "edit/", "suppress/", "lift/")
    },
    "customers/<int:pk>/consent/<str:channel>/": lambda world: {
        "pk": world.pk(Customer),
        "channel": "email",
    },
    "customers/<int:pk>/flows/<int:enrollment>/": lambda world: {
        "pk": world.pk(Customer),
        "enrollment": world.pk(Enrollment),
    },
    "customers/<int:pk>/erase/": lambda world: {"pk": world.pk(Customer)},
    "customers/<int:pk>/export/": lambda world: {"pk": world.pk(Customer)},
    "customers/<int:pk>/mails/": lambda world: {"pk": world.pk(Customer)},
    "senders/<int:pk>/verify/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/mailbox/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/connect/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/disconnect/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/test/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/reports/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/reports/address/": lambda world: {"pk": world.pk(Sender)},
    "senders/<int:pk>/reports/key/": lambda world: {"pk": world.pk(Sender)},
    "sign-up-forms/<int:pk>/preview/": lambda world: {"pk": world.pk(SignupForm)},
    "senders/<int:pk>/limits/": lambda world: {"pk": world.pk(Sender)},
    "reports/campaigns/<int:pk>/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/delivery/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/links/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/mail/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/people/": lambda world: {"pk": world.pk(Campaign)},
    "reports/campaigns/<int:pk>/panel/": lambda world: {"pk": world.pk(Campaign)},
    "mailbox/<int:message_id>/": lambda world: {"message_id": world.message_id},
    "mailbox/<int:message_id>/html/": lambda world: {"message_id": world.message_id},
    "mailbox/<int:message_id>/source/": lambda world: {"message_id": world.message_id},
}
# Open to everybody by a signed token or a secret; they have tests of their own.
PUBLIC = {
    "u/<str:token>",
    "o/<str:token>",
    "c/<str:token>/<int:number>",
    "v/<str:token>",
    "i/<str:file_name>",
    "q/<str:token>.png",
    "q/<str:token>.svg",
    "hooks/<str:public_id>/<str:secret>/",
    "account/password/<uidb64>/<token>/",
    "sign-up/<str:public_id>/",
    "sign-up/<str:public_id>/frame/",
    "confirm/<str:token>/",
}
# Written as regular expressions: the pages of an app, and Django's way of adding a slash.
EXPRESSIONS = {r"admin/^(?P<app_label>": ["admin/audience/", "admin/campaigns/"], r"admin/(?P<url>": []}


def urls_of(route: str, world: World) -> list[str]:
    """The route filled with what belongs to the other workspace; fails for one that is not known."""
    for beginning, urls in EXPRESSIONS.items():
        if route.startswith(beginning):
            return [f"/{url}" for url in urls]
    # The API knows no log-in; tests/api/test_wall.py throws keys at it.
    if route in PUBLIC or route.startswith("api/"):
        return []
    names = ARGUMENT.findall(route)
    model = model_of(route)
    if route in EXAMPLES:
        values = EXAMPLES[route](world)
    elif model is not None and len(names) == 1:
        values = {names[0]: world.pk(model)}
    else:
        values = {}
    missing = [name for name in names if name not in values]
    assert not missing, f"{route} takes {missing}: add an example of another workspace to EXAMPLES."
    return ["/" + ARGUMENT.sub(lambda found: str(values[found[1]]), route)]


# --- The walk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("several", [False, True], ids=["of one workspace", "of two"])
def test_no_url_shows_or_changes_anything_of_another_workspace(world: World, several: bool) -> None:
    if several:
        # Then pages ask which one is meant.
        second = WorkspaceFactory(slug="second")
        MembershipFactory(user=world.user, workspace=second, role=Membership.Role.OWNER)
    own = set(world.user.memberships.values_list("workspace_id", flat=True))
    client = Client(raise_request_exception=True)
    urls = [url for route in routes() for url in urls_of(route, world)]
    assert len(urls) > 100
    before = everything()
    asked = {"q": BEGINNING, "workspace": world.other.pk}
    attack = {
        "post": "yes",
        "_save": "Save",
        "name": "taken",
        "reason": "manual",
        "workspace": world.other.pk,
    }
    for url in urls:
        for method, data in (("get", {}), ("get", asked), ("post", attack)):
            client.force_login(world.user)
            shows_nothing(client, method, url, data)
    after = everything()
    for label, rows in before.items():
        assert after[label][: len(rows)] == rows, label
        # A form may have made something; in the user's own workspace, then, or of the user's own account.
        for row in after[label][len(rows) :]:
            assert row.get("workspace_id") in own or row.get("user_id") == world.user.pk, label


def test_every_model_of_the_site_has_a_foreign_example(world: World) -> None:
    assert set(admin.site._registry) <= set(world.foreign)


def test_a_url_that_nobody_thought_of_is_found(world: World) -> None:
    with pytest.raises(AssertionError, match="add an example"):
        urls_of("reports/<int:pk>/", world)


def test_the_walk_finds_what_a_superuser_sees(world: World) -> None:
    """The walk's own test: with the wall away, the mark is on the pages."""
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    with pytest.raises(AssertionError, match="belongs to another workspace"):
        shows_nothing(client, "get", f"/admin/audience/customer/{world.pk(Customer)}/change/", {})


def test_staff_without_a_membership_sees_nothing(world: World) -> None:
    client = Client()
    client.force_login(UserFactory())
    for model in (Customer, Campaign, SendLog, Segment):
        shows_nothing(client, "get", f"/admin/{model._meta.app_label}/{model._meta.model_name}/", {})
