"""Every word of the pages can be translated: read in a language in which each translated text is marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils.translation import trans_real
from lxml import html as lxml_html

from campaigns.models import Campaign
from tests.factories import UserFactory
from tests.pages import addresses, more, pages
from tests.world import World

OPEN, CLOSE = "⟦⟧"
TEMPLATES = Path(django_settings.BASE_DIR) / "templates"
# Elements without words for people: programs, and the icons of a font, which are said by name.
NO_WORDS = ("script", "style", "code")
SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-confirm")
TRANSLATED = re.compile(r"{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}|{#.*?#}", re.DOTALL)
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
LITERAL = re.compile(r"{% translate (\"[^\"]*\"|'[^']*') %}")
# Words of a filter or of an include that people read begin with a capital or are several.
UNTRANSLATED_ARGUMENT = re.compile(
    r"(?:default|default_if_none|yesno):\"[A-Z][a-z]|(?:include|with) [^%]*=\"[A-Z][a-z]"
)
# What a script says by itself: a text that begins with a capital letter and is neither a key nor code.
SCRIPTS = Path(django_settings.BASE_DIR) / "static" / "drumbeat"
SAID_BY_SCRIPT = re.compile(r"""(?<!gettext\()(?<!\w)["`']([A-Z][a-z]+[^"`']*)["`']""")
KEYS = {
    "AbortError", "Alt ↑", "Alt ↓", "ArrowDown", "ArrowUp", "Backspace", "End", "Enter", "Escape", "Home",
    "Tab"
}  # fmt: skip
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
# Examples of what people write themselves, and what is for browsers.
NAMES = {
    "email", "order_placed", "same-origin ·", "somebody@example.com", "there", "total", "?review=1"
}  # fmt: skip

# Lists and forms that the admin makes from models; it names most fields by the model's own names.
FROM_MODELS = "/admin/"
# The same words in other places, which no template says: merge fields, history, the footer of mails.
LEFT = {
    "Bounced", "Clicked", "Opened", "Opted in to e-mail", "Unsubscribe", "HTML", "Campaign", "E-mail address",
    "External id", "Language", "Name", "Phone", "Postal address", "Subject", "Time zone"
}  # fmt: skip


class Marked(NullTranslations):
    """A language in which every text is itself, between brackets."""

    def gettext(self, message: str) -> str:
        return OPEN + message.rpartition("\x04")[2] + CLOSE

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    def language(self) -> str:
        return "en"

    def to_language(self) -> str:
        return "en"


@pytest.fixture
def marked() -> Iterator[None]:
    trans_real._active.value = Marked()
    yield
    del trans_real._active.value


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_no_template_has_words_that_cannot_be_translated(template: Path) -> None:
    source = template.read_text()
    assert [*words_of(source)] == []
    assert UNTRANSLATED_ARGUMENT.findall(source) == []


@pytest.mark.parametrize("script", sorted(SCRIPTS.rglob("*.js")), ids=lambda path: path.stem)
def test_no_script_has_words_that_cannot_be_translated(script: Path) -> None:
    source = COMMENT.sub("", script.read_text())
    assert {*SAID_BY_SCRIPT.findall(re.sub(r"\(\s+", "(", source))} <= KEYS


def test_words_of_scripts_come_from_the_catalog(client: Client) -> None:
    assert "globals.gettext" in client.get("/words.js").content.decode()


def test_words_outside_translations_are_found() -> None:
    source = """{% if x %}<p title="A word">{% translate "Fine" %} {{ x }} and <b>more</b></p>{% endif %}"""
    assert [*words_of(source)] == ["A word", "and", "more"]
    assert UNTRANSLATED_ARGUMENT.search('{{ x|default:"Nothing" }}')
    assert SAID_BY_SCRIPT.findall("""say("Not that", gettext("This"), `Group ${number}`)""") == [
        "Not that",
        "Group ${number}",
    ]


@pytest.mark.usefixtures("marked")
def test_what_the_templates_say_comes_translated_on_every_page(
    world: World, elsewhere: Campaign, client: Client
) -> None:
    more(world.other, 2)
    client.force_login(UserFactory(is_superuser=True))
    own = {
        literal[1:-1] for path in TEMPLATES.rglob("*.html") for literal in LITERAL.findall(path.read_text())
    }
    seen = {url: texts(page) for url, page in pages(client, addresses(world, elsewhere))}
    assert len(seen) > 60
    assert sum(CLOSE in text for page in seen.values() for text in page) > 5000
    ours = [page for url, page in seen.items() if not url.startswith(FROM_MODELS)]
    assert {text for page in ours for text in outside(page) if text in own} <= LEFT


def words_of(source: str) -> Iterator[str]:
    """What a template says by itself, outside of translations."""
    bare = TAG.sub(" ", TRANSLATED.sub(" ", source))
    for text in texts(f"<div>{bare}</div>"):
        words = " ".join(text.split())
        if re.search("[A-Za-z]{2}", words) and words not in NAMES:
            yield words


def texts(page: str) -> list[str]:
    """Its text nodes and what is read out instead of them, in order."""
    found: list[str] = []
    read(lxml_html.document_fromstring(page), found)
    return found


def read(element: lxml_html.HtmlElement, found: list[str]) -> None:
    if isinstance(element.tag, str) and element.tag not in NO_WORDS:
        found += [element.get(name) for name in SPOKEN if element.get(name)]
        if "material-symbols" not in (element.get("class") or ""):
            found.append(element.text or "")
            for child in element:
                read(child, found)
    found.append(element.tail or "")


def outside(page: list[str]) -> Iterator[str]:
    """What stands outside of the brackets, which may open in one text node and close in another."""
    depth = 0
    for text in page:
        left = ""
        for part in re.split(f"([{OPEN}{CLOSE}])", text):
            depth += (part == OPEN) - (part == CLOSE)
            left += part if depth == 0 else ""
        yield " ".join(left.replace(CLOSE, "").split())
