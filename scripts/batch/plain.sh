#!/usr/bin/env bash
# One case on a machine without a batch system, continued until it is done.
#   scripts/batch/plain.sh CASE FOLDER [OPTIONS OF hostplate run ...]
# RANKS: MPI ranks (1). SLICE: seconds after which the run is asked to stop, and goes on in a new
# process; default none. HOSTPLATE_BIN: folder of the environment's programs, if not on the PATH.
# A run that was killed is resumed as well, three times without a new checkpoint at most. TERM or
# Ctrl-C to this script ends the run with a checkpoint and exit code 3; the same line goes on.
set -uo pipefail
[ $# -ge 2 ] || { echo "usage: plain.sh CASE FOLDER [OPTIONS ...]" >&2; exit 1; }
case_name=$1 folder=$2
shift 2
[ -z "${HOSTPLATE_BIN:-}" ] || PATH=$HOSTPLATE_BIN:$PATH
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

newest() { ls -d "$folder"/checkpoints/state.*[0-9] 2>/dev/null | sort -V | tail -n 1; }

stopped=0 lives=3 slice=()
[ -z "${SLICE:-}" ] || slice=(timeout --signal=TERM "$SLICE")
trap 'stopped=1 signalled=1; kill -TERM "$job" 2>/dev/null' TERM INT USR1
while :; do
  before=$(newest)
  if [ -n "$before" ]; then
    command=(hostplate resume "$folder" --ranks "${RANKS:-1}")
  else
    command=(hostplate run "$case_name" --out "$folder" --ranks "${RANKS:-1}" "$@")
  fi
  ${slice[@]+"${slice[@]}"} "${command[@]}" &
  job=$!
  signalled=1
  while [ "$signalled" = 1 ]; do # a signal ends the wait, not the job: wait again
    signalled=0
    wait "$job"
    code=$?
  done
  [ "$code" != 124 ] || code=3 # what timeout says of a run that it has stopped
  # a run that fails gives its lock back, one whose rank is killed cannot
  [ "$code" != 2 ] || [ ! -e "$folder/.lock" ] || code=137
  [ "$stopped" = 0 ] || { echo "stopped; go on by the same line" >&2; exit 3; }
  case $code in
    0) echo "done: $folder"; exit 0 ;;
    1 | 2) echo "ended with $code: see above; after a change: hostplate resume $folder" >&2; exit "$code" ;;
    3) echo "interrupted with a checkpoint: going on" ;;
    *)
      [ "$(newest)" != "$before" ] || lives=$((lives - 1))
      [ -n "$(newest)" ] && [ "$lives" -gt 0 ] || { echo "killed ($code)" >&2; exit "$code"; }
      echo "killed ($code): going on from $(newest)" ;;
  esac
done
