"""Snapshot → Model: pure functions that decide what the data plane does; no I/O, no clock, no logging."""
