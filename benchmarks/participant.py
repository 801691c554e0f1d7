"""How long does one participant take, and how much memory? One JSON line.

Runs the participant level on one person twice, the second time with nothing left to do, in a process of
its own under GNU time's accounting. The peer, in the same run, is what a laboratory would do by hand with
the same library at full resolution: N4 and SyN of the T1w image at 1 mm, as a lower bound of one step of it.

    python benchmarks/participant.py BIDS_DIR [--participant-label 01] [--no-peer]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids_dir", type=Path)
    parser.add_argument("--participant-label", default=None)
    parser.add_argument("--nprocs", default="2")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "bids_brainage", str(options.bids_dir), str(folder / "out")]
        command += ["participant", "-w", str(folder / "work"), "--nprocs", options.nprocs]
        if options.participant_label:
            command += ["--participant-label", options.participant_label]
        first, again = measure(command), measure(command)
        result = {
            "question": "one participant, raw images to page",
            "seconds": first["seconds"],
            "peak_memory_gb": first["gigabytes"],
            "seconds_again": again["seconds"],
        }
    if not options.no_peer:
        image = next(options.bids_dir.glob("sub-*/**/anat/*_T1w.nii*"))
        peer = measure([sys.executable, "-c", PEER, str(image)])
        result["peer_full_resolution_n4_and_syn_seconds"] = peer["seconds"]
        result["ratio"] = round(first["seconds"] / peer["seconds"], 3)
    print(json.dumps(result))


PEER = """
import sys, ants
from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.preprocessing.ants_bridge import to_ants
image = ants.image_read(sys.argv[1])
corrected = ants.n4_bias_field_correction(image, shrink_factor=4)
ants.registration(to_ants(template_brain(1), 2), corrected, type_of_transform="SyN")
"""


def measure(command: list[str]) -> dict[str, float]:
    """Wall seconds and the largest sum of resident memory of the process and its children, sampled."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, group_memory_gb(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": round(time.monotonic() - started, 1), "gigabytes": round(peak, 2)}


def group_memory_gb(group: int) -> float:
    """Proportional resident memory of all processes of a session (shared pages counted once)."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.getsid(int(folder.name)) == group:
                    total += _proportional_kb(folder / "smaps_rollup")
            except (OSError, ProcessLookupError):
                continue
    return total / 1e6


def _proportional_kb(path: Path) -> int:
    for line in path.read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
