#!/usr/bin/env bash
# start.sh [PATH] [OPTIONS]: sets up .venv on a fresh machine and watches PATH (default: this folder) in the background.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/setup.sh"
exec "$here/.venv/bin/konivrer-watch" start "$@"
