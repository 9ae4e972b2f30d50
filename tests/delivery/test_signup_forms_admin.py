"""Sign-up forms on the staff's pages: made, shared, watched; by whom, and with an entry of each change."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audience.models import Attribute, AuditEntry, Membership
from delivery.models import Signup, SignupForm
from delivery.signups import fields, numbers
from tests.delivery.signing_up import ask
from tests.delivery.staff import member, stranger
from tests.factories import AttributeFactory, SenderFactory, SignupFormFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
ADD = "admin:delivery_signupform_add"
Role = Membership.Role


def data(**changed: Any) -> dict[str, Any]:
    sender = changed.pop("sender", None) or SenderFactory()
    return {
        "name": "Footer", "is_on": "on", "heading": "Our letter", "text": "", "consent": "I agree.",
        "thanks_url": "", "sender": sender.pk, "subject": "Please confirm", "body": "Hello",
        "hourly_limit": 50,
    } | changed  # fmt: skip


def page_of(form: SignupForm) -> str:
    return reverse("admin:delivery_signupform_change", args=[form.pk])


def test_an_editor_makes_a_form_and_gets_what_to_paste() -> None:
    AttributeFactory(name="city", type=Attribute.Type.TEXT)
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    client = member(role=Role.EDITOR)
    offered = client.get(reverse(ADD)).text
    assert 'value="city"' in offered and 'value="orders"' not in offered
    page = client.post(reverse(ADD), data(attributes=["city"], asks_name="on"), follow=True)
    form = SignupForm.objects.get()
    assert (form.attributes, form.asks_name, form.is_on) == (["city"], True, True)
    for shown in (f"/sign-up/{form.public_id}/", "&lt;form action=", "&lt;iframe src=", "Waiting to confirm"):
        assert shown in page.text
    entry = AuditEntry.objects.get(action="added", thing="delivery.signupform")
    assert entry.after and entry.after["consent"] == "I agree."


def test_the_only_sender_is_chosen_already() -> None:
    sender = SenderFactory()
    assert f'<option value="{sender.pk}" selected' in member().get(reverse(ADD)).text


def test_a_changed_form_keeps_its_numbers_and_its_earlier_wording() -> None:
    form = SignupFormFactory(consent="Old words.", name="Footer")
    client = member(role=Role.EDITOR)
    ask(form)
    client.post(page_of(form), data(sender=form.sender, consent="New words.", heading="Other"))
    form.refresh_from_db()
    assert (form.consent, form.earlier_consents, form.asked) == ("New words.", ["Old words."], 1)
    assert fields.agreed(form, fields.mark("Old words.")) == "Old words."
    entry = AuditEntry.objects.get(action="changed")
    assert entry.before and entry.before["consent"] == "Old words."


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Hi\u2028there"},
        {"thanks_url": "javascript:alert(1)"},
        {"hourly_limit": 0},
        {"consent": ""},
        {"attributes": ["orders"]},
    ],
)
def test_what_cannot_be_is_refused_with_the_field(wrong: dict[str, Any]) -> None:
    AttributeFactory(name="orders", type=Attribute.Type.NUMBER)
    page = member().post(reverse(ADD), data(**wrong))
    assert next(iter(wrong)) in page.context["adminform"].form.errors
    assert not SignupForm.objects.exists()


def test_a_sender_of_another_workspace_is_refused() -> None:
    foreign = SenderFactory(workspace=WorkspaceFactory(slug="other"))
    member().post(reverse(ADD), data(sender=foreign))
    assert not SignupForm.objects.exists()


def test_an_analyst_reads_and_changes_nothing() -> None:
    form = SignupFormFactory(attributes=["favourite_city"], name="Old")
    client = member(role=Role.ANALYST)
    page = client.get(page_of(form))
    assert "Favourite city" in page.text and "&lt;form action=" in page.text
    assert client.post(page_of(form), data(sender=form.sender)).status_code == 403
    assert client.get(reverse(ADD)).status_code == 403
    form.refresh_from_db()
    assert form.name == "Old"


def test_the_preview_is_for_members_alone_and_shows_closed_forms_too() -> None:
    form = SignupFormFactory(is_on=False, heading="Zz heading")
    url = reverse("delivery:signup_preview", args=[form.pk])
    shown = member().get(url)
    assert "Zz heading" in shown.text
    assert "frame-ancestors 'self'" in shown.headers["Content-Security-Policy"]
    assert stranger().get(url).status_code == 404
    assert Client().get(url).status_code == 302


def test_the_page_says_what_became_of_the_mails() -> None:
    form = SignupFormFactory()
    states = (("waiting", "450 busy"), ("sent", ""), ("refused", "Suppressed"), ("failed", "550 <no> user"))
    for state, error in states:
        row = Signup(workspace=form.workspace, form=form, email=f"{state}@example.com", mail=state)
        row.error, row.asked_at = error, timezone.now()
        row.save(force_insert=True)
    Signup.objects.create(
        workspace=form.workspace, form=form, email="done@example.com", mail="sent",
        asked_at=timezone.now(), confirmed_at=timezone.now(),
    )  # fmt: skip
    found = numbers.of(form)
    assert (found.waiting, found.refused, found.failed, found.error) == (2, 1, 1, "550 <no> user")
    page = member().get(page_of(form)).text
    assert "1 mail to confirm was given up" in page and "550 &lt;no&gt; user" in page


def test_a_form_whose_sender_cannot_be_used_says_so() -> None:
    form = SignupFormFactory(sender=SenderFactory(name="Shop", state="stopped"))
    assert "“Shop” cannot be used now" in member().get(page_of(form)).text


def test_a_deleted_form_takes_its_requests_with_it() -> None:
    form = SignupFormFactory()
    ask(form)
    url = reverse("admin:delivery_signupform_delete", args=[form.pk])
    client = member(role=Role.EDITOR)
    assert "stop working" in client.get(url).text
    client.post(url, {"post": "yes"})
    assert not Signup.objects.exists()
    assert AuditEntry.objects.filter(action="deleted", thing="delivery.signupform").exists()
