# shellcheck shell=bash
# What all jobs share. Change it here, or set the variables before submit.sh is called; jobs inherit them.
: "${IMAGE:=bids_brainage.sif}"       # the image, best on a file system of the nodes' own or in their memory
: "${APPTAINER:=apptainer}"           # or singularity
: "${BIDS:?the BIDS dataset}"
: "${OUT:?the folder of results}"
: "${WORK:?a folder of scratch; each participant has a folder of its own in it}"
: "${OPTIONS:=}"                      # more options for participants, as --model /models/ours
: "${BINDS:=}"                        # more binds, as -B /models:/models:ro
export IMAGE APPTAINER BIDS OUT WORK OPTIONS BINDS

# Becomes the program: nothing of the host but the folders named, no network, no variable of the login node.
# shellcheck disable=SC2086 # options are several words
in_image() {
    exec $APPTAINER run --containall --cleanenv ${NETWORK---net --network none} $BINDS \
        -B "$BIDS:$BIDS:ro" -B "$OUT:$OUT" -B "$WORK:$WORK" \
        "$IMAGE" "$BIDS" "$OUT" "$@" --nprocs "${SLURM_CPUS_PER_TASK:-1}" --mem "$(gigabytes)"
}

# --cleanenv hides Slurm's variables from the program, so its limits are given by hand.
gigabytes() {
    local each=${SLURM_MEM_PER_NODE:-$((${SLURM_MEM_PER_CPU:-4096} * ${SLURM_CPUS_PER_TASK:-1}))}
    awk -v mb="$each" 'BEGIN { print mb / 1024 }'
}
