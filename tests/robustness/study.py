"""Random distortions of heads: is every mask right, or is it refused in a sentence?

    python -m tests.robustness.study OUT.json [--colin FOLDER]

Five simulated people with skull, and the real head Colin27 where its BIDS folder is given. Every row is
written when it is known; the same command goes on with those that are missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.robustness.distortions import Distortion
from tests.robustness.drawing import draw
from tests.robustness.judging import judge
from tests.robustness.people import colin27, read_head, simulated

SEED = 12
DISTORTIONS = 30
PEOPLE = 5
COHORT_SEED = 11


def rows(
    images: dict[str, Path], distortions: Sequence[Distortion], done: set[tuple[str, str]], threads: int = 1
) -> Iterator[dict[str, Any]]:
    """One row for each head and distortion that is not done yet."""
    with tempfile.TemporaryDirectory() as folder:
        for person, path in images.items():
            missing = [item for item in distortions if (person, item.name) not in done]
            if not missing:
                continue
            head = read_head(path, threads)
            for item in missing:
                outcome = judge(item.apply(head), head.brain, Path(folder), threads)
                yield {"person": person, "distortion": item.name} | outcome.row()


def table(found: Sequence[dict[str, Any]]) -> str:
    """All rows in columns, and a summary."""
    lines = []
    for row in found:
        dice = "     " if row["dice"] is None else f"{row['dice']:.3f}"
        word = "ok   " if row["right"] else "WRONG"
        warned = " | ".join(row["warnings"])
        lines.append(f"{word} {row['person']:12} {dice} {row['distortion']} {row['sentence'] or warned}")
    right = [row["dice"] for row in found if row["dice"] is not None and row["right"]]
    refused = [row for row in found if row["sentence"]]
    whole = sum(row["usable"] for row in refused)
    wrong = sum(not row["right"] for row in found)
    counts = f"{len(found)} images: {len(right)} right masks, {wrong} wrong"
    lines.append(f"{counts}; {len(refused)} refused, {whole} of them although they show the whole brain.")
    if right:
        low, middle, high = np.percentile(right, (0, 50, 100))
        lines.append(f"Dice of right masks {low:.3f} to {high:.3f}, median {middle:.3f}.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study; 1 if a mask is wrong without a word."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.study", description=__doc__)
    parser.add_argument("out", type=Path, help="one row of JSON for each image")
    parser.add_argument("--colin", type=Path, help="BIDS folder of Colin27")
    parser.add_argument(
        "--people", type=Path, help="where the simulated people are kept (default: beside OUT)"
    )
    parser.add_argument("--persons", type=int, default=PEOPLE, help="how many of them (default: %(default)s)")
    parser.add_argument(
        "--distortions", type=int, default=DISTORTIONS, help="how many (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", help="persons of this process, so that others run beside it")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    images = {"colin27": colin27(options.colin)} if options.colin else {}
    people = options.people or options.out.with_suffix(".people")
    images |= simulated(people, options.persons, seed=COHORT_SEED, skull=True)
    images = {name: path for name, path in images.items() if not options.only or name in options.only}
    options.out.touch()
    found = [json.loads(line) for line in options.out.read_text().splitlines()]
    done = {(row["person"], row["distortion"]) for row in found}
    with options.out.open("a") as stream:
        for row in rows(images, draw(options.distortions, SEED), done, options.threads):
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            found.append(row)
    sys.stdout.write(table(found) + "\n")
    return int(any(not row["right"] for row in found))


if __name__ == "__main__":
    sys.exit(main())
