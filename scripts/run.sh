#!/usr/bin/env bash
# run.sh [PATH] [OPTIONS]: sets up .venv on a fresh machine and watches PATH (default: this folder).
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/setup.sh"
exec "$here/.venv/bin/konivrer-watch" "$@"
