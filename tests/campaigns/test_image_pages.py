"""Pictures are uploaded in the editor, and everybody can load them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audience.models import Membership
from campaigns import images
from campaigns.models import Image, Template
from tests.campaigns.pictures import png
from tests.factories import MembershipFactory, TemplateFactory, WorkspaceFactory


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(MembershipFactory(role=Membership.Role.EDITOR).user)
    return client


@pytest.fixture
def template(db: None) -> Template:
    made: Template = TemplateFactory()
    return made


def panel(template: Template) -> str:
    return reverse("campaigns:template_images", args=[template.pk])


def upload(name: str = "spring_sale.png", data: bytes = b"") -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, data or png(1200, 800))}


def test_an_uploaded_picture_asks_how_it_is_to_be_shown(staff: Client, template: Template) -> None:
    page = staff.post(panel(template), upload()).text
    image = Image.objects.get()
    assert images.address(image) in page
    assert 'data-width="1200" data-height="800"' in page
    assert 'id="image-width" value="600"' in page
    assert 'id="image-alt" value="Spring sale"' in page


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Choose a file first."),
        (upload("a.svg", b"<svg><script>alert(1)</script></svg>"), "no complete PNG, JPEG or GIF"),
        (upload("a.png", png(9, 9) + bytes(5 * images.MB)), "larger than 5 MB"),
    ],
)
def test_what_is_no_picture_for_mails_is_refused(
    staff: Client, template: Template, data: dict[str, Any], says: str
) -> None:
    assert says in staff.post(panel(template), data).text
    assert not Image.objects.exists()


def test_pictures_of_the_workspace_are_offered_again(staff: Client, template: Template) -> None:
    own = images.keep(template.workspace, "own.png", png(4, 4))
    other = images.keep(WorkspaceFactory(slug="other"), "other.png", png(4, 4))
    page = staff.get(panel(template)).text
    assert "own.png" in page and "other.png" not in page
    assert "data-address" in staff.get(panel(template), {"image": own.pk}).text
    assert "data-address" not in staff.get(panel(template), {"image": other.pk}).text


def test_everybody_loads_a_picture_and_no_browser_takes_it_for_a_page(template: Template) -> None:
    image = images.keep(template.workspace, "a.png", png(4, 4) + b"<script>alert(1)</script>IEND")
    response = Client().get(f"/i/{image.file_name}")
    assert response.content == bytes(image.data)
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "immutable" in response["Cache-Control"]
    assert "Set-Cookie" not in response


def test_an_address_that_is_nearly_right_shows_nothing(template: Template) -> None:
    image = images.keep(template.workspace, "a.png", png(4, 4))
    for file_name in (f"{image.token}.jpg", f"{image.token[:-1]}.png", image.token, f"{image.pk}.png"):
        assert Client().get(f"/i/{file_name}").status_code == 404
    assert Client().post(f"/i/{image.file_name}").status_code == 405
