"""The optimize pass: performance rules as data, matched on ``ast`` and rewritten by splicing source."""
