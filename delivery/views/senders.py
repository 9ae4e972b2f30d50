"""“Test connection” on a sender's page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from audience import access
from campaigns.models import Sender
from delivery import senders
from delivery.views.frame import staff_page


@staff_page
@require_POST
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Connect to the sender's mail server, and say on its page what came of it."""
    sender = get_object_or_404(Sender.objects.visible_to(request.user), pk=pk)
    if not access.may_edit(request.user, sender.workspace_id):
        raise PermissionDenied("An analyst may read, not test senders.")
    problem = senders.verify(sender)
    if problem is None:
        messages.success(request, "The mail server answered and took the log-in. The sender is ready.")
    else:
        messages.error(request, f"The test failed. {problem}")
    return redirect("admin:campaigns_sender_change", sender.pk)
