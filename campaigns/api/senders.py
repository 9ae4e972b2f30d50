"""Senders, to be chosen for campaigns. Nothing that opens anything is shown, and nothing is written."""

from __future__ import annotations

from typing import Annotated

from ninja import Query, Router
from pydantic import Field

from audience.api.frame import Allowed, ApiRequest, Page, PageQuery, answers, find, page
from audience.api.schemas import Id, Out, example, listed
from campaigns.models import Sender

router = Router(tags=["Senders"])


State = Annotated[Sender.State, listed(Sender.State)]


class SenderOut(Out):
    """Whom mails come from."""

    model_config = example(
        {
            "id": 1,
            "name": "Newsletter",
            "from_name": "Acme",
            "from_email": "news@acme.example",
            "reply_to": "",
            "transport": "smtp",
            "state": "ready",
            "last_error": "",
        }
    )

    id: int
    name: str
    from_name: str
    from_email: str
    reply_to: str
    transport: Annotated[Sender.Transport, listed(Sender.Transport)]
    state: State = Field(description="Mail is handed to unverified and ready ones.")
    last_error: str


class SenderQuery(PageQuery):
    state: State | None = None


@router.get("/senders", auth=Allowed("senders:read"), response=answers(Page[SenderOut]))
def list_senders(request: ApiRequest, asked: Query[SenderQuery]) -> Page[SenderOut]:
    """List senders, the newest first."""
    rows = Sender.objects.of(request.auth.workspace)
    if asked.state is not None:
        rows = rows.filter(state=asked.state)
    return page(rows, asked, SenderOut.model_validate, newest_first=True)


@router.get("/senders/{sender_id}", auth=Allowed("senders:read"), response=answers(SenderOut))
def read_sender(request: ApiRequest, sender_id: Id) -> SenderOut:
    """Read one sender."""
    return SenderOut.model_validate(find(Sender.objects.of(request.auth.workspace), sender_id))
