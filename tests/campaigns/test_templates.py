"""Templates: every save keeps a version, and nobody's work is lost to somebody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils import timezone

from audience.models import Workspace
from campaigns import attachments, lifecycle, readiness, templates
from campaigns.content import ContentError
from campaigns.models import AttachedFile, Campaign, Template, TemplateVersion
from campaigns.templates import NameTaken, Sources, Stale
from tests.factories import CampaignFactory, TemplateFactory, UserFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
FIRST = Sources("html", "Hello", "", "<p>One</p>")
SECOND = replace(FIRST, body="<p>Two</p>")


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def template(workspace: Workspace) -> Template:
    return templates.create(workspace, "Spring", FIRST)


def kept(template: Template) -> list[tuple[int, str]]:
    return list(template.versions.order_by("number").values_list("number", "body"))


def test_every_save_keeps_a_version_of_its_author(template: Template) -> None:
    ada = UserFactory(username="ada")
    saved = templates.save(template, "Spring", SECOND, based_on=1, actor=ada)
    assert (saved.body, saved.version) == ("<p>Two</p>", 2)
    assert kept(template) == [(1, "<p>One</p>"), (2, "<p>Two</p>")]
    assert template.versions.get(number=2).saved_by == ada


def test_a_save_that_changes_nothing_keeps_nothing(template: Template) -> None:
    templates.save(template, "Spring", FIRST, based_on=1, actor=None)
    assert kept(template) == [(1, "<p>One</p>")]


def test_a_new_name_alone_is_no_version(template: Template) -> None:
    saved = templates.save(template, "Summer", FIRST, based_on=1, actor=None)
    assert (saved.name, saved.version) == ("Summer", 1)
    assert Template.objects.get().name == "Summer"


def test_who_comes_second_is_told_and_overwrites_nothing(template: Template) -> None:
    grace = UserFactory(username="grace")
    templates.save(template, "Spring", SECOND, based_on=1, actor=grace)
    with pytest.raises(Stale, match="grace has saved version 2") as stale:
        templates.save(template, "Spring", replace(FIRST, body="<p>Three</p>"), based_on=1, actor=None)
    assert stale.value.newest == 2
    assert Template.objects.get().body == "<p>Two</p>"


def test_what_no_mail_can_be_made_of_is_not_saved(template: Template) -> None:
    with pytest.raises(ContentError):
        templates.save(template, "Spring", replace(FIRST, body="{% if %}"), based_on=1, actor=None)
    assert kept(template) == [(1, "<p>One</p>")]


def test_a_name_that_is_taken_changes_nothing(template: Template, workspace: Workspace) -> None:
    templates.create(workspace, "Summer", FIRST)
    with pytest.raises(NameTaken, match="“Summer”"):
        templates.save(template, "Summer", SECOND, based_on=1, actor=None)
    assert kept(template) == [(1, "<p>One</p>")]
    assert Template.objects.get(name="Spring").body == "<p>One</p>"


def test_a_template_from_before_versions_loses_nothing_by_its_first_save() -> None:
    old = TemplateFactory(body="<p>As it was</p>")
    templates.save(old, old.name, replace(Sources.of(old), body="<p>New</p>"), based_on=0, actor=None)
    assert kept(old) == [(1, "<p>As it was</p>"), (2, "<p>New</p>")]


def test_restoring_makes_a_new_version_and_keeps_the_others(template: Template) -> None:
    templates.save(template, "Spring", SECOND, based_on=1, actor=None)
    restored = templates.restore(template, 1, None)
    assert restored.body == "<p>One</p>"
    assert kept(template) == [(1, "<p>One</p>"), (2, "<p>Two</p>"), (3, "<p>One</p>")]
    assert template.versions.get(number=3).note == "Version 1 again"
    templates.restore(template, 1, None)
    assert len(kept(template)) == 3


def test_a_version_that_there_never_was_is_not_restored(template: Template) -> None:
    with pytest.raises(TemplateVersion.DoesNotExist):
        templates.restore(template, 7, None)


def test_names_that_are_taken_are_numbered(workspace: Workspace, template: Template) -> None:
    names = [templates.create(workspace, "Spring", FIRST).name for _ in range(2)]
    assert names == ["Spring 2", "Spring 3"]
    long = "x" * 100
    assert [len(templates.create(workspace, long, FIRST).name) for _ in range(2)] == [100, 100]


def test_a_copy_says_and_attaches_the_same_and_goes_its_own_way(template: Template) -> None:
    attachments.attach(template, "a.txt", b"hello")
    copy = templates.clone(template, None)
    assert (copy.name, Sources.of(copy)) == ("Copy of Spring", FIRST)
    assert [str(each) for each in copy.attachments.all()] == ["a.txt"]
    templates.save(copy, copy.name, SECOND, based_on=1, actor=None)
    assert Template.objects.get(name="Spring").body == "<p>One</p>"


def test_deleting_leaves_sent_content_alone_and_drafts_without_any() -> None:
    sent, draft = CampaignFactory(), CampaignFactory()
    Campaign.objects.filter(pk=draft.pk).update(template=sent.template)
    attachments.attach(sent.template, "a.txt", b"hello")
    lifecycle.activate(sent)
    assert templates.uses(sent.template) == templates.Uses(activated=1, drafts=1)
    templates.delete(sent.template)
    for campaign in (sent, draft):
        campaign.refresh_from_db()
    assert sent.content is not None
    assert "Unsubscribe" in sent.content.html
    assert [str(each) for each in sent.content.attachments.all()] == ["a.txt"]
    assert any("No template is chosen" in said for said in readiness.problems(draft, timezone.now()))


def test_deleting_takes_versions_and_files_along(template: Template) -> None:
    attachments.attach(template, "a.txt", b"hello")
    for _ in range(2):
        templates.delete(template)
    assert not Template.objects.exists()
    assert not TemplateVersion.objects.exists()
    assert not AttachedFile.objects.exists()
