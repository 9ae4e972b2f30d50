"""The staff's pages about the audience: one module for each kind of thing."""

from audience.admin import (
    api_keys,
    audit,
    customers,
    events,
    imports,
    segments,
    settings,
    suppressions,
)

__all__ = ["api_keys", "audit", "customers", "events", "imports", "segments", "settings", "suppressions"]
