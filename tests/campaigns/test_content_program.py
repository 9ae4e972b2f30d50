"""A program is made of fixed words and numbers, whatever its template says, and translates what is common."""

from __future__ import annotations

import ast
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from liquid.exceptions import LiquidError

from campaigns.content import liquid, pieces
from campaigns.content.pieces import Uncommon
from campaigns.content.problems import RenderError, SourceError
from campaigns.content.program import Program
from tests.campaigns.grammar import sources
from tests.campaigns.mails import data

ATTRIBUTES = {"append", "context", "get", "locals", "render", "spent"}
NAMES = re.compile(r"(?:c|v|item|items|index|length|match|matched|matches)\d+")
FIXED = {
    *("Aside", "BreakLoop", "ContinueLoop", "Uncommon", "alarm", "always_true", "aside", "assigned"),
    *("at_most", "changing", "clock", "constant", "contains", "data", "dict", "equal", "find", "first_of"),
    *("in_time", "is_true", "less", "new", "numbers", "pieces", "put", "range", "room", "str", "strings"),
    *("token", "type", "value", "weight"),
}
# Of what the source may consist, beside names, numbers and attributes.
SYNTAX = (ast.mod, ast.arguments, ast.arg, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
STATEMENTS = (
    *(ast.FunctionDef, ast.Assign, ast.AugAssign, ast.If, ast.For, ast.Try, ast.ExceptHandler, ast.Raise),
    *(ast.Return, ast.Expr, ast.Pass, ast.Break, ast.Continue),
)
EXPRESSIONS = (
    *(ast.Call, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Tuple, ast.List, ast.Dict),
    *(ast.Subscript, ast.keyword),
)


def program(source: str) -> Program:
    return Program(liquid.parse(source, liquid.TEXT), pieces.LINE_OF_TEXT)


def run(source: str, **customer: object) -> str:
    return "".join(program(source).run(data(**customer), float("inf")))


def rendered(source: str, **customer: object) -> str:
    return liquid.parse(source, liquid.TEXT).run(data(**customer), liquid.Budget(60))


def assert_holds_nothing_of_its_template(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant):
            assert node.value is None or type(node.value) is int
        elif isinstance(node, ast.Name):
            assert node.id in FIXED or NAMES.fullmatch(node.id)
        elif isinstance(node, ast.Attribute):
            assert node.attr in ATTRIBUTES
        else:
            assert isinstance(node, SYNTAX + STATEMENTS + EXPRESSIONS)
            assert not isinstance(node, ast.keyword) or node.arg is None


@pytest.mark.parametrize(
    "hostile",
    [
        "'); __import__('os').system('x') #",
        '"""\n__import__("os")\n"""',
        "\n raise SystemExit\n",
        "\\x27\\n",
        "{{ customer['__import__(\"os\")'] }}",
        "{{ customer.__class__.__mro__ | default: '\"); x(' }}",
        "{% assign __builtins__ = 'x' %}{{ __builtins__ }}",
        "{% assign put = 1 %}{% assign c0 = 2 %}{{ put }}{{ c0 }}{{ data }}{{ pieces }}",
        "{% for alarm in (1..2) %}{{ alarm }}{{ room }}{% endfor %}",
        "{% for c1 in customer.tags limit: 3 %}{{ c1['); exit('] }}{% endfor %}",
        "{{ 'x' | default: '); y(', allow_false: true }}",
        "{% case customer.name %}{% when '\"): pass' %}{% when 1e9 %}x{% endcase %}",
        "{% if customer['a\nb'] contains '\n' %}{% endif %}",
        "{{ 1e999 }}{{ -1 }}{{ 99999999999999999999999 }}",
    ],
)
def test_no_word_of_a_template_is_code(hostile: str) -> None:
    made = program(hostile)
    assert made.source
    assert_holds_nothing_of_its_template(made.source)
    assert run(hostile) == rendered(hostile)


@given(sources())
def test_no_word_of_any_template_is_code(source: str) -> None:
    try:
        made = program(source)
    except SourceError:
        return
    assert_holds_nothing_of_its_template(made.source)


def test_what_is_the_same_for_everybody_is_computed_once() -> None:
    source = "{% assign a = 'x,y' | split: ',' %}{% for i in a %}{{ i }}{% endfor %}"
    assert ["x", "y"] in program(source).run.__globals__.values()
    assert run(source) == rendered(source) == "xy"


def test_what_may_differ_is_computed_for_each() -> None:
    today = program("{% assign a = 'now' | date: '%F' | append: '!' %}{{ a }}")
    assert f"{datetime.now(UTC):%F}!" not in today.run.__globals__.values()
    greeting = "{% assign a = 'Dear ' | append: customer.name %}{{ a }}"
    assert [run(greeting, name=name) for name in "AB"] == ["Dear A", "Dear B"]


def test_a_filter_that_fails_for_a_constant_fails_as_in_liquid() -> None:
    source = "{% assign a = 1 | divided_by: 0 %}{{ a }}"
    with pytest.raises(LiquidError, match="divide by 0"):
        run(source)
    with pytest.raises(RenderError, match="divide by 0"):
        rendered(source)


def test_a_program_reaches_no_builtins() -> None:
    names = program("x").run.__globals__["__builtins__"]
    assert sorted(names) == ["dict", "range", "str", "type"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ customer.name | default: 'you' | upcase }}", 'ZOË <B>"Q"</B>'),
        ("{% if customer.orders > 3 and customer.items < 99 %}a{% elsif x %}b{% else %}c{% endif %}", "a"),
        ("{% unless customer.missing == blank %}a{% else %}b{% endunless %}", "a"),
        ("{% case customer.orders %}{% when 1, 12 %}a{% when 12 %}b{% else %}c{% endcase %}", "ab"),
        ("{% for t in customer.tags %}{{ forloop.index }}{{ t.a }}{{ t.b.c }}{% else %}-{% endfor %}", "1x2"),
        ("{% for t in customer.missing %}{% else %}none{% endfor %}", "none"),
        ("{% for i in (1..9) limit: 3 %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13"),
        ("{% assign a = 'x' %}{% for i in (1..2) %}{{ a }}{% assign a = i %}{% endfor %}{{ a }}", "x12"),
        ("{{ 'now' | date: '%Y' | size }}{{ today | date: '%Y' | size }}{{ unknown.path }}", "40"),
        ("{{ customer.tags.size }}{{ customer['orders'] }}{% echo campaign.name %}", "212Spring"),
        ("{% comment %}{{ x }}{% endcomment %}{% raw %}{{ x }}{% endraw %}{% # x %}", "{{ x }}"),
    ],
)
def test_what_is_common_is_translated(source: str, expected: str) -> None:
    assert "aside" not in program(source).source
    assert run(source, tags=[{"a": "x"}, {}]) == rendered(source, tags=[{"a": "x"}, {}]) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% increment n %}{% increment n %}{{ n }}", "012"),
        ("{% capture c %}{{ customer.orders }}{% endcapture %}{{ c }}{% assign a = c %}{{ a }}", "1212"),
        ("{% assign a = 'x' %}{% for i in (1..2) %}{% cycle a, 'y' %}{% assign a = 'z' %}{% endfor %}", "xz"),
        (
            "{% for i in (1..4) limit: 2 %}{% endfor %}"
            "{% for i in (1..4) offset: continue %}{{ i }}{% endfor %}",
            "34",
        ),
        (
            "{% for i in (1..2) reversed %}{% for j in (1..2) %}{{ j }}{{ i }}{% endfor %}{% endfor %}",
            "12221121",
        ),
        (
            "{% for i in (1..2) %}{% for j in (3..3) %}{{ forloop.parentloop.index }}{% endfor %}"
            "{% endfor %}",
            "12",
        ),
        ("{% for i in (1..3) %}{% ifchanged %}{{ i | at_most: 2 }}{% endifchanged %}{% endfor %}", "12"),
        ("{{ partial }}", "false"),
    ],
)
def test_the_rest_is_rendered_by_liquid_in_its_place(source: str, expected: str) -> None:
    assert "aside.render" in program(source).source
    assert run(source) == rendered(source) == expected


def test_a_blank_block_writes_nothing_and_does_what_it_says() -> None:
    assert run("{% if true %} \n {% assign a = 1 %} {% endif %}{{ a }}") == "1"


def test_programs_of_one_content_run_in_several_threads() -> None:
    made = program("{% assign a = customer.orders %}{% for i in (1..200) %}{{ a | plus: i }},{% endfor %}")
    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda n: "".join(made.run(data(orders=n), float("inf"))), range(40)))
    assert written == ["".join(f"{n + i}," for i in range(1, 201)) for n in range(40)]


def test_translated_loops_and_liquids_own_share_one_limit() -> None:
    with pytest.raises(Uncommon):
        run("{% for i in (1..6000) %}{% endfor %}{% for i in (1..6000) %}{% cycle 'a', 'b' %}{% endfor %}")


def test_liquid_in_a_program_has_the_programs_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.content.program.PATIENCE", -1)
    with pytest.raises(Uncommon):
        run("{% for i in (1..2) %}{% cycle 'a', 'b' %}{% endfor %}")
