"""Every list of the admin stays fast: the same few queries for any number of rows, and no table counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audience import api_keys
from audience.admin.base import CappedPaginator
from audience.models import (
    ApiKey,
    Attribute,
    AuditEntry,
    ConsentRecord,
    Customer,
    CustomerEvent,
    CustomerImport,
    Membership,
    Segment,
    Suppression,
    Workspace,
)
from campaigns import drafts
from campaigns.models import Automation, Campaign, CampaignTransition, Content, Flow, Sender, Template
from delivery.models import Event, Inbound, Progress, SendLog, SignupForm
from tests.factories import (
    AttributeFactory,
    CampaignFactory,
    CustomerFactory,
    FlowFactory,
    MembershipFactory,
    SegmentFactory,
    SenderFactory,
    SignupFormFactory,
    SuppressionFactory,
    TemplateFactory,
    UserFactory,
    WorkspaceFactory,
)


def ledger_row(number: int) -> SendLog:
    customer, campaign = CustomerFactory(), CampaignFactory()
    row: SendLog = SendLog.objects.create(
        workspace=campaign.workspace,
        campaign=campaign,
        customer=customer,
        sender=campaign.senders.get(),
        email=customer.email,
        due_at=timezone.now(),
    )
    return row


def event(number: int) -> Event:
    row = ledger_row(number)
    about = {"workspace": row.workspace, "sendlog": row, "customer_id": row.customer_id}
    found: Event = Event.objects.create(
        **about, type="unsubscribed", source="link", key=f"{number}", at=timezone.now()
    )
    return found


def inbound(number: int) -> Inbound:
    sender = SenderFactory()
    found: Inbound = Inbound.objects.create(
        workspace=sender.workspace, sender=sender, service="postmark", body=b"{}", digest=f"{number}"
    )
    return found


def content(number: int) -> Content:
    template = TemplateFactory()
    found: Content = Content.objects.create(
        workspace=template.workspace, template=template, digest=f"{number}", subject="s", html="h", text="t"
    )
    return found


def transition(number: int) -> CampaignTransition:
    return CampaignTransition.objects.create(
        campaign=CampaignFactory(), actor=UserFactory(), from_status="draft", to_status="active"
    )


def consent(number: int) -> ConsentRecord:
    customer = CustomerFactory()
    found: ConsentRecord = ConsentRecord.objects.create(
        workspace=customer.workspace, customer=customer, email=customer.email, granted=True, source="staff"
    )
    return found


def api_key(number: int) -> ApiKey:
    membership = MembershipFactory(role=Membership.Role.OWNER)
    return api_keys.create(membership.workspace, membership.user, f"Key {number}", ["campaigns:read"])[0]


MAKERS: dict[type[Model], Any] = {
    ApiKey: api_key,
    AuditEntry: lambda n: AuditEntry.objects.create(workspace=WorkspaceFactory(), action="tested"),
    Attribute: lambda n: AttributeFactory(name=f"a{n}"),
    Campaign: lambda n: CampaignFactory(),
    CampaignTransition: transition,
    ConsentRecord: consent,
    Content: content,
    Customer: lambda n: CustomerFactory(),
    CustomerImport: lambda n: CustomerImport.objects.create(workspace=WorkspaceFactory(), name=f"{n}.csv"),
    CustomerEvent: lambda n: CustomerEvent.objects.create(
        workspace=(customer := CustomerFactory()).workspace,
        customer=customer,
        name="order_placed",
        key=f"k{n}",
        at=timezone.now(),
        properties={"total": n},
    ),
    Event: event,
    Flow: lambda n: FlowFactory(),
    Automation: lambda n: drafts.automate(CampaignFactory()),
    Group: lambda n: Group.objects.create(name=f"Group {n}"),
    Inbound: inbound,
    Membership: lambda n: MembershipFactory(),
    Progress: lambda n: Progress.objects.create(campaign=CampaignFactory()),
    Segment: lambda n: SegmentFactory(),
    SendLog: ledger_row,
    Sender: lambda n: SenderFactory(),
    SignupForm: lambda n: SignupFormFactory(),
    Suppression: lambda n: SuppressionFactory(email=f"s{n}@example.com"),
    User: lambda n: UserFactory(),
    Workspace: lambda n: WorkspaceFactory(slug=f"w{n}"),
}
# Nobody has ten thousand of these, and they are not a workspace's.
SMALL = {User, Group, Workspace}
# Their addresses lead to pages of their own.
ELSEWHERE = {Template}


@pytest.fixture
def superuser_client(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def queries_of(client: Client, model: type[Model]) -> list[str]:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(url)
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_every_model_of_the_site_is_listed_here() -> None:
    assert set(MAKERS) == set(admin.site._registry) - ELSEWHERE


@pytest.mark.parametrize("several", [False, True], ids=["one workspace", "several"])
@pytest.mark.parametrize("model", MAKERS, ids=lambda model: model._meta.model_name)
def test_a_list_asks_as_much_for_thirty_rows_as_for_three(
    superuser_client: Client, model: type[Model], several: bool
) -> None:
    if several:
        WorkspaceFactory(slug="second")
    WorkspaceFactory()
    for number in range(3):
        MAKERS[model](number)
    few = queries_of(superuser_client, model)
    for number in range(3, 30):
        MAKERS[model](number)
    many = queries_of(superuser_client, model)
    assert len(many) == len(few), "\n".join(many)
    assert len(many) <= 12


@pytest.mark.parametrize("several", [False, True], ids=["one workspace", "several"])
@pytest.mark.parametrize("model", MAKERS, ids=lambda model: model._meta.model_name)
def test_every_row_has_a_page(superuser_client: Client, model: type[Model], several: bool) -> None:
    if several:
        WorkspaceFactory(slug="second")
    row = MAKERS[model](1)
    options = model._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    assert superuser_client.get(url).status_code == 200


LARGE = [model for model in MAKERS if model not in SMALL]


@pytest.mark.parametrize("model", LARGE, ids=lambda model: model._meta.model_name)
def test_no_list_counts_its_whole_table(superuser_client: Client, model: type[Model]) -> None:
    MAKERS[model](1)
    counts = [sql for sql in queries_of(superuser_client, model) if "COUNT(" in sql]
    assert counts
    assert all(re.search(rf"LIMIT {CappedPaginator.LIMIT + 1}\b", sql) for sql in counts), counts


def test_a_long_list_says_that_there_is_more(
    superuser_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "LIMIT", 60)
    for _ in range(61):
        CustomerFactory()
    url = reverse("admin:audience_customer_changelist")
    assert "Search or filter to see others" in superuser_client.get(url).text
    assert superuser_client.get(url, {"p": 2}).status_code == 200
    Customer.objects.last().delete()  # type: ignore[union-attr]
    assert "60 customers" in superuser_client.get(url).text


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("Ada@Example.COM ", ["ada@example.com"]),
        ("ada", ["ada@example.com", "ada@example.community"]),
        ("ada@example.com", ["ada@example.com"]),
        ("ada@example.co", ["ada@example.com", "ada@example.community"]),
        ("k-7", ["grace@example.com"]),
        ("example", []),
        ("%", []),
        ("_da", []),
    ],
)
def test_customers_are_found_by_how_their_address_begins(
    superuser_client: Client, term: str, found: list[str]
) -> None:
    for email, external_id in (
        ("ada@example.com", ""),
        ("ada@example.community", "k-8"),
        ("grace@example.com", "k-7"),
    ):
        CustomerFactory(email=email, external_id=external_id)
    response = superuser_client.get(reverse("admin:audience_customer_changelist"), {"q": term})
    assert sorted(row.email for row in response.context["cl"].result_list) == found


def test_a_search_reads_an_index(superuser_client: Client) -> None:
    Customer.objects.bulk_create(CustomerFactory.build_batch(3000, workspace=WorkspaceFactory()))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audience_customer")
    with CaptureQueriesContext(connection) as captured:
        superuser_client.get(reverse("admin:audience_customer_changelist"), {"q": "ada"})
    [search] = [query["sql"] for query in captured.captured_queries if "LIKE" in query["sql"]]
    plan = plan_of(search)
    # A range of addresses, in the words of SQLite and of PostgreSQL.
    assert "email>? AND email<?" in plan or "(email)::text ~>=~ 'ada'" in plan, plan


def plan_of(statement: str) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {statement}")
        return " ".join(row[-1] for row in cursor.fetchall())


def test_the_ledger_is_only_read(superuser_client: Client) -> None:
    row = ledger_row(1)
    url = reverse("admin:delivery_sendlog_change", args=[row.pk])
    page = superuser_client.get(url)
    assert "Not yet: the mail waits for its turn." in page.text
    assert superuser_client.post(url, {"status": "sent"}).status_code == 403
    assert superuser_client.get(reverse("admin:delivery_sendlog_add")).status_code == 403
    assert superuser_client.post(reverse("admin:delivery_sendlog_delete", args=[row.pk])).status_code == 403
    row.refresh_from_db()
    assert row.status == SendLog.Status.QUEUED
