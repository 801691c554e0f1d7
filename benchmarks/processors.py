"""Does a run keep to its processors? One JSON line.

Runs a level (by default participants) with each of the numbers of processors and counts, time and again, the
threads of its steps that run or wait for a processor: they tell what a run would take of a larger machine,
however busy this one is. The program itself, which hands out steps and publishes their results, is told of by
the part of a processor that it takes. The peer is what was declared.

    python benchmarks/processors.py BIDS_DIR [--level participant] [--nprocs 2 4] [--options ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids_dir", type=Path)
    parser.add_argument("--level", default="participant")
    parser.add_argument("--nprocs", nargs="+", type=int, default=[2, 4])
    parser.add_argument("--derivatives", type=Path, help="folder of results to go on from; it is copied")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="further options of the run")
    given = parser.parse_args()
    runs = [measured(given, nprocs) for nprocs in given.nprocs]
    print(
        json.dumps(
            {
                "question": f"threads that run or wait at a time, {given.level} level, --omp-nthreads 1",
                "processors_of_this_machine": len(os.sched_getaffinity(0)),
                "runs": runs,
                "kept": all(own["part_of_time_above"] < 0.01 for own in runs),
            }
        )
    )


def measured(given: argparse.Namespace, nprocs: int) -> dict[str, float]:
    """One run."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        if given.derivatives:
            subprocess.run(["cp", "-r", given.derivatives, out], check=True)
        command = [sys.executable, "-m", "bids_brainage", str(given.bids_dir.resolve()), str(out)]
        command += [given.level, "-w", f"{name}/work", "--nprocs", str(nprocs), "--omp-nthreads", "1"]
        command += ["--skip-bids-validation", *given.options]
        begun, before = time.monotonic(), os.times()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd=HERE,
            env={name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
            | {"PYTHONPATH": str(HERE)},
        )
        counts: Counter[int] = Counter()
        own = 0.0
        while process.poll() is None:
            counts[runnable(process.pid)] += 1
            own = processor_seconds(process.pid) or own
            time.sleep(0.05)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        seconds, after = time.monotonic() - begun, os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        total = counts.total()
        return {
            "nprocs": nprocs,
            "seconds": round(seconds, 1),
            "processor_seconds_a_second": round(spent / seconds, 2),
            "of_which_the_program_itself": round(own / seconds, 2),
            "threads_mean": round(sum(count * seen for count, seen in counts.items()) / total, 2),
            "threads_most": max(counts),
            "part_of_time_above": round(
                sum(seen for count, seen in counts.items() if count > nprocs) / total, 4
            ),
        }


def processor_seconds(process: int) -> float:
    """What a process has used; nothing if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def runnable(session: int) -> int:
    """Threads that run or wait for a processor, of all processes that the leader of a session started."""
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == session:
            continue
        try:
            if os.getsid(int(folder.name)) == session:
                for stat in (folder / "task").glob("*/stat"):
                    total += stat.read_text().rpartition(")")[2].split()[0] == "R"
        except OSError:
            continue
    return total


if __name__ == "__main__":
    main()
