"""Campaigns, templates and senders by HTTP."""
