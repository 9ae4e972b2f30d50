"""“Test connection” and “Send me a test” on a sender's page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from audience import access, addresses
from campaigns.models import Sender
from campaigns.oauth import provider_of
from delivery import senders, test_send
from delivery.views.frame import staff_page

KEY_IS_KNOWN = _(
    "The service knows the key. The sender is ready; whether the service lets it send from its address, a"
    " test mail shows: the form for one is at the end of this page."
)


@staff_page
@require_POST
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Connect to the sender's provider, and say on its page what came of it. Sends nothing."""
    sender = _find(request, pk)
    if problem := senders.verify(sender):
        messages.error(request, gettext("The test failed. {problem}").format(problem=problem))
    else:
        messages.success(request, _who_answered(sender))
    return redirect("admin:campaigns_sender_change", sender.pk)


@staff_page
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one mail from this sender and say what became of it. Takes as long as its provider does."""
    sender = _find(request, pk)
    try:
        address = addresses.normalise(request.POST.get("address", ""))
    except addresses.InvalidAddress as error:
        outcome = test_send.Outcome(str(error))
    else:
        outcome = test_send.send_from(sender, address)
    return render(request, "delivery/test_outcome.html", {"outcome": outcome})


def _who_answered(sender: Sender) -> str:
    if sender.transport == Sender.Transport.ESP:
        return str(KEY_IS_KNOWN)
    provider = provider_of(sender)
    if provider is None:
        return gettext("The mail server answered and took the log-in. The sender is ready.")
    return gettext("{label} answered and knows the mailbox. The sender is ready.").format(
        label=provider.label
    )


def _find(request: HttpRequest, pk: int) -> Sender:
    sender: Sender = get_object_or_404(Sender.objects.visible_to(request.user), pk=pk)
    if not access.may_edit(request.user, sender.workspace_id):
        raise PermissionDenied(gettext("An analyst may read, not test senders."))
    return sender
