#!/usr/bin/env bash
# status.sh [PATH] [OPTIONS]: tells how the service of PATH (default: this folder) is.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/setup.sh"
exec "$here/.venv/bin/konivrer-watch" status "$@"
