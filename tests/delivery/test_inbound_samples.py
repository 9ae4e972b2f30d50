"""What every service sends becomes the right event, with the right consequence, from the door to the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from audience.models import Customer, Suppression
from campaigns.esps import ESPS
from campaigns.models import Campaign
from delivery.inbound import inbox
from delivery.inbound.services import REPORTING
from delivery.models import Event, Inbound
from tests.delivery.webhooks import SAMPLES
from tests.delivery.webhooks.amazon_host import Host, amazon_host
from tests.delivery.webhooks.mails import sent, told
from tests.delivery.webhooks.sample import AT, Sample, filled
from tests.delivery.webhooks.signing import post, set_up, signed

__all__ = ["amazon_host"]

pytestmark = pytest.mark.django_db
MakeCampaign = Callable[..., Campaign]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_report_becomes_its_event_and_what_follows(
    sample: Sample, active_campaign: MakeCampaign, amazon_host: Host
) -> None:
    row, other = sent(active_campaign(2), 2)
    url = set_up(row.sender, sample.service)
    payload = filled(sample.payload, row.pk, row.email, row.provider_id)
    assert post(url, *signed(sample.service, payload, url)) == 200
    assert not Event.objects.exists()
    assert inbox.process(1) == 1
    assert told() == list(sample.told)
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.status, row.outcome, other.outcome) == ("sent", sample.outcome, "")
    expected = {row.email: sample.reason} if sample.reason else {}
    assert dict(Suppression.objects.values_list("email", "reason")) == expected
    left = sample.reason in ("complaint", "unsubscribe")
    assert Customer.objects.get(pk=row.customer_id).subscribed is not left
    inbound = Inbound.objects.get()
    assert (inbound.error, inbound.attempts, inbound.processed_at is None) == ("", 1, False)


@pytest.mark.parametrize("service", sorted(REPORTING))
def test_an_event_has_the_moment_that_the_service_names(
    service: str, active_campaign: MakeCampaign, amazon_host: Host
) -> None:
    [row] = sent(active_campaign(1))
    url = set_up(row.sender, service)
    sample = next(s for s in SAMPLES if s.service == service and s.outcome == "delivered")
    post(url, *signed(service, filled(sample.payload, row.pk, row.email, row.provider_id), url))
    inbox.process(1)
    assert abs(Event.objects.get().at - AT) < timedelta(seconds=1)


def test_the_servers_words_are_kept(active_campaign: MakeCampaign) -> None:
    [row] = sent(active_campaign(1))
    url = set_up(row.sender, "postmark")
    sample = next(s for s in SAMPLES if str(s) == "postmark hard")
    post(url, *signed("postmark", filled(sample.payload, row.pk, row.email, row.provider_id), url))
    inbox.process(1)
    assert Event.objects.get().detail.startswith("550 5.1.1 The email account that you tried")


def test_every_service_has_samples_and_every_service_but_one_reports() -> None:
    assert {sample.service for sample in SAMPLES} == set(REPORTING)
    assert set(ESPS) - set(REPORTING) == {"scaleway"}
