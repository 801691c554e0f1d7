"""What people's inputs are expected to be like at an age: of those trained on, or of a lab's own people."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.expected_inputs import Expectation, pack_expected
from bids_brainage.models.bundles.extending import extend_bundle
from bids_brainage.models.bundles.fields import LONGEST_NAME
from bids_brainage.models.bundles.schema import EXPECTED_FILE, ExpectedInputs
from bids_brainage.models.cohorts.people import TrainingCohort, read_cohort
from bids_brainage.models.cohorts.store import VolumeStore, build_store
from bids_brainage.models.ensembles.expected import ExpectedInput
from bids_brainage.models.ensembles.head_model import Head
from bids_brainage.models.ensembles.usual_map import UsualMap
from bids_brainage.networks.network import Network
from bids_brainage.quoting import printable
from bids_brainage.relevance.difference import explain_difference
from bids_brainage.terms import AGE

_log = logging.getLogger(__name__)

#: People, and standard deviation of their ages in years, that a smooth curve of age needs at least.
FEWEST, LEAST_SPREAD = 30, 5.0
#: People whose maps are made to know what is usual, at most.
MOST_MAPS = 60

#: The networks of a sub-ensemble, and the head above them.
Judges = tuple[Sequence[Network], Head]


def expect(
    store: VolumeStore,
    people: np.ndarray,
    ages: np.ndarray,
    judges: Mapping[str, Judges],
    unseen: np.ndarray,
    threads: int = 1,
) -> dict[str, Expectation]:
    """What inputs and maps are like by age, by ``<ensemble>/<sub-ensemble>``.

    Parameters
    ----------
    store : VolumeStore
    people : array of int
        Whose inputs are taken.
    ages : array (n,)
        Everybody's, or their values of another target.
    judges : mapping of str to (networks, head)
        Of each sub-ensemble.
    unseen : array of int
        Whose maps are taken: whom the networks were not trained on.
    threads : int
    """
    found = {}
    for number, key in enumerate(store.specs, start=1):
        _log.info(messages.REFERENCES_MAPS.format(number=number, total=len(store.specs), key=key))
        volumes = store.volumes(key)
        expected = ExpectedInput.fit(volumes, people, ages)
        maps = _maps(volumes, expected, judges[key], unseen, ages, threads)
        usual = UsualMap.fit(maps, ages[unseen], expected.ages, store.specs[key].box)
        found[key] = Expectation(expected, usual)
    return found


def _maps(
    volumes: np.ndarray,
    expected: ExpectedInput,
    judges: Judges,
    people: np.ndarray,
    ages: np.ndarray,
    threads: int,
) -> Iterator[tuple[np.ndarray, float]]:
    """Each person's map (*box,) against what is expected at their age, and what its quadrature leaves."""
    networks, head = judges
    for person in people:
        image = np.asarray(volumes[person], np.float32)[..., None] / np.float32(255)
        reference = expected.at(float(ages[person]))
        found = explain_difference(networks, image, reference, head, threads=threads)
        yield found.relevance[..., 0], found.quadrature


def over_ages(people: np.ndarray, ages: np.ndarray, most: int = MOST_MAPS) -> np.ndarray:
    """Some of the people, at even steps from the youngest to the oldest of them."""
    ordered = people[np.argsort(ages[people], kind="stable")]
    steps = np.linspace(0, len(ordered) - 1, min(most, len(ordered)))
    return ordered[np.rint(steps).astype(int)]


def whose(cohort: TrainingCohort, people: np.ndarray, ages: np.ndarray, n_maps: int) -> ExpectedInputs:
    """What a bundle says of the people whom its expected inputs, and `n_maps` usual maps, were made from."""
    own = ages[people]
    return ExpectedInputs(
        file=EXPECTED_FILE,
        n=len(own),
        n_maps=n_maps,
        centre=float(own.mean()),
        spread=float(own.std()),
        ends=(float(own.min()), float(own.max())),
        datasets=(printable(cohort.dataset)[:LONGEST_NAME],),
        simulated=cohort.simulated,
    )


def why_not(cohort: TrainingCohort, ages: np.ndarray) -> str:
    """Why no references can be made from people of these ages; empty if they can."""
    if len(ages) < FEWEST:
        return messages.REFERENCES_FEW.format(n=len(ages), least=FEWEST)
    if ages.std() < (LEAST_SPREAD if cohort.target == AGE else 1e-9 * max(1.0, float(np.abs(ages).max()))):
        return messages.REFERENCES_ALIKE.format(
            spread=float(ages.std()), least=LEAST_SPREAD, what=cohort.target
        )
    return ""


def make_references(
    bundle: Bundle,
    derivatives: Path,
    participants: Path,
    out: Path,
    work_dir: Path,
    modalities: Sequence[str] = (),
    nprocs: int = 1,
) -> Bundle:
    """A bundle like another one, with the inputs that are expected at an age among a lab's own people.

    Parameters
    ----------
    bundle : Bundle
    derivatives : Path
        Folder that ``bids_brainage ... participant`` (``--preproc-only`` is enough) has written.
    participants : Path
        participants.tsv of the raw dataset.
    out : Path
        Folder of the new bundle.
    work_dir : Path
        Keeps the networks' inputs.
    modalities : sequence of str
        Only of these sequences, where people lack others; of all that the bundle sees if it is empty.
    nprocs : int
        Processes that prepare the inputs, and threads that make the usual maps.

    Raises
    ------
    InputError
        There are too few people, or their ages are too much alike; the bundle sees none of the sequences.
    """
    if out.resolve() == bundle.path.resolve():
        raise InputError(messages.REFERENCES_SAME_FOLDER.format(path=out))
    subs = [(e.name, sub) for e in bundle.record.ensembles for sub in e.sub_ensembles]
    specs = {
        f"{ensemble}/{sub.name}": sub.input
        for ensemble, sub in subs
        if not modalities or sub.input.modality in modalities
    }
    if not specs:
        raise InputError(messages.REFERENCES_NO_INPUT.format(model=bundle.name, names=", ".join(modalities)))
    seen = dict.fromkeys(spec.modality for spec in specs.values())
    cohort = read_cohort(
        [derivatives],
        participants,
        bundle.stages(seen),
        target=bundle.record.target,
        linear=bundle.linear_ways,
    )
    ages, everybody = cohort.values, np.arange(len(cohort.people))
    if reason := why_not(cohort, ages):
        raise InputError(reason)
    store = build_store(work_dir, cohort.people, specs, nprocs)
    judges = {key: _judges(bundle, key) for key in specs}
    some = over_ages(everybody, ages)
    known = expect(store, everybody, ages, judges, some, nprocs)
    return extend_bundle(bundle, out, whose(cohort, everybody, ages, len(some)), pack_expected(known))


def _judges(bundle: Bundle, key: str) -> Judges:
    ensemble, _, name = key.partition("/")
    sub = bundle.ensemble(ensemble).sub_ensembles[name]
    return [model.network for model in sub.base_models], sub.head
