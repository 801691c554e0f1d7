"""One person's estimates and maps before and after changes, and how many of the years lie near these."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.errors import ImageError
from bids_brainage.simulation.tissue import CHANGED
from bids_brainage.studies.response_maps import explainers
from bids_brainage.terms import STANDARD_SPACE, T1W_SPACE, WHOLE_BRAIN

if TYPE_CHECKING:
    import nibabel as nib

    from bids_brainage.estimates.inputs import InputMaker
    from bids_brainage.injection.change import Change
    from bids_brainage.injection.head import Head
    from bids_brainage.injection.session import AlteredSession
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble
    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
    from bids_brainage.preprocessing.model_input import ModelInput
    from bids_brainage.records.reading import PreparedImages

Row = dict[str, Any]
Maps = dict[str, NDArray[np.float64]]
Box = tuple[slice, ...]
#: A space; there a mask of what is seen of the brain, and the left half of the head.
Surroundings = tuple[str, "nib.Nifti1Image", NDArray[np.bool_]]


@dataclass(frozen=True)
class ResponseTask:
    """One person, and what is put into their images.

    Attributes
    ----------
    participant : str
        Label without ``sub-``.
    age : float
        Years.
    images : PreparedImages
    bundle : str
        Name or path of the model bundle.
    dataset : str
        Name of the dataset, by which the bundle recognises its training participants.
    changes : tuple of Change
    methods : tuple of str
        Of maps.
    """

    participant: str
    age: float
    images: PreparedImages
    bundle: str
    dataset: str
    changes: tuple[Change, ...]
    methods: tuple[str, ...]

    @property
    def name(self) -> str:
        """Their participant_id."""
        return f"sub-{self.participant}"


@dataclass(frozen=True, eq=False)
class Seen:
    """What one sub-ensemble makes of a person."""

    input: ModelInput
    outputs: NDArray[np.float64]
    maps: Maps


@dataclass(frozen=True, eq=False)
class Place:
    """Where a change lies on the grid of a sub-ensemble's networks.

    Attributes
    ----------
    near : array (*box,) of bool
        Voxels that have changed, and their neighbours.
    brain : array (*box,)
        How much of each voxel is brain that the sub-ensemble sees.
    left : array (*box,)
        How much of what lies in a voxel lies in the left half of the head.
    """

    near: NDArray[np.bool_]
    brain: NDArray[np.float32]
    left: NDArray[np.float32]

    @property
    def chance(self) -> float:
        """The share of the brain that is near."""
        return float(self.brain[self.near].sum(dtype=np.float64) / self.brain.sum(dtype=np.float64))


def measure_response(task: ResponseTask) -> tuple[list[Row], dict[str, str]]:
    """Estimate and explain a person before and after each change.

    Returns
    -------
    rows : list of dict
        One for each change, sub-ensemble whose sequence it touches, and method; and one for each ensemble.
    left_out : dict of str to str
        Why a change could not be made, by what it was.
    """
    from bids_brainage.estimates.inputs import InputMaker
    from bids_brainage.injection.head import read_head
    from bids_brainage.injection.session import alter_images

    bundle = _bundle(task.bundle)
    head, box = read_head(task.images, task.name)
    around = partial(_surroundings, images=task.images, head=head, box=box)
    modalities = tuple(task.images.subject)
    maker = InputMaker(task.images, modalities)
    ensembles = [
        bundle.ensemble_for(record.name, task.participant, task.dataset) for record in bundle.record.ensembles
    ]
    touched = {modality for change in task.changes for modality in change.of_kind.shows_in}
    before = {own.name: _seen_by(own, maker, touched, bundle, task) for own in ensembles}
    rows: list[Row] = []
    left_out = {}
    for change in task.changes:
        try:
            altered = alter_images(task.images, head, box, change)
        except ImageError as error:
            left_out[str(change)] = str(error)
            continue
        with tempfile.TemporaryDirectory(prefix="bids_brainage-") as folder:
            changed = InputMaker(altered.among(task.images, Path(folder)), modalities)
            for own in ensembles:
                after = _seen_by(own, changed, altered.modalities, bundle, task)
                facts = _facts(task, change, altered) | {"ensemble": own.name}
                rows += [facts | row for row in _compared(own, before[own.name], after, altered, around)]
    return rows, left_out


@cache
def _bundle(name: str) -> Bundle:
    from bids_brainage.models.bundles.bundle import load_bundle

    return load_bundle(name)


def _seen_by(
    ensemble: MultiLevelEnsemble, maker: InputMaker, explained: set[str], bundle: Bundle, task: ResponseTask
) -> dict[str, Seen]:
    """Inputs, outputs and maps of all sub-ensembles for which there is an image; maps of some sequences."""
    seen = {}
    for sub in ensemble.sub_ensembles.values():
        if not maker.sees(sub):
            continue
        own = maker.of(sub)
        outputs = np.asarray(sub.predict(own.array[None])[0], dtype=np.float64)
        ways = {}
        if sub.modality in explained:
            ways = explainers(task.methods, bundle, ensemble.name, sub, task.age)
        seen[sub.name] = Seen(own, outputs, {name: way(own.array) for name, way in ways.items()})
    return seen


def _facts(task: ResponseTask, change: Change, altered: AlteredSession) -> Row:
    return {
        "participant_id": task.name,
        "age": task.age,
        "change": change.kind,
        "region": change.region,
        "side": change.side,
        "dose": change.dose,
        "unit": change.of_kind.unit,
        "volume_ml": altered.facts["VolumeML"],
    }


def _compared(
    ensemble: MultiLevelEnsemble,
    before: Mapping[str, Seen],
    after: Mapping[str, Seen],
    altered: AlteredSession,
    surroundings: Callable[[SubEnsemble, ModelInput], Surroundings],
) -> Iterator[Row]:
    """Rows of the sub-ensembles whose sequence has changed, and of the ensemble."""
    outputs = [{name: own.outputs for name, own in seen.items()} for seen in (before, after)]
    estimates = [ensemble.estimate(own) for own in outputs]
    weights = {part.name: part.weight for part in estimates[0].sub_ensembles}
    total: dict[str, dict[str, float]] = {}
    for name, own in after.items():
        sub = ensemble.sub_ensembles[name]
        if sub.modality not in altered.modalities:
            continue
        ages = [float(sub.head.apply(seen[name].outputs)) for seen in (before, after)]
        space, brain, left = surroundings(sub, own.input)
        place = place_of(own.input, altered.truth[space], brain, left)
        for method, there in own.maps.items():
            difference = there - before[name].maps[method]
            measured = measure_map(difference, place)
            sums = total.setdefault(method, dict.fromkeys(measured, 0.0))
            for key, years in measured.items():
                sums[key] += weights[name] * years
            yield {
                "sub_ensemble": name, "modality": sub.modality, "method": method, **_gained(ages), **measured,
                "chance": place.chance, "near_share": share(measured["near"], ages[1] - ages[0]),
                "moved_near": moved_near(difference, place),
            }  # fmt: skip
    ages = [own.brain_age for own in estimates]
    for method, measured in total.items():
        yield {
            "sub_ensemble": "all", "modality": None, "method": method, **_gained(ages), **measured,
            "chance": None, "near_share": share(measured["near"], ages[1] - ages[0]), "moved_near": None,
        }  # fmt: skip


def _gained(ages: list[float]) -> Row:
    return {"before": ages[0], "after": ages[1], "gained": ages[1] - ages[0]}


def share(part: float, whole: float) -> float | None:
    """A part of the years gained; None where hardly any are."""
    return part / whole if abs(whole) > 1e-3 else None


def measure_map(difference: NDArray[np.float64], place: Place) -> dict[str, float]:
    """Years of a map's difference: of all, near the change, and in either half of the head."""
    left = float((difference * place.left).sum())
    mapped = float(difference.sum())
    near = float(difference[place.near].sum())
    return {"mapped": mapped, "near": near, "left": left, "right": mapped - left}


def moved_near(difference: NDArray[np.float64], place: Place) -> float | None:
    """The share near the change of all that has moved in a map, whatever its sign; None if nothing has."""
    moved = np.abs(difference)
    return float(moved[place.near].sum() / moved.sum()) if moved.any() else None


def place_of(
    own: ModelInput, truth: nib.Nifti1Image, brain: nib.Nifti1Image, left: NDArray[np.bool_]
) -> Place:
    """Where a change lies for a sub-ensemble.

    Parameters
    ----------
    own : ModelInput
        What it sees.
    truth : nibabel.Nifti1Image
        The share of each voxel that was changed, on the grid that it sees.
    brain : nibabel.Nifti1Image
        Mask of what it sees, on the same grid.
    left : array of bool
        The left half of the head, on the same grid.
    """
    from scipy.ndimage import binary_dilation

    changed, inside = np.asarray(truth.dataobj), np.asarray(brain.dataobj) > 0
    core = own.placement.covered(_mask((changed > CHANGED * changed.max()) & inside, truth))
    # The smallest changes fill no tenth of any of the networks' voxels.
    there = (core > 0) & (core >= min(CHANGED, float(core.max())))
    whole, half = (own.placement.covered(_mask(part, truth)) for part in (inside, inside & left))
    near = binary_dilation(there, np.ones((3, 3, 3))) if there.any() else there
    return Place(near, whole, np.divide(half, whole, out=np.zeros_like(whole), where=whole > 0))


def _surroundings(
    sub: SubEnsemble, own: ModelInput, images: PreparedImages, head: Head, box: Box
) -> Surroundings:
    """In which space networks see images, what they see of the brain there, and the left half of the head.

    Those of the standard stage may see the images on the T1w grid, too: what is brought back says so.
    """
    import nibabel as nib

    from bids_brainage.preprocessing.templates import region_mask

    grid = own.placement.restore(np.zeros(own.array.shape[:3]), "even")
    mask = nib.Nifti1Image.from_filename(images.mask)
    if grid.shape != mask.shape or not np.allclose(grid.affine, mask.affine, atol=1e-2):
        brain = region_mask(sub.region)
        x = np.arange(brain.shape[0]) * brain.affine[0, 0] + brain.affine[0, 3]
        return STANDARD_SPACE, brain, np.broadcast_to((x < 0)[:, None, None], brain.shape)
    inside, left = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    inside[box] = head.mask if sub.region == WHOLE_BRAIN else head.part(sub.region)
    left[box] = head.points[0] < 0
    return T1W_SPACE, _mask(inside, mask), left


def _mask(inside: NDArray[np.bool_], image: nib.Nifti1Image) -> nib.Nifti1Image:
    import nibabel as nib

    return nib.Nifti1Image(inside.astype(np.uint8), image.affine)
