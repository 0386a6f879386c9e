#!/usr/bin/env bash
# stop.sh [PATH] [OPTIONS]: ends the background service of PATH (default: this folder).
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/setup.sh"
exec "$here/.venv/bin/konivrer-watch" stop "$@"
