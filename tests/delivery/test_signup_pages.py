"""The public pages of sign-up: from the form to the last button, and what strangers may not find out."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audience.consent import unsubscribe
from audience.models import Attribute, ConsentRecord, Customer, Suppression
from campaigns import signing
from delivery.mailbox.store import MailboxStore
from delivery.models import Signup, SignupForm
from delivery.signups import fields, links, queue
from tests.delivery.signing_up import ADA, answer, ask, asked_by_mail, confirm_path, link_of, mails, post
from tests.factories import AttributeFactory, CustomerFactory, SignupFormFactory, SuppressionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> SignupForm:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    made: SignupForm = SignupFormFactory(asks_name=True, attributes=["city"], heading="Our letter")
    return made


def url_of(form: SignupForm, view: str = "signup") -> str:
    return reverse(f"delivery:{view}", args=[form.public_id])


def strict_client() -> Client:
    """A browser on which the guard against forged requests is on, as it is for people."""
    return Client(enforce_csrf_checks=True)


# --- The way as a whole ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_from_another_sites_form_to_a_customer(form: SignupForm, mailbox: MailboxStore) -> None:
    client = strict_client()
    said = client.post(
        url_of(form), answer(form, "  Ada@Example.com ", name="Ada", attribute_city="London"),
        headers={"Origin": "https://shop.example"},
    )  # fmt: skip
    assert said.status_code == 200 and b"Look into your mailbox" in said.content
    assert not Customer.objects.exists()
    assert queue.send_due(5) == 1
    link = link_of(mails(mailbox)[0])
    shown = client.get(link)
    assert b"Yes, sign me up" in shown.content
    assert not Customer.objects.exists(), "a mail scanner follows links"
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', shown.content.decode())
    assert token
    done = client.post(link, {"csrfmiddlewaretoken": token[1]}, follow=True, REMOTE_ADDR="198.51.100.9")
    assert b"You are signed up" in done.content
    customer = Customer.objects.get()
    assert (customer.email, customer.name, customer.attributes) == (ADA, "Ada", {"city": "London"})
    assert customer.subscribed
    assert ConsentRecord.objects.get().ip_address == "198.51.100.9"


@pytest.mark.django_db(transaction=True)
def test_who_has_confirmed_goes_where_the_form_says(form: SignupForm, mailbox: MailboxStore) -> None:
    SignupForm.objects.update(thanks_url="https://shop.example/thanks?from=mail")
    link = asked_by_mail(form, mailbox)
    policy = Client().get(link).headers["Content-Security-Policy"]
    assert "form-action 'self' https://shop.example;" in policy
    assert Client().post(link).headers["Location"] == "https://shop.example/thanks?from=mail"


def test_a_link_without_its_page_confirms_nothing(form: SignupForm) -> None:
    """Only the form itself takes what other sites post."""
    refused = strict_client().post(confirm_path(ask(form)))
    assert refused.status_code == 403
    assert not Customer.objects.exists()


def test_looking_at_a_link_changes_nothing(form: SignupForm) -> None:
    path = confirm_path(ask(form))
    for method in ("get", "head"):
        assert getattr(Client(), method)(path).status_code == 200
    assert Signup.objects.get().confirmed_at is None


def test_a_link_that_was_used_says_that_it_is_done(form: SignupForm) -> None:
    path = confirm_path(ask(form))
    Client().post(path)
    assert b"You are signed up" in Client().get(path).content
    assert Client().post(path).status_code == 302
    assert ConsentRecord.objects.count() == 1


def test_a_link_that_is_too_old_offers_to_ask_again(form: SignupForm) -> None:
    path = confirm_path(ask(form))
    Signup.objects.all().delete()
    for method in ("get", "post"):
        said = getattr(Client(), method)(path)
        assert said.status_code == 410
        assert url_of(form) in said.content.decode()
    SignupForm.objects.update(is_on=False)
    assert b"is closed" in Client().get(path).content


def test_a_forged_link_is_none(form: SignupForm) -> None:
    path = confirm_path(ask(form))
    for forged in (path[:-2] + "/", "/confirm/forged/"):
        for method in ("get", "post"):
            assert getattr(Client(), method)(forged).status_code == 404
    assert not Customer.objects.exists()


# --- Nobody finds out who is a customer ------------------------------------------------------------------


def known() -> None:
    CustomerFactory(email=ADA, name="Zz", attributes={"city": "zz"})


def unsubscribed() -> None:
    customer = CustomerFactory(email=ADA)
    unsubscribe(customer, channel=ConsentRecord.Channel.EMAIL, source=ConsentRecord.Source.LINK)


def complained() -> None:
    SuppressionFactory(email=ADA, reason=Suppression.Reason.COMPLAINT)


def asked_already() -> None:
    ask(SignupForm.objects.get())


@pytest.mark.parametrize("view", ["signup", "signup_frame"])
@pytest.mark.parametrize("whoever", [known, unsubscribed, complained, asked_already])
def test_the_answer_is_the_same_for_everybody(form: SignupForm, whoever: Any, view: str) -> None:
    unknown = Client().post(url_of(form, view), answer(form, "eve@example.com"))
    whoever()
    found = Client().post(url_of(form, view), answer(form))
    assert (found.status_code, found.content) == (unknown.status_code, unknown.content)
    # The moment of the answer, by the second.
    del found.headers["Expires"], unknown.headers["Expires"]
    assert found.headers.items() == unknown.headers.items()
    assert found.cookies == unknown.cookies


# --- Robots and floods -----------------------------------------------------------------------------------


def test_whoever_fills_in_what_nobody_sees_is_thanked_and_forgotten(form: SignupForm) -> None:
    honest = post(form, "eve@example.com")
    robot = post(form, website="http://spam.example")
    assert (robot.status_code, robot.content) == (honest.status_code, honest.content)
    assert list(Signup.objects.values_list("email", flat=True)) == ["eve@example.com"]


def test_an_answer_to_our_own_page_takes_a_person_some_seconds(form: SignupForm) -> None:
    now = links.shown_now(form)
    quick = post(form, shown=now)
    assert b"That was very quick" in quick.content
    assert f'value="{ADA}"' in quick.content.decode()
    assert not Signup.objects.exists()
    earlier = struct.pack(">II", form.pk, int(time.time()) - 10)
    post(form, shown=signing.signed(earlier, b"drumbeat-form"))
    assert Signup.objects.exists()


def test_the_moment_of_another_form_says_nothing(form: SignupForm) -> None:
    assert links.seconds_shown(SignupFormFactory(), links.shown_now(form)) is None
    assert links.seconds_shown(form, "forged") is None


def test_one_requester_asks_for_so_many_mails_in_an_hour(form: SignupForm, settings: Settings) -> None:
    CustomerFactory(email="known21@example.com")
    said = [post(form, f"known{n}@example.com").status_code for n in range(22)]
    assert said == [200] * 20 + [429] * 2
    other = Client(REMOTE_ADDR="198.51.100.9")
    assert post(form, "else@example.com", other).status_code == 200


def test_a_form_at_its_limit_says_so_to_everybody(form: SignupForm) -> None:
    SignupForm.objects.update(hourly_limit=1)
    post(form)
    CustomerFactory(email="bo@example.com")
    said = [post(form, email) for email in (ADA, "bo@example.com", "eve@example.com")]
    assert {each.status_code for each in said} == {503}
    assert len({each.content for each in said}) == 1


# --- What is typed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@localhost",
        "ada@example.com\r\nBcc: all@example.com",
        "ada@example.com, bo@example.com",
        "Ada <ada@example.com>",
        "ada@example.com\0",
        "ädä@example.com",
        "a" * 600 + "@example.com",
    ],
)
def test_what_is_no_address_that_can_be_mailed_is_asked_again(form: SignupForm, email: str) -> None:
    said = post(form, email)
    assert said.status_code == 422
    assert b"email-wrong" in said.content
    assert not Signup.objects.exists()


def test_other_texts_are_one_line_and_short(form: SignupForm) -> None:
    post(form, name="Ada\r\nBcc: x", attribute_city="Lon\tdon")
    signup = Signup.objects.get()
    assert (signup.name, signup.attributes) == ("Ada Bcc: x", {"city": "Lon don"})
    for bad in ({"name": "x" * 201}, {"attribute_city": "a\0b"}, {"name": "a\x1b[2Jb"}):
        assert post(form, "bo@example.com", **bad).status_code == 422


def test_what_the_form_does_not_ask_is_not_taken(form: SignupForm) -> None:
    AttributeFactory(name="vip", type=Attribute.Type.TEXT)
    SignupForm.objects.update(asks_name=False)
    post(form, name="Ada", attribute_vip="yes", subscribed="on")
    signup = Signup.objects.get()
    assert (signup.name, signup.attributes) == ("", {})


def test_nobody_signs_up_without_the_tick(form: SignupForm) -> None:
    said = post(form, agree="")
    assert b"Tick the box" in said.content
    assert not Signup.objects.exists()


def test_what_was_agreed_to_is_what_stood_in_the_form(form: SignupForm) -> None:
    """Forms in other sites show the wording of when they were pasted."""
    old = answer(form)
    first = form.consent
    SignupForm.objects.update(consent="Something new.")
    form.refresh_from_db()
    assert b"Please read it again" in Client().post(url_of(form), old).content
    fields.keep_wording(form, first)
    Client().post(url_of(form), old)
    post(form, "bo@example.com")
    assert list(Signup.objects.order_by("pk").values_list("consent", flat=True)) == [first, "Something new."]


# --- What surrounds the pages ------------------------------------------------------------------------------


def test_a_closed_form_and_none_at_all_look_alike(form: SignupForm) -> None:
    SignupForm.objects.update(is_on=False)
    closed, none = Client().get(url_of(form)), Client().get("/sign-up/0123456789abcdef/")
    assert (closed.status_code, none.status_code) == (404, 404)
    assert closed.content == none.content
    assert post(form).status_code == 404
    assert not Signup.objects.exists()


def test_an_address_with_nonsense_in_it_is_none() -> None:
    assert Client().get("/sign-up/%00/").status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_the_frame_may_be_framed(form: SignupForm, method: str) -> None:
    page, frame = (getattr(Client(), method)(url_of(form, view)) for view in ("signup", "signup_frame"))
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors *" in frame.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in frame.headers
    for response in (page, frame):
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "no-cache" in response.headers["Cache-Control"]


def test_the_page_of_the_link_may_not_be_framed_and_says_its_origin(form: SignupForm) -> None:
    page = Client().get(confirm_path(ask(form)))
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    # Without an origin Django takes no form over https.
    assert b'name="referrer" content="same-origin"' in page.content


def test_nothing_typed_becomes_code(form: SignupForm) -> None:
    SignupForm.objects.update(heading="<script>1</script>", text="<img src=x>", consent="<b>yes</b>")
    form.refresh_from_db()
    page = post(form, "<script>2</script>").content.decode()
    assert not re.search(r"<script|<img|<b>", page)
    snippet = fields.snippet(form)
    assert "&lt;b&gt;yes" in snippet and "<b>yes" not in snippet


def test_what_other_sites_paste_asks_what_the_page_asks(form: SignupForm) -> None:
    page = Client().get(url_of(form)).content.decode()
    names = [set(re.findall(r'name="(\w+)"', html)) for html in (fields.snippet(form), page)]
    assert names[0] == {"email", "name", "attribute_city", "agree", "website", "wording"}
    assert names[1] - {"viewport", "robots", "referrer"} - names[0] == {"shown"}
    assert f'action="{links.page_url(form)}"' in fields.snippet(form)
    assert f'src="{links.frame_url(form)}"' in fields.frame(form)
    assert not any(word in fields.snippet(form) for word in ("<script", "style=", "onclick"))


def test_only_these_views_take_what_other_sites_post() -> None:
    root = Path(__file__).parents[2]
    found = [
        f"{path.relative_to(root)}"
        for app in ("audience", "campaigns", "delivery", "analytics")
        for path in (root / app).rglob("*.py")
        for _ in re.findall(r"^@csrf_exempt", path.read_text(), re.MULTILINE)
    ]
    ours = ["delivery/public.py", "delivery/views/hooks.py", *["delivery/views/signup.py"] * 2]
    assert sorted(found) == ours
