"""The accounts of those who log in: throttling, second factor, log-ins in the audit log."""
