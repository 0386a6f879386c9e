"""The tasks and channels; one task group, built in app.py."""
