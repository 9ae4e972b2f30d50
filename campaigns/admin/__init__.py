"""The staff's pages about what is said, to whom and when: one module for each kind of thing."""

from campaigns.admin import automations, campaigns, flows, senders, templates

__all__ = ["automations", "campaigns", "flows", "senders", "templates"]
