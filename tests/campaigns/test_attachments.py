"""What may be attached, what is refused with what to do, and what a running campaign keeps."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import attachments, content, lifecycle, readiness
from campaigns.attachments import MB, Unfit, attach
from campaigns.models import AttachedFile, Attachment, Content, Sender, Template
from tests.factories import (
    CampaignFactory,
    MembershipFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256))
FINE = {
    "catalogue.pdf": PDF,
    "logo.PNG": b"\x89PNG\r\n\x1a\n....",
    "photo.jpg": b"\xff\xd8\xff\xe0....",
    "photo.jpeg": b"\xff\xd8\xff\xe1....",
    "party.ics": b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
    "prices.csv": "\ufeffRille;Preis\nGrüße;1,5\n".encode(),
    "terms.txt": b"1 < 2 and 3 > 2\n",
}


@pytest.fixture
def template() -> Template:
    made: Template = TemplateFactory()
    return made


@pytest.mark.parametrize("name", FINE)
def test_what_people_attach_is_taken_with_its_bytes(template: Template, name: str) -> None:
    attached = attach(template, name, FINE[name])
    assert attached.name == name.replace("PNG", "png")
    assert bytes(attached.file.data) == FINE[name]
    assert attached.file.size == len(FINE[name])


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("setup.exe", b"MZ", "one of these kinds: pdf, png"),
        ("page.html", b"<p>", "one of these kinds"),
        ("image.svg", b"<svg/>", "one of these kinds"),
        ("invoice.pdf.exe", PDF, "one of these kinds"),
        ("no suffix", PDF, "one of these kinds"),
        ("invoice.pdf", b"MZ\x90\x00", "is no PDF file"),
        ("invoice.pdf", b"<html>%PDF-", "is no PDF file"),
        ("photo.jpg", b"\x89PNG\r\n\x1a\n", "is no JPG file"),
        ("party.ics", b"hello", "is no ICS file"),
        ("notes.txt", b"hello <ScRiPt>alert(1)</script>", "HTML or a script"),
        ("notes.txt", b"#!/bin/sh\nrm -rf /", "HTML or a script"),
        ("notes.csv", b"<!DOCTYPE html>", "HTML or a script"),
        ("notes.txt", b"Gr\xfc\xdfe", "no text in UTF-8"),
        ("notes.txt", b"a\x00b", "no text in UTF-8"),
        ("notes.txt", b"", "is empty"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(
    template: Template, name: str, data: bytes, says: str
) -> None:
    with pytest.raises(Unfit, match=says):
        attach(template, name, data)
    assert not AttachedFile.objects.exists()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("C:\\Users\\ada\\preise.pdf", "preise.pdf"),
        ("../../etc/preise.pdf", "preise.pdf"),
        ('a"b\r\nc.pdf', "abc.pdf"),
        ("gpj\u202e.pdf", "gpj.pdf"),
        ("Größe e\u0301.pdf", "Größe é.pdf"),
        ("n" * 300 + ".pdf", "n" * 96 + ".pdf"),
    ],
)
def test_a_name_is_kept_as_far_as_a_header_and_a_disk_can_hold_it(
    template: Template, name: str, kept: str
) -> None:
    assert attach(template, name, PDF).name == kept


def test_equal_bytes_are_kept_once_in_a_workspace(template: Template) -> None:
    attach(template, "a.pdf", PDF)
    attach(template, "b.pdf", PDF)
    attach(TemplateFactory(workspace=WorkspaceFactory(slug="other")), "a.pdf", PDF)
    assert AttachedFile.objects.count() == 2
    assert Attachment.objects.count() == 3


def test_a_name_stands_once_on_a_template(template: Template) -> None:
    attach(template, "a.pdf", PDF)
    with pytest.raises(Unfit, match="already"):
        attach(template, "a.pdf", PDF + b"other")
    assert (Attachment.objects.count(), AttachedFile.objects.count()) == (1, 1)


def test_the_size_is_that_in_the_mail() -> None:
    for size in (1, 56, 57, 58, 5000):
        # RFC 2045, 6.8: lines of 76 characters, each with its break.
        lines = base64.encodebytes(bytes(size)).replace(b"\n", b"\r\n")
        assert 0 <= attachments.encoded_size([size]) - len(lines) < 78


def test_no_more_is_attached_than_any_mail_may_have(template: Template) -> None:
    attach(template, "large.pdf", PDF + bytes(10 * MB))
    with pytest.raises(Unfit, match="take 27.4 MB in a mail, and no mailbox provider takes more than 25 MB"):
        attach(template, "more.pdf", PDF + b"x" + bytes(10 * MB))
    assert Attachment.objects.count() == 1


@pytest.mark.parametrize(
    ("columns", "limit"),
    [
        ({"transport": "esp", "esp": "scaleway"}, 2 * MB),
        ({"transport": "esp", "esp": "postmark"}, 10 * MB),
        ({"transport": "smtp", "announced_size": 5_000_000}, 5_000_000),
        ({"transport": "smtp", "announced_size": 500 * MB}, 25 * MB),
        ({"transport": "smtp"}, 25 * MB),
        ({}, 25 * MB),
    ],
)
def test_each_sender_has_a_limit(columns: dict[str, Any], limit: int) -> None:
    assert attachments.mail_limit(SenderFactory(**columns)) == limit


def test_a_campaign_whose_sender_takes_no_such_mail_is_not_activated() -> None:
    postmark = SenderFactory(name="Fast", transport="esp", esp="postmark")
    campaign = CampaignFactory(senders=[SenderFactory(), postmark])
    attach(campaign.template, "large.pdf", PDF + bytes(8 * MB))
    with pytest.raises(
        lifecycle.NotReady, match="take 10.9 MB in a mail, and the sender “Fast” takes .* 10 MB"
    ):
        lifecycle.activate(campaign)
    Sender.objects.filter(pk=postmark.pk).update(state="stopped")
    lifecycle.activate(campaign)


def test_a_code_inside_the_mail_needs_a_service_that_takes_images() -> None:
    campaign = CampaignFactory(
        senders=[SenderFactory(transport="esp", esp="brevo")], template__qr_inline=True
    )
    [problem] = readiness.problems(campaign, campaign.created_at)
    assert "Brevo takes no images inside mails" in problem


# --- Frozen ----------------------------------------------------------------------------------------------


def test_a_running_campaign_keeps_what_was_attached(template: Template) -> None:
    attached = attach(template, "a.pdf", PDF)
    frozen = content.freeze(template)
    attachments.remove(attached)
    attach(template, "b.pdf", PDF + b"other")
    assert [(each.name, bytes(each.file.data)) for each in frozen.attachments.all()] == [("a.pdf", PDF)]
    again = content.freeze(template)
    assert again != frozen
    assert [each.name for each in again.attachments.all()] == ["b.pdf"]


def test_equal_sources_with_equal_attachments_share_their_content(template: Template) -> None:
    before = content.freeze(template)
    attached = attach(template, "a.pdf", PDF)
    first = content.freeze(template)
    assert content.freeze(template) == first != before
    attachments.remove(attached)
    assert content.freeze(template) == before
    assert Content.objects.count() == 2


def test_bytes_that_nothing_names_are_forgotten(template: Template) -> None:
    attached, twin = attach(template, "a.pdf", PDF), attach(template, "twin.pdf", PDF)
    attachments.remove(attached)
    assert AttachedFile.objects.count() == 1
    attachments.remove(twin)
    attachments.remove(twin)
    assert not AttachedFile.objects.exists()


# --- The page --------------------------------------------------------------------------------------------


@pytest.fixture
def staff(client: Client, template: Template) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


def panel(template: Template) -> str:
    return reverse("admin:campaigns_template_attachments", args=[template.pk])


def test_a_file_is_attached_listed_and_removed_on_the_page(staff: Client, template: Template) -> None:
    assert "None." in staff.get(panel(template)).text
    page = staff.post(panel(template), {"file": SimpleUploadedFile("a.pdf", PDF)}).text
    assert "“a.pdf” is attached." in page
    assert "275\xa0bytes" in page or f"{len(PDF)}\xa0bytes" in page
    attached = Attachment.objects.get()
    remove = reverse("admin:campaigns_template_attachments_remove", args=[template.pk, attached.pk])
    assert remove in page
    for says in ("“a.pdf” is removed.", "None."):
        assert says in staff.post(remove).text
    assert not AttachedFile.objects.exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Choose a file first."),
        ({"file": SimpleUploadedFile("a.exe", b"MZ")}, "cannot be attached"),
        ({"file": SimpleUploadedFile("a.pdf", PDF + bytes(26 * MB))}, "larger than any mail may be"),
    ],
)
def test_what_cannot_be_attached_is_said_on_the_page(
    staff: Client, template: Template, data: dict[str, Any], says: str
) -> None:
    assert says in staff.post(panel(template), data).text
    assert not Attachment.objects.exists()


def test_the_page_says_which_senders_take_no_such_mail(staff: Client, template: Template) -> None:
    SenderFactory(name="Fast", transport="esp", esp="scaleway")
    attach(template, "a.pdf", PDF + bytes(3 * MB))
    assert "the sender “Fast” takes mails of 2 MB at most" in staff.get(panel(template)).text


def test_an_analyst_reads_the_list_and_changes_nothing(client: Client, template: Template) -> None:
    attached = attach(template, "a.pdf", PDF)
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    page = client.get(panel(template)).text
    assert "a.pdf" in page
    assert "Remove" not in page
    assert client.post(panel(template), {"file": SimpleUploadedFile("b.pdf", PDF)}).status_code == 403
    remove = reverse("admin:campaigns_template_attachments_remove", args=[template.pk, attached.pk])
    assert client.post(remove).status_code == 403
    assert Attachment.objects.count() == 1


def test_a_template_that_is_deleted_takes_its_bytes_along(client: Client, template: Template) -> None:
    attach(template, "a.pdf", PDF)
    client.force_login(MembershipFactory(role=Membership.Role.OWNER).user)
    client.post(reverse("campaigns:template_delete", args=[template.pk]))
    assert not Template.objects.exists()
    assert not AttachedFile.objects.exists()
