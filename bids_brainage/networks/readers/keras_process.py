"""Keras files in a separate process: a damaged one can make the HDF5 library hang or crash."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.readers.isolated import SECONDS, Answer, answer, ask
from bids_brainage.networks.readers.keras_file import Hints, KerasNetwork, read_keras_file


def read_isolated(path: Path, hints: Hints | None = None, seconds: int = SECONDS) -> KerasNetwork:
    """Do what `read_keras_file` does, in another process.

    Parameters
    ----------
    path : Path
    hints : Hints, optional
    seconds : int
        Time limit for reading.

    Raises
    ------
    InputError
        As `read_keras_file`; also if the file makes the library hang, crash or ask for too much memory.
    """
    told = json.dumps(asdict(hints or Hints()))
    found, weights = ask("bids_brainage.networks.readers.keras_process", path, told, seconds=seconds)
    return KerasNetwork(
        spec=BaseModelSpec.model_validate(found["spec"]),
        input_shape=tuple(found["input_shape"]),
        weights=weights,
        program=found["program"],
    )


def _read(path: str, told: str) -> Answer:
    given = json.loads(told)
    box = None if given["box"] is None else tuple(given["box"])
    network = read_keras_file(Path(path), Hints(box, given["activation"]))
    found = {
        "spec": network.spec.model_dump(),
        "input_shape": network.input_shape,
        "program": network.program,
    }
    return found, network.weights


if __name__ == "__main__":
    answer(lambda: _read(*sys.argv[1:]))
