"""State of the training of a base model, saved after every epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_brainage.errors import BundleError
from bids_brainage.networks.weights_file import read_arrays, write_arrays

_NOTE = "note"


@dataclass
class Checkpoint:
    """Everything the next epoch depends on.

    Attributes
    ----------
    fingerprint : str
        Of the task; a checkpoint of another task does not count.
    attempt : int
        How often training restarted from other initial weights.
    history : list of dict
        Errors of every epoch of this attempt.
    weights, best : mapping of str to array
        Weights after the last epoch, and after the best one.
    optimizer : sequence of array
        The optimiser's variables, in its order.
    seconds : float
        That training took so far.
    """

    fingerprint: str
    attempt: int
    history: list[dict[str, float]]
    weights: Mapping[str, np.ndarray]
    best: Mapping[str, np.ndarray]
    optimizer: Sequence[np.ndarray] = field(default_factory=list)
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write one file, whole or not at all."""
        known = ("fingerprint", "attempt", "history", "seconds")
        note = json.dumps({name: getattr(self, name) for name in known})
        arrays = {f"weights/{name}": array for name, array in self.weights.items()}
        arrays |= {f"best/{name}": array for name, array in self.best.items()}
        arrays |= {f"optimizer/{i:04d}": np.asarray(array) for i, array in enumerate(self.optimizer)}
        arrays[_NOTE] = np.frombuffer(note.encode(), np.uint8)
        write_arrays(path, arrays)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint of that task, or None if there is no usable one."""
    try:
        arrays = read_arrays(path.read_bytes(), str(path))
        note = json.loads(arrays.pop(_NOTE).tobytes())
        if note["fingerprint"] != fingerprint:
            return None
        return Checkpoint(
            fingerprint=fingerprint,
            attempt=int(note["attempt"]),
            history=list(note["history"]),
            weights=_part(arrays, "weights"),
            best=_part(arrays, "best"),
            optimizer=list(_part(arrays, "optimizer").values()),
            seconds=float(note["seconds"]),
        )
    except (OSError, BundleError, ValueError, KeyError, TypeError):
        return None


def _part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): arrays[key] for key in sorted(arrays) if key.startswith(prefix)}
