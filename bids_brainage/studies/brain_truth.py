"""Relevance maps of simulated brains against the known places of ageing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.simulation.spec import load_spec
from bids_brainage.terms import MODALITIES, WHOLE_BRAIN

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
    from bids_brainage.records.reading import PreparedImages

log = logging.getLogger(__name__)
# Common names for groups of the simulation's processes.
REGIONS = {
    "ventricle": "ventricles",
    "cortex": "sulci and cortex",
    "cerebellum": "cerebellum",
    "lesions": "lesions",
    "iron": "iron",
}
#: Where evidence is expected in each sequence, for the short table.
EXPECTED = (("FLAIR", "lesions"), ("T1w", "ventricles"), ("T1w", "sulci and cortex"), ("T2starw", "iron"))
AGE_GROUPS = {"all": (0.0, 200.0), "from 50": (50.0, 200.0)}
Row = dict[str, Any]


@dataclass(frozen=True)
class TruthTask:
    """One person and one sequence to explain.

    Attributes
    ----------
    participant : str
        Label without ``sub-``.
    age : float
        Years.
    modality : str
    images : PreparedImages
    labels : Path
        The truth's label map.
    bundle : str
        Name or path of the model bundle.
    dataset : str
        Name of the dataset, by which the bundle recognises its training participants.
    """

    participant: str
    age: float
    modality: str
    images: PreparedImages
    labels: Path
    bundle: str
    dataset: str


def compare_with_truth(
    bids_dir: Path, derivatives: Path, out: Path, bundle: str, nprocs: int = 1
) -> list[Row]:
    """Explain the sub-ensembles of type I for simulated people, and measure their maps against the truth.

    Parameters
    ----------
    bids_dir : Path
        A dataset of `bids_brainage_simulate cohort`, with derivatives/truth.
    derivatives : Path
        What ``bids_brainage BIDS_DIR DERIVATIVES participant`` made from it; maps need not be there.
    out : Path
        Where ``truth_people.tsv``, ``truth.tsv`` and their dictionaries are written.
    bundle : str
        Name or path of the model bundle.
    nprocs : int
        Processes; the results do not depend on it.

    Returns
    -------
    list of dict
        The rows of truth.tsv.

    Raises
    ------
    InputError
        There is no truth, or nobody has finished derivatives.
    """
    from bids_brainage.studies.tori_training import worker_pool

    tasks = find_tasks(bids_dir, derivatives, bundle)
    people = {task.participant for task in tasks}
    log.info("Explaining %d sequences of %d people by four methods", len(tasks), len(people))
    with worker_pool(nprocs) as pool:
        rows = [row for rows in _in_turn(pool, tasks) for row in rows]
    summary = summarise(rows)
    write_table(out / "truth_people.tsv", rows, "people")
    write_table(out / "truth.tsv", summary, "summary")
    return summary


def _in_turn(pool: Executor, tasks: Sequence[TruthTask]) -> Iterable[list[Row]]:
    for number, (task, rows) in enumerate(zip(tasks, pool.map(measure_person, tasks), strict=True), start=1):
        log.info("%d of %d: sub-%s, %s", number, len(tasks), task.participant, task.modality)
        yield rows


def find_tasks(bids_dir: Path, derivatives: Path, bundle: str) -> list[TruthTask]:
    """Everyone with an age, finished images and a label map, once for each sequence."""
    from bids_brainage.models.cohorts.people import read_cohort

    truth = bids_dir / "derivatives" / "truth"
    if not truth.is_dir():
        raise InputError(messages.NO_TRUTH.format(path=bids_dir))
    cohort = read_cohort([derivatives], bids_dir / "participants.tsv", MODALITIES)
    tasks = []
    for person in cohort.people:
        name = f"sub-{person.participant}"
        labels = truth / name / "anat" / f"{name}_desc-ageing_dseg.nii.gz"
        if labels.is_file():
            tasks += [
                TruthTask(
                    person.participant, person.age, modality, person.images, labels,
                    bundle, cohort.dataset,
                )
                for modality in MODALITIES
            ]  # fmt: skip
    if not tasks:
        raise InputError(messages.NO_TRUTH.format(path=bids_dir))
    return tasks


def measure_person(task: TruthTask) -> list[Row]:
    """Explain one sub-ensemble's estimate for one person with every method, on the grid of its networks."""
    import nibabel as nib

    from bids_brainage.models.bundles.bundle import load_bundle
    from bids_brainage.models.cohorts.images import person_images
    from bids_brainage.preprocessing.network_input import network_input
    from bids_brainage.preprocessing.resampling import to_grid

    sub = whole_brain(load_bundle(task.bundle), task)
    images = person_images(task.images)
    model_input, mask = network_input(images, sub.input), images.brain_mask
    labels = to_grid(nib.Nifti1Image.from_filename(task.labels), mask.shape, mask.affine, order=0)
    shares = {
        region: model_input.placement.covered(nib.Nifti1Image(inside.astype(np.uint8), mask.affine))
        for region, inside in regions_of(np.asarray(labels.dataobj)).items()
    }
    brain = model_input.placement.covered(mask)
    maps = explain_by_all(sub, model_input.array)
    return [
        {"participant_id": f"sub-{task.participant}", "age": task.age, "modality": task.modality} | row
        for row in score_maps(maps, shares, brain)
    ]


def whole_brain(bundle: Bundle, task: TruthTask) -> SubEnsemble:
    """The bundle's sub-ensemble that sees the whole brain in the person's own grid.

    Raises
    ------
    InputError
        There is none for this sequence.
    """
    for ensemble in bundle.record.ensembles:
        for sub in ensemble.sub_ensembles:
            seen = (sub.input.stage, sub.input.region, sub.input.modality)
            if seen == ("subject", WHOLE_BRAIN, task.modality):
                models = bundle.ensemble_for(ensemble.name, task.participant, task.dataset)
                return models.sub_ensembles[sub.name]
    raise InputError(messages.NO_WHOLE_BRAIN.format(file=bundle.path, modality=task.modality))


def regions_of(labels: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Masks of the processes of each kind; the label of a process is its place in ageing.yaml, from 1."""
    kinds = [process.kind for process in load_spec().ageing.processes.values()]
    return {
        region: np.isin(labels, [number for number, own in enumerate(kinds, start=1) if own == kind])
        for kind, region in REGIONS.items()
    }


def explain_by_all(sub: Any, image: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Maps (*box,) of a sub-ensemble's estimate: base models' maps, weighted by its head, by method."""
    from bids_brainage.relevance.comparison import METHODS

    networks = [model.network for model in sub.base_models]
    return {
        name: sum(
            weight * method(network, image[None])[0, ..., 0].astype(np.float64)
            for weight, network in zip(sub.head.coefficients, networks, strict=True)
        )
        for name, method in METHODS.items()
    }


def score_maps(
    maps: Mapping[str, NDArray[np.float64]],
    shares: Mapping[str, NDArray[np.float32]],
    brain: NDArray[np.float32],
    distances: Sequence[int] = (0, 1),
) -> list[Row]:
    """Measure maps against regions that cover parts of voxels.

    Parameters
    ----------
    maps : mapping of str to array (*box,)
        Relevance in years, by method.
    shares : mapping of str to array (*box,)
        How much of each voxel a region covers, 0 to 1.
    brain : array (*box,)
        How much of each voxel is brain.
    distances : sequence of int
        How many voxels regions are widened by.

    Returns
    -------
    list of dict
        Share of the positive and of the negative relevance that lies in the region, the region's share of
        the brain, and its sum of relevance in years. None if a person has nothing of the region.
    """
    rows = []
    for region, share in shares.items():
        for distance in distances:
            wide = _widened(share, brain, distance)
            chance = float(wide.sum() / brain.sum()) if share.any() else None
            for method, relevance in maps.items():
                older, younger = (
                    _part(np.maximum(sign * relevance, 0), wide) if share.any() else None for sign in (1, -1)
                )
                rows.append(
                    {
                        "method": method,
                        "region": region,
                        "distance": distance,
                        "older": older,
                        "younger": younger,
                        "chance": chance,
                        "relevance": float((relevance * wide).sum()),
                    }
                )
    return rows


def _widened(share: NDArray[np.float32], brain: NDArray[np.float32], distance: int) -> NDArray[np.float32]:
    """A region with all brain up to this many voxels from it."""
    from scipy.ndimage import binary_dilation

    if distance == 0:
        return share
    near = binary_dilation(share > 0, np.ones((3, 3, 3)), iterations=distance)
    return np.where(near, brain, 0).astype(np.float32)


def _part(positive: NDArray[np.float64], share: NDArray[np.float32]) -> float | None:
    total = positive.sum()
    return float((positive * share).sum() / total) if total > 0 else None


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Means over people, by sequence, region, distance, method and age."""
    frame = pd.DataFrame(list(rows))
    summary = []
    keys = ["modality", "region", "distance", "method"]
    for (modality, region, _, method), own in frame.groupby(keys, sort=False):
        for ages, (low, high) in AGE_GROUPS.items():
            chosen = own[(own["age"] >= low) & (own["age"] < high) & own["older"].notna()]
            mean = chosen[["older", "younger", "chance", "relevance"]].astype(float).mean()
            summary.append(
                {
                    "modality": modality,
                    "region": region,
                    "distance": int(own["distance"].iloc[0]),
                    "method": method,
                    "ages": ages,
                    "n": len(chosen),
                    "older": _known(mean["older"]),
                    "older_sd": _known(chosen["older"].astype(float).std()),
                    "younger": _known(mean["younger"]),
                    "chance": _known(mean["chance"]),
                    "times_chance": _known(mean["older"] / mean["chance"]),
                    "relevance": _known(mean["relevance"]),
                    "r_with_age": _correlation(chosen["relevance"], chosen["age"]),
                }
            )
    return summary


def _correlation(a: pd.Series, b: pd.Series) -> float | None:
    return _known(a.astype(float).corr(b)) if len(a) > 2 else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_table(path: Path, rows: Sequence[Row], dictionary: str) -> None:
    """Write a table and a JSON file that explains its columns."""
    text = (files("bids_brainage") / "data" / "simulation" / "truth_tables.yaml").read_text(encoding="utf-8")
    columns = yaml.safe_load(text)[dictionary]
    frame = pd.DataFrame(list(rows), columns=list(columns))
    write_text(path, frame.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g"))
    write_text(path.with_suffix(".json"), json.dumps(columns, indent=2) + "\n")


def short_table(summary: Sequence[Row]) -> str:
    """The main figures as text: positive relevance where evidence is expected, in people aged 50 or older."""
    lines = []
    for modality, region in EXPECTED:
        for row in summary:
            place = (row["modality"], row["region"], row["distance"], row["ages"])
            if place == (modality, region, 0, "from 50") and row["older"] is not None:
                lines.append(
                    f"{modality:8} {region:18} {row['method']:22} {100 * row['older']:5.1f} % of positive "
                    f"relevance, {row['times_chance']:4.1f} times chance ({100 * row['chance']:.1f} %)"
                )
    return "\n".join(lines)
