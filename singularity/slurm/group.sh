#!/bin/bash
#SBATCH --job-name=brainage-group
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --output=%x-%j.log
# All who are finished. Options of the group level stand in $GROUP_OPTIONS.
set -euo pipefail
# shellcheck source=settings.sh
. "${SCRIPTS:?set by submit.sh}/settings.sh"

mkdir -p "$WORK/group"
# shellcheck disable=SC2086
in_image group -w "$WORK" ${GROUP_OPTIONS:-}
