"""How long until something happens: --help, --version, and finding one participant among 10,000.

Prints one JSON line. The peers are a bare Python, the import of pybids, and pybids' full index of a smaller
dataset of the same kind (without and with JSON sidecars).

    python benchmarks/startup.py [--participants 10000] [--peer-participants 500] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SELECT = """
import sys
from pathlib import Path
from bids_brainage.bids.selection import select
from bids_brainage.config import RunConfig
root, label = Path(sys.argv[1]), sys.argv[2]
(session,) = select(RunConfig(bids_dir=root, output_dir=Path("/nowhere"), participant_label=(label,)))
assert set(session.images) == {"T1w", "FLAIR", "T2starw"} and session.age is not None
"""
FULL_INDEX = """
import sys
from bids.layout import BIDSLayout, BIDSLayoutIndexer
indexer = BIDSLayoutIndexer(validate=False, index_metadata=sys.argv[2] == "metadata")
layout = BIDSLayout(sys.argv[1], validate=False, indexer=indexer)
assert layout.get(subject="00042", suffix="T1w", extension=".nii.gz")
"""


def main() -> None:
    """Make the datasets, time everything, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=10_000)
    parser.add_argument("--peer-participants", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        large = make_dataset(Path(name) / "large", options.participants)
        small = make_dataset(Path(name) / "small", options.peer_participants)
        label = f"{options.participants // 2:05d}"

        def best(*arguments: str) -> float:
            return round(min(seconds(*arguments) for _ in range(options.repeats)), 2)

        print(
            json.dumps(
                {
                    "question": "seconds until something happens",
                    "help": best("-m", "bids_brainage", "--help"),
                    "version": best("-m", "bids_brainage", "--version"),
                    "bare_python": best("-c", "pass"),
                    "import_pybids": best("-c", "import bids"),
                    "participants": options.participants,
                    "select_one": best("-c", SELECT, str(large), label),
                    "peer_participants": options.peer_participants,
                    "peer_pybids_full_index": seconds("-c", FULL_INDEX, str(small), "plain"),
                    "peer_pybids_full_index_metadata": seconds("-c", FULL_INDEX, str(small), "metadata"),
                }
            )
        )


def seconds(*arguments: str) -> float:
    """Return the wall time of a Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - start, 2)


def make_dataset(root: Path, participants: int) -> Path:
    """Make a BIDS dataset of empty images, three per participant, each with a JSON sidecar."""
    root.mkdir()
    (root / "dataset_description.json").write_text('{"Name": "large", "BIDSVersion": "1.9.0"}')
    rows = ["participant_id\tage"]
    for number in range(participants):
        label = f"sub-{number:05d}"
        anat = root / label / "anat"
        anat.mkdir(parents=True)
        for suffix in ("T1w", "FLAIR", "T2starw"):
            (anat / f"{label}_{suffix}.nii.gz").touch()
            (anat / f"{label}_{suffix}.json").write_text('{"EchoTime": 0.003}')
        rows.append(f"{label}\t{20 + number % 60}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


if __name__ == "__main__":
    main()
