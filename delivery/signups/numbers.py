"""How a sign-up form does: how many asked, confirmed and wait, and whose mail did not leave."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from delivery.models import Signup, SignupForm

Mail = Signup.Mail


@dataclass(frozen=True, slots=True)
class Numbers:
    """The first two since the form was made, the others of those whose link is still good."""

    asked: int
    confirmed: int
    waiting: int
    refused: int
    failed: int
    # Of the mail that was given up last, or is being tried again.
    error: str = ""

    @property
    def share(self) -> int | None:
        """Per cent of those who asked; None while nobody did."""
        return round(100 * self.confirmed / self.asked) if self.asked else None


def of(form: SignupForm) -> Numbers:
    """The numbers of one form. Two queries."""
    open_ones = Signup.objects.filter(form=form, confirmed_at=None)
    count = {
        "waiting": Count("pk", filter=Q(mail__in=(Mail.WAITING, Mail.SENDING, Mail.SENT))),
        "refused": Count("pk", filter=Q(mail=Mail.REFUSED)),
        "failed": Count("pk", filter=Q(mail=Mail.FAILED)),
    }
    failing = open_ones.filter(mail__in=(Mail.WAITING, Mail.FAILED)).exclude(error="").order_by("-asked_at")
    error = failing.values_list("error", flat=True).first() or ""
    return Numbers(form.asked, form.confirmed, **open_ones.aggregate(**count), error=error)
