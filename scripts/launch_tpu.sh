#!/usr/bin/env bash
# Trains on a Cloud TPU slice: makes it, installs cotjax on every worker, runs, and after a
# preemption makes it anew and goes on. The workdir must be one that all workers see (gs://... by
# gcsfuse, or a mounted file share): there the run finds its last checkpoint.
#
#   bash scripts/launch_tpu.sh --name=cqa --zone=us-west4-a --type=v5litepod-16 -- \
#       --config=configs/commonsense_qa.py --workdir=/mnt/shared/runs/cqa --config.mesh.fsdp=16
#
#   --version=...   runtime image (default: that of the type)
#   --source=...    git URL of the code (default: that of `origin`)
#   --ref=...       commit or branch of it (default: the commit that is checked out)
#   --tries=N       how often to make the slice, at most (default: 20)
#   --spot          a cheaper slice, which may be taken away
#   --keep          leave the slice there at the end
#   --dry_run       print the commands and run none
#
# Needs `gcloud`, logged in, with a project set. Exit code 0: the training is done.
set -euo pipefail

name="" zone="" type="" version="" source="" ref="" tries=20
spot="" keep="" dry_run=""

fail() {
  echo "error: $*" >&2
  exit 2
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --name=*) name="${1#*=}" ;;
    --zone=*) zone="${1#*=}" ;;
    --type=*) type="${1#*=}" ;;
    --version=*) version="${1#*=}" ;;
    --source=*) source="${1#*=}" ;;
    --ref=*) ref="${1#*=}" ;;
    --tries=*) tries="${1#*=}" ;;
    --spot) spot=1 ;;
    --keep) keep=1 ;;
    --dry_run) dry_run=1 ;;
    --)
      shift
      break
      ;;
    *) fail "unknown argument '$1'; what train.py takes stands after --" ;;
  esac
  shift
done
[[ -n "$name" ]] || fail "--name is required"
[[ -n "$zone" ]] || fail "--zone is required"
[[ -n "$type" ]] || fail "--type is required, such as v5litepod-16"
[[ "$tries" =~ ^[1-9][0-9]*$ ]] || fail "--tries=$tries: write a whole number"
[[ " $*" == *" --config="* && " $*" == *" --workdir="* ]] ||
  fail "give --config=... and --workdir=... of train.py after --"

case "$type" in
  v5litepod*) image=v2-alpha-tpuv5-lite ;;
  v5p*) image=v2-alpha-tpuv5 ;;
  v6e*) image=v2-alpha-tpuv6e ;;
  *) image=tpu-ubuntu2204-base ;;
esac
version="${version:-$image}"

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source="${source:-$(git -C "$here" remote get-url origin 2>/dev/null || true)}"
ref="${ref:-$(git -C "$here" rev-parse HEAD 2>/dev/null || true)}"
[[ -n "$source" && -n "$ref" ]] || fail "--source and --ref are required outside a git clone"

run() {
  if [[ -n "$dry_run" ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

tpu() {
  local verb="$1"
  shift
  run gcloud compute tpus tpu-vm "$verb" "$name" --zone="$zone" "$@"
}

on_all_workers() {
  tpu ssh --worker=all --command="$1"
}

state() {
  gcloud compute tpus tpu-vm describe "$name" --zone="$zone" --format='value(state)' 2>/dev/null ||
    echo ABSENT
}

remove() {
  tpu delete --quiet
}

create() {
  local options=(--accelerator-type="$type" --version="$version")
  [[ -z "$spot" ]] || options+=(--spot)
  tpu create "${options[@]}"
}

# The same commands are right on a worker that has cotjax already. The images' Python is too old.
install() {
  local clone fetch python
  clone="test -d cotjax/.git || git clone $(printf %q "$source") cotjax"
  fetch="cd cotjax && git fetch --quiet origin && git checkout --quiet $(printf %q "$ref")"
  python="python3 -m pip install -q uv && python3 -m uv venv -q --allow-existing --python 3.12 .venv"
  on_all_workers "$clone; $fetch && $python && python3 -m uv pip install -q -e '.[tpu]'"
}

train() {
  local words
  words="$(printf '%q ' .venv/bin/python scripts/train.py "$@")"
  on_all_workers "cd cotjax && $words"
}

if [[ -n "$dry_run" ]]; then
  create
  install
  train "$@"
  [[ -n "$keep" ]] || remove
  exit 0
fi

# Leaves a slice that can be used, or fails.
prepare() {
  case "$(state)" in
    READY) ;;
    ABSENT) create ;;
    *) remove && create ;;
  esac
}

code=1
for ((try = 1; try <= tries; try++)); do
  echo "$name: $try of $tries" >&2
  if ! prepare; then
    sleep 60 # there may be no room for a slice now
    continue
  fi
  code=0
  { install && train "$@"; } || code=$?
  [[ "$code" -ne 0 ]] || break
  sleep 30 # until it is known that a slice was taken away; otherwise the training itself failed
  [[ "$(state)" != READY ]] || break
done
[[ -n "$keep" ]] || remove || true
exit "$code"
