"""What compiled programs encode is what Liquid renders, for templates and customers of every kind."""

from __future__ import annotations

import quopri
import re
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from audience.models import Workspace
from campaigns.content import Compiled, Encoder, Rendered, Renderer, RenderError, compile_template, context
from campaigns.content.pieces import Uncommon
from campaigns.content.problems import SourceError
from campaigns.content.quoted_printable import Parted
from tests.campaigns.grammar import contents, customers, unhurried
from tests.campaigns.mails import LINK, data

ROOT = Path(settings.BASE_DIR)
WORKSPACE = Workspace(name="Ä & Co", postal_address="1 Road\r\n.Town")


def travelled(text: str) -> str:
    """`text` as it arrives: all line breaks are CRLF on the way."""
    return re.sub("\r\n|\r|\n", "\r\n", text)


def assert_fit_for_the_wire(part: bytes) -> None:
    lines = part.split(b"\r\n")
    assert re.fullmatch(rb"[\t\r\n -~]*", part)
    assert all(len(line) <= 76 and not re.search(rb"^\.|[ \t]$|[\r\n]", line) for line in lines)


def assert_same(content: Compiled, customer: dict[str, object], expected: Rendered | None) -> None:
    """Encoded as `expected`, or refused where rendering fails; by programs alone, unless they decline."""
    encoder = Encoder(content)
    given = context(customer, WORKSPACE, "Spring", LINK)
    for encode in (encoder.encode_quickly, encoder.encode):
        try:
            encoded = encode(given)
        except (Uncommon, Parted, RenderError):
            assert expected is None or encode == encoder.encode_quickly
            continue
        except Exception:
            assert expected is None
            continue
        assert expected is not None
        assert encoded.subject == expected.subject
        for part, text in ((encoded.text, expected.text), (encoded.html, expected.html)):
            assert quopri.decodestring(part).decode() == travelled(text)
            assert_fit_for_the_wire(part)


@effort(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contents(), customers())
def test_programs_encode_what_liquid_renders(content: Compiled, customer: dict[str, object]) -> None:
    try:
        renderer = Renderer(content)
    except SourceError:
        return
    with unhurried():
        try:
            expected = renderer.render(context(customer, WORKSPACE, "Spring", LINK))
        except RenderError:
            expected = None
        assert_same(content, customer, expected)


def sample() -> Compiled:
    body = (ROOT / "campaigns/sample/template.mjml").read_text("utf-8")
    return compile_template("mjml", "For {{ customer_name | default: 'you' }}", "{{ customer.items }}", body)


@pytest.mark.parametrize("orders", [0, 1, 4, 12])
@pytest.mark.parametrize("spent", [11.77, 612.4, None])
@pytest.mark.parametrize("name", ["Ada Lovelace", "Zoë <b>", ""])
def test_the_sample_is_encoded_by_programs_alone(orders: int, spent: float | None, name: str) -> None:
    given = data(orders=orders, total_spent=spent, name=name)
    expected, encoded = Renderer(sample()).render(given), Encoder(sample()).encode_quickly(given)
    assert encoded.subject == expected.subject
    assert quopri.decodestring(encoded.html).decode() == travelled(expected.html)
    assert quopri.decodestring(encoded.text).decode() == travelled(expected.text)


@pytest.mark.parametrize(
    "body",
    [
        "{% if customer.orders > 99 %}{{ unsubscribe_link }}{% endif %}",
        "{% assign unsubscribe_link = 'x' %}{{ unsubscribe_link }}",
        "{{ unsubscribe_link | upcase }}",
        "{% for i in customer.none %}{{ unsubscribe_link }}{% endfor %}",
    ],
)
def test_a_part_without_the_unsubscribe_link_gets_the_footer(body: str) -> None:
    encoded = Encoder(Compiled("Hi", body, body)).encode(data())
    assert LINK.replace("&", "&amp;") in quopri.decodestring(encoded.html).decode()
    assert LINK in quopri.decodestring(encoded.text).decode()


def test_a_link_behind_a_condition_is_found_by_programs_alone() -> None:
    body = "<p>x</p>{% if customer.orders == 12 %}<a href='{{ unsubscribe_link }}'>bye</a>{% endif %}"
    assert Encoder(Compiled("Hi", body, body)).encode_quickly(data()).html.endswith(b"'>bye</a>=\r\n")


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in (1..10001) %}{% endfor %}",
        "{% for i in (1..999999999) %}{% break %}{% endfor %}",
        "{% for i in (1..200) %}{% for j in (1..200) %}{% endfor %}{% endfor %}",
        "{% for i in (1..6000) %}{% endfor %}{% for i in (1..6000) %}{% cycle 'a', 'b' %}{% endfor %}",
        "{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}",
        "{% assign s = customer.note %}" + "{% assign s = s | append: s %}" * 20,
        "{% capture s %}{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}{% endcapture %}",
        "{% capture s %}{% for i in (1..2000) %}"
        + "x" * 100
        + "{% endfor %}{% endcapture %}"
        + "{{ s }}" * 6,
        "{{ (1..9999999999) | join }}",
        "{{ customer.orders | divided_by: 0 }}",
        "{% if customer.name > 3 %}{% endif %}",
    ],
)
def test_what_liquid_refuses_is_refused_with_its_words(body: str) -> None:
    content = Compiled("Hi", "{{ unsubscribe_link }}", body)
    with pytest.raises(RenderError) as expected:
        Renderer(content).render(data(note="note"))
    with pytest.raises(RenderError) as refused:
        Encoder(content).encode(data(note="note"))
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in (1..9999) %}{% if i > 3 %}" + "x" * 300 + "{% break %}{% endif %}{% endfor %}",
        "{{ customer.note }}",
        "a\r{% if customer.orders %}\n{% endif %}",
        "{% for i in (1..1) %}" * 25 + "x" + "{% endfor %}" * 25,
        "{% if customer.orders == 1 %}" + "{% elsif customer.orders == 2 %}" * 3000 + "{% endif %}",
    ],
)
def test_what_programs_cannot_tell_is_rendered_by_liquid(body: str) -> None:
    content = Compiled("Hi", "{{ unsubscribe_link }}", body)
    given = data(note="x" * 20_000)
    encoded = Encoder(content).encode(given)
    assert quopri.decodestring(encoded.text).decode() == travelled(Renderer(content).render(given).text)


def test_a_program_that_takes_too_long_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(Compiled("Hi", "{% for i in (1..2) %}{{ unsubscribe_link }}{% endfor %}", "x"))
    monkeypatch.setattr("campaigns.content.encoder.PATIENCE", -1)
    with pytest.raises(Uncommon):
        encoder.encode_quickly(data())


def test_values_that_are_equal_and_written_otherwise_are_kept_apart() -> None:
    source = "{{ customer.note | default: 'x' | append: '!' }}{{ customer.note }} {{ unsubscribe_link }}"
    encoder = Encoder(Compiled(source, source, source))
    for note in (1, True, 1.0, "1", 0.0, -0.0, 0, False, None, "", "now", [1], Decimal("1.0")):
        subject = Renderer(Compiled(source, source, source)).render(data(note=note)).subject
        assert [encoder.encode_quickly(data(note=note)).subject for _ in range(2)] == [subject, subject]


def test_a_date_is_not_remembered_from_one_day_to_the_next() -> None:
    source = "{{ customer.note | date: '%Y' }} {{ customer.none | default: 'today' | date: '%Y' }}"
    encoder = Encoder(Compiled(source, "{{ unsubscribe_link }}", "{{ unsubscribe_link }}"))
    for year in ("2030", "2031"):
        with time_machine.travel(f"{year}-01-01"):
            assert encoder.encode_quickly(data(note="now")).subject == f"{year} {year}"


def test_a_fault_of_a_program_costs_time_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Encoder(Compiled("Hi", "{{ unsubscribe_link }}", "{{ unsubscribe_link }}"))
    monkeypatch.setattr(encoder, "_subject", None)
    assert [encoder.encode(data()).subject for _ in range(2)] == ["Hi", "Hi"]
    assert len(caplog.records) == 1
