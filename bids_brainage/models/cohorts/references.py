"""What people's inputs are expected to be like at an age: of those trained on, or of a lab's own people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.expected_inputs import pack_expected
from bids_brainage.models.bundles.extending import extend_bundle
from bids_brainage.models.bundles.schema import EXPECTED_FILE, LONGEST_NAME, ExpectedInputs
from bids_brainage.models.cohorts.people import TrainingCohort, read_cohort
from bids_brainage.models.cohorts.store import VolumeStore, build_store
from bids_brainage.models.ensembles.expected import ExpectedInput
from bids_brainage.quoting import printable
from bids_brainage.terms import AGE

_log = logging.getLogger(__name__)

#: People, and standard deviation of their ages in years, that a smooth curve of age needs at least.
FEWEST, LEAST_SPREAD = 30, 5.0


def expect_inputs(store: VolumeStore, people: np.ndarray, ages: np.ndarray) -> dict[str, ExpectedInput]:
    """What is expected by age of some people's inputs, by ``<ensemble>/<sub-ensemble>``.

    Parameters
    ----------
    store : VolumeStore
    people : array of int
        Who is taken.
    ages : array (n,)
        Everybody's, or their values of another target.
    """
    return {key: ExpectedInput.fit(store.volumes(key), people, ages) for key in store.specs}


def whose(cohort: TrainingCohort, people: np.ndarray, ages: np.ndarray) -> ExpectedInputs:
    """What a bundle says of the people whom its expected inputs were made from."""
    own = ages[people]
    return ExpectedInputs(
        file=EXPECTED_FILE,
        n=len(own),
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
        Processes that prepare the inputs.

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
    cohort = read_cohort([derivatives], participants, seen, target=bundle.record.target)
    ages, everybody = cohort.values, np.arange(len(cohort.people))
    if reason := why_not(cohort, ages):
        raise InputError(reason)
    store = build_store(work_dir, cohort.people, specs, nprocs)
    _log.info(messages.REFERENCES_FITTING.format(n=len(ages)))
    expected = expect_inputs(store, everybody, ages)
    return extend_bundle(bundle, out, whose(cohort, everybody, ages), pack_expected(expected))
