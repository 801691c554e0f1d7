"""Training base models on tori, and explaining their estimates, in separate processes."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict

from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.training.fitting import load_trained, train_base_model
from bids_brainage.models.training.images import ImageTask
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.result import TrainingResult
from bids_brainage.models.training.splits import Split, split_by_age
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.simulation.tori import Tori

log = logging.getLogger(__name__)
# This many images are explained in one go.
CHUNK = 20


class RobustnessPlan(PydanticModel):
    """How many tori, and the edge of perturbed blocks (pixels)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tori: int
    block: int


class StudyPlan(PydanticModel):
    """How the study trains and what it measures; see tori_study.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    architecture: BaseModelSpec
    fitting: FittingPlan
    parts: tuple[int, int, int]
    age_groups: dict[str, tuple[float, float]]
    distances: tuple[int, ...]
    robustness: RobustnessPlan


@cache
def load_study_plan() -> StudyPlan:
    """The plan that ships with the package."""
    path = files("bids_brainage") / "data" / "simulation" / "tori_study.yaml"
    return StudyPlan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class StudySettings:
    """What a study consists of; a folder holds one study.

    With `as_in_paper` the learning rate is constant and no torus is mirrored.
    """

    n: int = 2000
    seed: int = 0
    epochs: int = 80
    base_models: int = 2
    as_in_paper: bool = False

    @property
    def fitting(self) -> FittingPlan:
        """How a base model is fitted."""
        changes: dict[str, Any] = {"epochs": self.epochs}
        if self.as_in_paper:
            changes |= {"schedule": "constant", "flip": False}
        return load_study_plan().fitting.model_copy(update=changes)


@dataclass(frozen=True, eq=False)
class Explained:
    """LRP of tori, one entry per torus, in years; see `relevance.Explanation`."""

    maps: NDArray[np.float32]
    relevance_sums: NDArray[np.float64]
    absorbed: NDArray[np.float64]
    closure_errors: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trained:
    """The tori, which of them trained, and the result.

    Attributes
    ----------
    tori : Tori
    split : Split
    models : list of BaseModel
        The first is the one that is explained.
    fits : list of TrainingResult
    predictions : array (base models, n)
        Years.
    """

    tori: Tori
    split: Split
    models: list[BaseModel]
    fits: list[TrainingResult]
    predictions: NDArray[np.float64]

    @property
    def roles(self) -> NDArray[np.str_]:
        """training, validation or test, of each torus."""
        roles = np.full(len(self.tori.ages), "training", dtype="<U10")
        roles[self.split.validation], roles[self.split.test] = "validation", "test"
        return roles


def worker_pool(nprocs: int) -> ProcessPoolExecutor:
    """Processes in which TensorFlow has one thread each, so that their number changes no result."""
    context = multiprocessing.get_context("spawn")
    level = logging.getLogger("bids_brainage").level
    return ProcessPoolExecutor(nprocs, mp_context=context, initializer=_begin_worker, initargs=(level,))


def _begin_worker(level: int) -> None:
    from bids_brainage.models.training.threads import limit_threads

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("bids_brainage").setLevel(level)
    limit_threads(1)


def chunks(count: int) -> Iterator[slice]:
    """Parts of `count` images that are explained in one go."""
    yield from (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def explain_tori(model: BaseModel, images: NDArray[np.float32], pool: Executor) -> Explained:
    """Explain a base model's predictions for images (n, size, size) by LRP."""
    parts = list(chunks(len(images)))
    found = list(pool.map(_explain, [model] * len(parts), [images[part, ..., None] for part in parts]))
    return Explained(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _explain(model: BaseModel, images: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    from bids_brainage.relevance import explain

    explanation = explain(model.network, images, threads=1)
    maps = explanation.relevance[..., 0]
    sums = maps.sum(axis=(1, 2), dtype=np.float64)
    return maps, sums, explanation.absorbed, explanation.closure_errors


def train_on_tori(folder: Path, settings: StudySettings, tori: Tori, pool: Executor) -> Trained:
    """Train base models, 8 : 1 : 1 stratified by age, unless `folder` has finished ones of the same kind."""
    plan = load_study_plan()
    names = [str(index) for index in range(settings.n)]
    (split,) = split_by_age(tori.ages, names, plan.parts, 1, settings.seed)
    images = tori.images[..., None]
    tasks = [
        ImageTask(
            folder / "models" / f"base-model-{number}.safetensors",
            images, tori.ages, split, plan.architecture, settings.fitting,
            seed=int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0]) % 2**30,
        )
        for number in range(1, settings.base_models + 1)
    ]  # fmt: skip
    log.info("Training %d base models for %d epochs", len(tasks), settings.epochs)
    fits = list(pool.map(train_base_model, tasks))
    models = [load_trained(task) for task in tasks]
    predictions = np.stack([predict_tori(model, tori.images, pool) for model in models])
    return Trained(tori, split, models, fits, predictions)


def predict_tori(model: BaseModel, images: NDArray[np.float32], pool: Executor) -> NDArray[np.float64]:
    """Predictions (n,) in years for images (n, size, size), made in the workers."""
    return pool.submit(model.predict, images[..., None]).result()
