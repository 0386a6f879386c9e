#!/usr/bin/env bash
# run.sh [BASE.tar]: the Docker service against a real dockerd of its own; one line for each fact, exit code 1 if one is
# wrong, 77 with the reason where it cannot run. Needs root, docker, dockerd, compose, debootstrap, and a python3 with
# venv that everybody may run. It takes about ten minutes. BASE.tar keeps the stand-in base image for the next run.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
base=${1:+$(realpath -m "$1")}
uid=12345
passed=0
failed=0

need() { command -v "$1" >/dev/null || { echo "cannot run: there is no $1"; exit 77; }; }
[ "$(id -u)" = 0 ] || { echo "cannot run: it takes root to start a dockerd"; exit 77; }
for program in containerd dockerd docker debootstrap setpriv git; do need "$program"; done
docker compose version >/dev/null 2>&1 || need docker-compose

work=$(mktemp -d /tmp/konivrer-docker.XXXXXX)
chmod 711 "$work"
export DOCKER_HOST=unix://$work/docker.sock
# shellcheck source=tests/docker/house.sh
. "$here/tests/docker/house.sh"
trap clean_up EXIT
begin_home
start_containerd
start_docker
make_base "$base"

version=$(sed -n 's/__version__ = "\(.*\)"/\1/p' "$here/konivrer_watch/__init__.py")
fact "the image builds" docker build --quiet --network host --tag "konivrer-watch:$version" "$home/checkout"

echo "-- start"
as_user git -C "$home/src" init --quiet
fact "start-docker.sh starts it" as_user "$home/checkout/scripts/start-docker.sh" "$root"
project=konivrer-watch-$(basename "$home"/.local/state/konivrer-watch/shop-*)
watch=$project-watch
monitor=$project-monitor
first=$(docker inspect --format '{{.Id}}' "$watch")
fact "start-docker.sh a second time changes nothing" as_user "$home/checkout/scripts/start-docker.sh" "$root"
equal "the container is the same one after that" "$first" "$(docker inspect --format '{{.Id}}' "$watch")"
fact "Docker's health check says healthy" eventually docker_says_healthy
fact "status on the host says healthy" status_is_healthy
fact "service show --docker prints what compose makes of it" as_user "$command" service show --docker "$root"
fact "a terminal's watcher of the same folder is refused, and Docker named" refused_by_docker

echo "-- bounds"
for each in "$watch" "$monitor"; do
  inspected "$each" "runs as the caller" '{{.Config.User}}' "$uid:$uid"
  inspected "$each" "cannot write its file system" '{{.HostConfig.ReadonlyRootfs}}' true
  inspected "$each" "has no capability" '{{.HostConfig.CapDrop}}' '[ALL]'
  inspected "$each" "gains no privileges" '{{.HostConfig.SecurityOpt}}' '[no-new-privileges:true]'
  inspected "$each" "has no network" '{{.HostConfig.NetworkMode}}' none
  inspected "$each" "shares no PID namespace" '{{.HostConfig.PidMode}}' ''
  inspected "$each" "is restarted always" '{{.HostConfig.RestartPolicy.Name}}' always
  inspected "$each" "has an init" '{{.HostConfig.Init}}' true
  fact "$each: the kernel agrees: no capability, no new privileges" kernel_agrees "$each"
  fact "$each: no Docker socket is mounted" no_socket "$each"
done
inspected "$watch" "half a processor" '{{.HostConfig.NanoCpus}}' 500000000
inspected "$watch" "512 MB" '{{.HostConfig.Memory}}' $((512 << 20))
inspected "$watch" "256 processes" '{{.HostConfig.PidsLimit}}' 256
inspected "$monitor" "64 MB" '{{.HostConfig.Memory}}' $((64 << 20))
equal "$watch: a file outside the mounts cannot be made" 1 "$(docker exec "$watch" touch /made >/dev/null 2>&1; echo $?)"
echo "   $(docker stats --no-stream --format '{{.Name}}: {{.MemUsage}}' | sort | tr '\n' ' ')"

echo "-- work"
as_user sh -c "echo 'import os, sys' >'$root/cart.py'"
fact "a save gives findings in docker logs" eventually in_logs "$watch" 'cart.py:1:12: F401'
fact "and in status --findings on the host" eventually status_finds 'cart.py:1:12: F401'
fact "host and container find the same in a linked worktree with configuration around it" same_in_worktree

echo "-- hangs"
for turn in 1 2 3 4 5; do fact "hung service ended and back, $turn of 5" hang_and_return; done
equal "the service log counts five" 5 "$(grep -c 'monitor: the service hung and was killed' "$home"/.local/state/konivrer-watch/shop-*/logs/auto-service-continuous.log)"
calm

rm -rf "$home"/.local/state/konivrer-watch/shop-*
fact "the root's state folder is removed, and the monitor still works" both_and_hang

echo "-- restarts, after each of which the monitor still works"
docker restart "$watch" >/dev/null
fact "docker restart watch" both_and_hang
docker restart "$monitor" >/dev/null
fact "docker restart monitor" both_and_hang
kill -9 "$(docker inspect --format '{{.State.Pid}}' "$watch")"
fact "the service's first process is killed" both_and_hang
kill -9 "$(docker inspect --format '{{.State.Pid}}' "$monitor")"
fact "the monitor's first process is killed" both_and_hang
docker kill "$watch" "$monitor" >/dev/null
docker start "$monitor" "$watch" >/dev/null
fact "docker kill of both, started again in the other order" both_and_hang
end_docker TERM
start_docker
fact "dockerd ends and starts, as at a reboot" both_and_hang
end_docker KILL
start_docker
fact "dockerd is killed and starts" both_and_hang

echo "-- end"
fact "start-docker.sh stop removes it" as_user "$home/checkout/scripts/start-docker.sh" "$root" stop
equal "no container is left" "" "$(docker ps --all --quiet)"
equal "no image of ours is left" "" "$(docker images --quiet konivrer-watch)"
equal "status says not running" 3 "$(as_user "$command" status "$root" >/dev/null; echo $?)"
fact "what a terminal watches is refused, and the terminal named" refused_by_terminal

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
