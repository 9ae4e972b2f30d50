"""“Test connection” on a sender's page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from audience import access
from campaigns.models import Sender
from campaigns.oauth import provider_of
from delivery import senders, transports
from delivery.views.frame import staff_page


@staff_page
@require_POST
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Connect to the sender's mail server, and say on its page what came of it."""
    sender = get_object_or_404(Sender.objects.visible_to(request.user), pk=pk)
    if not access.may_edit(request.user, sender.workspace_id):
        raise PermissionDenied("An analyst may read, not test senders.")
    if sender.transport == Sender.Transport.ESP:
        _check(request, sender)
    elif problem := senders.verify(sender):
        messages.error(request, f"The test failed. {problem}")
    else:
        messages.success(request, f"{_who_answered(sender)} The sender is ready.")
    return redirect("admin:campaigns_sender_change", sender.pk)


def _who_answered(sender: Sender) -> str:
    provider = provider_of(sender)
    if provider is None:
        return "The mail server answered and took the log-in."
    return f"{provider.label} answered and knows the mailbox."


def _check(request: HttpRequest, sender: Sender) -> None:
    """Say whether the settings are complete; that proves nothing about the key, so the state stays."""
    if problem := transports.check(sender):
        messages.error(request, problem)
    else:
        messages.success(
            request,
            "The settings are complete. Whether the service takes the key, only a mail can show: "
            "send yourself a test of a campaign.",
        )
