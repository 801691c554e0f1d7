"""The prepared images of one person, each read once, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.resampling import bounding_box
from bids_brainage.preprocessing.smooth_input import Scanned, through
from bids_brainage.preprocessing.smoothness import smoothness
from bids_brainage.preprocessing.surface import BRIDGED, without_fluid
from bids_brainage.preprocessing.templates import deep_white_matter
from bids_brainage.preprocessing.transforms import Step, inverse_of, read_steps


@dataclass(frozen=True, eq=False)
class PersonImages:
    """Where one person's prepared images are; they are read when they are asked for, and kept.

    Attributes
    ----------
    mask : Path
        Brain mask on the T1w grid.
    forward : Path
        The transform that brings images from T1w to standard space, and points of that to T1w.
    subject, standard : mapping of str to Path
        By modality, the image on the T1w grid, and the brain in standard space.
    scanned : mapping of str to Scanned
        By modality, how it was scanned; a modality of which that is not known is absent.
    inverse : Path, optional
        The transform the other way than `forward`.
    linear : mapping of str to (Path, Path)
        By kind (rigid, affine), the linear ways from T1w to standard space and back that there are.
    sources : mapping of (str, str) to Path
        Images that networks take in as they are, by modality and source (``native``, say).
    coregistered : mapping of str to Path
        By modality, the rigid transform that brings its image as scanned to T1w.
    """

    mask: Path
    forward: Path
    subject: Mapping[str, Path]
    standard: Mapping[str, Path]
    scanned: Mapping[str, Scanned] = field(default_factory=dict)
    inverse: Path | None = None
    linear: Mapping[str, tuple[Path, Path]] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    coregistered: Mapping[str, Path] = field(default_factory=dict)
    _images: dict[Path, nib.Nifti1Image] = field(default_factory=dict)
    _ways: dict[str, tuple[Sequence[Step], Sequence[Step]] | None] = field(default_factory=dict)
    _brains: dict[float, NDArray[np.bool_]] = field(default_factory=dict)

    def read(self, path: Path) -> nib.Nifti1Image:
        """Read an image, or find it in memory."""
        if path not in self._images:
            image = nib.Nifti1Image.from_filename(path)
            self._images[path] = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header)
        return self._images[path]

    @property
    def brain_mask(self) -> nib.Nifti1Image:
        """The brain mask."""
        return self.read(self.mask)

    @cached_property
    def steps(self) -> Sequence[Step]:
        """The steps that take points of the template to the T1w image."""
        return read_steps(self.forward)

    def ways(self, kind: str) -> tuple[Sequence[Step], Sequence[Step]] | None:
        """Steps that take points of the template to the T1w image, and back, by a kind of registration.

        None if the image was not registered so.
        """
        if kind not in self._ways:
            self._ways[kind] = self._read_ways(kind)
        return self._ways[kind]

    def _read_ways(self, kind: str) -> tuple[Sequence[Step], Sequence[Step]] | None:
        if kind == "none":
            return (), ()
        files = (self.forward, self.inverse) if kind == "nonlinear" else self.linear.get(kind, (None, None))
        there, back = files
        return None if there is None or back is None else (read_steps(there), read_steps(back))

    def scanned_ways(self, modality: str) -> tuple[Sequence[Step], Sequence[Step]] | None:
        """Steps that take points of an image as it was scanned to the T1w image, and back.

        None if it was not registered to the T1w image.
        """
        if modality == "T1w":
            return (), ()
        path = self.coregistered.get(modality)
        if path is None:
            return None
        back = read_steps(path)
        return inverse_of(back), back

    def white_level(self, data: NDArray[np.float32]) -> float:
        """The median of an image on the T1w grid over the template's deep white matter, brought there."""
        values = ndimage.map_coordinates(data, self._white_matter, order=1, mode="constant")
        return float(np.median(values))

    def smoothness(self, modality: str) -> float | None:
        """Of an image inside the brain mask, FWHM in mm; None if it is not defined."""
        mask = self.brain(0.0)
        part = bounding_box(mask, 0)
        data = np.asarray(self.read(self.subject[modality]).dataobj[part], dtype=np.float32)
        return smoothness(data, mask[part], voxel_sizes(self.brain_mask.affine))

    def brain(self, peeled: float) -> NDArray[np.bool_]:
        """The brain mask without fluid at its surface, down to so many mm.

        Raises
        ------
        ImageError
            If the mask is empty.
        """
        if peeled not in self._brains:
            mask = np.asarray(self.brain_mask.dataobj) > 0
            if not mask.any():
                raise ImageError(messages.MASK_EMPTY.format(file=self.mask.name))
            self._brains[peeled] = self._peeled(mask, peeled) if peeled else mask
        return self._brains[peeled]

    def _peeled(self, mask: NDArray[np.bool_], depth: float) -> NDArray[np.bool_]:
        t1w = np.asarray(self.read(self.subject["T1w"]).dataobj, dtype=np.float32)
        part = bounding_box(mask, int(np.ceil(BRIDGED)) + 2)
        peeled = np.zeros_like(mask)
        peeled[part] = without_fluid(t1w[part], mask[part], self.white_level(t1w), depth)
        return peeled

    @cached_property
    def _white_matter(self) -> NDArray[np.float64]:
        points = through(self.steps, deep_white_matter())
        return apply_affine(np.linalg.inv(self.brain_mask.affine), points).T
