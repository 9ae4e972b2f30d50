"""A worker that only moves people on: `python -m tests.bench.advancing CAMPAIGN MOMENT [BATCH]`."""

from __future__ import annotations

import sys
from datetime import datetime

import django


def main(campaign_id: str, moment: str, batch: str = "") -> None:
    django.setup()
    from campaigns.flows.advance import BATCH, advance
    from campaigns.models import Campaign

    campaign = Campaign.objects.select_related("workspace", "flow").get(pk=campaign_id)
    while advance(campaign, datetime.fromisoformat(moment), int(batch or BATCH)):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:4])
