"""What becomes of a campaign by HTTP: funnel, test, progress, recipients, events."""
