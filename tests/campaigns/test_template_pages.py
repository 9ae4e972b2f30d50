"""The list of templates, the gallery, copying and deleting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audience.models import Membership
from campaigns import lifecycle, starters
from campaigns.models import Template
from campaigns.views.frame import SEALED
from tests.factories import (
    CampaignFactory,
    MembershipFactory,
    TemplateFactory,
    UserFactory,
    WorkspaceFactory,
)

LIST = "campaigns:templates"
NEW = "campaigns:template_new"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


@pytest.fixture
def analyst(db: None) -> Client:
    client = Client()
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    return client


def names(page: Any) -> list[str]:
    return [template.name for template in page.context["page"]]


def test_an_empty_list_leads_to_the_gallery(staff: Client, analyst: Client) -> None:
    page = staff.get(reverse(LIST)).text
    assert "No templates yet" in page and reverse(NEW) in page
    assert reverse(NEW) not in analyst.get(reverse(LIST)).text


def test_templates_are_listed_as_pictures_the_last_saved_first(staff: Client) -> None:
    old, new = TemplateFactory(name="Old"), TemplateFactory(name="New")
    Template.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(days=3))
    page = staff.get(reverse(LIST))
    assert names(page) == ["New", "Old"]
    assert reverse("campaigns:template_picture", args=[new.pk]) in page.text
    assert "3\xa0days ago" in page.text


def test_the_list_is_searched_by_name_and_subject(staff: Client) -> None:
    (
        TemplateFactory(name="Spring"),
        TemplateFactory(name="B", subject="A spring sale"),
        TemplateFactory(name="C"),
    )
    assert set(names(staff.get(reverse(LIST), {"q": "sPring"}))) == {"Spring", "B"}
    assert "Nothing found" in staff.get(reverse(LIST), {"q": "<b>none"}).text


def test_a_long_list_has_pages_and_costs_the_same(
    staff: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    TemplateFactory.create_batch(30)
    with django_assert_max_num_queries(15):
        page = staff.get(reverse(LIST), {"page": 2})
    assert len(names(page)) == 6
    assert staff.get(reverse(LIST), {"page": "x"}).status_code == 200


def test_a_picture_is_shut_off_from_the_site(staff: Client) -> None:
    template = TemplateFactory(body="<p>{{ customer_name }}</p><script>alert(1)</script>")
    response = staff.get(reverse("campaigns:template_picture", args=[template.pk]))
    assert response["Content-Security-Policy"] == SEALED
    assert "sandbox;" in SEALED and "allow" not in SEALED and "script-src" not in SEALED
    assert "Ada Lovelace" in response.text


def test_a_template_that_has_an_error_has_a_picture_that_says_so(staff: Client) -> None:
    template = TemplateFactory(body="{% if %}")
    assert "has an error" in staff.get(reverse("campaigns:template_picture", args=[template.pk])).text


# --- The gallery ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("starter", starters.every(), ids=lambda starter: starter.key)
def test_a_template_starts_from_each_of_the_gallery(staff: Client, starter: starters.Starter) -> None:
    assert starter.name in staff.get(reverse(NEW)).text
    response = staff.post(reverse(NEW), {"starter": starter.key})
    made = Template.objects.get()
    assert response.url == reverse("campaigns:template", args=[made.pk])  # type: ignore[attr-defined]
    assert (made.body, made.version) == (starter.sources.body, 1)
    assert staff.get(response.url).status_code == 200  # type: ignore[attr-defined]


def test_a_design_is_looked_at_before(staff: Client) -> None:
    response = staff.get(reverse("campaigns:starter", args=["sale"]))
    assert "SPRING25" in response.text
    assert response["Content-Security-Policy"] == SEALED
    assert staff.get(reverse("campaigns:starter", args=["empty-mjml"])).status_code == 404
    assert staff.get(reverse("campaigns:starter", args=["none"])).status_code == 404


def test_what_is_not_in_the_gallery_makes_nothing(staff: Client) -> None:
    for data in ({}, {"starter": "none"}):
        assert staff.post(reverse(NEW), data).status_code == 200
    assert "There is no such start" in staff.post(reverse(NEW), {"starter": "none"}).text
    assert not Template.objects.exists()


def test_without_any_workspace_the_gallery_says_what_comes_first(client: Client, db: None) -> None:
    client.force_login(UserFactory(is_superuser=True))
    assert reverse("admin:audience_workspace_add") in client.get(reverse(NEW)).text
    assert client.post(reverse(NEW), {"starter": "sale"}).status_code == 200
    assert not Template.objects.exists()


def test_who_sees_several_workspaces_says_whose_it_is(client: Client, db: None) -> None:
    client.force_login(UserFactory(is_superuser=True))
    first, second = WorkspaceFactory(), WorkspaceFactory(slug="second")
    assert "Your brand" in client.get(reverse("campaigns:starter", args=["newsletter"])).text
    page = client.post(reverse(NEW), {"starter": "sale"})
    assert page.status_code == 200 and not Template.objects.exists()
    client.post(reverse(NEW), {"starter": "sale", "workspace": second.pk})
    assert Template.objects.get().workspace == second != first


def test_an_analyst_looks_and_changes_nothing(analyst: Client) -> None:
    template = TemplateFactory()
    assert template.name in analyst.get(reverse(LIST)).text
    assert analyst.get(reverse("campaigns:template", args=[template.pk])).status_code == 200
    assert analyst.post(reverse(NEW), {"starter": "sale"}).status_code == 403
    for page in ("template", "template_clone", "template_delete", "template_images"):
        assert analyst.post(reverse(f"campaigns:{page}", args=[template.pk])).status_code == 403
    assert analyst.post(reverse("campaigns:template_restore", args=[template.pk, 1])).status_code == 403
    assert Template.objects.count() == 1


# --- Copies and ends -------------------------------------------------------------------------------------


def test_a_copy_is_made_and_opened(staff: Client) -> None:
    template = TemplateFactory(name="Spring")
    page = staff.post(reverse("campaigns:template_clone", args=[template.pk]), follow=True)
    assert "This is “Copy of Spring” now" in page.text
    assert staff.get(reverse("campaigns:template_clone", args=[template.pk])).status_code == 405


def test_deleting_says_first_what_it_means(staff: Client) -> None:
    sent = CampaignFactory(template__name="Spring")
    CampaignFactory(name="Next spring", template=sent.template)
    lifecycle.activate(sent)
    url = reverse("campaigns:template_delete", args=[sent.template.pk])
    page = " ".join(staff.get(url).text.split())
    assert "1 campaign that was activated with it keeps its frozen content" in page
    assert "1 draft will be without content and needs another template: “Next spring”" in page
    assert Template.objects.exists()
    done = staff.post(url, follow=True)
    assert "“Spring” is deleted." in done.text
    assert not Template.objects.exists()
    sent_page = staff.get(reverse("site:campaign", args=[sent.pk])).text
    assert "Deleted since; what is sent stays as it was" in sent_page


def test_the_admins_addresses_lead_to_these_pages(staff: Client) -> None:
    template = TemplateFactory()
    admin = "admin:campaigns_template"
    for name, args, page in (
        (f"{admin}_changelist", [], reverse(LIST)),
        (f"{admin}_add", [], reverse(NEW)),
        (f"{admin}_change", [template.pk], reverse("campaigns:template", args=[template.pk])),
        (f"{admin}_delete", [template.pk], reverse("campaigns:template_delete", args=[template.pk])),
    ):
        assert staff.get(reverse(name, args=args)).url == page  # type: ignore[attr-defined]
    assert staff.get(reverse(f"{admin}_change", args=[template.pk + 1])).status_code == 404
