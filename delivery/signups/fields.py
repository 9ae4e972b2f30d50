"""What a sign-up form asks, by the names under which it is posted: by our own pages and by other sites."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string

from delivery.models import SignupForm
from delivery.signups.links import frame_url, page_url

ATTRIBUTE = "attribute_"
# Empty when a person posts it: people do not see the field, robots fill in what they find.
TRAP = "website"
# When a page of ours was shown, and which wording was agreed to.
SHOWN, WORDING = "shown", "wording"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of text beside the address."""

    name: str
    label: str
    max_length: int
    autocomplete: str = "off"


def fields(form: SignupForm) -> list[Field]:
    """The fields beside the address and the consent, in their order."""
    name = [Field("name", "Name", 200, "name")] if form.asks_name else []
    return name + [Field(ATTRIBUTE + each, label(each), 200) for each in form.attributes]


def label(attribute: str) -> str:
    """favourite_colour as Favourite colour."""
    return attribute.replace("_", " ").capitalize()


def mark(wording: str) -> str:
    """What stands for a wording in a form, short."""
    return hashlib.blake2b(wording.encode(), digest_size=6).hexdigest()


def agreed(form: SignupForm, given: str) -> str | None:
    """The wording behind a mark, today's or an earlier one that other sites still show; None: neither."""
    wordings = {mark(wording): wording for wording in (form.consent, *form.earlier_consents)}
    return wordings.get(given)


def keep_wording(form: SignupForm, earlier: str) -> None:
    """Go on accepting a wording that was replaced, since other sites still show it. May be repeated."""
    kept = [wording for wording in form.earlier_consents if wording != earlier]
    form.earlier_consents = [*kept, earlier]
    form.save(update_fields=["earlier_consents"])


def snippet(form: SignupForm) -> str:
    """A plain form for another site, without scripts and styles."""
    context = {
        "form": form,
        "action": page_url(form),
        "fields": fields(form),
        "trap": TRAP,
        "wording": WORDING,
        "mark": mark(form.consent),
    }
    return render_to_string("signups/snippet.html", context).strip()


def frame(form: SignupForm) -> str:
    """The frame for another site, which shows the form as we do."""
    return render_to_string("signups/frame_snippet.html", {"form": form, "url": frame_url(form)}).strip()


def is_local() -> bool:
    """Whether nobody outside reaches the addresses of this installation."""
    return any(host in settings.SITE_URL for host in ("//127.0.0.1", "//localhost"))
