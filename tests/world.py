"""Two workspaces with a wall between them, for the tests that throw things at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics import roll_up
from audience import api_keys
from audience.admin import uploads
from audience.models import (
    AuditEntry,
    ConsentRecord,
    Customer,
    CustomerEvent,
    CustomerImport,
    Membership,
    Workspace,
)
from campaigns import attachments, drafts, images, lifecycle, templates
from campaigns.models import Campaign, Enrollment, FlowVersion, Sender
from delivery.mailbox.store import MailboxStore
from delivery.models import Event, Inbound, Progress, SendLog, Signup
from tests.campaigns.pictures import png
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
    UserFactory,
    WorkspaceFactory,
)

# Stands in everything of the other workspace that a page could show.
MARK = "zzforeign"
# Finds it, and may be shown again by the page that was asked for it.
BEGINNING = MARK[:6]


@dataclass
class World:
    """A member of one workspace, and one row of each model in another."""

    user: User
    own: Workspace
    other: Workspace
    foreign: dict[type[Model], Model]
    message_id: int
    upload_id: str

    def pk(self, model: type[Model]) -> Any:
        return self.foreign[model].pk


def make_world(settings: Settings, directory: Path) -> World:
    settings.MAILBOX_PATH = directory / "mailbox.sqlite3"
    settings.DATA_DIR = directory
    own, other = WorkspaceFactory(slug="own"), WorkspaceFactory(slug=MARK)
    user = MembershipFactory(workspace=own, role=Membership.Role.OWNER).user
    foreign = {type(row): row for row in foreign_rows(other)}
    message_id = foreign_message(foreign[Campaign], settings.MAILBOX_PATH)
    roll_up.run()
    return World(user, own, other, foreign, message_id, foreign_upload(other))


def foreign_rows(workspace: Workspace) -> Iterator[Model]:
    """One row of each model, in this workspace; each shows the mark."""
    customer = CustomerFactory(workspace=workspace, email=f"{MARK}@example.com", name=MARK)
    sender = SenderFactory(workspace=workspace, name=MARK, from_name=MARK, from_email=f"{MARK}@acme.example")
    sources = templates.Sources("html", MARK, MARK, f"<p>{MARK}</p>")
    template = templates.create(workspace, MARK, sources)
    images.keep(workspace, f"{MARK}.png", png(4, 4))
    attachments.attach(template, f"{MARK}.txt", MARK.encode())
    segment = SegmentFactory(workspace=workspace, name=MARK)
    campaign = CampaignFactory(
        workspace=workspace, name=MARK, template=template, segment=segment, senders=[sender]
    )
    lifecycle.activate(campaign)
    row = SendLog.objects.create(
        workspace=workspace,
        campaign=campaign,
        customer=customer,
        sender=sender,
        email=customer.email,
        due_at=timezone.now(),
    )
    yield from (workspace, customer, sender, template, segment, campaign, row, campaign.content)
    yield campaign.transitions.first()
    yield Progress.objects.create(campaign=campaign)
    yield AttributeFactory(workspace=workspace, name=MARK)
    yield SuppressionFactory(workspace=workspace, email=f"{MARK}@example.org", note=MARK)
    yield from foreign_flow(workspace, sender, customer)
    yield CustomerEvent.objects.create(
        workspace=workspace, customer=customer, name="order_placed", key=MARK, at=timezone.now()
    )
    yield MembershipFactory(workspace=workspace, user=UserFactory(username=MARK))
    user = User.objects.get(username=MARK)
    yield user
    yield api_keys.create(workspace, user, MARK, ["campaigns:read"])[0]
    yield Group.objects.create(name=MARK)
    yield CustomerImport.objects.create(
        workspace=workspace, name=f"{MARK}.csv", file=f"/{MARK}.csv", rejected=1
    )
    yield ConsentRecord.objects.create(
        workspace=workspace, customer=customer, email=customer.email, granted=True, source="staff"
    )
    yield AuditEntry.objects.create(workspace=workspace, action="changed", name=MARK, door="x")
    yield foreign_signup_form(workspace, sender)
    yield from foreign_reports(row)


def foreign_signup_form(workspace: Workspace, sender: Sender) -> Model:
    """With somebody who has asked by it."""
    form: Model = SignupFormFactory(
        workspace=workspace, sender=sender, name=MARK, heading=MARK, attributes=[MARK]
    )
    about = {"workspace": workspace, "form": form, "asked_at": timezone.now()}
    Signup.objects.create(**about, email=f"{MARK}@example.net", error=MARK)
    return form


def foreign_reports(row: SendLog) -> Iterator[Model]:
    """What came back about a mail, as it came and as it was understood."""
    yield Inbound.objects.create(
        workspace=row.workspace,
        sender=row.sender,
        service="postmark",
        body=f'{{"Tag": "{MARK}"}}'.encode(),
        error=MARK,
    )
    yield Event.objects.create(
        workspace=row.workspace,
        sendlog=row,
        customer_id=row.customer_id,
        type=Event.Type.UNSUBSCRIBED,
        source=Event.Source.LINK,
        key=MARK,
        detail=MARK,
        at=timezone.now(),
    )


def foreign_flow(workspace: Workspace, sender: Sender, customer: Customer) -> Iterator[Model]:
    flow = FlowFactory(workspace=workspace, name=MARK)
    yield flow
    always_on = CampaignFactory(workspace=workspace, name=MARK, flow=flow, template=None, senders=[sender])
    yield drafts.automate(always_on, event=MARK)
    steps = [{"key": 1, "kind": "exit", "name": MARK}]
    version = FlowVersion.objects.create(flow=flow, number=1, steps=steps)
    yield version
    about = {"campaign": always_on, "version": version, "customer": customer, "key": MARK, "step": 1}
    yield Enrollment.objects.create(**about, due_at=timezone.now(), entered_at=timezone.now())


def foreign_message(campaign: Model, mailbox: Path) -> int:
    raw = f"Feedback-ID: {campaign.pk}:x\r\nSubject: {MARK}\r\n\r\n{MARK}".encode()
    with MailboxStore(mailbox) as store:
        return store.add(f"{MARK}@example.com", "news@acme.example", raw)


def foreign_upload(workspace: Workspace) -> str:
    """A file that somebody else has uploaded and not yet imported."""
    uploads.directory().mkdir()
    upload = uploads.Upload("0" * 32, f"{MARK}.csv", workspace.pk, False, "")
    upload.path.write_text(f"email\n{MARK}@example.com\n")
    return upload.id


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all models, oldest first, without the traces of visits and what is only counted."""
    written = [model for model in apps.get_models() if model._meta.app_label != "analytics"]
    traces = (Session, LogEntry, ContentType, AuditEntry)
    models = [model for model in written if model not in traces]
    found = {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in models}
    for user in found["auth.User"]:
        del user["last_login"]
    return found


def shows_nothing(client: Client, method: str, url: str, data: dict[str, Any]) -> None:
    response = getattr(client, method)(url, data, follow=True)
    assert response.status_code in (200, 403, 404, 405, 422), f"{method} {url}: {response.status_code}"
    content = b"".join(response) if response.streaming else response.content
    assert MARK.encode() not in content.lower(), f"{method} {url} shows what belongs to another workspace"
