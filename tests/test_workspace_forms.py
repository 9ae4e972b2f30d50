"""The wall between workspaces, and roles inside one: ids in forms and queries that should not be there."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from audience.models import (
    Attribute,
    Membership,
    Segment,
)
from campaigns import lifecycle
from campaigns.models import Campaign, Sender, Template
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.world import BEGINNING, MARK, World, everything, shows_nothing

# --- Ids inside queries and forms --------------------------------------------------------------------


@pytest.fixture
def own_campaign(world: World) -> Campaign:
    campaign: Campaign = CampaignFactory(workspace=world.own)
    return campaign


def campaign_form(campaign: Campaign, **changes: Any) -> dict[str, Any]:
    share = campaign.sender_shares.get()
    return {
        "name": campaign.name,
        "audience": "segment",
        "segment": campaign.segment_id,
        "template": campaign.template_id,
        "clock": "workspace",
        "sender_shares-TOTAL_FORMS": 1,
        "sender_shares-INITIAL_FORMS": 1,
        "sender_shares-0-id": share.pk,
        "sender_shares-0-campaign": campaign.pk,
        "sender_shares-0-sender": share.sender_id,
        "sender_shares-0-weight": 1,
        **changes,
    }


@pytest.mark.parametrize(
    ("field", "model"), [("segment", Segment), ("template", Template), ("sender_shares-0-sender", Sender)]
)
@pytest.mark.parametrize("member_of_both", [False, True])
def test_a_campaign_never_points_into_another_workspace(
    world: World, own_campaign: Campaign, field: str, model: type[Model], member_of_both: bool
) -> None:
    if member_of_both:
        MembershipFactory(user=world.user, workspace=world.other)
    client = Client()
    client.force_login(world.user)
    url = f"/admin/campaigns/campaign/{own_campaign.pk}/change/"
    assert client.post(url, campaign_form(own_campaign, name="Renamed")).status_code == 302
    before = everything()
    response = client.post(url, campaign_form(own_campaign, name="Again", **{field: world.pk(model)}))
    assert response.status_code == 200
    assert everything()["campaigns.Campaign"] == before["campaigns.Campaign"]
    assert everything()["campaigns.CampaignSender"] == before["campaigns.CampaignSender"]


def test_a_new_thing_cannot_be_put_into_a_workspace_that_is_not_the_users(world: World) -> None:
    """The member of one workspace cannot name another; the member of several only their own."""
    client = Client()
    client.force_login(world.user)
    data = {"workspace": world.other.pk, "name": "plan", "type": "text"}
    client.post("/admin/audience/attribute/add/", data)
    assert Attribute.objects.get(name="plan").workspace == world.own

    MembershipFactory(user=world.user, workspace=WorkspaceFactory(slug="second"))
    assert client.post("/admin/audience/attribute/add/", data | {"name": "tier"}).status_code == 200
    assert not Attribute.objects.filter(name="tier").exists()


def test_a_thing_does_not_move_to_another_workspace(world: World) -> None:
    MembershipFactory(user=world.user, workspace=world.other)
    template = TemplateFactory(workspace=world.own)
    client = Client()
    client.force_login(world.user)
    data = {"workspace": world.other.pk, "name": "New", "format": "plain", "subject": "Hi", "body": "Hi"}
    assert client.post(f"/templates/{template.pk}/", data | {"based_on": 0}).status_code == 200
    template.refresh_from_db()
    assert (template.workspace, template.name) == (world.own, "New")


def test_a_preview_of_a_segment_does_not_look_into_another_workspace(world: World) -> None:
    client = Client()
    client.force_login(world.user)
    url, data = "/admin/audience/segment/preview/", {"criteria": "{}"}
    assert client.post(url, data | {"workspace": world.other.pk}).status_code == 404
    response = client.post(url, data | {"workspace": world.own.pk})
    assert response.status_code == 200
    assert MARK not in response.text


@pytest.mark.parametrize("page", ["check", "preview", "test"])
def test_a_mail_is_not_shown_as_a_customer_of_another_workspace(world: World, page: str) -> None:
    client = Client()
    client.force_login(world.user)
    template, sender = TemplateFactory(workspace=world.own), SenderFactory(workspace=world.own)
    data = {"format": "plain", "subject": "{{ customer_name }}", "body": "x", "sender": sender.pk}
    data |= {"preview_as": f"{MARK}@example.com", "address": "me@example.org"}
    response = client.post(f"/templates/{template.pk}/{page}/", data)
    assert response.status_code == 200
    said = response.text.replace(f"{MARK}@example.com is no customer", "")
    assert MARK not in said.replace(f"There is no customer {MARK}@example.com", "")


def test_filters_and_look_ups_do_not_reach_over_the_wall(world: World) -> None:
    client = Client()
    client.force_login(world.user)
    for query in (
        f"workspace={world.other.pk}",
        f"workspace__id__exact={world.other.pk}",
        f"campaign__id__exact={world.pk(Campaign)}",
        f"email__startswith={BEGINNING}",
    ):
        shows_nothing(client, "get", f"/admin/delivery/sendlog/?{query}", {})


def test_a_list_answers_no_questions_about_other_tables(world: World) -> None:
    """Else the first letters of a password's digest could be asked for, one after the other."""
    client = Client(raise_request_exception=False)
    client.force_login(world.user)
    response = client.get("/admin/audience/suppression/?created_by__password__startswith=argon2")
    assert response.status_code == 400


def test_the_send_page_takes_no_ids_of_another_workspace(world: World, own_campaign: Campaign) -> None:
    client = Client()
    client.force_login(world.user)
    before = everything()["campaigns.Campaign"]
    chosen = {"audience": "segment", "segment": world.pk(Segment)}
    shows_nothing(client, "get", f"/campaigns/{own_campaign.pk}/send/audience/", chosen)
    shows_nothing(client, "post", f"/campaigns/{own_campaign.pk}/send/", chosen)
    shows_nothing(client, "get", f"/campaigns/{own_campaign.pk}/send/customers/", {"render_as": BEGINNING})
    assert everything()["campaigns.Campaign"] == before


# --- Roles inside a workspace ------------------------------------------------------------------------


def test_an_analyst_changes_nothing(world: World, own_campaign: Campaign) -> None:
    Membership.objects.filter(user=world.user).update(role=Membership.Role.ANALYST)
    client = Client()
    client.force_login(world.user)
    segment = SegmentFactory(workspace=world.own)
    customer = CustomerFactory(workspace=world.own)
    before = everything()
    for url in (
        f"/admin/campaigns/campaign/{own_campaign.pk}/change/",
        f"/admin/campaigns/campaign/{own_campaign.pk}/delete/",
        f"/admin/audience/segment/{segment.pk}/change/",
        f"/admin/audience/customer/{customer.pk}/change/",
        f"/admin/campaigns/template/{own_campaign.template_id}/campaign/",
        "/admin/audience/suppression/add/",
        "/admin/audience/customerimport/add/",
        "/admin/campaigns/sender/add/",
    ):
        assert client.post(url, {"post": "yes", "name": "Taken"}).status_code == 403, url
    after = everything()
    assert after["campaigns.Campaign"] == before["campaigns.Campaign"]
    assert after["audience.Customer"] == before["audience.Customer"]


def test_an_editor_neither_steers_campaigns_nor_makes_themselves_an_owner(
    world: World, own_campaign: Campaign
) -> None:
    membership = Membership.objects.get(user=world.user)
    Membership.objects.filter(pk=membership.pk).update(role=Membership.Role.EDITOR)
    lifecycle.activate(own_campaign)
    client = Client()
    client.force_login(world.user)
    assert client.post(f"/campaigns/{own_campaign.pk}/steer/pause/").status_code == 403
    url = f"/admin/audience/membership/{membership.pk}/change/"
    assert client.post(url, {"role": Membership.Role.OWNER}).status_code == 403
    assert client.post(f"/admin/audience/workspace/{world.own.pk}/change/", {"name": "x"}).status_code == 403
    assert client.get("/admin/auth/user/").status_code == 403
    membership.refresh_from_db()
    assert membership.role == Membership.Role.EDITOR
