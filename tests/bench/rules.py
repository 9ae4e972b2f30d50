"""Five rule sets that ask about everything that a segment may ask about."""

from __future__ import annotations

from typing import Any


def rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


SUBSCRIBED = rule("subscribed", "equals", True)
RULE_SETS: dict[str, dict[str, Any]] = {
    "big spenders, or loyal and recent": {
        "any": [
            {
                "all": [
                    rule("attributes.orders", "greater_or_equal", 22),
                    rule("attributes.last_order", "in_last_days", 400),
                ]
            },
            rule("attributes.total_spent", "greater_or_equal", 1600),
        ]
    },
    "five criteria": {
        "all": [
            SUBSCRIBED,
            rule("language", "equals", "de"),
            rule("attributes.city", "equals", "berlin 7"),
            rule("attributes.vip", "equals", True),
            rule("created_at", "in_last_days", 500),
        ]
    },
    "last order in a fortnight two years ago": {
        "all": [
            SUBSCRIBED,
            rule("attributes.orders", "between", [1, 20]),
            {
                "any": [
                    rule("attributes.last_order", "in_last_days", 10),
                    rule("attributes.city", "in", ["rome 3", "Madrid 11"]),
                ]
            },
        ]
    },
    "clicked lately, on a paid plan": {
        "all": [
            rule("engagement.clicked", "in_last_days", 30),
            rule("attributes.plan", "equals", "pro"),
            {
                "any": [
                    rule("attributes.orders", "greater_or_equal", 8),
                    rule("attributes.vip", "equals", True),
                ]
            },
        ]
    },
    "sent to and silent": {
        "all": [
            SUBSCRIBED,
            rule("engagement.sent", "in_last_days", 30),
            rule("engagement.opened", "not_in_last_days", 30),
        ]
    },
}
