"""The lint pass: which configuration ruff applies, what else its verdict depends on, and its report."""
