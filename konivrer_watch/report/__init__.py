"""Pure rendering of findings."""
