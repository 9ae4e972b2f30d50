"""Every weighty act leaves its entry in the audit log, with who and from where, whichever door it came by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from audience.models import AuditEntry
from campaigns.models import Campaign, Sender, SenderLimit
from delivery.inbound import hooks
from delivery.models import SendLog
from tests.api.program import Program
from tests.delivery.staff import member
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    FlowFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db
PERSON = "ada.lovelace@example.com"
ADDRESS = "192.0.2.77"
BY_ADDRESS = {"all": [{"field": "email", "operator": "equals", "value": PERSON}]}
OPTED_IN = {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
WAIT = [{"key": 1, "kind": "wait", "for": {"days": 1}}, {"key": 2, "kind": "exit"}]


class Doors:
    """A workspace, a member with a browser and a program with a key in it, both from one address."""

    def __init__(self) -> None:
        self.workspace = WorkspaceFactory()
        self.staff: Client = member(self.workspace)
        self.user = self.workspace.memberships.get().user
        self.program = Program(self.workspace, user=self.user)
        for client in (self.staff, self.program.client):
            client.defaults["REMOTE_ADDR"] = ADDRESS
        self.customer = CustomerFactory(workspace=self.workspace, email=PERSON)
        self.last = AuditEntry.objects.count()

    def own(self, factory: Any, **columns: Any) -> Any:
        made = factory(workspace=self.workspace, **columns)
        self.last = AuditEntry.objects.count()
        return made

    def entries(self) -> list[AuditEntry]:
        return list(AuditEntry.objects.order_by("pk")[self.last :])


@pytest.fixture
def doors() -> Doors:
    return Doors()


def draft(doors: Doors) -> Campaign:
    return doors.own(CampaignFactory)


def _inlines(*prefixes: str, **forms: Any) -> dict[str, Any]:
    counts = {f"{prefix}-{what}_FORMS": 0 for prefix in prefixes for what in ("TOTAL", "INITIAL")}
    return counts | forms


def _sender_form(sender: Sender, **changes: Any) -> dict[str, Any]:
    columns = {
        "name": sender.name,
        "from_name": sender.from_name,
        "from_email": sender.from_email,
        "transport": "mailbox",
    }
    columns |= {"port": 587, "security": "starttls", "min_delay": 0}
    return columns | _inlines("limits", "warm_up") | changes


def _limit(number: int = 500, **more: Any) -> dict[str, Any]:
    row = {"mails": number, "period": "hour", "mailbox_provider": ""} | more
    return {f"limits-0-{name}": value for name, value in row.items()} | {"limits-TOTAL_FORMS": 1}


def api_segment(doors: Doors) -> None:
    doors.program.post("/segments", {"name": "Ada", "criteria": BY_ADDRESS})


def api_segment_change(doors: Doors) -> None:
    found = doors.own(SegmentFactory, criteria=OPTED_IN)
    doors.program.patch(f"/segments/{found.pk}", {"criteria": BY_ADDRESS})


def admin_segment(doors: Doors) -> None:
    doors.staff.post("/admin/audience/segment/add/", {"name": "New", "criteria": '{"all": []}'})
    doors.staff.post(
        "/admin/audience/segment/add/",
        {
            "name": "New",
            "criteria": '{"all": [{"field": "subscribed", "operator": "equals", "value": true}]}',
        },
    )


def admin_segment_deleted(doors: Doors) -> None:
    found = doors.own(SegmentFactory)
    doors.staff.post(f"/admin/audience/segment/{found.pk}/delete/", {"post": "yes"})


def api_customers(doors: Doors) -> None:
    doors.program.post("/customers/bulk", {"customers": [{"email": "new@example.com"}, {"email": PERSON}]})


def api_customer(doors: Doors) -> None:
    doors.program.patch(f"/customers/{doors.customer.pk}", {"name": "Ada King"})


def api_consent(doors: Doors) -> None:
    doors.program.patch(f"/customers/{doors.customer.pk}", {"subscribed": False})


def page_customer(doors: Doors) -> None:
    doors.staff.post(f"/customers/{doors.customer.pk}/edit/", {"name": "Ada King", "tracked": "on"})


def page_suppress(doors: Doors) -> None:
    doors.staff.post(f"/customers/{doors.customer.pk}/suppress/", {"note": "by phone"})


def api_suppress(doors: Doors) -> None:
    doors.program.post("/suppressions", {"emails": [PERSON, "b@example.com"]})


def admin_suppress(doors: Doors) -> None:
    doors.staff.post("/admin/audience/suppression/add/", {"addresses": PERSON, "note": ""})


def admin_customer_deleted(doors: Doors) -> None:
    doors.staff.post(f"/admin/audience/customer/{doors.customer.pk}/delete/", {"post": "yes"})


def api_attribute(doors: Doors) -> None:
    doors.program.post("/attributes", {"name": "orders", "type": "number"})


def admin_attribute(doors: Doors) -> None:
    doors.staff.post("/admin/audience/attribute/add/", {"name": "orders", "type": "number"})


def api_template(doors: Doors) -> None:
    doors.program.post("/templates", {"name": "May", "format": "html", "subject": "Hi", "body": "<p>Hi</p>"})


def api_template_change(doors: Doors) -> None:
    found = doors.own(TemplateFactory)
    doors.program.patch(f"/templates/{found.pk}", {"name": "June", "subject": "Ho"})


def page_template_deleted(doors: Doors) -> None:
    found = doors.own(TemplateFactory)
    doors.staff.post(f"/templates/{found.pk}/delete/")


def api_campaign(doors: Doors) -> None:
    doors.program.post("/campaigns", {"name": "Spring"})


def api_campaign_change(doors: Doors) -> None:
    found = draft(doors)
    doors.program.patch(f"/campaigns/{found.pk}", {"name": "Autumn", "senders": []})


def page_campaign_copied(doors: Doors) -> None:
    doors.staff.post(f"/campaigns/{draft(doors).pk}/clone/")


def api_automation(doors: Doors) -> None:
    found = doors.own(CampaignFactory, flow=FlowFactory(workspace=doors.workspace))
    doors.program.put(f"/campaigns/{found.pk}/automation", {"start": "event", "event": "order_placed"})


def admin_campaign_deleted(doors: Doors) -> None:
    doors.staff.post(f"/admin/campaigns/campaign/{draft(doors).pk}/delete/", {"post": "yes"})


def api_flow(doors: Doors) -> None:
    ask = {"key": 3, "kind": "condition", "criteria": BY_ADDRESS, "yes": [], "no": []}
    doors.program.post("/flows", {"name": "Welcome", "steps": [ask, *WAIT]})


def api_flow_published(doors: Doors) -> None:
    found = doors.own(FlowFactory, steps=WAIT)
    doors.program.post(f"/flows/{found.pk}/versions", {})


def admin_sender(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    doors.staff.post(f"/admin/campaigns/sender/{found.pk}/change/", _sender_form(found, min_delay=3))


def admin_limit(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    doors.staff.post(f"/admin/campaigns/sender/{found.pk}/change/", _sender_form(found, **_limit()))


def admin_limit_changed(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    held = SenderLimit.objects.create(sender=found, mails=100, period="hour")
    form = _sender_form(found, **_limit(id=held.pk, sender=found.pk), **{"limits-INITIAL_FORMS": 1})
    doors.staff.post(f"/admin/campaigns/sender/{found.pk}/change/", form)


def admin_limit_deleted(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    held = SenderLimit.objects.create(sender=found, mails=100, period="hour")
    gone = _limit(id=held.pk, sender=found.pk, DELETE="on")
    form = _sender_form(found, **gone, **{"limits-INITIAL_FORMS": 1})
    doors.staff.post(f"/admin/campaigns/sender/{found.pk}/change/", form)


def admin_warm_up(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    warm_up = {"warm_up-TOTAL_FORMS": 1, "warm_up-0-first_day": 50}
    warm_up |= {"warm_up-0-growth": 2, "warm_up-0-target": 1000}
    doors.staff.post(f"/admin/campaigns/sender/{found.pk}/change/", _sender_form(found, **warm_up))


def page_report_key(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="esp", esp="resend")
    doors.staff.post(f"/senders/{found.pk}/reports/key/", {"key": "whsec_c2VjcmV0"})


def page_report_address(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="esp", esp="resend")
    hooks.make(found)
    doors.last = AuditEntry.objects.count()
    doors.staff.post(f"/senders/{found.pk}/reports/address/", {"replace": "1"})


def page_report_file(doors: Doors) -> None:
    found = doors.own(CampaignFactory, status="active")
    doors.staff.get(f"/reports/campaigns/{found.pk}/?csv={doors_table(doors, found)}")


def doors_table(doors: Doors, campaign: Campaign) -> str:
    """The key of some table of the campaign's report."""
    page = doors.staff.get(f"/reports/campaigns/{campaign.pk}/")
    return str(next(iter(page.context["tables"])))


def page_person_file(doors: Doors) -> None:
    doors.staff.post(f"/customers/{doors.customer.pk}/export/")


def page_erased(doors: Doors) -> None:
    doors.staff.post(f"/customers/{doors.customer.pk}/erase/")


def page_doubts(doors: Doors) -> None:
    found = doors.own(CampaignFactory, status="active")
    columns = {"workspace": doors.workspace, "campaign": found, "customer": doors.customer, "email": PERSON}
    sender = found.senders.first() or SenderFactory(workspace=doors.workspace)
    row = SendLog.objects.create(**columns, sender=sender, status="unknown", due_at=found.created_at)
    choice = {"row": row.pk, "choice": "count_as_sent", "confirmed": 1}
    doors.staff.post(f"/campaigns/{found.pk}/unknown/", choice)


def page_test_sent(doors: Doors) -> None:
    found = doors.own(SenderFactory, transport="mailbox")
    doors.staff.post(f"/senders/{found.pk}/test/", {"address": "me@acme.example"})


ACTS: dict[Callable[[Doors], None], dict[str, Any]] = {
    api_segment: {"action": "added"},
    api_segment_change: {"action": "changed", "before": "subscribed", "after": "(address)"},
    admin_segment: {"action": "added", "after": "subscribed"},
    admin_segment_deleted: {"action": "deleted"},
    api_customers: {"action": "customers written", "after": "'created': 1, 'updated': 1"},
    api_customer: {"action": "changed", "after": "{'fields': 'name'}"},
    api_consent: {"action": "opted out", "after": "email"},
    page_customer: {"action": "changed", "after": "{'fields': 'name'}"},
    page_suppress: {"action": "suppressed", "after": "'addresses': 1"},
    api_suppress: {"action": "suppressed", "after": "'addresses': 2"},
    admin_suppress: {"action": "suppressed", "after": "'addresses': 1"},
    admin_customer_deleted: {"action": "deleted"},
    api_attribute: {"action": "added", "after": "orders"},
    admin_attribute: {"action": "added", "after": "orders"},
    api_template: {"action": "changed", "after": "{'version': 1}"},
    api_template_change: {"action": "changed", "after": "June"},
    page_template_deleted: {"action": "deleted"},
    api_campaign: {"action": "added", "after": "Spring"},
    api_campaign_change: {"action": "changed", "after": "Autumn"},
    page_campaign_copied: {"action": "added", "after": "copy of"},
    api_automation: {"action": "changed", "after": "order_placed"},
    admin_campaign_deleted: {"action": "deleted"},
    api_flow: {"action": "added", "after": "(address)"},
    api_flow_published: {"action": "flow published", "after": "'version': 1"},
    admin_sender: {"action": "changed", "before": "{'min_delay': 0}", "after": "{'min_delay': 3}"},
    admin_limit: {"action": "added", "after": "500"},
    admin_limit_changed: {"action": "changed", "before": "100", "after": "500"},
    admin_limit_deleted: {"action": "deleted", "before": "100"},
    admin_warm_up: {"action": "added", "after": "1000"},
    page_report_key: {"action": "report key entered"},
    page_report_address: {"action": "report address replaced"},
    page_report_file: {"action": "exported", "after": "list"},
    page_person_file: {"action": "exported"},
    page_erased: {"action": "erased", "after": "customers"},
    page_doubts: {"action": "noted", "after": "counted as sent"},
    page_test_sent: {"action": "test sent", "after": "'domain': 'acme.example'"},
}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_an_act_is_told_with_who_from_where_and_what(act: Callable[[Doors], None], doors: Doors) -> None:
    expected = ACTS[act]
    act(doors)
    told = doors.entries()
    said = [(each.action, each.before, each.after) for each in told]
    found = [each for each in told if each.action == expected["action"]]
    found = [each for each in found if expected.get("after", "") in str(each.after)]
    found = [each for each in found if expected.get("before", "") in str(each.before)]
    assert len(found) == 1, said
    [entry] = found
    assert (entry.actor_name, entry.ip) == (doors.user.username, ADDRESS)
    assert entry.workspace_id == doors.workspace.pk
    is_api = act.__name__.startswith("api_")
    assert entry.door.endswith(" by the API key A program") is is_api
    everything = str([(each.name, each.door, each.before, each.after) for each in told])
    assert PERSON not in everything and "whsec" not in everything
