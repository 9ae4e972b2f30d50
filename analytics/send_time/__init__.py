"""The best time to send: learnt from when people react, at night; see docs/send-time.md."""
