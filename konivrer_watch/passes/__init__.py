"""Dialects of the three passes: bytes in, findings out."""
