"""One file per outside thing, and the only importer of it."""
