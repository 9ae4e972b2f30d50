from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audience import access, api_keys
from audience.models import ApiKey, Membership
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db


def make(**given: object) -> tuple[ApiKey, str]:
    member = MembershipFactory()
    return api_keys.create(member.workspace, member.user, "Shop", ["campaigns:read"], **given)  # type: ignore[arg-type]


def test_of_a_key_only_its_digest_is_kept() -> None:
    key, text = make()
    stored = str(ApiKey.objects.values().get(pk=key.pk))
    assert text.removeprefix(key.prefix) not in stored
    assert text.startswith(key.prefix) and len(key.digest) == 64


def test_a_key_is_found_by_its_text_and_by_nothing_else() -> None:
    key, text = make()
    assert api_keys.find(text) == key
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    for wrong in ("", key.prefix, text[:-1], text + "A", changed, text.upper(), key.digest, f" {text}", "\0"):
        assert api_keys.find(wrong) is None


def test_a_key_that_has_run_out_or_was_revoked_opens_nothing() -> None:
    _, text = make(expires_at=timezone.now() - timedelta(seconds=1))
    assert api_keys.find(text) is None
    key, text = make(expires_at=timezone.now() + timedelta(hours=1))
    assert api_keys.find(text) == key
    assert api_keys.revoke(key) and not api_keys.revoke(key)
    assert api_keys.find(text) is None


def test_that_a_key_is_in_use_is_noted_once_a_minute() -> None:
    key, text = make()
    api_keys.find(text)
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    assert first is not None
    api_keys.find(text)
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(minutes=2))
    api_keys.find(text)
    assert ApiKey.objects.get(pk=key.pk).last_used_at >= first  # type: ignore[operator]


def test_a_scope_that_does_not_exist_is_refused() -> None:
    member = MembershipFactory()
    with pytest.raises(ValueError, match="no scope"):
        api_keys.create(member.workspace, member.user, "Shop", ["everything"])
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("owner", {"read", "write", "send"}),
        ("manager", {"read", "write", "send"}),
        ("editor", {"read", "write"}),
        ("analyst", {"read"}),
    ],
)
def test_a_key_may_what_its_scopes_and_its_members_role_both_allow(role: str, allowed: set[str]) -> None:
    member = MembershipFactory(role=role)
    key, _ = api_keys.create(member.workspace, member.user, "All", list(api_keys.SCOPES))
    for scope in api_keys.SCOPES:
        assert access.key_allows(key, scope) == (scope.rpartition(":")[2] in allowed)
    narrow, _ = api_keys.create(member.workspace, member.user, "Narrow", ["events:read"])
    assert [scope for scope in api_keys.SCOPES if access.key_allows(narrow, scope)] == ["events:read"]


def test_the_role_in_another_workspace_does_not_count() -> None:
    member = MembershipFactory(role=Membership.Role.ANALYST)
    MembershipFactory(user=member.user, workspace__slug="other", role=Membership.Role.OWNER)
    key, _ = api_keys.create(member.workspace, member.user, "K", ["campaigns:send"])
    assert not access.key_allows(key, "campaigns:send")
