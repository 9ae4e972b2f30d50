"""Pages: server time and queries of each page of the site, at a million customers and ten million mails."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from django.db import connection

from tests.bench import ledger
from tests.bench.brand import CAMPAIGNS, Brand, found
from tests.bench.lines import Line, line, rounded
from tests.bench.world import World

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.test import Client

    from tests.api.program import Program

HOST = "localhost"
PAGE_MS, QUERIES = 150, 30
# A page fetches these once it is there, or shows a wait for them: they count people.
COUNTING_MS = 300
COUNTING = {
    "/campaigns/{draft}/reach/?review",
    "/campaigns/{to_all}/reach/?review",
    "/campaigns/{draft}/start/",
    "/campaigns/{to_all}/start/",
    "/campaigns/{draft}/audience/counts/",
    "/campaigns/{draft}/send/checks/mail/",
    "/campaigns/{to_all}/send/checks/mail/",
    "/campaigns/{draft}/send/checks/times/",
    "/campaigns/{to_all}/send/checks/times/",
    "/flows/{flow}/preview/",
    "/reports/campaigns/{ended}/send-time/",
    "POST /admin/audience/segment/preview/",
    "GET /api/campaigns/{campaign_id}/funnel",
    "GET /api/segments/{segment_id}/count",
    "GET /api/segments/{segment_id}/sample",
}
# A trial run through the whole engine: its queries grow with the flow's steps, not with the data.
ENGINE = {"/flows/{flow}/preview/"}
# What is asked outside the models' admins, with the names of brand.Brand.ids.
PAGES = (
    "/admin/", "/now/", "/admin/audience/", "/admin/search/?s=news",
    "/campaigns/", "/campaigns/?status=ended", "/campaigns/?q=campaign", "/campaigns/?before={ended}",
    "/campaigns/new/",
    "/campaigns/{bare}/audience/", "/campaigns/{draft}/audience/", "/campaigns/{automation}/audience/",
    "/campaigns/{draft}/audience/counts/",
    "/campaigns/{bare}/content/", "/campaigns/{draft}/content/", "/campaigns/{flow_draft}/content/",
    "/campaigns/{draft}/schedule/", "/campaigns/{to_all}/schedule/",
    "/campaigns/{draft}/send/", "/campaigns/{to_all}/send/", "/campaigns/{flow_draft}/send/",
    "/campaigns/{automation}/send/", "/campaigns/{bare}/send/",
    "/campaigns/{draft}/reach/?review", "/campaigns/{to_all}/reach/?review",
    "/campaigns/{draft}/start/", "/campaigns/{to_all}/start/",
    "/campaigns/{draft}/send/checks/mail/", "/campaigns/{to_all}/send/checks/mail/",
    "/campaigns/{draft}/send/checks/times/", "/campaigns/{to_all}/send/checks/times/",
    "/campaigns/{draft}/send/customers/?render_as=customer7",
    "/campaigns/{running}/", "/campaigns/{paused}/", "/campaigns/{ended}/", "/campaigns/{flow_campaign}/",
    "/campaigns/{running}/progress/", "/campaigns/{flow_campaign}/progress/",
    "/campaigns/{running}/reasons/", "/campaigns/{ended}/reasons/",
    "/campaigns/{running}/steer/pause/", "/campaigns/{paused}/steer/resume/",
    "/campaigns/{running}/steer/cancel/",
    "/campaigns/{running}/unknown/", "/campaigns/{ended}/why/?email=customer12",
    "/flows/{flow}/simulate/", "/flows/{flow}/preview/",
    "/admin/campaigns/flow/{flow}/editor/", "/admin/campaigns/flow/{flow}/editor/1/",
    "/admin/campaigns/flow/{flow}/editor/2/", "/admin/campaigns/flow/{flow}/editor/3/",
    "/admin/campaigns/flow/{flow}/publish/",
    "/admin/campaigns/campaign/{flow_campaign}/people/",
    "/admin/campaigns/campaign/{flow_campaign}/people/{customer}/",
    "/templates/", "/templates/?q=news", "/templates/?page=2", "/templates/new/", "/templates/{template}/",
    "/templates/{template}/customers/?preview_as=customer7", "/templates/{template}/images/",
    "/templates/{template}/picture/", "/templates/{template}/versions/", "/templates/{template}/versions/1/",
    "/templates/{template}/versions/1/picture/", "/templates/designs/sale/",
    "/admin/campaigns/template/{template}/attachments/",
    "/customers/", "/customers/?q=customer7", "/customers/?q=e", "/customers/?q=%2B49", "/customers/?who=in",
    "/customers/?who=out", "/customers/?who=suppressed", "/customers/?segment={segment}",
    "/customers/?segment={segment}&q=customer7", "/customers/?before={customer}",
    "/customers/{customer}/", "/customers/{customer}/?kind=mails", "/customers/{customer}/edit/",
    "/customers/{customer}/?campaign={ended}", "/customers/{customer}/mails/",
    "/settings/{workspace}/", "/settings/{workspace}/mailing/", "/settings/{workspace}/members/",
    "/sign-up-forms/{signupform}/preview/", "/admin/audience/segment/suggestions/?workspace={workspace}"
    "&field=attributes.city&operator=equals&search=ber",
    "/admin/audience/customerimport/{import}/progress/",
    "/senders/{sender}/limits/", "/senders/{sender}/reports/", "/senders/warm-up-curve/",
    "/admin/campaigns/sender/{sender}/domain/",
    "/reports/", "/reports/audience/?days=365", "/reports/complaints/?days=365",
    "/reports/compare/?campaign={ended}&campaign={latest}",
    "/reports/campaigns/{ended}/", "/reports/campaigns/{ended}/?who=all",
    "/reports/campaigns/{flow_campaign}/", "/reports/campaigns/{running}/",
    "/reports/campaigns/{ended}/delivery/", "/reports/campaigns/{ended}/links/",
    "/reports/campaigns/{ended}/mail/", "/reports/campaigns/{ended}/panel/",
    "/reports/campaigns/{ended}/send-time/",
    "/reports/campaigns/{ended}/people/?number=opened", "/reports/campaigns/{ended}/people/?number=failed",
    "/operations/", "/operations/panel/", "/mailbox/", "/account/second-factor/", "/health/", "/health/live/",
)  # fmt: skip
# Of every model's list; beginnings of addresses are many, whole ones are one.
SEARCHES = ("customer7", "customer77@example.com", "e")


@dataclass(frozen=True)
class Page:
    """One page by the name it has in the table, and how it is asked for."""

    name: str
    ask: Callable[[], None]


@dataclass(frozen=True)
class Asked:
    """How long the server took each time, how long its Python, and how many queries it made."""

    times: list[float]
    python_ms: float
    queries: int
    target_ms: int
    most_queries: float = QUERIES

    @property
    def misses(self) -> bool:
        return median(self.times) > self.target_ms or self.queries > self.most_queries

    @property
    def shown(self) -> dict[str, Any]:
        return {
            "ms": rounded(median(self.times)),
            "worst": rounded(max(self.times)),
            "python_ms": rounded(self.python_ms),
            "queries": self.queries,
            "target": self.target_ms,
        }


def measure(world: World) -> Iterator[Line]:
    brand = found(world)
    table = {page.name: ask(page, world.runs) for page in pages(brand)}
    slowest = max(median(asked.times) for asked in table.values())
    missed = [name for name, asked in table.items() if asked.misses]
    yield line(
        "pages",
        [slowest],
        "ms of the slowest page",
        customers=ledger.count("audience_customer"),
        mails=ledger.count("delivery_sendlog"),
        events=ledger.count("delivery_event"),
        campaigns=CAMPAIGNS,
        most_queries=max(asked.queries for name, asked in table.items() if name not in ENGINE),
        missed=missed,
        pages={name: asked.shown for name, asked in table.items()},
        target=PAGE_MS,
        target_counting=COUNTING_MS,
        target_queries=QUERIES,
        passed=not missed,
    )


def ask(page: Page, times: int) -> Asked:
    """Ask for a page: once with its queries counted, then on the clock."""
    queries = _Queries()
    with connection.execute_wrapper(queries):
        page.ask()
    begun = time.process_time()
    taken = [_clocked(page.ask) for _ in range(times)]
    python_ms = (time.process_time() - begun) * 1000 / times
    target_ms = COUNTING_MS if page.name in COUNTING else PAGE_MS
    return Asked(taken, python_ms, queries.count, target_ms, math.inf if page.name in ENGINE else QUERIES)


def pages(brand: Brand) -> Iterator[Page]:
    """Every page of daily work, some in several ways."""
    site = Site(brand)
    lost = [address for address in PAGES if not site.shows(address)]
    assert not lost, lost
    walked = [address for address in walk() if site.shows(address)]
    for address in [*PAGES, *walked]:
        yield Page(address, partial(site.get, address))
    yield Page("POST /admin/audience/segment/preview/", site.preview_segment)
    yield from _operations(brand, site.ids)


class Site:
    """The site as a manager sees it; what only an owner or the site's staff may read is read by them."""

    def __init__(self, brand: Brand) -> None:
        from django.test import Client

        self.ids = _newest() | brand.ids
        self._clients = [Client(SERVER_NAME=HOST) for _ in range(3)]
        for client, user in zip(self._clients, (brand.manager, brand.owner, brand.staff), strict=True):
            client.force_login(user)
        self._readers: dict[str, Client] = {}

    def shows(self, address: str) -> bool:
        """Whether it is a page, and for somebody: forms that nobody may open are none, nor are redirects."""
        at = address.format(**self.ids)
        for client in self._clients:
            if client.get(at).status_code == 200:
                self._readers[address] = client
                return True
        return False

    def get(self, address: str) -> None:
        _read(self._readers[address].get(address.format(**self.ids)))

    def preview_segment(self) -> None:
        from audience.models import Segment

        segment = Segment.objects.get(pk=self.ids["segment"])
        said = {"workspace": segment.workspace_id, "criteria": json.dumps(segment.criteria)}
        _read(self._clients[0].post("/admin/audience/segment/preview/", said))


def _read(response: Any) -> None:
    assert response.status_code == 200, (response.request["PATH_INFO"], response.status_code)
    if response.streaming:
        b"".join(response)


# --- The pages of the models' admins ---------------------------------------------------------------


def walk() -> Iterator[str]:
    """Every list and form of every model; some of them may be for nobody."""
    yield from _lists()
    yield from _forms()


def _admins() -> Iterable[tuple[str, ModelAdmin]]:
    from django.contrib import admin

    admin.autodiscover()
    for model, its in admin.site._registry.items():
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/", its


def _lists() -> Iterator[str]:
    """Every list: as it is, with each of its filters, searched."""
    for address, its in _admins():
        yield from (address, f"{address}?p=3")
        for name in its.list_filter:
            if isinstance(name, str):
                field = its.model._meta.get_field(name)
                values = [value for value, _ in field.choices] if field.choices else [1, 0]
                yield from (f"{address}?{name}__exact={value}" for value in values)
        if its.search_fields:
            yield from (f"{address}?q={words}" for words in SEARCHES)


def _forms() -> Iterator[str]:
    """The form for a new one, and of one that there is, with what happened to it."""
    for address, its in _admins():
        one = f"{address}{{{its.opts.model_name}}}/"
        yield from (f"{address}add/", f"{one}change/", f"{one}history/")


def _newest() -> dict[str, int]:
    """The id of the newest row of each model; 0 where there is none."""
    found = {}
    for _, its in _admins():
        newest = its.model._default_manager.order_by("pk").values_list("pk", flat=True).last()
        found[str(its.opts.model_name)] = newest or 0
    return found


# --- The API ---------------------------------------------------------------------------------------


def _operations(brand: Brand, ids: dict[str, int]) -> Iterator[Page]:
    """Every operation that reads, in the manager's name."""
    from django.test import Client

    from campaigns.models import Enrollment
    from tests.api.program import Program
    from tests.api.walk import operations

    program = Program(brand.workspace, user=brand.manager)
    program.client = Client(SERVER_NAME=HOST)
    enrollment = Enrollment.objects.filter(customer=ids["customer"]).values_list("pk", flat=True).first()
    ids = ids | {"import": ids["customerimport"], "campaign": ids["ended"], "enrollment": enrollment or 0}
    values = {f"{name}_id": pk for name, pk in ids.items()} | {"number": 1}
    for method, path, _ in operations():
        if method == "GET":
            own = values | ({"campaign_id": ids["automation"]} if path.endswith("/automation") else {})
            yield Page(f"GET /api{path}", partial(_call, program, path.format(**own)))


def _call(program: Program, path: str) -> None:
    _read(program.get(path))


class _Queries:
    """Counts what is asked of the database."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.count += 1
        return execute(*arguments)


def _clocked(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
