"""Where a base model starts from if not from scratch: the weights of another bundle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.networks.graph import Architecture
from bids_brainage.networks.weights_file import read_arrays


@dataclass(frozen=True)
class Start:
    """Weights of a base model of another bundle.

    Attributes
    ----------
    file : Path
    sha256 : str
        Of the file, as the bundle says.
    architecture : BaseModelSpec or LayerGraph
        A graph is only ever kept.
    kept : bool
        Whether they stay unchanged (only heads are fitted), or are trained further.
    same_target : bool
        Whether they were trained on the current target.
    scale : float
        Of the target they were trained on, in its unit; see `TrainingTask.scale`.
    """

    file: Path
    sha256: str
    architecture: Architecture
    kept: bool
    same_target: bool
    scale: float = 1.0

    def fingerprint(self) -> str:
        """Changes with the weights and their use, not with their location."""
        return f"{self.sha256} {self.kept} {self.same_target} {self.scale}"

    def weights(self) -> dict[str, np.ndarray]:
        """The weights as they are stored; BundleError if the file is not the one that was named."""
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise BundleError(
                messages.BUNDLE_FILE_UNREADABLE.format(file=self.file, reason=error.strerror)
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise BundleError(messages.BUNDLE_ALTERED.format(file=self.file))
        return read_arrays(content, str(self.file))

    def begin(self, mean: float, scale: float) -> dict[str, np.ndarray]:
        """Weights (float32) to continue from, in units of training.

        Parameters
        ----------
        mean : float
            Of the training people's targets, in units of training. The output is centred on it if the
            target is another one; its spread then stays what it was, in units of training.
        scale : float
            Of the target now, in its unit.
        """
        weights = {name: array.astype(np.float32) for name, array in self.weights().items()}
        unit = np.float32(scale if self.same_target else self.scale)
        weights["output/kernel"] = weights["output/kernel"] / unit
        weights["output/bias"] = weights["output/bias"] / unit
        if not self.same_target:
            weights["output/bias"] = np.full_like(weights["output/bias"], mean)
        return weights
