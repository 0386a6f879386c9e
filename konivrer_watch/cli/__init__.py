"""Arguments, environment (sole reader) and exit codes."""
