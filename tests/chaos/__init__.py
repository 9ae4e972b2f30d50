"""Fault tests: whole installations on loopback, broken on purpose, and judged by what a provider logged.

`make chaos` runs them (tests/chaos/__main__.py). Each test has a world of its own (world.py): servers,
engine processes and a provider, the sink (sink.py). The scenarios break it (faults.py), and the oracle
(oracle.py) compares the sink's log with the database at the end.
"""
