from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from audience import api_keys
from audience.models import ApiKey, Membership
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:audience_apikey_changelist"), reverse("admin:audience_apikey_add")
FORM = {"name": "Shop", "scopes": ["customers:read", "customers:write"], "days": "30"}


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def test_an_owner_makes_a_key_that_is_shown_once_and_works() -> None:
    client = client_of(MembershipFactory())
    response = client.post(ADD, FORM)
    [text] = re.findall(r"drumbeat_[0-9a-f]{8}_[\w-]{43}", response.content.decode())
    assert "no-store" in response["Cache-Control"]
    found = api_keys.find(text)
    assert found is not None and found.scopes == ["customers:read", "customers:write"]
    assert found.expires_at is not None and (found.expires_at - found.created_at).days in (29, 30)
    for url in (LIST, reverse("admin:audience_apikey_change", args=[found.pk])):
        page = client.get(url).content.decode()
        assert found.prefix in page and text not in page and found.digest not in page
    assert text not in str(client.session.items())


def test_a_key_without_scopes_is_refused() -> None:
    page = client_of(MembershipFactory()).post(ADD, FORM | {"scopes": []}).content.decode()
    assert "Choose at least one thing." in page and not ApiKey.objects.exists()


@pytest.mark.parametrize("role", ["manager", "editor", "analyst"])
def test_nobody_but_owners_sees_or_makes_or_revokes_keys(role: str) -> None:
    owner = MembershipFactory()
    key, _ = api_keys.create(owner.workspace, owner.user, "Shop", ["campaigns:read"])
    client = client_of(MembershipFactory(workspace=owner.workspace, role=role))
    revoke = reverse("admin:audience_apikey_delete", args=[key.pk])
    answers = [
        client.get(LIST),
        client.get(ADD),
        client.post(ADD, FORM),
        client.post(revoke, {"post": "yes"}),
    ]
    assert all(answer.status_code in (302, 403) for answer in answers)
    key.refresh_from_db()
    assert key.revoked_at is None and ApiKey.objects.count() == 1


def test_who_owns_one_workspace_sees_no_keys_of_another_that_they_only_read() -> None:
    owner = MembershipFactory()
    key, _ = api_keys.create(owner.workspace, owner.user, "Theirs", ["campaigns:read"])
    mine = MembershipFactory(workspace__slug="mine")
    MembershipFactory(user=mine.user, workspace=owner.workspace, role=Membership.Role.ANALYST)
    client = client_of(mine)
    assert key.prefix not in client.get(LIST).content.decode()
    client.post(ADD, FORM | {"workspace": owner.workspace.pk})
    assert ApiKey.objects.count() == 1


def test_a_key_is_revoked_after_a_question_and_stays_in_the_list() -> None:
    owner = MembershipFactory()
    key, text = api_keys.create(owner.workspace, owner.user, "Shop", ["campaigns:read"])
    client, url = client_of(owner), reverse("admin:audience_apikey_delete", args=[key.pk])
    assert "Revoke" in client.get(url).content.decode()
    assert api_keys.find(text) is not None
    page = client.post(url, follow=True).content.decode()
    assert "is revoked" in page and key.prefix in page
    assert api_keys.find(text) is None
