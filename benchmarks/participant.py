"""How long do participants take, how much memory, how much disk? One JSON line.

Runs the participant level on some people from raw images: first up to the prepared images, then what
follows (estimates, maps, page), then again with nothing left to do, and at last with relevance maps alone,
which tells what DBA maps cost (nothing, if the model has no references). With ``--against`` another
checkout of this project does the same in the same run, the two taking turns. Without it the peer is what a
laboratory would do by hand with the same library at full resolution: N4 and SyN of one T1w image at 1 mm.

    python benchmarks/participant.py BIDS_DIR [--participant-label 01 02] [--model MODEL]
        [--against CHECKOUT] [--repeats 1]
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

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids_dir", type=Path)
    parser.add_argument("--participant-label", nargs="+", default=[])
    parser.add_argument("--nprocs", default="2")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    people = len(options.participant_label) or len(list(options.bids_dir.glob("sub-*/")))
    checkouts = {"this": HERE} | ({"other": options.against.resolve()} if options.against else {})
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for _ in range(options.repeats):
        for name, checkout in checkouts.items():
            rounds[name].append(run_level(checkout, options))
    # The best round is the one that the rest of the machine disturbed least.
    best = {name: min(found, key=lambda one: one["seconds"]) for name, found in rounds.items()}
    for figures in best.values():
        figures["people_an_hour"] = round(3600 * people / figures["seconds"], 1)
    result: dict[str, object] = {"question": f"{people} participants, raw images to page", **best}
    if options.against:
        this, other = best["this"], best["other"]
        result["after_preprocessing_ratio"] = round(
            this["seconds_after_preprocessing"] / other["seconds_after_preprocessing"], 3
        )
        result["people_an_hour_ratio"] = round(this["people_an_hour"] / other["people_an_hour"], 3)
    elif not options.no_peer:
        image = next(options.bids_dir.glob("sub-*/**/anat/*_T1w.nii*"))
        peer = measure([sys.executable, "-c", PEER, str(image)], HERE)
        result["peer_full_resolution_n4_and_syn_seconds"] = peer["seconds"]
        result["ratio"] = round(best["this"]["seconds"] / peer["seconds"], 3)
    print(json.dumps(result))


def run_level(checkout: Path, options: argparse.Namespace) -> dict[str, float]:
    """One run of the participant level by the code of one checkout."""
    with tempfile.TemporaryDirectory() as name:
        out, work = Path(name) / "out", Path(name) / "work"
        command = [sys.executable, "-m", "bids_brainage", str(options.bids_dir.resolve()), str(out)]
        command += ["participant", "-w", str(work), "--nprocs", options.nprocs, "--skip-bids-validation"]
        command += ["--model", options.model]
        if options.participant_label:
            command += ["--participant-label", *options.participant_label]
        prepared = measure([*command, "--preproc-only"], checkout)
        rest, again = measure(command, checkout), measure(command, checkout)
        figures = {
            "seconds": round(prepared["seconds"] + rest["seconds"], 1),
            "seconds_after_preprocessing": rest["seconds"],
            "seconds_again": again["seconds"],
            "peak_memory_gb": max(prepared["gigabytes"], rest["gigabytes"]),
            "output_mb": size_mb(out),
            "output_files": count_files(out / next(path.name for path in out.glob("sub-*/"))),
            "work_mb": size_mb(work),
            "work_files": count_files(work),
        }
        if checkout == HERE:
            alone = measure([*command, "--explain", "lrp"], checkout)
            figures["seconds_of_dba_maps"] = round(rest["seconds"] - alone["seconds"], 1)
            figures["mb_of_dba_maps"] = round(figures["output_mb"] - size_mb(out), 1)
        return figures


PEER = """
import sys, ants
from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.preprocessing.ants_bridge import to_ants
image = ants.image_read(sys.argv[1])
corrected = ants.n4_bias_field_correction(image, shrink_factor=4)
ants.registration(to_ants(template_brain(1), 2), corrected, type_of_transform="SyN")
"""


def measure(command: list[str], checkout: Path) -> dict[str, float]:
    """Wall seconds and the largest sum of resident memory of the process and its children, sampled."""
    started = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
        cwd=checkout,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, group_memory_gb(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": round(time.monotonic() - started, 1), "gigabytes": round(peak, 2)}


def size_mb(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def count_files(folder: Path) -> int:
    """How many files lie below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


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
