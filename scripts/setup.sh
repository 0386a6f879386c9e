#!/usr/bin/env bash
# setup.sh [dev]: makes .venv with the locked dependencies; with uv where present, else venv and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=requirements${1:+-$1}.lock
stamp=.venv/.installed-${1:-run}
if [ -e "$stamp" ] && [ "$stamp" -nt "$lock" ] && [ "$stamp" -nt pyproject.toml ]; then exit 0; fi
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "konivrer-watch needs Python 3.11 or newer; $python is older. Set PYTHON to a newer one." >&2; exit 2; }
echo "setting up .venv …" >&2
if command -v uv >/dev/null; then
  [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
  uv pip install --quiet --python .venv/bin/python --require-hashes -r "$lock"
  uv pip install --quiet --python .venv/bin/python --no-deps -e .
else
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
fi
touch "$stamp"
