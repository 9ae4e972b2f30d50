"""Sign-up in a browser: staff make a form, a stranger signs up by it in another site, and confirms."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from audience.models import Attribute, ConsentRecord, Customer, CustomerEvent
from delivery.mailbox.store import MailboxStore
from delivery.models import Signup, SignupForm
from delivery.signups import fields, queue
from tests.delivery.signing_up import confirm_path, link_of, mails
from tests.factories import AttributeFactory, SenderFactory
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Another site: a directory, and the address at which it is served."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        # By another name than ours, so that it is another site to the browser.
        yield tmp_path, f"http://localhost:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def make_form(page: Page, site: str) -> SignupForm:
    page.goto(f"{site}/admin/delivery/signupform/add/")
    page.fill("[name=name]", "Footer")
    page.fill("[name=heading]", "Our letter")
    page.get_by_label("City").check()
    page.get_by_label("Ask for the name").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Footer” is made")).to_be_visible()
    expect(page.frame_locator(".signup-preview").get_by_role("heading")).to_have_text("Our letter")
    page.get_by_role("button", name="Copy the form").click()
    expect(page.get_by_role("button", name="Copied the form")).to_be_visible()
    form: SignupForm = SignupForm.objects.get()
    assert page.get_by_label("As a form of your own").input_value() == fields.snippet(form)
    return form


def sign_up(page: Any, email: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("City").fill("London")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Sign up").click()


def test_from_making_a_form_to_a_confirmed_customer(
    page: Page, site: str, shop: tuple[Path, str], mailbox: MailboxStore
) -> None:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    SenderFactory()
    form = make_form(page, site)
    directory, address = shop
    (directory / "index.html").write_text(f"<!doctype html><h1>Shop</h1>{fields.snippet(form)}")
    (directory / "frame.html").write_text(f"<!doctype html><h1>Shop</h1>{fields.frame(form)}")
    stranger = page.context.browser.new_page()  # type: ignore[union-attr]
    stranger.goto(address)
    sign_up(stranger, "Ada@example.com")
    expect(stranger.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    assert queue.send_due(10) == 1
    stranger.goto(site + link_of(mails(mailbox)[0]))
    stranger.get_by_role("button", name="Yes, sign me up").click()
    expect(stranger.get_by_role("heading", name="You are signed up")).to_be_visible()
    customer = Customer.objects.get()
    assert (customer.email, customer.attributes, customer.subscribed) == (
        "ada@example.com",
        {"city": "London"},
        True,
    )
    assert ConsentRecord.objects.get().source == ConsentRecord.Source.SIGN_UP
    assert CustomerEvent.objects.get().properties == {"form": "Footer"}
    in_a_frame(stranger, f"{address}/frame.html")
    page.reload()
    expect(page.locator(".numbers")).to_contain_text("50 %")


def in_a_frame(stranger: Page, address: str) -> None:
    """Too quick for a person at first, and asked to press once more."""
    stranger.goto(address)
    frame = stranger.frame_locator("iframe")
    again = frame.get_by_text("Please press the button once more")
    done = frame.get_by_role("heading", name="Look into your mailbox")
    with stranger.expect_event("framenavigated"):
        sign_up(frame, "bo@example.com")
    expect(again.or_(done)).to_be_visible()
    while not done.is_visible():
        stranger.wait_for_timeout(500)
        with stranger.expect_event("framenavigated"):
            frame.get_by_role("button", name="Sign up").click()
        expect(again.or_(done)).to_be_visible()
    assert Signup.objects.filter(email="bo@example.com").exists()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_use_the_pages(page: Page, site: str, scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    form = SignupForm.objects.create(
        workspace=SenderFactory().workspace,
        sender=SenderFactory(),
        name="Footer",
        text="Once a month, what is new.\n\nNothing else.",
        attributes=["city"],
        asks_name=True,
    )
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    problems: list[Any] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for address, context in addresses(form):
        page.goto(f"{site}{address}")
        page.wait_for_load_state("networkidle")
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append((address, "is wider than the window"))
        found = axe.run(page, context=context).response["violations"]
        problems += [(address, each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert problems == []


def addresses(form: SignupForm) -> list[tuple[str, str]]:
    about = {"workspace": form.workspace, "form": form, "mail": "failed", "error": "550 No such user"}
    moment = form.created_at
    waits, done = (
        Signup.objects.create(email=f"{n}@example.com", asked_at=moment, confirmed_at=at, **about)
        for n, at in enumerate((None, moment))
    )
    old = Signup.objects.create(email="old@example.com", asked_at=moment - Signup.LIFE, **about)
    public = f"/sign-up/{form.public_id}/"
    ways = [public, f"{public}frame/", "/sign-up/none/", *map(confirm_path, (waits, done, old))]
    return [*((way, "body") for way in ways), (f"/admin/delivery/signupform/{form.pk}/change/", ".delivery")]
