"""Repeated images of one person and sequence are combined into one; those that do not fit are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.agreement import middle_of, quality, show_the_same
from bids_brainage.preprocessing.header import CheckedImage, read_image
from bids_brainage.preprocessing.registration import apply_transforms, register_rigid

LEAST_QUALITY = 0.6  # of the best run's
CLEARLY_BETTER = 1.25  # times the quality: two good images of heads of different size differ by less


@dataclass
class _Run:
    """A usable file, and how well it shows a head."""

    path: Path
    quality: float
    warnings: tuple[str, ...]


@dataclass
class _Group:
    """Runs that show the same head, on the grid of the first, and the sum of their values."""

    reference: nib.Nifti1Image
    total: NDArray[np.float64]
    runs: list[_Run]

    @classmethod
    def of(cls, run: _Run) -> _Group:
        image = read_image(run.path).image
        return cls(image, np.asarray(image.dataobj, dtype=np.float64), [run])

    def beats(self, other: _Group) -> bool:
        """Whether more runs agree, or as many and one of them is clearly better than all of the other's."""
        if len(self.runs) != len(other.runs):
            return len(self.runs) > len(other.runs)
        best, others = (max(run.quality for run in group.runs) for group in (self, other))
        return best > CLEARLY_BETTER * others

    def take(self, run: _Run, work_dir: Path, threads: int) -> bool:
        """Align a run with the first one and add it, if it shows the same head."""
        image = read_image(run.path).image
        name = str(run.path)
        out = work_dir / f"{self.runs[0].path.name}-{run.path.name}.h5"
        try:
            transform = register_rigid(image, self.reference, out=out, threads=threads, name=name)
            moved = apply_transforms(image, self.reference, [transform], name=name)
            middle = middle_of(image)
            deep = apply_transforms(middle, self.reference, [transform], interpolation="nearest", name=name)
        except ImageError:
            return False
        if not show_the_same(moved, middle, deep, self.reference):
            return False
        aligned = np.asarray(moved.dataobj, dtype=np.float64)
        level = np.asarray(self.reference.dataobj, dtype=np.float64).mean()
        # The gain of a scanner may differ from run to run.
        self.total = self.total + aligned * (level / max(aligned.mean(), np.finfo(float).tiny))
        self.runs.append(run)
        return True

    def average(self) -> nib.Nifti1Image:
        values = (self.total / len(self.runs)).astype(np.float32)
        return nib.Nifti1Image(values, self.reference.affine, self.reference.header)


def average_runs(files: Sequence[Path], *, work_dir: Path, threads: int = 1) -> CheckedImage:
    """Read repeated images, align them rigidly with the first, and average those of the same head.

    A run is left out, with a warning, if it cannot be read, shows much less of a head or much more noise than
    the best one, or does not show the head that most of the others show. Where as many runs disagree as
    agree, the first are kept, unless the others are clearly better. Two images are in memory at a time, and
    one for each head.

    Parameters
    ----------
    files : sequence of Path
        At least one image; a single one is only read.
    work_dir : Path
        Where the rigid transforms are stored.
    threads : int
        Threads ITK may use.

    Returns
    -------
    CheckedImage
        On the grid of the first run that is kept, float32; what was unusual about those that are kept, and
        which were left out.

    Raises
    ------
    ImageError
        If no run can be used: what is wrong with the first.
    """
    if len(files) == 1:
        return read_image(files[0])
    runs, left_out = _usable(files)
    runs = _of_good_quality(runs, left_out)
    groups: list[_Group] = []
    for run in runs:
        if not any(group.take(run, work_dir, threads) for group in groups):
            groups.append(_Group.of(run))
    best = groups[0]
    for group in groups[1:]:
        best = group if group.beats(best) else best
    kept = {run.path for run in best.runs}
    text = messages.RUN_OF_ANOTHER_HEAD
    left_out += [text.format(file=r.path, kept=best.runs[0].path) for r in runs if r.path not in kept]
    own = [warning for run in best.runs for warning in run.warnings]
    return CheckedImage(best.average(), (*own, *left_out))


def _usable(files: Sequence[Path]) -> tuple[list[_Run], list[str]]:
    """The files that can be read, and a sentence for each of the others."""
    runs: list[_Run] = []
    errors: list[ImageError] = []
    for path in files:
        try:
            image, warnings = read_image(path)
        except ImageError as error:
            errors.append(error)
        else:
            runs.append(_Run(path, quality(image), warnings))
    if not runs:
        raise errors[0]
    return runs, [messages.RUN_UNUSABLE.format(reason=error) for error in errors]


def _of_good_quality(runs: list[_Run], left_out: list[str]) -> list[_Run]:
    """Those that are not much worse than the best."""
    best = max(runs, key=lambda run: run.quality)
    good = [run for run in runs if run.quality >= LEAST_QUALITY * best.quality]
    text = messages.RUN_OF_POOR_QUALITY
    left_out += [text.format(file=run.path, kept=best.path) for run in runs if run not in good]
    return good
