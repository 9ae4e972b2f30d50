"""What the review finds in a finished mail, and which merge fields it takes for holes."""

from __future__ import annotations

import pytest

from campaigns.content.inspection import CLIPPED_AT, inspect, printed_without_fallback
from campaigns.content.render import Rendered

OWN_LINK = "{{ unsubscribe_link }}"


def found(html: str, subject: str = "Hello", body: str = OWN_LINK) -> dict[str, list[str]]:
    findings = inspect(Rendered(subject, f"<html><body>{html}</body></html>", ""), body)
    return {finding.words.split(".")[0]: list(finding.places) for finding in findings}


@pytest.mark.parametrize(
    "href",
    [
        "https://shop.example/x?a=b#c",
        "HTTPS://shop.example",
        "mailto:a@b.example",
        "tel:+4420",
        "#top",
        "https://localhost/",
        "https://bücher.example/",
    ],
)
def test_links_that_lead_somewhere_are_in_order(href: str) -> None:
    assert found(f'<a href="{href}">x</a>') == {}


@pytest.mark.parametrize(
    "href",
    ["", "#", "shop.example", "/x", "https://", "https:/shop.example", "https://shop", "javascript:x()",
     "https://shop.example/a b", "htps://shop.example", "https://[", "{{ url }}"],
)  # fmt: skip
def test_links_that_lead_nowhere_are_named(href: str) -> None:
    [(words, places)] = found(f'<a href="{href}">Our shop</a>').items()
    assert words == "These links lead nowhere" and places == [f"Our shop: {href}"]


def test_unencrypted_links_are_named_once_each() -> None:
    html = '<a href="http://a.example">A</a><a href="http://a.example">A</a>'
    assert found(html) == {"These links are not encrypted": ["A: http://a.example"]}


def test_images_need_an_alternative_text_that_may_be_empty() -> None:
    html = '<img src="a.png"><img src="b.png" alt=""><img src="c.png" alt="C">'
    assert found(html) == {"These images have no alternative text, for those who do not see them": ["a.png"]}


def test_size_subject_and_a_footer_that_is_added_are_said() -> None:
    words = list(found("x" * CLIPPED_AT, subject="y" * 61, body="no link"))
    assert [sentence.split()[0:3] for sentence in words] == [
        ["The", "HTML", "has"],
        ["The", "subject", "has"],
        ["The", "template", "has"],
    ]


def test_a_mail_without_any_html_is_no_crash() -> None:
    assert inspect(Rendered("Hello", "", "Hello"), OWN_LINK) == []


def test_fields_that_are_written_out_without_a_fallback_are_found() -> None:
    source = """{{ customer_name }} {{ customer.plan | upcase }} {{ customer.city | default: "here" }}
    {% if customer.phone != blank %}{{ customer.phone }}{% endif %}{{- customer.language -}}
    {{ "text" }} {% raw %}{{ customer.raw }}{% endraw %}"""
    assert printed_without_fallback(source, "{{ customer_name }}") == [
        "customer_name",
        "customer.plan",
        "customer.language",
    ]
