"""The staff's pages about the audience: one module for each kind of thing."""

from audience.admin import customers, imports, segments, settings, suppressions

__all__ = ["customers", "imports", "segments", "settings", "suppressions"]
