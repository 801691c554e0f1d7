"""Where results may go: never into the dataset, and only where they can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line

OWNER = "bids_brainage"
#: How the file is called by which a folder is tried.
PROBE = ".tmp-"


def check_places(bids_dir: Path, output_dir: Path, work_dir: Path) -> None:
    """Check that nothing would be written below BIDS_DIR, except to BIDS_DIR/derivatives/<name>.

    Raises
    ------
    InputError
        If the output is the input, lies inside it (except for the usual derivatives/<name>), contains it,
        is a file, or belongs to another program; or if the work folder lies inside the input.
    """
    bids_dir, output_dir, work_dir = bids_dir.resolve(), output_dir.resolve(), work_dir.resolve()
    customary = bids_dir / "derivatives" / OWNER
    if output_dir == bids_dir:
        raise InputError(messages.OUTPUT_IS_INPUT.format(path=output_dir, suggestion=customary))
    if output_dir in bids_dir.parents:
        raise InputError(messages.INPUT_INSIDE_OUTPUT.format(bids_dir=bids_dir, path=output_dir))
    derivatives = bids_dir / "derivatives"
    if bids_dir in output_dir.parents and derivatives not in output_dir.parents:
        raise InputError(messages.OUTPUT_INSIDE_INPUT.format(path=output_dir, suggestion=customary))
    if output_dir.exists() and not output_dir.is_dir():
        raise InputError(messages.OUTPUT_IS_A_FILE.format(path=output_dir))
    _check_owner(output_dir)
    in_output = output_dir == work_dir or output_dir in work_dir.parents
    if (work_dir == bids_dir or bids_dir in work_dir.parents) and not in_output:
        raise InputError(messages.WORK_INSIDE_INPUT.format(path=work_dir))


def make_writable(folder: Path) -> Path:
    """Make `folder`, and raise InputError unless a file can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PROBE) as probe:
            probe.write(b"x")
            probe.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(messages.OUTPUT_NOT_WRITABLE.format(path=folder, reason=reason)) from error
    return folder


def _check_owner(output_dir: Path) -> None:
    """Refuse a folder that already holds a dataset made by something else."""
    path = output_dir / "dataset_description.json"
    if not path.exists():
        return
    try:
        makers = read_json(path)["GeneratedBy"]
        names = [str(maker["Name"]) for maker in makers]
    except (InputError, KeyError, TypeError):
        names = []
    if OWNER not in names:
        owner = one_line(", ".join(names)) or "unknown origin"
        raise InputError(messages.OUTPUT_OF_ANOTHER.format(path=output_dir, owner=owner))
