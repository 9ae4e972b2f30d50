"""A worker that dies at the worst moments of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from audience.models import Customer
from campaigns.models import Campaign
from delivery import handover, sweep
from delivery.claim import Claim
from delivery.models import Progress, SendLog
from delivery.transports.base import Answer, Mail, Verdict
from delivery.worker import Worker

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.django_db(transaction=True)


class Dying:
    """A transport in whose hands the process dies while the second mail is on the wire."""

    def __init__(self) -> None:
        self.left: list[int] = []

    def deliver(self, mails: Iterator[Mail]) -> Iterator[Answer]:
        first = next(mails)
        self.left.append(first.row_id)
        # Committed before the network is touched.
        assert set(SendLog.objects.values_list("status", "attempts")) == {("sending", 1)}
        yield Answer(first.row_id, Verdict.ACCEPTED, "A1")
        self.left.append(next(mails).row_id)
        raise SystemExit

    def close(self) -> None:
        pass


def test_after_a_death_on_the_wire_each_row_gets_what_is_true_of_it(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(4)
    transport = Dying()
    monkeypatch.setattr(handover, "transport_for", lambda sender: transport)
    with pytest.raises(SystemExit), Worker() as worker:
        worker.run_once()
    sweep.recover()
    accepted, on_the_wire = transport.left
    rows = SendLog.objects.in_bulk()
    assert (rows[accepted].status, rows[accepted].provider_id) == ("sent", "A1")
    assert (rows[on_the_wire].status, rows[on_the_wire].reason) == ("unknown", "lost")
    others = {(row.status, row.attempts) for pk, row in rows.items() if pk not in transport.left}
    assert others == {("queued", 0)}
    sums = Progress.objects.get()
    assert (sums.sent, sums.unknown, sums.remaining) == (1, 1, 2)


def test_customer_who_is_deleted_behind_the_gate_is_not_mailed(
    active_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(1)
    real_gate = handover.gate

    def gate_then_delete(claims: list[Claim]) -> list[Claim]:
        passed = real_gate(claims)
        Customer.objects.all().delete()
        return passed

    monkeypatch.setattr(handover, "gate", gate_then_delete)
    with Worker() as worker:
        worker.run_once()
    row = SendLog.objects.get()
    assert (row.status, row.reason) == ("suppressed", "deleted")


def test_mail_that_cannot_be_built_fails_alone_whatever_the_error(
    active_campaign: MakeCampaign, mailbox: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    active_campaign(3)
    unlucky = SendLog.objects.earliest("id").pk
    real_build = handover.Builder.build

    def build(builder: handover.Builder, to: handover.Recipient) -> Mail:
        if to.row_id == unlucky:
            raise ZeroDivisionError("odd data")
        return real_build(builder, to)

    monkeypatch.setattr(handover.Builder, "build", build)
    with Worker() as worker:
        worker.run_until_idle()
    assert worker.counts == {"sent": 2, "failed": 1}
    row = SendLog.objects.get(pk=unlucky)
    assert (row.reason, row.error) == ("render", "odd data")
