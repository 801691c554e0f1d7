"""How much memory does each step take at its peak, and does it keep to what it declares? One JSON line.

Runs every step in a process of its own and reads from the kernel how much that held at most (VmHWM, which
counts libraries and mapped files in full), beside what the step declares, by which steps are let run side by
side. Without arguments it does so for one simulated person at 2 mm without skull, one at 1 mm with skull, and
the latter interpolated to 0.7 mm, the size of HCP's images. With arguments it measures any run; what its
steps find finished is not measured again:

    python benchmarks/memory.py
    python benchmarks/memory.py BIDS_DIR OUTPUT_DIR {participant,group,train} [options of bids_brainage]
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from bids_brainage.cli.run import main as run
from bids_brainage.cli.simulate import main as simulate
from bids_brainage.workflows import plugin

LOG = "BIDS_BRAINAGE_MEMORY_LOG"
HEADS = {"2 mm": ["--voxel-size", "2"], "1 mm": ["--voxel-size", "1", "--skull"], "0.7 mm": []}


def main() -> None:
    """Measure and print."""
    plugin.KeptPool = OneProcessEach  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if sys.argv[1:]:
            found = {"given": measured(sys.argv[1:], folder)}
        else:
            found = {}
            for head, options in HEADS.items():
                bids = folder / head
                if options:
                    simulate(["cohort", str(bids), "--n", "1", "--seed", "3", *options])
                else:
                    interpolate(folder / "1 mm", bids)
                given = [str(bids), str(folder / f"out {head}"), "participant", "--skip-bids-validation"]
                found[head] = measured([*given, "--output-spaces", "T1w", "MNI152NLin6Asym:res-2"], folder)
    kept = all(own["measured"] <= own["declared"] for head in found.values() for own in head.values())
    print(json.dumps({"question": "GB of steps at their peak", "steps": found, "kept": kept}))


class OneProcessEach(plugin.KeptPool):
    """The pool of a run, of which each process runs one step and says what it used."""

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=(plugin_args or {}) | {"low_mem": True})


def run_and_tell(node: Any, updatehash: bool, taskid: int) -> Any:
    """Run a step in this process, and write down what it declares and what it used."""
    result = plugin.run_in_worker(node, updatehash, taskid)
    line = {"step": kind(node.fullname), "declared": round(node.mem_gb, 2), "measured": round(peak_gb(), 2)}
    with Path(os.environ[LOG]).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    return result


OneProcessEach.task = staticmethod(run_and_tell)


def peak_gb() -> float:
    """GB (1024^3 bytes) that this process, or one that it waited for, held at most."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024**2


def kind(name: str) -> str:
    """What a node does, for whomever: ``flair.bias``, ``estimate``, ``report``, ``test``, ``base model``."""
    *above, last = name.split(".")
    if len(above) > 2:
        return f"{above[-1].removesuffix('_wf')}.{last}"
    if last.endswith("_report"):
        return "report"
    return "base model" if "_bm" in last else last.partition("_")[0]


def measured(arguments: list[str], folder: Path) -> dict[str, dict[str, float]]:
    """By kind of step, of the one of a run that came closest to what it declares, or beyond."""
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    os.environ[LOG] = str(log)
    work = [] if "-w" in arguments or "--work-dir" in arguments else ["-w", str(folder / "work")]
    if run([*arguments, *work]) != 0:
        raise SystemExit("The run failed.")
    worst: dict[str, dict[str, float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        own = json.loads(line)
        step = own.pop("step")
        before = worst.setdefault(step, own)
        if own["declared"] - own["measured"] < before["declared"] - before["measured"]:
            worst[step] = own
    return worst


def interpolate(source: Path, target: Path, size: float = 0.7) -> None:
    """A dataset with the images of another at another voxel size."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("derivatives"))
    for path in target.glob("sub-*/anat/*.nii.gz"):
        image = nib.load(path)
        affine = np.array(image.affine)
        zoom = np.linalg.norm(affine[:3, 0]) / size
        data = ndimage.zoom(image.get_fdata(dtype=np.float32), zoom, order=1)
        affine[:3, :3] /= zoom
        nib.save(nib.Nifti1Image(data.round().clip(0, 65535).astype(np.uint16), affine), path)


if __name__ == "__main__":
    main()
