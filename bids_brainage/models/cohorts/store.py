"""The training store: every person's network inputs times 255, one memory-mapped file per sub-ensemble."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.models.cohorts.people import TrainingPerson
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.scans import Scan
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe, NetworkInput

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VolumeStore:
    """Volumes of all people for each sub-ensemble.

    Attributes
    ----------
    path : Path
    specs : mapping of str to NetworkInput
        By ``<ensemble>/<sub-ensemble>``.
    n : int
        Number of people; volumes are in their order.
    fingerprint : str
        Of the people, their files and the specifications.
    """

    path: Path
    specs: Mapping[str, NetworkInput]
    n: int
    fingerprint: str

    def volumes(self, key: str, mode: str = "r") -> np.memmap:
        """Memory-mapped array (n, *box) of one sub-ensemble: inputs times 255, as bytes or floats."""
        shape, dtype = (self.n, *self.specs[key].box), stored_as(self.specs[key])
        return np.memmap(self.path / file_name(key), dtype, mode, shape=shape)  # type: ignore[call-overload]

    def scans(self, person: int) -> dict[str, Scan]:
        """How a person's images were scanned, by modality; empty in a store that does not tell it."""
        text = _done(self.path, person).read_text(encoding="utf-8")
        return {
            name: Scan(facts["extent"] and tuple(facts["extent"]), facts["smoothness"])
            for name, facts in (json.loads(text) if text else {}).items()
        }


def stored_as(spec: NetworkInput) -> type[np.uint8 | np.float32]:
    """How a volume is kept: grey values as bytes, what a recipe makes as floats."""
    return np.float32 if isinstance(spec, InputRecipe) else np.uint8


def file_name(key: str) -> str:
    """Name of a sub-ensemble's file in the store."""
    return key.replace("/", "_") + ".u8"


def build_store(
    path: Path,
    people: Sequence[TrainingPerson],
    specs: Mapping[str, NetworkInput],
    nprocs: int = 1,
) -> VolumeStore:
    """Make the store, or finish one that was interrupted.

    Parameters
    ----------
    path : Path
        Folder of the store. One made from other people or inputs is rebuilt.
    people : sequence of TrainingPerson
    specs : mapping of str to NetworkInput
    nprocs : int
        Processes; the result does not depend on it.

    Raises
    ------
    InputError
        The folder holds something that no store has; nothing of it is touched.
    """
    fingerprint = _fingerprint(people, specs)
    store = VolumeStore(path, dict(specs), len(people), fingerprint)
    marker = path / "store.json"
    if not marker.is_file() or json.loads(marker.read_text())["fingerprint"] != fingerprint:
        _start(store, marker)
    missing = [index for index in range(len(people)) if not _done(path, index).exists()]
    _log.info("Preparing the volumes of %d of %d people", len(missing), len(people))
    work = partial(_prepare_person, store)
    if nprocs < 2 or len(missing) < 2:
        for index in missing:
            work(index, people[index])
    else:
        with ProcessPoolExecutor(nprocs, mp_context=get_context("spawn")) as pool:
            list(pool.map(work, missing, [people[index] for index in missing]))
    return store


def _start(store: VolumeStore, marker: Path) -> None:
    """Empty files of full size, in the place of those of another store and of nothing else."""
    before = sorted(store.path.iterdir()) if store.path.exists() else []
    others = [path.name for path in before if not _of_a_store(path)]
    if others:
        raise InputError(messages.STORE_NOT_OURS.format(path=store.path, name=others[0]))
    marker.unlink(missing_ok=True)
    for path in before:
        path.unlink(missing_ok=True)
    store.path.mkdir(parents=True, exist_ok=True)
    for key in store.specs:
        store.volumes(key, "w+")
    write_text(marker, json.dumps({"fingerprint": store.fingerprint, "n": store.n}))


def _of_a_store(path: Path) -> bool:
    made = path.name == "store.json" or path.suffix in (".u8", ".done") or path.name.startswith(".tmp-")
    return made and path.is_file()


def _prepare_person(store: VolumeStore, index: int, person: TrainingPerson) -> None:
    """Write one person's volumes, then say that they are done."""
    from bids_brainage.models.cohorts.images import person_images, scans_of
    from bids_brainage.preprocessing.model_input import stored_volume
    from bids_brainage.preprocessing.network_input import network_input

    images = person_images(person.images)
    for key, spec in store.specs.items():
        volumes = store.volumes(key, "r+")
        volumes[index] = stored_volume(network_input(images, spec), volumes.dtype)
        volumes.flush()
    seen = dict.fromkeys(spec.modality for spec in store.specs.values())
    scans = scans_of(images, [modality for modality in seen if modality in images.subject])
    write_text(_done(store.path, index), json.dumps({name: asdict(scan) for name, scan in scans.items()}))


def _done(path: Path, index: int) -> Path:
    return path / f"{index:06d}.done"


def _fingerprint(people: Sequence[TrainingPerson], specs: Mapping[str, NetworkInput]) -> str:
    """Changes with the people, their files and their inputs' specification."""
    digest = hashlib.sha256()
    for key, spec in specs.items():
        digest.update(f"{key} {spec.model_dump_json()}\n".encode())
    for person in people:
        images = person.images
        prepared = (*images.subject.values(), *images.standard.values(), *images.sources.values())
        for path in (images.mask, images.forward, *prepared):
            digest.update(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()


def predict_people(model: BaseModel, store: VolumeStore, key: str, people: np.ndarray) -> np.ndarray:
    """Predictions (n,) in the target's unit for people of the store; the volumes are read a few at a time."""
    volumes = store.volumes(key)
    batches = [people[start : start + 16] for start in range(0, len(people), 16)]
    scaled = (volumes[batch][..., None].astype(np.float32) / np.float32(255) for batch in batches)
    return np.concatenate([model.predict(images) for images in scaled])
