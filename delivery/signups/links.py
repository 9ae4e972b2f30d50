"""What addresses and pages of sign-ups carry, signed: the link that confirms, and when a page was shown."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from campaigns import signing
from delivery.models import Signup, SignupForm

_CONFIRM = b"drumbeat-signup"
_SHOWN = b"drumbeat-form"
_REQUEST = struct.Struct(">IQI")
_PAGE = struct.Struct(">II")


class InvalidLink(Exception):
    """The link is damaged or was not made by this installation."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a link stands for: a form, a request by it, and the second in which that was made."""

    form_id: int
    signup_id: int
    asked_at: int


def token_of(signup: Signup) -> str:
    """The token that confirms one request, and no other."""
    moment = int(signup.asked_at.timestamp())
    return signing.signed(_REQUEST.pack(signup.form_id, signup.pk, moment), _CONFIRM)


def read(token: str) -> Request:
    """The request behind a token, whichever of LINK_KEYS signed it. Raises InvalidLink."""
    try:
        return Request(*_REQUEST.unpack(signing.verified(token, _CONFIRM)))
    except (signing.Forged, struct.error) as error:
        raise InvalidLink from error


def shown_now(form: SignupForm) -> str:
    """What our own pages of a form carry, so that their answer says how long somebody had them."""
    return signing.signed(_PAGE.pack(form.pk, int(time.time())), _SHOWN)


def seconds_shown(form: SignupForm, text: str) -> float | None:
    """For how long the page of an answer had been shown; None when it is no page of ours and of this form."""
    try:
        form_id, moment = _PAGE.unpack(signing.verified(text, _SHOWN))
    except (signing.Forged, struct.error):
        return None
    return time.time() - moment if form_id == form.pk else None


def confirm_url(signup: Signup) -> str:
    """The address in the mail. Made by hand: reversing it would import every page into a worker."""
    return f"{settings.SITE_URL}/confirm/{token_of(signup)}/"


def page_url(form: SignupForm) -> str:
    """The form's public address, to which forms in other sites post as well."""
    path = reverse("delivery:signup", args=[form.public_id])
    return f"{settings.SITE_URL}{path}"


def frame_url(form: SignupForm) -> str:
    """The form to be shown in a frame of another site."""
    path = reverse("delivery:signup_frame", args=[form.public_id])
    return f"{settings.SITE_URL}{path}"
