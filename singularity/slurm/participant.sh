#!/bin/bash
#SBATCH --job-name=brainage
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --time=02:00:00
#SBATCH --output=%x-%A_%a.log
#SBATCH --signal=B:TERM@120
# One participant: line SLURM_ARRAY_TASK_ID of the list $PEOPLE. Only this participant's folder is read.
set -euo pipefail
# shellcheck source=settings.sh
. "${SCRIPTS:?set by submit.sh}/settings.sh"

label=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "${PEOPLE:?set by submit.sh}")
WORK=$WORK/sub-$label
mkdir -p "$WORK"
# shellcheck disable=SC2086
in_image participant --participant-label "$label" --skip-bids-validation -w "$WORK" $OPTIONS &
program=$!
# Time is almost up: the program is told, and ends in order. What it has done is kept in $WORK.
trap 'kill -TERM $program' TERM
code=0
wait $program || code=$?
if kill -0 $program 2> /dev/null; then wait $program || code=$?; fi
[ $code -ne 0 ] || rm -rf "$WORK"
exit $code
