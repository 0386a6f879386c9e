"""Decisions: pure functions and values. No I/O, no clock, no async, no environment."""
