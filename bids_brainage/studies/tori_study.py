"""The paper's simulation study: make tori, learn their ages, explain, measure.

Source: Hofmann et al. 2022, NeuroImage, 10.1016/j.neuroimage.2022.119504, "Simulation study on LRP for
regression" and figure 3.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from pathlib import Path

from bids_brainage import __version__, messages
from bids_brainage.simulation.folder import begin_or_continue
from bids_brainage.simulation.tori import load_tori_spec, simulate_tori
from bids_brainage.studies.tori_measures import measure
from bids_brainage.studies.tori_results import write_results
from bids_brainage.studies.tori_training import (
    StudySettings,
    explain_tori,
    load_study_plan,
    train_on_tori,
    worker_pool,
)

log = logging.getLogger(__name__)
RECORD = "study.json"


def run_tori_study(folder: Path, settings: StudySettings, nprocs: int = 1) -> Path:
    """Do the whole study; what an interrupted study in this folder has trained is reused.

    Parameters
    ----------
    folder : Path
        Where everything is written.
    settings : StudySettings
    nprocs : int
        Processes; the results do not depend on it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        The folder contains something else, or a study with other settings.
    """
    started = time.monotonic()
    _open_folder(folder, settings)
    log.info("Making %d tori", settings.n)
    tori = simulate_tori(settings.seed, range(settings.n), nprocs=nprocs)
    with worker_pool(nprocs) as pool:
        trained = train_on_tori(folder, settings, tori, pool)
        log.info("Explaining %d tori", settings.n)
        explained = explain_tori(trained.models[0], tori.images, pool)
        log.info("Measuring the maps of %d test tori", len(trained.split.test))
        measures = measure(trained, explained, settings.seed, pool)
    minutes = (time.monotonic() - started) / 60
    return write_results(folder, settings, trained, explained, measures, minutes)


def _open_folder(folder: Path, settings: StudySettings) -> None:
    """Use a new folder, or one with a study of the same settings."""
    own = {
        "Settings": asdict(settings),
        "Version": __version__,
        "Tori": load_tori_spec().model_dump(mode="json"),
        "Plan": load_study_plan().model_dump(mode="json"),
    }
    begin_or_continue(folder / RECORD, own, other=messages.TORI_OTHER_STUDY, taken=messages.TORI_FOLDER_TAKEN)
