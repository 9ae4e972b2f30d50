"""Templates and customers of every kind, generated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

from campaigns.content import CUSTOMER_COLUMNS, Compiled, liquid
from tests.campaigns.mails import LINK


@contextmanager
def unhurried() -> Iterator[None]:
    """Let Liquid take its time: whether a slow template passes the limit is not the same twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquid.Budget.__init__, "__defaults__", (60.0,))
        yield


def fragment(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


# What quoted-printable, line ends, SMTP and HTML each treat in their own way.
WORDS = fragment(
    *("a", "Hello ", " ", "\t", ".", "..", "=", "=3D", "=\n", "\n", "\r\n", "\r", "\n.", "\n.\n", " \n"),
    *("\t\r\n", "é", "漢字", "😀", "ﬀ", "\u2028", "\u202e", "\x00", "\x0c", "&", "<b>", '"', "'", "x" * 76),
    *("long " * 30, "é" * 40, "--=_drumbeat", "From ", "}}", "%}", "\\", '"""', "__import__('os')", "# x"),
)
VALUES = st.one_of(
    st.lists(WORDS, max_size=4).map("".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", "now", "2026-01-31", "1,2,3", "12", "-0", "x" * 200, LINK]),
    st.integers(-3, 12),
    st.sampled_from([0.0, -0.0, 1.0, 612.4, 1e30]),
    st.booleans(),
    st.none(),
    st.lists(st.one_of(st.integers(0, 3), WORDS), max_size=3),
    st.dictionaries(fragment("a", "b", "size"), st.one_of(WORDS, st.integers(0, 3)), max_size=2),
)
FIELDS = ("name", "orders", "spent", "tags", "note", "size", "key")


@st.composite
def customers(draw: st.DrawFn) -> dict[str, object]:
    """A customer's row, some of whose attributes are missing."""
    attributes = draw(st.dictionaries(fragment(*FIELDS[1:]), VALUES, max_size=6))
    names = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30)
    columns = dict.fromkeys(CUSTOMER_COLUMNS, "")
    return {**columns, "email": "zoe@example.com", "name": draw(names), "attributes": attributes}


PATHS = fragment(
    *(f"customer.{field}" for field in FIELDS),
    *("customer_name", "customer.email", "workspace.name", "campaign.name", "unsubscribe_link", "unknown"),
    *("customer.tags[0]", "customer.tags.first", "customer.tags.size", "customer.tags.last.deeper"),
    *("customer.note.a", "customer[customer.key]", "a", "b", "c", "item", "item.a", "item[1]", "forloop"),
    *("forloop.index", "forloop.rindex0", "forloop.last", "forloop.parentloop.index", "partial"),
)
LITERALS = fragment("'x'", "'<i>&'", '""', "3", "0", "12", "2.5", "true", "false", "nil", "(1..3)")
OPERANDS = st.one_of(PATHS, PATHS, LITERALS)
# These two have no value of their own.
COMPARED = st.one_of(OPERANDS, OPERANDS, fragment("empty", "blank"))
FILTERS = fragment(
    *("default: 'you'", "default: customer.name", "default: 'now'", "default: 0, allow_false: true"),
    *("date: '%Y'", "date: '%d.%m.'", "number", "number: 2", "url_encode", "newline_to_br", "truncate: 5"),
    *("upcase", "append: '<b>'", "escape", "size", "sort", "split: ','", "join: '.'", "join", "first"),
    *("plus: 1", "times: 2.5", "modulo: 2", "divided_by: 0", "round", "strip", "capitalize", "reverse"),
    *("replace: 'a', customer.note",),
)
OPERATORS = fragment("==", "!=", "<", ">", "<=", ">=", "contains", "<>")


@st.composite
def filtered(draw: st.DrawFn) -> str:
    return " | ".join([draw(OPERANDS), *draw(st.lists(FILTERS, max_size=3))])


CONDITIONS = st.recursive(
    st.one_of(PATHS, st.tuples(OPERANDS, OPERATORS, COMPARED).map(" ".join)),
    lambda inner: st.tuples(inner, fragment("and", "or"), inner).map(" ".join),
    max_leaves=3,
)
LOOPS = st.tuples(
    st.one_of(PATHS, fragment("(1..3)", "(1..customer.orders)", "(0..item)")),
    fragment("", "", " limit: 2", " limit: customer.orders", " offset: 1", " reversed", " offset: continue"),
).map("".join)


SHOWN = fragment("item", "item.a", "forloop.index", "forloop.last", "customer.note", "item | size")
STOPS = fragment("", "", "{% break %}", "{% continue %}")


@st.composite
def tags(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """A block of Liquid around `inner`."""
    kind = draw(fragment("if", "unless", "case", "for", "for", "capture", "ifchanged"))
    if kind == "case":
        values = draw(st.lists(COMPARED, min_size=1, max_size=3))
        whens = [
            f"{{% when {', '.join(values)} %}}{draw(inner)}",
            f"{{% when {draw(OPERANDS)} %}}{draw(inner)}",
        ]
        return f"{{% case {draw(OPERANDS)} %}}{''.join(whens)}{{% else %}}{draw(inner)}{{% endcase %}}"
    if kind == "for":
        stop = draw(STOPS)
        other = draw(st.one_of(st.just(""), inner.map("{{% else %}}{}".format)))
        return f"{{% for item in {draw(LOOPS)} %}}{draw(inner)}{stop}{draw(inner)}{other}{{% endfor %}}"
    if kind in ("capture", "ifchanged"):
        return f"{{% {kind}{' c' if kind == 'capture' else ''} %}}{draw(inner)}{{% end{kind} %}}"
    other = draw(fragment("", "{% else %}", f"{{% elsif {draw(CONDITIONS)} %}}"))
    return f"{{%- {kind} {draw(CONDITIONS)} -%}}{draw(inner)}{other}{draw(inner)}{{% end{kind} %}}"


STATEMENTS = st.one_of(
    WORDS,
    WORDS,
    filtered().map("{{{{ {} }}}}".format),
    filtered().map("{{{{- {} -}}}}".format),
    filtered().map("{{% assign a = {} %}}{{{{ a }}}}".format),
    filtered().map("{{% assign b = {} %}}{{{{ b }}}}".format),
    st.tuples(WORDS, CONDITIONS, WORDS).map(lambda parts: "{}{{% if {} %}}{}{{% endif %}}".format(*parts)),
    fragment("\r", "\n").map("{{% if customer %}}\r{{% endif %}}{}".format),
    fragment(
        "{% assign customer_name = 'me' %}", "{% increment a %}", "{% cycle 'x', 'y' %}", "{% echo item %}"
    ),
    fragment("{% comment %}x{{{% endcomment %}", "{% raw %}{{ x }}{% endraw %}", "{% # x %}"),
)


def sources(depth: int = 2) -> st.SearchStrategy[str]:
    """Text and Liquid, with blocks in blocks down to `depth`."""
    parts = [STATEMENTS, STATEMENTS, tags(sources(depth - 1)), loops()] if depth else [STATEMENTS]
    return st.lists(st.one_of(parts), min_size=1, max_size=4).map("".join)


@st.composite
def loops(draw: st.DrawFn) -> str:
    """The loops that people write."""
    shown = [f"{{{{ {draw(SHOWN)} }}}}{draw(WORDS)}" for _ in range(draw(st.integers(1, 3)))]
    condition = f"{draw(PATHS)} {draw(fragment('==', '!=', '>='))} 2"
    choice = f"{{% if {condition} %}}{draw(WORDS)}{draw(STOPS)}{{% endif %}}"
    nested = f"{{% for i in (1..2) %}}{{{{ item }}}}{draw(WORDS)}{{{{ {draw(SHOWN)} }}}}{{% endfor %}}"
    body = "".join(draw(st.permutations([*shown, choice, nested])))
    return f"{{% for item in {draw(LOOPS)} %}}{body}{{% else %}}{draw(WORDS)}{{% endfor %}}"


@st.composite
def contents(draw: st.DrawFn) -> Compiled:
    """Liquid of all kinds in every part. Some of it fails for some customers; some gets the footer."""
    link = fragment(
        *["\n{{ unsubscribe_link }}"] * 3, "{% if customer.name %}{{ unsubscribe_link }}{% endif %}", ""
    )
    body = sources()
    return Compiled(draw(sources(1)), draw(body) + draw(link), draw(body) + draw(link))
