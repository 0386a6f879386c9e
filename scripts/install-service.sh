#!/usr/bin/env bash
# install-service.sh [PATH] [OPTIONS]: sets up .venv and lets the system run PATH's service (default: this folder), from
# boot on. Options are those of 'konivrer-watch service': --user (default), sudo … --system [--run-as USER], --docker.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ]; then
  # The checkout is that user's: root's files in .venv would stand in the way of the next update.
  sudo -u "$SUDO_USER" "$here/scripts/setup.sh"
else
  "$here/scripts/setup.sh"
fi
exec "$here/.venv/bin/konivrer-watch" service install "$@"
