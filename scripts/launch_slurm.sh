#!/usr/bin/env bash
# Trains on GPU nodes under SLURM, one task a node; a job that is preempted or reaches its time
# limit saves, goes back into the queue and resumes from its workdir.
#
#   bash scripts/launch_slurm.sh --nodes=2 --gpus=8 --time=24:00:00 -- \
#       --config=configs/commonsense_qa.py --workdir=/shared/runs/cqa --config.mesh.fsdp=16
#
#   --nodes=N         (default: 1)
#   --gpus=N          of each node (default: 8)
#   --time=HH:MM:SS   limit of the job (default: 24:00:00)
#   --partition=NAME  (default: the cluster's)
#   --cpus=N          cores of each node (default: 16)
#   --python=PATH     (default: .venv/bin/python, made by: pip install -e '.[cuda]')
#   --dry_run         print the job and submit nothing
set -euo pipefail

nodes=1 gpus=8 time="24:00:00" partition="" cpus=16 python=".venv/bin/python" dry_run=""

fail() {
  echo "error: $*" >&2
  exit 2
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --nodes=*) nodes="${1#*=}" ;;
    --gpus=*) gpus="${1#*=}" ;;
    --time=*) time="${1#*=}" ;;
    --partition=*) partition="${1#*=}" ;;
    --cpus=*) cpus="${1#*=}" ;;
    --python=*) python="${1#*=}" ;;
    --dry_run) dry_run=1 ;;
    --)
      shift
      break
      ;;
    *) fail "unknown argument '$1'; what train.py takes stands after --" ;;
  esac
  shift
done
for number in "$nodes" "$gpus" "$cpus"; do
  [[ "$number" =~ ^[1-9][0-9]*$ ]] || fail "'$number' is not a whole number of nodes, GPUs or cores"
done
[[ " $*" == *" --config="* && " $*" == *" --workdir="* ]] ||
  fail "give --config=... and --workdir=... of train.py after --"

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# At SIGTERM the tasks save and leave with 143, and the job asks to be run again; one that has ended
# or failed does not. No task is killed when another one leaves: it may still be saving.
job() {
  cat <<JOB
#!/usr/bin/env bash
#SBATCH --job-name=cotjax
#SBATCH --nodes=$nodes
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=$gpus
#SBATCH --cpus-per-task=$cpus
#SBATCH --time=$time
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=cotjax-%j.log
${partition:+#SBATCH --partition=$partition
}set -uo pipefail
trap : TERM  # this script outlives the tasks
srun --kill-on-bad-exit=0 $(printf '%q ' "$python" scripts/train.py "$@")
code=\$?
if [[ "\$code" -eq 143 ]]; then
  scontrol requeue "\$SLURM_JOB_ID"
fi
exit "\$code"
JOB
}

if [[ -n "$dry_run" ]]; then
  job "$@"
else
  job "$@" | sbatch
fi
