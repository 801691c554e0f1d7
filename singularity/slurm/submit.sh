#!/bin/bash
# Submits one job for each participant, and the group level when they are through:
#   BIDS=/data/bids OUT=/data/derivatives/brainage WORK=/scratch/$USER/brainage IMAGE=/images/bids_brainage.sif \
#       singularity/slurm/submit.sh [--partition=... and other options of sbatch]
# AT_ONCE (default 50) limits how many run at a time. Calling it again computes what is missing.
set -euo pipefail
SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SCRIPTS
# shellcheck source=settings.sh
. "$SCRIPTS/settings.sh"

mkdir -p "$OUT" "$WORK"
export PEOPLE=${PEOPLE:-$WORK/people.txt}
# A list of one's own may be given as PEOPLE.
[ -s "$PEOPLE" ] || find "$BIDS" -maxdepth 1 -name 'sub-*' -type d -printf '%f\n' | sed 's/^sub-//' | sort > "$PEOPLE"

array=$(sbatch --parsable "$@" --array="1-$(wc -l < "$PEOPLE")%${AT_ONCE:-50}" "$SCRIPTS/participant.sh")
# afterany: those who failed are named by the group level, the others are compared.
group=$(sbatch --parsable "$@" --dependency="afterany:$array" "$SCRIPTS/group.sh")
echo "participants $array  group $group"
