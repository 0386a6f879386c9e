#!/usr/bin/env bash
# test.sh: format check, lint, strict types, import contract, tests. Extra arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
bin=.venv/bin
$bin/ruff format --check --quiet .
$bin/ruff check --quiet .
$bin/mypy --no-error-summary
$bin/lint-imports >/tmp/konivrer-imports.$$ || { cat /tmp/konivrer-imports.$$; rm -f /tmp/konivrer-imports.$$; exit 1; }
rm -f /tmp/konivrer-imports.$$
$bin/pytest "$@"
