"""From sources to one recipient's mail: its text part, its preheader, its unsubscribe link, its subject."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from campaigns.content import ContentError, Renderer, compile_template, liquid
from tests.campaigns.mails import LINK, data, render, visible

SAMPLE = Path(settings.BASE_DIR) / "campaigns/sample/template.mjml"


def test_the_text_part_shows_what_is_visible_in_its_order() -> None:
    body = (
        "<!doctype html><html><head><title>T</title><style>p{color:red} .pre{display:none}</style>"
        "{% assign greeting = 'Servus' %}</head>"
        '<body><div class="pre">Preheader</div><!--[if mso]><p>Outlook</p><![endif]-->'
        "<!--[if !mso]><!--><p>Others</p><!--<![endif]--><h1>{{ greeting }}</h1>"
        '<table><tr><td><img src="a.png" alt="Logo"></td></tr>'
        "{% for n in (1..2) %}<tr><td>row</td><td>{{ n }}</td></tr>{% endfor %}</table>"
        '<a href="https://x.example/?a=1&amp;b={{ customer.external_id }}"><b>Shop</b> now</a> '
        '<a href="mailto:me@x.example">me@x.example</a> <a href="#top">Top</a>'
        "{% if customer.orders > 99 %}<p>never</p>{% endif %}<p>{{ unsubscribe_link }}</p></body></html>"
    )
    assert render("html", body).text == (
        "Others\n\nServus\n\n[Logo]\nrow 1\nrow 2\n\n"
        f"Shop now <https://x.example/?a=1&b=42> me@x.example Top\n{LINK}\n"
    )


def test_conditions_around_what_only_html_shows_are_not_in_the_text() -> None:
    body = '{% for n in (1..8) %}<span class="{% if n == 1 %}a{% endif %}"></span>{% endfor %}<p>x</p>'
    assert "for" not in compile_template("html", "Hi", "", body).text


def test_the_preheader_is_hidden_in_the_html_and_not_in_the_text() -> None:
    mail = render("html", "<p>x</p>", preheader="For {{ customer_name }} & you <3")
    assert re.search(r"display:none[^>]*>For Zoë &lt;b&gt;&#34;Q&#34;&lt;/b&gt; &amp; you &lt;3 ", mail.html)
    assert "For" not in mail.text


@pytest.mark.parametrize("format", ["html", "markdown", "plain"])
def test_a_body_without_an_unsubscribe_link_gets_one_with_the_postal_address(format: str) -> None:
    mail = render(format, "x")
    assert LINK in mail.text
    assert "1 Road\nTown" in mail.text
    assert LINK.replace("&", "&amp;") in mail.html
    assert mail.html.index("Town") < mail.html.index("</body>")


@pytest.mark.parametrize("format", ["html", "markdown", "plain"])
def test_an_unsubscribe_link_is_not_added_twice(format: str) -> None:
    mail = render(format, "Bye: {{ unsubscribe_link }}")
    assert mail.text.count(LINK) == 1
    assert "Town" not in mail.html


@pytest.mark.parametrize("format", ["html", "markdown", "plain"])
def test_an_unsubscribe_link_that_a_condition_leaves_out_is_added_for_that_recipient(format: str) -> None:
    body = "{% if customer.orders > 3 %}Bye: {{ unsubscribe_link }}{% endif %}"
    assert "Town" not in render(format, body, orders=4).html
    without = render(format, body, orders=3)
    assert LINK.replace("&", "&amp;") in without.html
    assert LINK in without.text


def test_a_subject_is_one_line_whatever_the_data_holds() -> None:
    subject = "Hello {{ customer.name }}!"
    assert render("html", "x", subject=subject, name="a\r\nBcc: b@x.example\x00\u2028c").subject == (
        "Hello a Bcc: b@x.example c!"
    )
    assert len(render("html", "x", subject=subject, name="n" * 2000).subject) == 998


def test_a_subject_is_not_escaped() -> None:
    assert render("html", "x", subject="{{ customer.name }} & co").subject == 'Zoë <b>"Q"</b> & co'


def test_every_field_tells_its_own_problem_at_once() -> None:
    with pytest.raises(ContentError) as caught:
        compile_template("html", "a\n{{ b", "{% c %}", "")
    assert [(p.field, p.line) for p in caught.value.problems] == [
        ("subject", 1),
        ("body", None),
        ("subject", 2),
        ("preheader", 1),
    ]


@pytest.mark.parametrize("body", ["x" * 262_145, "{{ x }}" * 5_001])
def test_a_source_that_is_too_large_is_refused(body: str) -> None:
    with pytest.raises(ContentError):
        compile_template("html", "Hi", "", body)


# The sample


@pytest.mark.parametrize(
    ("customer", "offer", "records"),
    [
        ({"total_spent": 500, "orders": 2}, "20% off everything", 2),
        ({"total_spent": 499.99, "orders": 10}, "10 orders deserve a free CD", 8),
        ({"total_spent": 20.0, "orders": 3, "name": ""}, "10% off, and free postage", 3),
        ({"total_spent": None, "orders": None, "first_order": None, "last_order": None}, "10% off", 0),
    ],
)
def test_the_sample_template_speaks_to_each_customer(
    customer: dict[str, object], offer: str, records: int
) -> None:
    mail = render("mjml", SAMPLE.read_text(), **customer)
    assert offer in visible(mail.html)
    assert offer in mail.text
    assert mail.html.count('<span class="disc') == records
    assert f"Unsubscribe <{LINK}>" in mail.text
    assert "{{" not in mail.html + mail.text
    assert "lq" not in re.findall(r"lq[0-9a-f]{12}", mail.html)


# Compiling changes nothing that is said

words = st.text(
    st.characters(codec="utf-8", exclude_characters="<>&{}\r", exclude_categories=["Cs", "Cc"]), max_size=12
)
outputs = st.sampled_from(
    [
        "{{ customer.name }}",
        "{{ customer.orders | times: 2 }}",
        "{{ customer.missing | default: '<i>it</i>' | strip_html }}",
        "{{- customer.name | upcase -}}",
        "{{ customer.name | escape | truncate: 9 }}",
        "{% raw %}{{ raw }} {% endif %}{% endraw %}",
        "{% comment %} {{ x {% endcomment %}",
    ]
)
conditions = st.sampled_from(
    ["customer.orders > 3", "customer.name contains 'a'", "customer.missing", "1 < 2 and \"<\" != '&'"]
)


inline = st.lists(st.one_of(words, outputs), max_size=3).map("".join)
leaves = st.one_of(
    inline,
    inline.map(lambda text: f"<p>{text}</p>"),
    inline.map(lambda text: f'<a href="https://x.example/{{{{ customer.name | default: "y" }}}}">{text}</a>'),
)


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    content = st.lists(inner, max_size=3).map("".join)
    row = "{{%- for n in (1..2) -%}}<tr><td>{}</td></tr>{{%- endfor -%}}"
    return st.one_of(
        st.tuples(conditions, content, content).map(
            lambda parts: f"{{% if {parts[0]} %}}{parts[1]}{{%- else %}}{parts[2]}{{% endif %}}"
        ),
        content.map(lambda part: f"{{% for n in (1..2) %}}{part}{{{{ n }}}}{{% endfor %}}"),
        content.map(lambda part: f"<table>{row.format(part)}</table>"),
        content.map(
            lambda part: f'<div class="{{% if true %}}a{{% endif %}}" style="top:{{{{ n }}}}">{part}</div>'
        ),
    )


bodies = st.recursive(leaves, blocks, max_leaves=12)


@effort(max_examples=200, deadline=None)
@given(body=bodies, name=words, orders=st.integers(0, 9))
def test_compiled_html_says_what_its_source_says(body: str, name: str, orders: int) -> None:
    style = "<style>b{top:0} .a{left:0}</style>"
    source = f"<!doctype html><html><head></head><body>{style}{body}{{{{ unsubscribe_link }}}}</body></html>"
    context = data(name=name, orders=orders)
    directly = liquid.parse(source, liquid.HTML).run(context, liquid.Budget(60))
    assert visible(Renderer(compile_template("html", "Hi", "", source)).render(context).html) == visible(
        directly
    )
