#!/usr/bin/env bash
# bench.sh save REPOSITORY [N] | parity REPOSITORY [OPTIONS] | storm [OPERATIONS] [SEED...] | kills [N] [SEED]
#          optimize [FILE...] | rewrites FOLDER... [--all] [--into FOLDER] | mutants [N]
#          neighbour WATCHED BUILT [PAIRS] [SECONDS]
# Measures against the peers, or against its promises, on this machine. Never part of the tests.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
case "${1:-}" in
  save | parity | storm | kills | optimize | rewrites | mutants | neighbour) ;;
  *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac
bench=$1
shift
args=()
for arg in "$@"; do
  if [ -e "$arg" ]; then args+=("$(realpath "$arg")"); else args+=("$arg"); fi
done
cd "$root"
scripts/setup.sh dev
exec .venv/bin/python -m "tests.bench.$bench" "${args[@]}"
