"""QR codes: what they say, where their images stand, and that nobody else can make them."""

from __future__ import annotations

import binascii
import re

import pytest
from django.test import Client
from pytest_django import Settings

from audience.models import Membership
from campaigns import content
from campaigns.content import Compiled, RenderError, compile_template, qr
from campaigns.content.encoder import Encoder
from tests.campaigns.mails import LINK
from tests.factories import CustomerFactory, MembershipFactory, UserFactory, WorkspaceFactory

CUSTOMER = dict.fromkeys(content.CUSTOMER_COLUMNS, "") | {"external_id": "10042", "attributes": {}}
IMAGE = re.compile(
    r'<img src="http://127\.0\.0\.1:8000/q/([\w-]+)\.png" width="160" height="160" alt="QR code"'
)


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.SITE_URL = "http://127.0.0.1:8000"


def rendered(compiled: Compiled, **columns: str) -> content.Rendered:
    """The mail of customer 7 of workspace 3, which is the same when it is encoded."""
    workspace = WorkspaceFactory.build(name="Acme", postal_address="")
    data = content.context(CUSTOMER | columns, workspace, "Spring", LINK)
    data = content.with_qr_code(data, qr.of_customer(3, 7))
    told = content.Renderer(compiled).render(data)
    encoded = Encoder(compiled).encode(data)
    assert binascii.a2b_qp(encoded.html).decode() == told.html.replace("\n", "\r\n")
    assert binascii.a2b_qp(encoded.text).decode() == told.text.replace("\n", "\r\n")
    return told


def html(body: str) -> Compiled:
    return compile_template("html", "Hi", "", body + "<p>{{ unsubscribe_link }}</p>")


MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"


@pytest.mark.parametrize(("format", "around"), [("html", "<p>{}</p>"), ("markdown", "{}"), ("mjml", MJML)])
def test_a_customers_code_is_an_image_in_html_and_a_link_in_text(format: str, around: str) -> None:
    told = rendered(compile_template(format, "Hi", "", around.replace("{}", "{{ customer.qr_code }}")))
    [token] = IMAGE.findall(told.html)
    assert qr.whom_it_names(token) == qr.CustomerCode(3, 7)
    assert qr.what_it_says(token) == f"http://127.0.0.1:8000/p/{token}"
    assert f"http://127.0.0.1:8000/p/{token}" in told.text
    assert "<img" not in told.text


def test_any_text_can_be_a_code() -> None:
    told = rendered(html("{{ 'https://shop.example/ü' | qr_code }} {{ customer.external_id | qr_code }}"))
    assert list(map(qr.what_it_says, IMAGE.findall(told.html))) == ["https://shop.example/ü", "10042"]
    assert "https://shop.example/ü" in told.text


def test_nothing_makes_no_code_and_too_much_is_refused() -> None:
    assert "<img" not in rendered(html("{{ customer.unknown | qr_code }}{{ '' | qr_code }}")).html
    with pytest.raises(RenderError, match="300 bytes"):
        rendered(html(f"{{{{ '{'x' * 301}' | qr_code }}}}"))


def test_what_a_customer_typed_breaks_out_of_no_image() -> None:
    told = rendered(html("{{ customer.external_id | qr_code }}"), external_id='"><script>alert(1)</script>')
    assert "<script" not in told.html
    assert len(IMAGE.findall(told.html)) == 1


@pytest.mark.parametrize(
    ("source", "shows"),
    [
        ("{{ customer.qr_code }}", True),
        ("{{ customer['qr_code'] }}", True),
        ('{{ customer[ "qr_code" ] }}', True),
        ("{% assign c = customer %}{{ c.qr_code }}", True),
        ("{{ 'x' | qr_code }}", False),
        ("{{ customer.name }}", False),
    ],
)
def test_only_content_that_shows_the_customers_code_pays_for_it(source: str, shows: bool) -> None:
    assert Encoder(Compiled("Hi", source, "text")).shows_qr_code is shows


# --- Tokens ----------------------------------------------------------------------------------------------


def test_a_token_that_was_changed_or_made_elsewhere_is_none(settings: Settings) -> None:
    token = qr.of_customer(3, 7).rpartition("/")[2]
    for other in (token[:-2] + "AA", "A" + token[1:], "", "ü", "AAAA"):
        with pytest.raises(qr.InvalidCode):
            qr.what_it_says(other)
    settings.LINK_KEYS = ["another"]
    with pytest.raises(qr.InvalidCode):
        qr.what_it_says(token)


def test_a_code_printed_under_an_old_key_stays_good(settings: Settings) -> None:
    settings.LINK_KEYS = ["old"]
    token = qr.of_customer(3, 7).rpartition("/")[2]
    settings.LINK_KEYS = ["new", "old"]
    assert qr.whom_it_names(token).customer_id == 7


# --- Pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_an_image_is_for_everybody_and_for_good(client: Client, kind: str, begins: bytes) -> None:
    token = qr.of_customer(3, 7).rpartition("/")[2]
    page = client.get(f"/q/{token}.{kind}")
    assert page.content.startswith(begins)
    assert "immutable" in page["Cache-Control"]
    assert "Set-Cookie" not in page
    assert client.get(f"/q/{token[:-1]}.{kind}").status_code == 404
    assert client.post(f"/q/{token}.{kind}").status_code == 405


@pytest.mark.django_db
def test_who_scans_a_code_and_may_see_the_customer_comes_to_their_page(client: Client) -> None:
    customer = CustomerFactory()
    path = qr.of_customer(customer.workspace_id, customer.pk).removeprefix("http://127.0.0.1:8000")
    assert client.get(path)["Location"].startswith("/admin/login/")
    client.force_login(MembershipFactory(role=Membership.Role.ANALYST).user)
    assert client.get(path)["Location"] == f"/customers/{customer.pk}/"


@pytest.mark.django_db
def test_a_code_opens_nobody_elses_customer(client: Client) -> None:
    customer = CustomerFactory(workspace=WorkspaceFactory(slug="other"))
    client.force_login(MembershipFactory().user)
    codes = [
        qr.of_customer(customer.workspace_id, customer.pk),
        qr.of_customer(WorkspaceFactory().pk, customer.pk),
        qr.of_customer(WorkspaceFactory().pk, 0),
    ]
    for code in codes:
        assert client.get(code.removeprefix("http://127.0.0.1:8000")).status_code == 404
    client.force_login(UserFactory(is_superuser=True))
    assert client.get(codes[1].removeprefix("http://127.0.0.1:8000")).status_code == 404


@pytest.mark.django_db
def test_the_code_of_a_text_names_no_customer(client: Client) -> None:
    code = qr.of_text("hello")
    assert isinstance(code, qr.Code)
    token = code.source.rpartition("/")[2].removesuffix(".png")
    client.force_login(UserFactory(is_superuser=True))
    assert client.get(f"/p/{token}").status_code == 404
