#!/usr/bin/env bash
#SBATCH --job-name=hostplate
#SBATCH --nodes=1
#SBATCH --ntasks=16
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#
# One case on one node, continued over as many jobs as it takes.
#   sbatch scripts/batch/slurm.sh CASE FOLDER [OPTIONS OF hostplate run ...]
# Five minutes before the wall limit Slurm sends TERM; hostplate finishes its step, writes a
# checkpoint and exits 3, and the job is queued again and resumes.
# HOSTPLATE_BIN: folder of the environment's programs, if they are not on the PATH.
set -uo pipefail
[ $# -ge 2 ] || { echo "usage: sbatch slurm.sh CASE FOLDER [OPTIONS ...]" >&2; exit 1; }
case_name=$1 folder=$2
shift 2
[ -z "${HOSTPLATE_BIN:-}" ] || PATH=$HOSTPLATE_BIN:$PATH
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# What an earlier job left is continued, never written over.
if ls "$folder"/checkpoints/state.*/manifest.json >/dev/null 2>&1; then
  command=(hostplate resume "$folder")
else
  command=(hostplate run "$case_name" --out "$folder" "$@")
fi

# In the background, so that this shell can pass the signal on while it waits.
mpiexec -n "${SLURM_NTASKS:-2}" "${command[@]}" &
job=$!
trap 'signalled=1; kill -TERM "$job" 2>/dev/null' TERM USR1
signalled=1
while [ "$signalled" = 1 ]; do # a signal ends the wait, not the job: wait again for its exit code
  signalled=0
  wait "$job"
  code=$?
done

case $code in
  0) echo "done: $folder" ;;
  1) echo "the case or a file is wrong; a new job would stop at the same place" >&2 ;;
  2) echo "the solver or the machine failed; see the log in $folder, then resume or change the case" >&2 ;;
  3) echo "interrupted with a checkpoint: queued again"
     scontrol requeue "$SLURM_JOB_ID" || echo "continue by: hostplate resume $folder" >&2 ;;
  *) echo "mpiexec ended with $code (killed?); continue by: hostplate resume $folder" >&2 ;;
esac
exit "$code"
