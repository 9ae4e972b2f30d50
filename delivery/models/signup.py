"""Sign-up forms, and people who have asked by one and have not confirmed their address yet."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.models import WorkspaceModel
from campaigns.models import Sender

CONSENT = (
    "I agree to get e-mails with news and offers. I can withdraw this at any time, by a link in each of them."
)
SUBJECT = "Please confirm your sign-up"
BODY = (
    "You asked to get e-mails from us.\n\n"
    "Confirm with the button below that this address is yours. Until then, you get nothing."
)


def new_public_id() -> str:
    return token_hex(8)


def validate_one_line(text: str) -> None:
    """Refuse what a header of a mail cannot hold in one piece (RFC 5322, 2.2)."""
    if not text.isprintable():
        raise ValidationError(gettext("Write it in one line, without control characters."))


class SignupForm(WorkspaceModel):
    """A form by which people ask to be written to. Staff write it; the two sums are delivery.signups'.

    It stands here and not in the audience, since it names the sender that the confirmation leaves by.
    """

    public_id = models.CharField(max_length=16, unique=True, default=new_public_id, editable=False)
    name = models.CharField(
        max_length=100,
        help_text=_("For your own eyes, and for automations: they find it in the event signed_up."),
    )
    is_on = models.BooleanField(_("open"), default=True, help_text=_("Closed, it takes nobody any more."))
    heading = models.CharField(max_length=150, default="Stay in touch")
    text = models.TextField(
        max_length=2000, blank=True, help_text=_("Below the heading: what people get, and how often.")
    )
    asks_name = models.BooleanField(_("ask for the name"), default=False)
    # Names of text attributes, in the order in which they are asked.
    attributes = models.JSONField(_("also ask for"), default=list, blank=True)
    consent = models.TextField(
        _("consent"),
        max_length=500,
        default=CONSENT,
        help_text=_("What people agree to by ticking a box. It is kept word by word as evidence."),
    )
    # Wordings of before: forms that stand in other sites still show them.
    earlier_consents = models.JSONField(default=list, blank=True, editable=False)
    thanks_url = models.CharField(
        _("where to go afterwards"),
        max_length=200,
        blank=True,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text=_(
            "A page of yours, for those who have confirmed. Empty: ours, which says that it is done."
        ),
    )
    sender = models.ForeignKey(
        Sender, models.PROTECT, related_name="+", help_text="Of the mail that asks to confirm."
    )
    subject = models.CharField(max_length=150, default=SUBJECT, validators=[validate_one_line])
    body = models.TextField(
        _("text of the mail"),
        max_length=4000,
        default=BODY,
        help_text=_("Plain text. The button to confirm stands below it by itself."),
    )
    hourly_limit = models.PositiveIntegerField(
        _("mails in an hour, at most"),
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text=_("Asked for by this form. It keeps robots from mailing strangers in your name."),
    )
    asked = models.PositiveIntegerField(db_default=0, default=0, editable=False)
    confirmed = models.PositiveIntegerField(db_default=0, default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("sign-up form")
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="signup_form_once")]

    def __str__(self) -> str:
        return self.name


class Signup(WorkspaceModel):
    """One request by a form, with what was typed into it; nobody is a customer for it.

    Lives for LIFE and is then deleted, confirmed or not; what was typed goes with the confirmation. It is
    also the queue of the mails that ask to confirm: delivery.signups.queue writes `mail` to `error`.
    """

    # For so long the link in the mail is good.
    LIFE = timedelta(days=7)

    class Mail(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        REFUSED = "refused", _("Not mailed")
        FAILED = "failed", _("Given up")

    form = models.ForeignKey(SignupForm, models.CASCADE, related_name="signups", db_index=False)
    email = models.CharField(max_length=254)
    name = models.CharField(max_length=200, blank=True)
    attributes = models.JSONField(default=dict)
    # The wording that was agreed to.
    consent = models.TextField()
    asked_at = models.DateTimeField()
    asked_ip = models.GenericIPAddressField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    mail = models.CharField(max_length=8, choices=Mail, default=Mail.WAITING)
    attempts = models.SmallIntegerField(default=0)
    # Not before this moment; while it is being sent, when its worker is taken for dead.
    due_at = models.DateTimeField(db_default=Now())
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("sign-up")
        indexes = [
            models.Index(fields=["form", "asked_at"], name="signup_of_form"),
            models.Index(fields=["workspace", "email"], name="signup_of_address"),
            models.Index(fields=["asked_at"], name="signup_old"),
            models.Index(
                fields=["due_at"], condition=models.Q(mail__in=("waiting", "sending")), name="signup_mail_due"
            ),
        ]

    def __str__(self) -> str:
        return f"Sign-up {self.pk}"
