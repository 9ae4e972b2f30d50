"""A template as a customer gets it."""

from __future__ import annotations

import pytest

from campaigns import preview
from campaigns.templates import Sources
from tests.factories import CustomerFactory, WorkspaceFactory

SOURCES = Sources("html", "Hi {{ customer_name }}", "For {{ customer.email }}", "<p>{{ customer.name }}</p>")
BOTH = "<head></head>a{@media (prefers-color-scheme: dark){b}}c{@media ( Prefers-Color-Scheme:light ){d}}"


@pytest.mark.django_db
def test_it_is_rendered_as_the_customer_and_escaped() -> None:
    ada = CustomerFactory(email="ada@example.com", name="Ada & <b>Co</b>")
    mail = preview.render(ada.workspace, SOURCES, ada)
    assert mail.subject == "Hi Ada & <b>Co</b>"
    assert "Ada &amp; &lt;b&gt;Co&lt;/b&gt;" in mail.html
    assert preview.preheader(ada.workspace, SOURCES, ada) == "For ada@example.com"


@pytest.mark.django_db
def test_customers_are_found_by_address_and_the_newest_without_one() -> None:
    workspace = WorkspaceFactory()
    assert preview.find_customer(workspace, "") is None
    ada, grace = CustomerFactory(email="ada@example.com"), CustomerFactory(email="grace@example.com")
    CustomerFactory(workspace=WorkspaceFactory(slug="other"), email="linus@example.com")
    assert preview.find_customer(workspace, " ") == grace
    assert preview.find_customer(workspace, "ADA@example.com") == ada
    for address in ("linus@example.com", "nobody"):
        with pytest.raises(preview.NoCustomer, match="is no customer"):
            preview.find_customer(workspace, address)


@pytest.mark.django_db
def test_customers_are_suggested_by_the_beginning_of_an_address_or_their_id() -> None:
    workspace = WorkspaceFactory()
    ada = CustomerFactory(email="ada@example.com", external_id="42")
    grace = CustomerFactory(email="grace@example.com")
    CustomerFactory(workspace=WorkspaceFactory(slug="other"), email="ada@example.org", external_id="42")
    assert preview.suggest_customers(workspace, "AD") == [ada]
    assert preview.suggest_customers(workspace, "42") == [ada]
    assert preview.suggest_customers(workspace, "") == [ada, grace]
    assert preview.suggest_customers(workspace, "x") == []


def test_light_and_dark_are_shown_whatever_the_browser_prefers() -> None:
    light = preview.in_scheme(BOTH, "light")
    assert light == "<head></head>a{@media (max-width: 0){b}}c{@media (min-width: 0){d}}"
    dark = preview.in_scheme(BOTH, "dark")
    assert "a{@media (min-width: 0){b}}c{@media (max-width: 0){d}}" in dark
    assert ":root { color-scheme: dark; }" in dark
    assert preview.in_scheme("<head></head>plain", "dark") == "<head></head>plain"


def test_a_mail_knows_dark_when_it_says_so() -> None:
    assert preview.knows_dark(BOTH)
    assert not preview.knows_dark("@media (prefers-color-scheme: light) {}")
