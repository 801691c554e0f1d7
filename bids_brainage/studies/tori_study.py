"""The paper's simulation study: make tori, learn their ages, explain, measure.

Source: Hofmann et al. 2022, NeuroImage, 10.1016/j.neuroimage.2022.119504, "Simulation study on LRP for
regression" and figure 3.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

from bids_brainage import __version__, messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
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
    plan = json.loads(load_study_plan().model_dump_json())
    own = {
        "Settings": asdict(settings),
        "Version": __version__,
        "Tori": json.loads(load_tori_spec().model_dump_json()),
        "Plan": plan,
    }
    record = folder / RECORD
    if record.exists():
        try:
            there = json.loads(record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(messages.SIMULATION_RECORD_BROKEN.format(path=record)) from error
        if there != own:
            raise InputError(messages.TORI_OTHER_STUDY.format(path=folder))
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(messages.TORI_FOLDER_TAKEN.format(path=folder))
    try:
        write_text(record, json.dumps(own, indent=2) + "\n")
    except OSError as error:
        raise InputError(
            messages.SIMULATION_NOT_WRITABLE.format(path=folder, reason=error.strerror)
        ) from error
