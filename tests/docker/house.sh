# shellcheck shell=bash
# The parts of run.sh: a dockerd, a base image and a home that leave nothing behind, and the questions that are asked.
# run.sh gives here, work and uid, and the containers' names once there are any.
: "${here:?}" "${work:?}" "${uid:?}"
watch=
monitor=
home=$work/home
root=$home/src/shop
command=$home/checkout/.venv/bin/konivrer-watch

as_user() {
  env -u XDG_RUNTIME_DIR -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u KONIVRER_WATCH_STATE_DIR \
    PATH=/usr/local/bin:/usr/bin:/bin HOME="$home" PYTHON="$python" \
    KONIVRER_WATCH_CHECK_INTERVAL=3 KONIVRER_WATCH_RESOURCE_THRESHOLD=100 \
    setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

# fact WORDS COMMAND…: the command succeeds.
fact() {
  local words=$1 said began=$SECONDS
  shift
  if said=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok   $words ($((SECONDS - began)) s)"
  else
    failed=$((failed + 1))
    echo "FAIL $words"
    printf '%s\n' "$said" | tail -n 15 | sed 's/^/     /'
  fi
}
equal() { fact "$1" test "$2" = "$3"; }
inspected() { equal "$1: $2" "$4" "$(docker inspect --format "$3" "$1")"; }
eventually() {
  for _ in $(seq 120); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  "$@"
}

begin_home() {
  for python in /usr/bin/python3 /usr/local/bin/python3 "$(command -v python3)"; do
    if setpriv --reuid "$uid" --regid "$uid" --clear-groups "$python" -c 'import ensurepip' 2>/dev/null; then break; fi
    python=
  done
  [ -n "$python" ] || { echo "cannot run: no python3 with venv that everybody may run"; exit 77; }
  mkdir -p "$home/src/shop" "$home/checkout" "$home/.config/git"
  echo 'import os' >"$home/src/shop/cart.py"
  echo 'generated.py' >"$home/.config/git/ignore"
  tar -C "$here" --exclude=./.git --exclude=./.venv --exclude='./.*_cache' --exclude=./.hypothesis -c . |
    tar -C "$home/checkout" -x
  chown -R "$uid:$uid" "$home"
}

# As where a system's own units run both, containerd outlives a dockerd that ends.
start_containerd() {
  printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s"\n' \
    "$work/containers" "$work/run" "$work/containerd.sock" >"$work/containerd.toml"
  setsid containerd --config "$work/containerd.toml" >>"$work/containerd.log" 2>&1 </dev/null &
  disown
}
start_docker() {
  rm -f "$work/pid"
  setsid dockerd -H "$DOCKER_HOST" --containerd "$work/containerd.sock" --data-root "$work/data" \
    --exec-root "$work/exec" -p "$work/pid" --oom-score-adjust=0 --default-ulimit nofile=1024:20000 \
    --default-ulimit nproc=1024:20000 --iptables=false --ip6tables=false --bridge=none \
    >>"$work/dockerd.log" 2>&1 </dev/null &
  dockerd=$!
  disown
  for _ in $(seq 150); do
    if docker version >/dev/null 2>&1; then chmod 666 "$work/docker.sock"; return 0; fi
    sleep 0.2
  done
  tail -n 5 "$work/dockerd.log"
  echo "cannot run: dockerd does not start here"
  exit 77
}
end_docker() {
  kill "-$1" "$dockerd"
  for _ in $(seq 150); do
    kill -0 "$dockerd" 2>/dev/null || return 0
    sleep 0.2
  done
}

# The official image cannot be had everywhere: Debian with a python3 that is called python serves under its name.
make_base() {
  local tar=$1
  if [ -z "$tar" ] || [ ! -e "$tar" ]; then
    local tree=$work/base index
    debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates,git \
      bookworm "$tree" >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log"; exit 77; }
    ln -sf python3 "$tree/usr/bin/python"
    cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
    index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n%s\n' "${index:+index-url = $index}" >"$tree/etc/pip.conf"
    rm -f "$tree"/var/cache/apt/archives/*.deb
    tar -C "$tree" -cf "$work/base.tar" .
    rm -rf "$tree"
    if [ -n "$tar" ]; then mv "$work/base.tar" "$tar"; else tar=$work/base.tar; fi
  fi
  docker import - python:3.12-slim <"$tar" >/dev/null
}

clean_up() {
  docker ps --all --quiet 2>/dev/null | xargs -r docker rm --force >/dev/null 2>&1 || true
  end_docker TERM 2>/dev/null || true
  # containerd, and shims where dockerd was killed: each has this folder in its arguments.
  for process in /proc/[0-9]*; do
    if grep -qs "$work/" "$process/cmdline"; then
      kill -9 "${process#/proc/}" 2>/dev/null || true
    fi
  done
  sleep 0.5
  awk -v at="$work/" 'index($2, at) == 1 {print $2}' /proc/mounts | sort -r | while read -r place; do
    umount -l "$place" || true
  done
  rm -rf "$work"
}

status_is_healthy() { as_user "$command" status "$root"; }
status_finds() { as_user "$command" status --findings "$root" | grep -F "$1"; }
in_logs() { docker logs "$1" 2>&1 | grep -F "$2"; }
docker_says_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$watch")" = healthy ]; }
no_socket() { ! docker inspect --format '{{json .Mounts}}' "$1" | grep -q 'docker\.sock'; }
kernel_agrees() {
  local status
  status=$(</proc/"$(docker inspect --format '{{.State.Pid}}' "$1")"/status)
  grep -q '^CapEff:.*0000000000000000$' <<<"$status" && grep -q '^NoNewPrivs:.*1$' <<<"$status"
}
refused_by_docker() {
  local code=0 said
  said=$(as_user "$command" --plain "$root" 2>&1) || code=$?
  echo "$said"
  [ "$code" = 2 ] && grep -q '(docker)' <<<"$said"
}
refused_by_terminal() {
  local code=0 said watcher
  as_user "$command" --plain "$root" >/dev/null 2>&1 &
  watcher=$!
  eventually status_is_healthy
  said=$(as_user "$command" service install --docker "$root" 2>&1) || code=$?
  kill "$watcher"
  echo "$said"
  [ "$code" = 2 ] && grep -q '(terminal)' <<<"$said"
}
running() { [ "$(docker inspect --format '{{.State.Running}}' "$1")" = true ]; }

# Stop the daemon (not its init), so that nothing in it runs; the monitor has to end it, and Docker to start it again.
hang() {
  local init
  init=$(docker inspect --format '{{.State.Pid}}' "$watch")
  kill -STOP "$(tr -d ' ' <"/proc/$init/task/$init/children")"
}
hang_and_return() {
  local before
  before=$(docker inspect --format '{{.State.StartedAt}}' "$watch")
  hang
  for _ in $(seq 120); do
    if [ "$(docker inspect --format '{{.State.StartedAt}}' "$watch")" != "$before" ]; then break; fi
    sleep 0.5
  done
  [ "$(docker inspect --format '{{.State.StartedAt}}' "$watch")" != "$before" ] && eventually status_is_healthy
}
both_and_hang() {
  eventually running "$watch" && eventually running "$monitor" && eventually status_is_healthy && calm &&
    hang_and_return && calm
}
# Until the present life counts as steady, so that the next crash is the first of its row.
calm() { eventually status_is_healthy && sleep 5; }

# A worktree whose git directory lies elsewhere, ignore files of the user, ruff's configuration above: all have a say.
same_in_worktree() {
  # shellcheck disable=SC2016 # A name that compose must not take for a variable.
  local tree=$home/around/'a $HOME tree' on_host in_docker
  as_user sh -ec "
    mkdir '$home/around'; cd '$home/src'; git add .
    git -c user.name=a -c user.email=a@b commit --quiet --message=a
    git worktree add --quiet --detach '$tree'; cd '$tree'
    echo 'import os' >generated.py; printf 'import os\nx = lambda: 0\n' >seen.py
    printf '[lint]\nselect = [\"E731\"]\n' >../ruff.toml"
  as_user "$command" service install --docker "$tree"
  on_host=$(as_user "$command" check --no-cache --format json "$tree" | findings findings)
  in_docker=$(as_user "$command" status --sync --findings --format json "$tree" | findings findings_list)
  as_user "$command" service uninstall --docker "$tree"
  echo "host: $on_host"; echo "container: $in_docker"
  [ "$on_host" = "$in_docker" ] && grep -q E731 <<<"$on_host"
}
findings() { "$python" -c "import json, sys; print([(f['path'], f['line'], f['code']) for f in json.load(sys.stdin)['$1']])"; }
