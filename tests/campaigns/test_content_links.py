"""Links of a mail: which of them count, what they become, and where they lead in the end."""

from __future__ import annotations

import quopri
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from audience.models import Workspace
from campaigns.content import Compiled, Encoder, Renderer, RenderError, addresses, context
from campaigns.content.links import BEACONS, Link, NoTarget, target, track, with_parameters
from campaigns.content.liquid import Budget
from campaigns.content.problems import SourceError
from tests.campaigns.grammar import customers, sources, unhurried
from tests.campaigns.mails import LINK, data

WORKSPACE = Workspace(name="Ä & Co", postal_address="1 Road")
TOKEN = "T0k-en_" * 7
MINE = {
    "click_base": addresses("https://mail.example/c/")(TOKEN),
    "pixel_link": addresses("https://mail.example/o/")(TOKEN),
    "view_in_browser_link": "https://mail.example/v/" + TOKEN,
}


def links(body: str, **utm: str) -> list[Link]:
    return track(f"<html><body>{body}</body></html>", utm)[1]


def anchor(url: str) -> str:
    return f'<a href="{url}">x</a>'


# --- Which links count ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "url", "text"),
    [
        ('<a href="https://shop.example">Shop</a>', "https://shop.example", "Shop"),
        ("<A class=x HREF='http://shop.example/a?b=1&amp;c=2#d'>To <b>the</b>\n shop</A>",
         "http://shop.example/a?b=1&c=2#d", "To the shop"),
        ("<a href=https://shop.example/x>x</a>", "https://shop.example/x", "x"),
        ('<a id="href=\'https://n.example\'" href=" https://s.example/ ">y</a>', "https://s.example/", "y"),
        ('<a href="https://s.example/"><img src="i" alt="A &amp; B"></a>', "https://s.example/", "A & B"),
        ('<map><area alt="Top" href="https://s.example/t"></map>', "https://s.example/t", "Top"),
        ('<a href="https://s.example/?copy=1&copy=2">c</a>', "https://s.example/?copy=1&copy=2", "c"),
        ('<a href="https://s.example/{{ customer.plan }}">{{ customer.name }}</a>',
         "https://s.example/{{ customer.plan }}", "{{ customer.name }}"),
        ("<a href=\"https://s.example/{% if customer.vip %}v{% else %}n{% endif %}\">b</a>",
         "https://s.example/{% if customer.vip %}v{% else %}n{% endif %}", "b"),
        ('<a href="https://s.example/"', "", ""),
    ],
)  # fmt: skip
def test_http_links_are_collected_with_their_words(markup: str, url: str, text: str) -> None:
    assert links(markup) == ([Link(url, text)] if url else [])


@pytest.mark.parametrize(
    "url",
    [
        "mailto:ada@example.com", "tel:+44", "#top", "", "/relative", "//shop.example/x",
        "javascript:alert(1)", "data:text/html,x", "ftp://s.example/x", "https:/s.example", "https:///x",
        "{{ unsubscribe_link }}", "{{ view_in_browser_link }}", "https://s.example/?u={{ unsubscribe_link }}",
        "{{ customer.url }}", "{{ customer.scheme }}://s.example/", "https://{{ customer.host }}/",
        "https://s.example{{ customer.name }}", "https://s.example:{{ customer.port }}/",
        "https://user@s.example/", "https://s.example\\{{ customer.name }}", "https://[::1]/",
        "https://s.example/{{ item }}", "https://s.example/{{ 'now' | date: '%Y' }}{{ now }}",
        "https://s.example/{% assign x = 1 %}", "https://s.example/{% cycle 'a', 'b' %}",
        "https://s.example/\x01", "https://" + "é" * 80 + ".example/", "https://s.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_other_links_are_left_alone(url: str) -> None:
    document, found = track(f"<html><body>{anchor(url)}</body></html>", {})
    assert found == []
    assert anchor(url) in document


@pytest.mark.parametrize(
    "body",
    [
        "{% assign customer_name = 'x' %}" + anchor("https://s.example/{{ customer_name }}"),
        "{% for customer in (1..2) %}" + anchor("https://s.example/{{ customer }}") + "{% endfor %}",
        "{% capture c %}" + anchor("https://s.example/") + "{% endcapture %}{{ c }}",
        "{% raw %}" + anchor("https://s.example/") + "{% endraw %}",
        "{% if customer %}<a href=\"https://s.example/{% endif %}\">x</a>",
        "<!-- " + anchor("https://s.example/") + " -->",
        "<style>" + anchor("https://s.example/") + "</style>",
    ],
)  # fmt: skip
def test_links_that_could_not_be_made_again_are_left_alone(body: str) -> None:
    if body.startswith("{% if customer %}<a"):
        body += "{% if customer %}{% endif %}"
    assert links(body) == []


def test_the_numbers_are_those_of_the_order_also_in_loops_and_conditions() -> None:
    body = (
        "{% for i in (1..2) %}" + anchor("https://s.example/1") + "{% endfor %}"
        "{% if customer.vip %}" + anchor("https://s.example/2") + "{% endif %}" + anchor("https://s.example/1")
    )  # fmt: skip
    document, found = track(f"<html><body>{body}</body></html>", {})
    assert [link.url[-1] for link in found] == ["1", "2", "1"]
    assert re.findall(r"click_base \}\}/(\d)", document) == ["1", "2", "3", "0"]
    assert document.endswith(BEACONS + "</body></html>")


# --- UTM parameters ---------------------------------------------------------------------------------

UTM = {"utm_source": "ne ws", "utm_medium": "email"}


@pytest.mark.parametrize(
    ("url", "with_utm"),
    [
        ("https://s.example", "https://s.example?utm_source=ne%20ws&utm_medium=email"),
        ("https://s.example/a?b=%20c#d", "https://s.example/a?b=%20c&utm_source=ne%20ws&utm_medium=email#d"),
        ("https://s.example/?utm_source=x", "https://s.example/?utm_source=x&utm_medium=email"),
        ("https://s.example/?utm_source=&utm_medium=y#f", "https://s.example/?utm_source=&utm_medium=y#f"),
        ("https://s.example/{{ customer.a | append: '?#' }}#f",
         "https://s.example/{{ customer.a | append: '?#' }}?utm_source=ne%20ws&utm_medium=email#f"),
    ],
)  # fmt: skip
def test_parameters_are_added_once_before_the_fragment(url: str, with_utm: str) -> None:
    assert [link.url for link in links(anchor(url), **UTM)] == [with_utm]
    assert [link.url for link in links(anchor(url.replace("&", "&amp;")))] == [url]
    assert with_parameters(with_parameters("https://s.example/", UTM), UTM) == with_parameters(
        "https://s.example/", UTM
    )


# --- Where they lead --------------------------------------------------------------------------------


def lead(url: str, **customer: Any) -> str:
    [link] = links(anchor(url))
    return target(link, data(**customer))


def test_a_target_says_what_the_mail_said() -> None:
    assert lead("https://s.example/a?x=1&amp;y=%20#z") == "https://s.example/a?x=1&y=%20#z"
    url = (
        "https://s.example/{{ customer.name | url_encode }}?n={{ customer.orders }}&amp;q={{ customer.note }}"
    )
    assert lead(url, name="Zoë & Co", note='"<b>&amp;') == (
        'https://s.example/Zo%C3%AB+%26+Co?n=12&q="<b>&amp;'
    )


def test_a_host_with_other_letters_is_written_as_dns_has_it() -> None:
    assert lead("https://münchen.example/straße") == "https://xn--mnchen-3ya.example/straße"


HOSTILE = (
    "@evil.example", "//evil.example", "\\evil.example", "javascript:alert(1)", "https://evil.example/",
    "\r\nLocation: https://evil.example/", "\r\nSet-Cookie: a=b", "\t//evil.example", "/../..//evil.example",
    "?x#y", "\x00", "\x7f", "\u2028", "%0d%0aX: y", "&#64;evil.example", "&sol;&sol;evil.example",
    ".evil.example", ":8000@evil.example", "data:text/html,<script>alert(1)</script>", "\ud800",
)  # fmt: skip
PLACES = (
    "https://s.example/{{ customer.note }}",
    "https://s.example/x{{ customer.note }}y",
    "https://s.example?{{ customer.note }}",
    "https://s.example#{{ customer.note }}",
    "https://s.example:8443/{{ customer.note | strip }}{{ customer.note | url_encode }}",
)


@pytest.mark.parametrize("place", PLACES)
@effort(max_examples=60, deadline=None)
@given(
    note=st.one_of(
        st.sampled_from(HOSTILE), st.text(max_size=20), st.lists(st.sampled_from(HOSTILE)).map("".join)
    )
)
def test_no_value_of_a_customer_leads_to_another_host(place: str, note: str) -> None:
    try:
        address = lead(place, note=note)
    except NoTarget:
        return
    parts = urlsplit(address)
    assert parts.scheme == "https"
    assert parts.netloc == ("s.example:8443" if ":8443" in place else "s.example")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", address)


@pytest.mark.parametrize(
    "stored", ["javascript:alert(1)", "//evil.example", "{{ customer.note }}", "https://"]
)
def test_a_stored_link_that_should_not_be_there_leads_nowhere(stored: str) -> None:
    with pytest.raises(NoTarget):
        target(Link(stored, "x"), data(note="https://evil.example/"))


def test_a_value_that_no_filter_can_take_leads_nowhere() -> None:
    with pytest.raises(NoTarget):
        lead("https://s.example/{{ customer.orders | divided_by: 0 }}")


# --- Any mail: the same as without tracking, but for its links ----------------------------------------


class Seen(HTMLParser):
    """A document as browsers read it: its tags with their attributes, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_data(self, text: str) -> None:
        self.found.append(text)


URLS = st.sampled_from(
    [
        *("https://s.example/a?b=1&amp;c=2#d", "http://s.example", "{{ unsubscribe_link }}", "//s.example"),
        *(
            "https://s.example/{{ customer.note }}",
            "https://{{ customer.note }}/",
            "mailto:a@b.example",
            "#x",
        ),
        "https://s.example/?n={{ customer_name | url_encode }}&amp;o=1",
        "https://s.example/{% if customer.orders > 2 %}a{% else %}b{% endif %}",
        *("https://s.example/{{ item }}", "https://s.example/{{ a }}", "HTTPS://S.example/é ü"),
    ]
)
ANCHORS = st.tuples(URLS, st.sampled_from(['"', "'"]), st.sampled_from(["a", "area"])).map(
    lambda made: f"<{made[2]} class=k href={made[1]}{made[0]}{made[1]}>w</{made[2]}>"
)
WRAPS = st.sampled_from(
    [
        "{}",
        "{{% for item in (1..2) %}}{}{{% endfor %}}",
        "{{% if customer.orders %}}{}{{% endif %}}",
        "<p>{}</p>",
    ]
)
PARTS = st.one_of(st.tuples(WRAPS, ANCHORS).map(lambda pair: pair[0].format(pair[1])), sources(1))
BODIES = st.lists(PARTS, min_size=1, max_size=5).map("".join)


def resolved(found: list[Any], known: list[Link], given: dict[str, object]) -> list[Any]:
    """What a reader of the tracked mail meets, each link followed; without the beacons at the end."""
    base = f"{MINE['click_base']}/"
    said = []
    for item in found:
        if isinstance(item, tuple):
            followed = [
                (name, target(known[int(value.removeprefix(base)) - 1], given))
                if name == "href" and value and value.startswith(base) and value != base + "0"
                else (name, value)
                for name, value in item[1]
            ]
            item = (item[0], followed)
        said.append(item)
    return said


def tidied(found: list[Any]) -> list[Any]:
    """Addresses as browsers take them: without spaces around them and line breaks in them."""
    return [
        (item[0], [(n, re.sub(r"[\t\r\n]", "", v or "").strip() if n == "href" else v) for n, v in item[1]])
        if isinstance(item, tuple)
        else item
        for item in found
    ]


@effort(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(BODIES, customers())
def test_a_tracked_mail_is_the_plain_one_with_other_links(body: str, customer: dict[str, object]) -> None:
    document = f"<html><body>{body}{{{{ unsubscribe_link }}}}</body></html>"
    try:
        tracked, known = track(document, {})
        plain, counting = (
            Compiled("Hi", document, "x {{ unsubscribe_link }}"),
            Compiled("Hi", tracked, "x {{ unsubscribe_link }}"),
        )
        renderers = Renderer(plain), Renderer(counting)
    except SourceError:
        return
    given = context(customer, WORKSPACE, "Spring", LINK, **MINE)
    with unhurried():
        try:
            said, ours = (renderer.render(given).html for renderer in renderers)
        except RenderError:
            return
        encoded = quopri.decodestring(Encoder(counting).encode(given).html).decode()
    assert encoded.splitlines() == re.sub("\r\n|\r|\n", "\r\n", ours).splitlines()
    beacons = Renderer(Compiled("Hi", BEACONS, "x")).html.run(given, Budget(60.0))
    assert ours.count(beacons) == 1
    try:
        met = resolved(Seen(ours.replace(beacons, "")).found, known, given)
    except NoTarget:
        return
    assert tidied(met) == tidied(Seen(said).found)
