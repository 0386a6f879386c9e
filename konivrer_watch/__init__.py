"""Watches a Python repository: lint, optimize and security verdicts for every change."""

__version__ = "0.1.0"
