"""Every format becomes a document in which the Liquid is intact."""

from __future__ import annotations

import re

import pytest

from campaigns.content import ContentError, compile_template
from campaigns.content.markup import is_tame
from tests.campaigns.mails import LINK, render, visible


def problems(format: str, body: str, subject: str = "Hi") -> list[tuple[int | None, str]]:
    with pytest.raises(ContentError) as caught:
        compile_template(format, subject, "", body)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def mjml(body: str, head: str = "") -> str:
    return f"<mjml><mj-head>{head}</mj-head><mj-body>{body}</mj-body></mjml>"


def in_text(content: str) -> str:
    return mjml(f"<mj-section><mj-column><mj-text>{content}</mj-text></mj-column></mj-section>")


# HTML


def test_css_is_inlined_and_what_cannot_be_stays_in_the_head() -> None:
    html = render(
        "html", "<style>p{color:red} a:hover{color:blue} @media print{p{top:0}}</style><p>x</p>"
    ).html
    assert '<p style="color: red;">x</p>' in html
    assert "a:hover { color: blue; }" in html
    assert "@media print" in html


def test_html_without_css_is_left_as_it_is() -> None:
    body = "<!doctype html><html><BODY class=x><p>1 &lt; 2<br>{{ unsubscribe_link }}</BODY></html>"
    assert compile_template("html", "Hi", "", body).html == body


def test_a_fragment_becomes_a_document() -> None:
    html = render("html", "<p>x</p>").html
    assert html.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in html
    assert "viewport" in html


def test_loops_stand_between_rows_of_a_table() -> None:
    body = (
        "<style>td{color:red}</style><table>{% for n in (1..3) %}<tr><td>{{ n }}</td></tr>"
        "{% else %}<tr><td>none</td></tr>{% endfor %}</table>"
    )
    html = render("html", body).html
    assert re.findall(r"<td[^>]*>(\d)</td></tr>", html) == ["1", "2", "3"]
    assert html.count("<tbody>") == html.count("</tbody>") == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<a href="{{ unsubscribe_link }}">x</a>', 'href="https://mail.example/u/AbC_d-9?x=1&amp;y=2"'),
        ("<a href={{ customer.external_id }}>x</a>", 'href="42"'),
        ("<a href=/c/{{ customer.external_id }}/x>x</a>", 'href="/c/42/x"'),
        ('<i title="{{ customer.missing | default: "you" }}">x</i>', 'title="you"'),
        ("<i title='{{ customer.name }}'>x</i>", 'title="Zoë &lt;b&gt;&#34;Q&#34;&lt;/b&gt;"'),
        ('<i class="a{% if customer.orders > 3 and "<&" != \'>\' %} vip{% endif %}">x</i>', 'class="a vip"'),
        (
            "<p style='color:{% if true %}red{% endif %}; top:{{ customer.orders }}px'>x</p>",
            "color:red; top:12px",
        ),
        ('<p style="{% if false %}color:red;{% endif %}left:0">x</p>', 'style="margin: 0;left:0"'),
        (
            "<p>{{ customer.orders | times: 2 }} &amp; {% raw %}{{ raw }}{% endraw %}</p>",
            ">24 &amp; {{ raw }}</p>",
        ),
        ("<p>&#123;&#123; customer.orders }} &#123;% if %}</p>", ">{{ customer.orders }} {% if %}</p>"),
        ("<p>a {%- if true -%} b {%- endif %}</p>", ">ab</p>"),
        ("<p>{%- comment %}<p> {{ {% endcomment -%} b</p>", ">b</p>"),
        ("<!-- {{ customer.orders }} --><p>x</p>", "<!-- 12 -->"),
        ("<!--[if mso]><td class='{{ customer.orders }}'><![endif]--><p>x</p>", "<td class='12'>"),
    ],
)
def test_liquid_survives_the_tools(body: str, expected: str) -> None:
    assert expected in render("html", "<style>p{margin:0}</style>" + body).html


def test_liquid_in_a_style_sheet_works_and_rules_with_tags_stay_there() -> None:
    sheets = "<style>p{color:{{ customer.color }}}</style><style>{% if true %}i{top:0}{% endif %}</style>"
    html = render("html", sheets + "<p>x</p><i>y</i>", color="teal").html
    assert '<p style="color: teal;">' in html
    assert "<style>i{top:0}</style>" in html
    assert "<i>y</i>" in html


def test_html_that_its_parser_would_rearrange_around_tags_is_not_inlined() -> None:
    body = (
        "<style>p{color:red}</style><table>{% if false %}<p>secret</p>{% endif %}<tr><td>x</td></tr></table>"
    )
    html = render("html", body).html
    assert "secret" not in html
    assert "<style>p{color:red}</style>" in html


@pytest.mark.parametrize("between", ["{{ x }}", "{% if x %}", "href={{ x }} {{ y }}", 'a="b"{% if x %}'])
def test_liquid_between_attributes_is_refused_with_its_line(between: str) -> None:
    close = "{% endif %}" if "if" in between else ""
    [(line, message)] = problems("html", f"<p>\n<a {between}>x</a>{close}</p>")
    assert line == 2
    assert "stands between attributes" in message


def test_no_style_sheet_is_fetched() -> None:
    html = render(
        "html", '<link rel="stylesheet" href="file:///etc/hostname"><style>p{top:0}</style><p>x</p>'
    ).html
    assert 'href="file:///etc/hostname"' in html


@pytest.mark.parametrize(
    "body",
    [
        "<style>a{b:c}</style>" + "<div>" * 20_000 + "x",
        "<style>i{top:0}</style><div>"
        + "".join(f"<b a={n}>" for n in range(90))
        + "</div>"
        + "<p>x" * 20_000,
        "<style>p{" + "color:red;" * 9_000 + "}</style>" + "<p>x</p>" * 9_000,
    ],
    ids=["deep", "unclosed", "css"],
)
def test_html_that_would_bring_its_parser_down_is_not_inlined(body: str) -> None:
    assert body[:50] in compile_template("html", "Hi", "", body).html


def test_sloppy_html_that_people_write_is_tame() -> None:
    assert is_tame(
        "<ul>" + "<li>x" * 500 + "</ul><table>" + "<tr><td>x" * 500 + "</table>" + "<p>x<br>" * 500
    )


# MJML


def test_mjml_takes_liquid_around_its_elements() -> None:
    body = (
        "{% assign n = customer.orders %}<mjml><mj-body>"
        "{% if n > 3 %}<mj-section>{% for i in (1..2) %}<mj-column><mj-text>{{ i }} of {{ n }}</mj-text>"
        "{% if i == 1 %}<mj-button href='https://x.example/{{ i }}'>Go</mj-button>{% endif %}</mj-column>"
        "{% endfor %}</mj-section>{% else %}<mj-section></mj-section>{% endif %}"
        "<mj-wrapper>{% for i in (3..4) %}<mj-section><mj-column><mj-table>{% for j in (1..2) %}<tr>"
        "<td>{{ i }}-{{ j }}</td></tr>{% endfor %}</mj-table></mj-column></mj-section>{% endfor %}"
        "</mj-wrapper></mj-body></mjml>"
    )
    mail = render("mjml", body)
    assert visible(mail.html).startswith("1 of 12 Go 2 of 12 3-1 3-2 4-1 4-2 ")
    assert mail.html.count("<!--[if") == mail.html.count("<![endif]-->")
    assert re.findall(r"\S+", mail.text)[:8] == [
        *["1", "of", "12", "Go", "<https://x.example/1>", "2", "of", "12"]
    ]


def test_mjml_inlines_the_styles_that_ask_for_it_only() -> None:
    head = (
        '<mj-style inline="inline">.x div { letter-spacing: {{ customer.items }}px }</mj-style>'
        "<mj-style>.x { top: 0 } @media print { .x { left: 0 } }</mj-style>"
    )
    section = '<mj-section><mj-column><mj-text css-class="x">x</mj-text></mj-column></mj-section>'
    html = render("mjml", mjml(section, head)).html
    assert "letter-spacing: 30px" in html.split("<body")[1]
    assert "top: 0" in html.split("<body")[0]
    assert "top: 0" not in html.split("<body")[1]


def test_liquid_in_title_preview_and_alt_of_mjml() -> None:
    head = (
        "<mj-title>{% if true %}T {{ customer.orders }}{% endif %}</mj-title>"
        "<mj-preview>P{{ customer.items }}</mj-preview>"
    )
    image = '<mj-image alt="{{ customer.name }}" src="https://x.example/a" />'
    mail = render("mjml", mjml(f"<mj-section><mj-column>{image}</mj-column></mj-section>", head))
    assert "<title>T 12</title>" in mail.html
    assert "P30" in mail.html
    assert "P30" not in mail.text
    assert 'alt="Zoë &lt;b&gt;&#34;Q&#34;&lt;/b&gt;"' in mail.html


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("<p>x</p>", None, "it has no <mjml> element"),
        ("<mjml>\n<mj-body>\n<mj-txt>x</mj-txt></mj-body></mjml>", 3, "Did you mean <mj-text>?"),
        (
            "<mjml>\n<mj-body>\n<mj-section></mj-body></mjml>",
            3,
            "where <mj-section> of line 3 must be closed",
        ),
        ("<mjml>\n<mj-body>", 2, "<mj-body> is never closed."),
        ("{% comment %}\n\n{% endcomment %}\n<mjml>\n</mj-body></mjml>", 5, "</mj-body> stands where <mjml>"),
        (in_text("\n\n<a href=x>y</a>"), 3, "attribute without quotes"),
        (in_text("{{ customer\n.name }}\n1 < 2"), 3, "Write &lt;"),
        (in_text("\n<!-- a -- b -->"), 2, "no -- inside a comment"),
        (in_text("\n<!DOCTYPE html>"), 2, "no declarations"),
        (mjml('\n<mj-include path="/etc/passwd" />'), 2, "<mj-include> is not an element of MJML"),
        (in_text("\n" + "<b>" * 101 + "</b>" * 101), 2, "nested more than 100 deep"),
        (mjml("\n{% assign x = 1 %}", "\n{% assign y = 2 %}"), 2, "{% assign y = 2 %} would be lost here"),
        ("{% if true %}<mjml><mj-body></mj-body></mjml>\n{% endif %}", 2, "{% endif %} would be lost here"),
    ],
)
def test_faults_in_mjml_are_told_with_their_line(body: str, line: int | None, message: str) -> None:
    [(found_line, found)] = problems("mjml", body)
    assert message in found
    assert found_line == line


# Markdown


def test_markdown_becomes_a_letter_for_light_and_dark() -> None:
    mail = render(
        "markdown", "# Hi {{ customer.orders }}\n\nSee **[shop](https://x.example/{{ customer.orders }})**."
    )
    assert re.search(r"<h1 style=[^>]+>Hi 12</h1>", mail.html)
    assert re.search(r'<strong><a href="https://x.example/12" style=', mail.html)
    assert "prefers-color-scheme: dark" in mail.html
    assert mail.text.startswith("Hi 12\n\nSee shop <https://x.example/12>.\n")


def test_markdown_of_a_customer_stays_text() -> None:
    html = render("markdown", "Hello {{ customer.name }}", name="*a* [x](http://evil.example) <i>").html
    assert "Hello *a* [x](http://evil.example) &lt;i&gt;" in html


def test_conditions_and_loops_in_markdown() -> None:
    body = (
        "{% if customer.orders > 3 %}\n## Many\n{% else %}\n## Few\n{% endif %}\n\n"
        "| a | b |\n|---|---|\n{% for n in (1..2) %}\n| {{ n }} | x |\n{% endfor %}\n\n"
        "You {% if true %}**really**{% endif %} [rock](/{% if true %}a{% else %}b{% endif %}).\n"
    )
    mail = render("markdown", body)
    assert visible(mail.html).startswith("Many a b 1 x 2 x You really rock .")
    assert 'href="/a"' in mail.html
    assert mail.html.count("<tr>") == 3
    assert mail.text.startswith("Many\n\na b\n1 x\n2 x\n\nYou really rock </a>.\n")


def test_a_reference_cannot_repeat_an_address_without_end() -> None:
    body = "[a]: https://x.example/" + "y" * 100_000 + "\n\n" + "[a] " * 20_000
    assert len(compile_template("markdown", "Hi", "", body).html) < 300_000


# Plain


def test_plain_text_is_sent_as_it_is_and_shown_in_html() -> None:
    body = (
        "Hi {{ customer.name }} & co,\n\n"
        "see https://x.example/?a=1&b={{ customer.external_id }}.\n{{ unsubscribe_link }}"
    )
    mail = render("plain", body)
    assert mail.text == f'Hi Zoë <b>"Q"</b> & co,\n\nsee https://x.example/?a=1&b=42.\n{LINK}'
    assert "Hi Zoë &lt;b&gt;&#34;Q&#34;&lt;/b&gt; &amp; co,<br>" in mail.html
    assert '<a href="https://x.example/?a=1&amp;b=42">https://x.example/?a=1&amp;b=42</a>.<br>' in mail.html
    assert f'<a href="{LINK.replace("&", "&amp;")}">{LINK.replace("&", "&amp;")}</a>' in mail.html


def test_tags_beside_an_address_in_plain_text_are_no_part_of_it() -> None:
    html = render("plain", "See https://x.example/a{% if true %} now{% endif %}").html
    assert '<a href="https://x.example/a">https://x.example/a</a> now' in html
