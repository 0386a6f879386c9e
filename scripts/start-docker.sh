#!/usr/bin/env bash
# start-docker.sh [PATH] [stop]: watches PATH (default: the folder you are in) in Docker, or ends that. May be repeated.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
verb=install
if [ "${*: -1}" = stop ]; then
  verb=uninstall
  set -- "${@:1:$#-1}"
fi
if [ "$#" -gt 1 ]; then
  sed -n '2s/^# //p' "$0" >&2
  exit 2
fi
"$here/scripts/setup.sh"
exec "$here/.venv/bin/konivrer-watch" service "$verb" --docker "${1:-.}"
