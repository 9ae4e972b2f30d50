"""Imports from the browser: upload, columns, then a worker's work to watch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audience import imports
from audience.admin import uploads
from audience.models import Customer, CustomerImport, Membership
from tests.factories import MembershipFactory

ADD = "admin:audience_customerimport_add"
FILE = b"Mail;Town;Orders\nada@example.com;Wien;3\nnobody;Graz;1\n"


@pytest.fixture
def staff(client: Client, db: None, settings: Settings, tmp_path: Path) -> Client:
    settings.DATA_DIR = tmp_path
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


def upload(staff: Client, content: bytes = FILE, **data: str) -> Any:
    file = SimpleUploadedFile("people.csv", content, "text/csv")
    return staff.post(reverse(ADD), {"file": file, **data})


def test_a_file_is_uploaded_mapped_and_then_waits_for_a_worker(staff: Client) -> None:
    mapping = upload(staff, subscribe="on", consent_note="Check-out")
    page = staff.get(mapping.url)
    assert "ada@example.com" in page.text and "Wien" in page.text
    fields = page.context["form"].fields
    assert [field.initial for field in fields.values()] == ["email", "attributes.town", "attributes.orders"]

    done = staff.post(mapping.url, {"column_0": "email", "column_1": "", "column_2": "attributes.orders"})
    created = CustomerImport.objects.get()
    assert done.url == reverse("admin:audience_customerimport_change", args=[created.pk])
    assert (created.status, created.name, created.subscribe) == ("pending", "people.csv", True)
    assert created.mapping == {"Mail": "email", "Town": "", "Orders": "attributes.orders"}
    assert not Customer.objects.exists()
    assert staff.get(mapping.url).status_code == 404, "an upload is imported once"


def test_a_file_that_is_too_large_is_refused_before_it_is_kept(staff: Client, settings: Settings) -> None:
    settings.IMPORT_MAX_BYTES = len(FILE) - 1
    page = upload(staff)
    assert "The file is larger than" in page.text
    assert not [*uploads.directory().glob("*")]


def test_progress_is_watched_until_the_end_and_rejected_rows_are_downloaded(staff: Client) -> None:
    mapping = upload(staff)
    staff.post(
        mapping.url, {"column_0": "email", "column_1": "attributes.town", "column_2": "attributes.orders"}
    )
    created = CustomerImport.objects.get()
    panel = reverse("admin:audience_customerimport_progress", args=[created.pk])
    assert "every 1s" in staff.get(panel).text
    rejected = reverse("admin:audience_customerimport_rejected", args=[created.pk])
    assert staff.get(rejected).status_code == 404

    imports.claim_and_run_next(60)
    page = staff.get(panel).text
    assert "every 1s" not in page and "Completed" in page
    content = b"".join(staff.get(rejected).streaming_content).decode()  # type: ignore[attr-defined]
    assert "nobody" in content and "no @" in content
    assert Customer.objects.get().attributes == {"town": "Wien", "orders": 3}


def test_consent_needs_a_note(staff: Client) -> None:
    page = upload(staff, subscribe="on")
    assert "Say where and how they agreed" in page.text
    assert not (uploads.directory()).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        ("mail\nJosé@example.com\n".encode("latin-1"), "not UTF-8"),
        (b"ada@example.com\n", "The first line holds an e-mail address"),
        (b"mail,mail\na@example.com,b@example.com\n", "mail"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    staff: Client, content: bytes, message: str
) -> None:
    page = upload(staff, content)
    if page.status_code == 302:
        page = staff.get(page.url, follow=True)
    assert message in page.text
    assert not CustomerImport.objects.exists()
    assert not list(uploads.directory().glob("*")) if uploads.directory().exists() else True


def test_a_mapping_that_makes_no_sense_stays_on_its_page(staff: Client) -> None:
    mapping = upload(staff)
    page = staff.post(mapping.url, {"column_0": "email", "column_1": "email", "column_2": ""})
    assert "both go to email" in page.text
    assert staff.post(mapping.url, {"column_0": "password"}).status_code == 200
    assert not CustomerImport.objects.exists()


def test_an_upload_is_for_who_uploaded_it(staff: Client) -> None:
    mapping = upload(staff)
    other = Client()
    other.force_login(MembershipFactory().user)
    assert other.get(mapping.url).status_code == 404


def test_an_upload_that_was_forgotten_is_removed(staff: Client) -> None:
    upload(staff)
    [forgotten] = uploads.directory().glob("*.upload")
    os.utime(forgotten, (0, 0))
    upload(staff)
    assert not forgotten.exists()
    assert len(list(uploads.directory().glob("*.upload"))) == 1
