"""A million customers in one statement, the same ones on every machine and both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from audience.models import Workspace

ATTRIBUTES = {
    "plan": "text",
    "city": "text",
    "orders": "number",
    "total_spent": "number",
    "last_order": "date",
    "vip": "boolean",
}
# Multiplied by a prime and taken modulo another, a number becomes one that looks drawn by chance.
MODULUS = 1_000_003
PRIMES = {
    "domain": 15_485_863,
    "name": 32_452_843,
    "opt_in": 49_979_687,
    "language": 67_867_967,
    "plan": 86_028_121,
    "city": 104_395_301,
    "district": 217_645_199,
    "orders": 122_949_823,
    "more_orders": 141_650_939,
    "last_order": 160_481_183,
    "vip": 179_424_673,
    "since": 198_491_317,
    "zone": 236_887_691,
}
SERIES = {
    "postgresql": "SELECT generate_series(1, {}) AS i",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n",
}
DAY = {
    "postgresql": "CAST(CURRENT_DATE - CAST({0} AS integer) AS text)",
    "sqlite": "date('now', '-' || ({0}) || ' days')",
}
MOMENT = {
    "postgresql": "now() - ({0}) * interval '1 hour'",
    "sqlite": "datetime('now', '-' || ({0}) || ' hours')",
}
ZONES = ("", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
JSON = {"postgresql": "CAST({} AS jsonb)", "sqlite": "{}"}


def workspace() -> Workspace:
    from tests.factories import AttributeFactory, WorkspaceFactory

    made: Workspace = WorkspaceFactory(slug="bench")
    for name, type_ in ATTRIBUTES.items():
        AttributeFactory(workspace=made, name=name, type=type_)
    return made


def customers(count: int, *, opted_in: int = 100, zones: Sequence[str] = ("",)) -> None:
    """Write so many customers, of whom so many in a hundred have opted in, spread over these zones."""
    vendor, draw = connection.vendor, _draw
    orders = f"({draw('orders', 41)} * {draw('more_orders', 41)} / 60)"
    town = _one_of("city", ["Berlin", "Paris", "London", "Madrid", "Rome"])
    attributes = _text(
        '{"plan":"', _one_of("plan", ["free"] * 7 + ["Pro"] * 2 + ["Enterprise"]),
        '","city":"', f"{town} || ' ' || {draw('district', 20)}",
        '","orders":', orders,
        ',"total_spent":', f"{orders} * 61 + {draw('since', 97)}",
        ',"last_order":"', DAY[vendor].format(draw("last_order", 1000)),
        '","vip":', f"CASE WHEN {draw('vip', 20)} = 0 THEN 'true' ELSE 'false' END",
        "}",
    )  # fmt: skip
    domains = ["gmail.com"] * 4 + ["outlook.com", "hotmail.com", "yahoo.com", "example.com", "example.org"]
    statement = f"""
        INSERT INTO audience_customer (workspace_id, email, unmailable, external_id, name, phone, subscribed,
            sms_subscribed, time_zone, language, attributes, created_at, updated_at)
        SELECT {workspace().pk}, 'customer' || i || '@' || {_one_of("domain", domains)}, false, '' || i,
            {_one_of("name", ["Ada Adams", "Jörg Berg", "Cleo <3", "", "Eve & Al", "Hugo Díaz"])}, '',
            {draw("opt_in", 100)} < {opted_in}, false, {_one_of("zone", zones)},
            {_one_of("language", ["en", "en", "de", "fr", "es"])}, {JSON[vendor].format(attributes)},
            {MOMENT[vendor].format(draw("since", 24_000))}, {MOMENT[vendor].format("0")}
        FROM ({SERIES[vendor].format(count)}) AS numbers"""  # noqa: S608 - made of constants
    run(statement)
    run("ANALYZE audience_customer")


def run(statement: str, params: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def _draw(what: str, sides: int) -> str:
    return f"(i * CAST({PRIMES[what]} AS bigint) % {MODULUS} % {sides})"


def _one_of(what: str, texts: Sequence[str]) -> str:
    cases = " ".join(f"WHEN {number} THEN '{text}'" for number, text in enumerate(texts))
    return f"CASE {_draw(what, len(texts))} {cases} END"


def _text(*parts: str) -> str:
    """Join JSON's own signs, which are texts, and expressions."""
    signs = '{",'
    pieces = [f"'{part}'" if part[0] in signs or part == "}" else f"({part})" for part in parts]
    return "(" + " || ".join(pieces) + ")"
