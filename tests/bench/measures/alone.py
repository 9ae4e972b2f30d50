"""A campaign through one worker in the measuring process itself, which can be looked into and changed."""

from __future__ import annotations

import time

from tests.bench import people
from tests.bench.sinks import Sink
from tests.bench.verify import Wrong
from tests.bench.world import World

FAR_AWAY = 1_000_000_000


class Alone:
    """Sends one campaign after the other to everybody, each to a sink of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        # Of the campaign sent last.
        self.mails = 0

    def seconds(self, *, limited: bool = False) -> float:
        """Send a campaign; the seconds from its activation to its end.

        A limited sender's mails are counted in Redis, towards limits that they do not reach.
        """
        from campaigns import lifecycle
        from campaigns.models import SenderLimit
        from delivery.worker import Worker

        sink = Sink(self.world)
        sender = self.world.sender(sink.port)
        if limited:
            for period in (SenderLimit.Period.SECOND, SenderLimit.Period.DAY):
                SenderLimit.objects.create(sender=sender, mails=FAR_AWAY, period=period)
        campaign = self.world.campaign(sender)
        begun = time.perf_counter()
        lifecycle.activate(campaign)
        with Worker() as worker:
            worker.run_until_idle(seconds=600)
        seconds = time.perf_counter() - begun
        self.mails = worker.counts["sent"]
        if (taken := sink.close()) != self.mails:
            raise Wrong(f"{self.mails} mails sent, {taken} taken by the sink")
        people.run("TRUNCATE delivery_sendlog")
        return seconds
