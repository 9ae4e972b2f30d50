"""What the e-mail services send, shaped by their documentation: one sample per service and kind of event."""

from __future__ import annotations

from tests.delivery.webhooks import amazon, forms, lists, single
from tests.delivery.webhooks.sample import Sample

SAMPLES: list[Sample] = [*amazon.SAMPLES, *forms.SAMPLES, *lists.SAMPLES, *single.SAMPLES]
