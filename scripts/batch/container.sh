#!/usr/bin/env bash
# One case in the image, results in this machine's folder and with this user's id.
#   scripts/batch/container.sh CASE FOLDER [OPTIONS OF hostplate run ...]
# HOSTPLATE_IMAGE: image to run (hostplate); HOSTPLATE_ENGINE: docker (default) or podman;
# RANKS: MPI ranks (1). An interrupted run (exit 3) is resumed by the same line.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: container.sh CASE FOLDER [OPTIONS ...]" >&2; exit 1; }
case_name=$1 folder=$(realpath -m "$2")
shift 2
mkdir -p "$(dirname "$folder")"
name=$(basename "$folder")

if [ -e "$folder" ]; then
  command=(resume "$name" --ranks "${RANKS:-1}")
else
  # A case file is mounted; a name is looked up in the image's catalogue.
  mount=()
  if [ -f "$case_name" ]; then
    mount=(-v "$(realpath "$(dirname "$case_name")"):/case:ro")
    case_name=/case/$(basename "$case_name")
  fi
  command=(run "$case_name" --ranks "${RANKS:-1}" --out "$name" "$@")
fi
exec "${HOSTPLATE_ENGINE:-docker}" run --rm --init --read-only --network none \
  --user "$(id -u):$(id -g)" -v "$(dirname "$folder"):/results" ${mount[@]+"${mount[@]}"} \
  "${HOSTPLATE_IMAGE:-hostplate}" "${command[@]}"
