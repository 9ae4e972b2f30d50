"""Liquid as templates may use it: what it can say, what it cannot reach, what it cannot use up."""

from __future__ import annotations

import pytest

from campaigns.content import liquid
from campaigns.content.problems import RenderError, SourceError

DATA = {
    "customer_name": "Zoë <b>Quick</b>",
    "customer": {"name": "Zoë <b>Quick</b>", "orders": 12, "spent": 1234.5, "first_order": "1997-03-02"},
}


def render(source: str, engine: liquid.Engine = liquid.TEXT, seconds: float = 60) -> str:
    return liquid.parse(source, engine).run(DATA, liquid.Budget(seconds))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ customer.orders }}", "12"),
        ("{{ customer.missing | default: 'you' }}", "you"),
        ("{{ customer.missing.deeper }}.", "."),
        ("{% if customer.missing > 3 %}a{% else %}b{% endif %}", "b"),
        ("{% for n in (1..customer.orders) limit: 3 %}{{ forloop.index }}{{ n }} {% endfor %}", "11 22 33 "),
        ('{{ customer.first_order | date: "%-d %B %Y" }}', "2 March 1997"),
        ('{{ "next week" | date: "%Y" }}', "next week"),
        ('{{ customer.missing | date: "%Y" }}', ""),
        ('{{ 86400 | date: "%Y-%m-%d" }}', "1970-01-02"),
        ("{{ customer.spent | number: 2 }}", "1,234.50"),
        ("{{ customer.spent | number }} {{ 'x' | number }}", "1,234 x"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a {%- comment %} {{ b {% endcomment -%} c", "ac"),
    ],
)
def test_what_templates_may_say(source: str, expected: str) -> None:
    assert render(source) == expected


def test_html_escapes_what_data_holds_and_text_does_not() -> None:
    assert render("{{ customer.name }}", liquid.HTML) == "Zoë &lt;b&gt;Quick&lt;/b&gt;"
    assert render("{{ customer.name }}") == "Zoë <b>Quick</b>"


@pytest.mark.parametrize(
    "filters", ["escape", "append: '<i>'", "capitalize", "url_decode", "escape_once", "join"]
)
def test_no_filter_lets_html_of_a_customer_through(filters: str) -> None:
    assert "<b>" not in render(f"{{{{ customer.name | {filters} }}}}", liquid.HTML)


def test_captured_html_of_the_author_is_kept_and_the_customers_stays_escaped() -> None:
    html = render("{% capture x %}<i>{{ customer.name }}</i>{% endcapture %}{{ x }}", liquid.HTML)
    assert html == "<i>Zoë &lt;b&gt;Quick&lt;/b&gt;</i>"


def test_escape_in_text_leaves_text_readable() -> None:
    assert render("{{ 'R&B' | escape }}") == "R&B"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        '{{ env "SECRET_KEY" }}',
        "{{ 7 * 7 }}",
        "{{ range(9) }}",
        "{{ _self.env.registerUndefinedFilterCallback('exec') }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% extends 'x' %}",
        "{% load static %}",
        "{% import 'os' as os %}",
        "{% tablerow i in (1..9) %}{% endtablerow %}",
        "{{ customer.name | safe }}",
        "{{ customer.name | attr: '__class__' }}",
        "{% debug %}",
    ],
)
def test_other_languages_escapes_are_refused_when_parsed(source: str) -> None:
    with pytest.raises(SourceError):
        liquid.parse(source, liquid.HTML)


@pytest.mark.parametrize(
    "path",
    [
        "customer.__init__",
        "customer.__class__.__mro__",
        "customer['__class__']",
        "customer.items",
        "customer.name.format",
        "customer.name.__globals__",
        "settings.SECRET_KEY",
        "request.user",
        "self",
        "forloop.it",
    ],
)
def test_no_path_leads_out_of_the_data(path: str) -> None:
    assert render(f"{{{{ {path} }}}}") == ""


def test_a_loop_shows_its_own_names_only() -> None:
    assert (
        render("{% for i in (1..2) %}{{ forloop.it }}{{ forloop.__class__ }}{{ i.real }}{% endfor %}") == ""
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for i in (1..10001) %}{% endfor %}", "10,000 loop iterations"),
        ("{% for i in (1..999999999) %}{% break %}{% endfor %}", "10,000 loop iterations"),
        ("{% for i in (1..200) %}{% for j in (1..200) %}{% endfor %}{% endfor %}", "10,000 loop iterations"),
        (
            "{% for i in (1..9) %}" + "{% for j in (1..999) %}{% endfor %}" * 2 + "{% endfor %}",
            "10,000 loop iterations",
        ),
        ("{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}", "1,000,000 characters of output"),
        (
            "{% assign s = 'x' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
            "longer than 256 kB",
        ),
        (
            "{% assign s = 'x' | split: ',' %}"
            "{% for i in (1..60) %}{% assign s = s | concat: s %}{% endfor %}",
            "longer than 256 kB",
        ),
        ("{% capture s %}{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}{% endcapture %}", "of output"),
        (
            "{% for i in (1..16) %}{% assign s = 'x' %}"
            "{% for j in (1..17) %}{% assign s = s | append: s %}{% endfor %}"
            + "".join(
                f"{{% if i == {n} %}}{{% assign s{n} = s | append: 'x' %}}{{% endif %}}" for n in range(1, 17)
            )
            + "{% endfor %}",
            "1,000,000 characters in variables",
        ),
        ("{% assign s = 'x' %}" + "{% assign s = s | replace: 'x', 'xxxxxxxxxxxx' %}" * 9, "256 kB"),
        ("{{ (1..9999999999) | join }}", "range of more than 10,000"),
        ("{{ '9e300' | times: '9e300' }}", "too large"),
        ("{% assign n = 99 %}{% for i in (1..60) %}{% assign n = n | times: n %}{% endfor %}", "too large"),
        ("{{ customer.spent | divided_by: 0 }}", "divided_by: can't divide by 0"),
        ("{{ '2020-01-01' | date: '" + "%Y" * 90 + "' }}", "at most 100 characters"),
        ("{% if customer.name > 3 %}{% endif %}", "not supported between 'int' and 'str'"),
    ],
)
def test_a_bomb_fails_for_one_recipient_with_words(source: str, message: str) -> None:
    with pytest.raises(RenderError, match=message.replace("(", r"\(")):
        render(source)


def test_time_runs_out_inside_a_render() -> None:
    for source in ("{{ customer.name }}", "{{ 'a' | upcase }}", "{% for i in (1..2) %}{% endfor %}"):
        with pytest.raises(RenderError, match="200 ms"):
            render(source, seconds=-1)


def test_time_that_passes_without_work_does_not_count() -> None:
    budget = liquid.Budget()
    budget._alarm = 0.0  # as after a long wait
    assert liquid.parse("{{ customer.orders }}", liquid.TEXT).run(DATA, budget) == "12"


def test_a_render_error_quotes_its_line_and_tag() -> None:
    with pytest.raises(RenderError, match=r"Line 2, \{\{ customer.orders \| divided_by: 0 \}\}"):
        render("Hello\n{{ customer.orders | divided_by: 0 }}")


def test_a_failed_render_leaves_nothing_behind_for_the_next() -> None:
    script = liquid.parse(
        "{% increment n %}{% assign x = 1 %}{% for i in (1..3) %}{% cycle 'a', 'b' %}{% endfor %}",
        liquid.TEXT,
    )
    with pytest.raises(RenderError):
        script.run(DATA, liquid.Budget(-1))
    assert script.run(DATA, liquid.Budget(60)) == script.run(DATA, liquid.Budget(60)) == "0aba"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a\n{% if x %}b", 2, "{% if x %} is never closed by {% endif %}."),
        ("a\n{% if x %}\n{% for i in y %}\n{% endif %}", 3, "{% for i in y %} is never closed by"),
        ("a\n\n{% endif %}", 3, "{% endif %} closes nothing."),
        ("a\n{{ x | upcse }}", 2, "There is no filter upcse. Did you mean upcase?"),
        ("{{ x | append }}", 1, "The filter append is missing a required argument: 'arg'."),
        ("a\n{{ x", 2, "{{ x is never closed."),
        ("a\n\n{% fro x in y %}", 3, "Did you mean for?"),
        ("a\n{{ }}", 2, "Expected a primitive expression"),
        ("a\n{% if x > %}{% endif %}", 2, "Expected a primitive expression"),
        ("{% comment %}\n\n\n{% endcomment %}\n{{ x y }}", 5, "Expected end of expression"),
        ("{% raw %}\n{{\n{% endraw %}{% assign a b %}", 3, "Expected '='"),
        ("{% raw %}x", 1, "{% raw %} is never closed by {% endraw %}."),
        ("a\n{% break %}", 2, "{% break %} stands outside of a loop."),
        ("{{ " + "x" * 3000 + " }}", 1, "too long"),
        ("{{ " + " " * 300 + "x }}", 1, "too long"),
    ],
)
def test_a_syntax_error_is_told_with_its_line(source: str, line: int, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        liquid.parse(source, liquid.TEXT)
    assert caught.value.line == line
    assert message in caught.value.message
