"""The audit log: weighty changes leave an entry that nobody can change and that holds no secret."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audience import api_keys, audit, suppression
from audience.models import AuditEntry, Membership
from campaigns import lifecycle
from tests.api.program import Program
from tests.delivery.staff import member, superuser
from tests.factories import (
    CampaignFactory,
    MembershipFactory,
    SenderFactory,
    SuppressionFactory,
    UserFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def triggers() -> None:
    """As an installation has them; on SQLite tests do without one (tests/conftest.py)."""
    if connection.vendor == "sqlite":
        statements = importlib.import_module("audience.migrations.0006_audit").SQLITE
        with connection.cursor() as cursor:
            cursor.execute(next(each for each in statements if "audit_no_DELETE" in each))


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: AuditEntry.objects.update(actor_name="somebody else"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: connection.cursor().execute("UPDATE audience_auditentry SET action = 'nothing'"),
        lambda: connection.cursor().execute("DELETE FROM audience_auditentry"),
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(
    attempt: Callable[[], object], triggers: None
) -> None:
    audit.record("tested")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        attempt()
    assert AuditEntry.objects.get().action == "tested"


def test_an_entry_goes_with_the_change_that_it_tells_of() -> None:
    campaign = CampaignFactory(status="active")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lifecycle.pause(campaign)
        _ = 1 / 0
    assert not AuditEntry.objects.exists()


def test_a_transition_says_who_from_where_and_what_was_before() -> None:
    workspace = WorkspaceFactory()
    client = member(workspace)
    campaign = CampaignFactory(workspace=workspace, status="active")
    url = f"/campaigns/{campaign.pk}/steer/pause/"
    client.post(url, {"reason": "wrong price"}, REMOTE_ADDR="192.0.2.7")
    entry = AuditEntry.objects.get(action="pause")
    assert (entry.before, entry.after["status"]) == ({"status": "active"}, "paused")
    assert (entry.actor_name, entry.ip) == (workspace.memberships.get().user.username, "192.0.2.7")
    assert entry.door == "POST /campaigns/<int:pk>/steer/<str:action>/"
    assert (entry.workspace, entry.thing_id) == (workspace, campaign.pk)


def test_a_suppression_that_is_lifted_is_told_without_the_address() -> None:
    row = SuppressionFactory(email="secret.person@example.com")
    suppression.lift(row, UserFactory())
    entry = AuditEntry.objects.get()
    assert entry.action == "suppression lifted"
    assert "secret.person" not in str([entry.name, entry.before, entry.after])


def test_a_changed_role_is_told_with_the_old_one() -> None:
    place = MembershipFactory(role=Membership.Role.EDITOR)
    client = member(place.workspace)
    client.post(f"/admin/audience/membership/{place.pk}/change/", {"role": "owner"})
    entry = AuditEntry.objects.get(action="changed")
    assert (entry.before, entry.after) == ({"role": "editor"}, {"role": "owner"})


def test_a_senders_password_is_said_to_have_changed_and_not_shown() -> None:
    sender = SenderFactory(transport="smtp", host="smtp.example.com")
    form = {
        "name": sender.name,
        "from_email": sender.from_email,
        "transport": "smtp",
        "host": "mail.example.com",
        "port": 587,
        "security": "starttls",
        "password": "hunter2-secret",
        "min_delay": 0,
    }
    for prefix in ("limits", "warm_up"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    response = member(sender.workspace).post(f"/admin/campaigns/sender/{sender.pk}/change/", form)
    assert response.status_code == 302, response.context["errors"]
    entry = AuditEntry.objects.get(action="changed")
    assert entry.before["host"] == "smtp.example.com"
    assert entry.after["host"] == "mail.example.com"
    assert entry.after["password"] == "(secret) entered"
    assert "hunter2" not in str([entry.before, entry.after])


def test_log_ins_and_failures_are_told_with_the_address() -> None:
    user = UserFactory(username="ada")
    user.set_password("right")
    user.save(update_fields=["password"])
    client = Client(REMOTE_ADDR="192.0.2.9")
    client.post("/admin/login/", {"username": "ada", "password": "wrong"})
    client.post("/admin/login/", {"username": "ada", "password": "right"})
    failed, done = AuditEntry.objects.order_by("id")
    assert (failed.action, failed.name, failed.ip) == ("log-in failed", "ada", "192.0.2.9")
    assert (done.action, done.actor_name, done.ip) == ("logged in", "ada", "192.0.2.9")
    assert "wrong" not in str([failed.before, failed.after, failed.name])


def test_a_search_finds_what_is_in_a_name_and_reads_the_log_once() -> None:
    workspace = WorkspaceFactory()
    owner = member(workspace)
    for name in ("Black Friday", "Friday's news", "Monday"):
        audit.record("tested", workspace=workspace, name=name)
    with CaptureQueriesContext(connection) as queries:
        page = owner.get("/admin/audience/auditentry/?q=friday").content.decode()
    assert "Black Friday" in page and "Friday&#x27;s news" in page and "Monday" not in page
    assert len([query for query in queries if "friday" in query["sql"]]) == 1


@pytest.mark.parametrize("role", [Membership.Role.ANALYST, Membership.Role.EDITOR, Membership.Role.MANAGER])
def test_the_log_is_for_owners(role: Membership.Role) -> None:
    workspace = WorkspaceFactory()
    audit.record("tested", workspace=workspace)
    assert member(workspace, role).get("/admin/audience/auditentry/").status_code == 403


def test_an_owner_reads_the_own_workspace_and_site_staff_everything() -> None:
    workspace = WorkspaceFactory()
    owner = member(workspace)
    for where, name in (
        (workspace, "ours"),
        (WorkspaceFactory(slug="other"), "theirs"),
        (None, "everybodys"),
    ):
        audit.record("tested", workspace=where, name=name)
    seen = owner.get("/admin/audience/auditentry/").content.decode()
    assert "ours" in seen and "theirs" not in seen and "everybodys" not in seen
    seen = superuser().get("/admin/audience/auditentry/").content.decode()
    assert "ours" in seen and "theirs" in seen and "everybodys" in seen


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["./manage.py", "campaign", "pause", "7"], "manage.py campaign"),
        (["/usr/bin/celery", "--app", "config", "worker", "--loglevel", "INFO"], "celery worker"),
        (["/venv/bin/gunicorn", "config.wsgi"], "gunicorn"),
    ],
)
def test_what_no_page_did_names_the_program(arguments: list[str], name: str) -> None:
    assert audit.program(arguments) == name


def test_what_a_key_of_the_api_does_is_told_with_its_name_and_member() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    program.put(f"/campaigns/{campaign.pk}/status", {"status": "active"})
    entry = AuditEntry.objects.get(action="activate")
    assert entry.actor_name == program.user.username
    assert entry.door == "PUT /api/campaigns/<campaign_id>/status by the API key A program"


def test_a_suppression_that_a_key_lifts_and_a_file_that_it_uploads_are_told() -> None:
    program = Program()
    row = SuppressionFactory(workspace=program.workspace, email="secret.person@example.com")
    program.call("DELETE", f"/suppressions/{row.pk}")
    program.upload("secret.person.csv", b"email\nada@example.com\n", {})
    told = AuditEntry.objects.filter(door__contains="by the API key A program").order_by("id")
    assert [entry.action for entry in told] == ["suppression lifted", "file uploaded"]
    assert "secret.person" not in str([*told.values()])


def test_a_refused_request_leaves_no_entry() -> None:
    program = Program()
    campaign = CampaignFactory(workspace=program.workspace)
    before = AuditEntry.objects.count()
    program.put(f"/campaigns/{campaign.pk}/status", {"status": "paused"})
    assert AuditEntry.objects.count() == before


def test_a_key_that_is_made_and_revoked_is_told_without_it() -> None:
    program = Program()
    api_keys.revoke(program.key)
    api_keys.revoke(program.key)
    told = list(AuditEntry.objects.order_by("id").values())
    assert [entry["action"] for entry in told] == ["API key made", "API key revoked"]
    assert "campaigns:send" in told[0]["after"]["scopes"]
    assert program.text not in str(told) and program.key.digest not in str(told)
