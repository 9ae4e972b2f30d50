"""The usual Django design, as the bench's own control, beside ours on the same machine and sink."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from statistics import median

from tests.bench import people
from tests.bench.lines import Line, line
from tests.bench.measures.smtp import PROCESSES, RECIPIENTS, Engine
from tests.bench.sinks import Sink
from tests.bench.verify import Wrong
from tests.bench.world import PATIENCE, QUIETLY, TEMPLATE, World
from tests.chaos.processes import celery, wait_for

# The control is slow: a tenth tells its rate.
CONTROL_SHARE = 10
TIMES = 8
CONTROL = "tests.bench.control.usual_design"
# Django's templates know no assign, and neither these filters nor ranges: what they make costs it nothing.
LIQUID_ONLY = re.compile(
    r"\{% *assign.*?%\}|\| *(?:round|times|plus|url_encode|upcase)(?:: *\d+)?", re.DOTALL
)


def measure(world: World) -> Iterator[Line]:
    from tests.bench.control.usual_design import app

    people.customers(world.scaled(RECIPIENTS))
    engine = Engine(world, world.celery(PROCESSES))
    ours = [engine.rate() for _ in range(world.runs)]
    world.stop()
    options = (*QUIETLY, "--concurrency", str(PROCESSES), "--queues", "usual")
    worker = world.start(*celery("worker", *options, app=CONTROL))
    wait_for(lambda: app.control.ping(timeout=0.5), 60)
    theirs = [control(world) for _ in range(world.runs)]
    ratio = median(ours) / median(theirs)
    yield line(
        "usual_design",
        ours,
        "mails/s",
        against="Django template, EmailMultiAlternatives, a connection per worker, Celery by 500",
        against_runs=[round(rate) for rate in theirs],
        ratio=round(ratio, 2),
        recipients=world.scaled(RECIPIENTS),
        against_recipients=world.scaled(RECIPIENTS // CONTROL_SHARE),
        against_peak_mb=world.peaks(worker),
        target=TIMES,
        passed=ratio >= TIMES,
        **(engine.said() | {"peak_mb": []}),
    )


def control(world: World) -> float:
    """Mails a second of the control, from its first message to its last row."""
    from delivery.models import SendLog
    from tests.bench.control.usual_design import CHUNK, send_chunk

    sink, ids = Sink(world), ledger(world)
    html = django_template(TEMPLATE.read_text())
    begun = time.perf_counter()
    for start in range(0, len(ids), CHUNK):
        send_chunk.apply_async([ids[start : start + CHUNK], html, sink.port], queue="usual")
    sent = SendLog.objects.filter(status=SendLog.Status.SENT)
    if not wait_for(lambda: sent.count() == len(ids), PATIENCE):
        raise TimeoutError(f"The control was not done.\n{world.logs()}")
    rate = len(ids) / (time.perf_counter() - begun)
    if (taken := sink.close()) != len(ids):
        raise Wrong(f"the control sent {len(ids)} mails and its sink took {taken}")
    people.run("TRUNCATE delivery_sendlog")
    return rate


def ledger(world: World) -> list[int]:
    """Queued rows of a draft, which our engine leaves alone; their ids."""
    from delivery.models import SendLog

    campaign = world.campaign(world.sender(25))
    people.run(
        "INSERT INTO delivery_sendlog"
        " (workspace_id, campaign_id, step, customer_id, sender_id, email, due_at)"
        " SELECT workspace_id, %s, 1, id, 1, email, now() FROM audience_customer ORDER BY id LIMIT %s",
        [campaign.pk, world.scaled(RECIPIENTS // CONTROL_SHARE)],
    )
    return list(SendLog.objects.order_by("id").values_list("pk", flat=True))


def django_template(source: str) -> str:
    """The campaign's template compiled to HTML, its Liquid made into Django's language."""
    from campaigns.content import compile_template

    html = compile_template("mjml", "News", "Three albums", source).html
    html = html.replace("for album in albums", 'for album in "123"|make_list')
    html = html.replace("forloop.index", "forloop.counter").replace("default: ", "default:")
    return LIQUID_ONLY.sub("", html.replace("{%-", "{%").replace("-%}", "%}"))
