"""What the simulation study measures: maps of LRP and other methods against the truth, and without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.relevance.comparison import METHODS, Robustness, truth_scores
from bids_brainage.simulation.tori import (
    Tori,
    load_tori_spec,
    older_evidence,
    simulate_tori,
    simulate_torus,
    younger_evidence,
)
from bids_brainage.studies.tori_training import (
    Explained,
    Trained,
    chunks,
    load_study_plan,
    predict_tori,
)

Row = dict[str, Any]
Maps = dict[str, NDArray[np.float32]]
Places = NDArray[np.bool_]
# Relevance of a change is summed up to this many pixels from it, for comparison with its effect.
REACH = 1
# Ages that tori are changed to, in years.
YOUNG, OLD = load_tori_spec().age.range


@dataclass(frozen=True, eq=False)
class Measures:
    """Everything measured on the test tori.

    Attributes
    ----------
    maps : dict of array (n test, size, size)
        Relevance in years, by method.
    rows : list of dict
        The table of quality figures; see `columns` in tori_results.
    curves : list of dict
        Points of the mean perturbation curves.
    """

    maps: Maps
    rows: list[Row]
    curves: list[Row]


def measure(trained: Trained, explained: Explained, seed: int, pool: Executor) -> Measures:
    """Measure the maps of the first base model's test tori; `seed` is that of the simulation."""
    plan = load_study_plan()
    model, test = trained.models[0], trained.split.test
    tori = trained.tori.take(test)
    rivals = [method for method in METHODS if method != "LRP"]
    maps = {"LRP": explained.maps[test]} | explain_by(rivals, model, tori.images, pool)
    groups = {name: (tori.ages >= low) & (tori.ages < high) for name, (low, high) in plan.age_groups.items()}
    rows = [
        *_truth_rows(maps, tori, groups, plan.distances),
        *_sign_rows(maps, tori, groups),
        *_sum_rows(maps, trained.predictions[0, test]),
        *_effect_rows(maps, tori, trained, seed, groups, pool),
    ]
    chosen = np.argsort(tori.ages)[
        np.linspace(0, len(test) - 1, min(plan.robustness.tori, len(test))).astype(int)
    ]
    rows += _agreement_rows(
        {name: own[chosen] for name, own in maps.items()}, tori.take(chosen), trained, pool
    )
    robust = _robustness(model, tori.take(chosen), seed, test[chosen], plan.robustness.block, pool)
    return Measures(maps, rows + _robustness_rows(robust), _curve_rows(robust))


def explain_by(methods: Sequence[str], model: BaseModel, images: NDArray[np.float32], pool: Executor) -> Maps:
    """Maps of images (n, size, size) by each of the methods, made in the workers."""
    jobs = list(product(methods, chunks(len(images))))
    found = pool.map(
        _explain_by,
        [method for method, _ in jobs],
        [model] * len(jobs),
        [images[part, ..., None] for _, part in jobs],
    )
    maps: dict[str, list[NDArray[np.float32]]] = {method: [] for method in methods}
    for (method, _), own in zip(jobs, found, strict=True):
        maps[method].append(own)
    return {method: np.concatenate(parts) for method, parts in maps.items()}


def _explain_by(method: str, model: BaseModel, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(METHODS[method](model.network, images))[..., 0]


def row(measure: str, method: str, values: Iterable[float], chance: float | None = None, **where: Any) -> Row:
    """One line of the table: mean and standard deviation of the known values."""
    known = np.array([value for value in values if np.isfinite(value)])
    return {
        "measure": measure,
        "method": method,
        "evidence": where.get("evidence"),
        "region": where.get("region"),
        "distance": where.get("distance"),
        "ages": where.get("ages", "all"),
        "n": len(known),
        "mean": float(known.mean()) if len(known) else None,
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "chance": chance,
    }


def _truth_rows(maps: Maps, tori: Tori, groups: Mapping[str, Places], distances: Sequence[int]) -> list[Row]:
    body, lost = tori.images > 0, tori.atrophies > 0
    cases: list[tuple[str, int, str, int | None, Places, Places]] = [
        ("older", 1, region, distance, truth, body | lost if distance == 0 else body)
        for distance in distances
        for region, truth in older_evidence(tori, distance).items()
    ]
    cases += [("younger", -1, region, None, truth, body) for region, truth in younger_evidence(tori).items()]
    rows = []
    for method, (evidence, sign, region, distance, truth, mask) in product(maps, cases):
        scores = truth_scores(maps[method], truth, mask, sign)
        for ages, chosen in groups.items():
            known = chosen & np.isfinite(scores.chance)
            chance = float(scores.chance[known].mean()) if known.any() else None
            where = {"evidence": evidence, "region": region, "distance": distance, "ages": ages}
            rows.append(row("mass accuracy", method, scores.mass[chosen], chance, **where))
            rows.append(row("rank accuracy", method, scores.rank[chosen], chance, **where))
    return rows


def _sign_rows(maps: Maps, tori: Tori, groups: Mapping[str, Places]) -> list[Row]:
    """Share of absolute relevance in a region that is positive."""
    regions = older_evidence(tori, REACH) | younger_evidence(tori) | {"torus": tori.images > 0}
    rows = []
    for method, (region, place) in product(maps, regions.items()):
        inside = maps[method] * place
        positive = np.maximum(inside, 0).sum(axis=(1, 2), dtype=np.float64)
        whole = np.abs(inside).sum(axis=(1, 2), dtype=np.float64)
        shares = np.divide(positive, whole, out=np.full(len(whole), np.nan), where=whole > 0)
        for ages, chosen in groups.items():
            rows.append(row("positive share", method, shares[chosen], region=region, ages=ages))
    return rows


def _sum_rows(maps: Maps, predictions: NDArray[np.float64]) -> list[Row]:
    """How the sums of maps follow the predictions."""
    rows = []
    for method, own in maps.items():
        r = _correlation(own.sum(axis=(1, 2), dtype=np.float64), predictions)
        rows.append(row("correlation with prediction", method, [r]) | {"n": len(predictions)})
    return rows


def _effect_rows(
    maps: Maps, tori: Tori, trained: Trained, seed: int, groups: Mapping[str, Places], pool: Executor
) -> list[Row]:
    """How lesions and atrophies change the estimate, and how relevance on them follows that.

    The effect is the estimate for a torus minus that for its twin without lesions, or with no more
    atrophies than at the youngest age.
    """
    test = trained.split.test
    twins = {
        "lesions": simulate_tori(seed, test.tolist(), lesions=False),
        "atrophies": simulate_tori(seed, test.tolist(), atrophy_age=YOUNG),
    }
    places = older_evidence(tori, REACH)
    rows = []
    for region, twin in twins.items():
        effects = trained.predictions[0, test] - predict_tori(trained.models[0], twin.images, pool)
        has = tori.lesions.any(axis=(1, 2)) if region == "lesions" else np.ones(len(test), bool)
        for ages, chosen in groups.items():
            rows.append(row("effect", "none", effects[chosen & has], region=region, ages=ages))
        for method, own in maps.items():
            sums = (own * places[region]).sum(axis=(1, 2), dtype=np.float64)
            r = _correlation(sums[has], effects[has])
            entry = row("correlation with effect", method, [r], region=region, distance=REACH)
            rows.append(entry | {"n": int(has.sum())})
    return rows


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's correlation; NaN for fewer than three values or constant ones."""
    if len(a) < 3 or not a.std() or not b.std():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _agreement_rows(maps: Maps, tori: Tori, trained: Trained, pool: Executor) -> list[Row]:
    """Correlation of the maps of each pair of base models, within the torus."""
    from bids_brainage.relevance.quality import agreement

    if len(trained.models) < 2:
        return []
    others = [explain_by(list(maps), model, tori.images, pool) for model in trained.models[1:]]
    body = tori.images > 0
    return [
        row(
            "agreement of base models",
            method,
            [
                agreement(np.stack([own[i][body[i]] for own in (maps[method], *(o[method] for o in others))]))
                for i in range(len(body))
            ],
        )
        for method in maps
    ]


def _robustness(
    model: BaseModel, tori: Tori, seed: int, indices: NDArray[np.int64], block: int, pool: Executor
) -> dict[str, list[Robustness]]:
    jobs = list(product(METHODS, range(len(indices))))
    found = pool.map(
        _robustness_of,
        [model] * len(jobs),
        [method for method, _ in jobs],
        [tori.images[i] for _, i in jobs],
        [(seed, int(indices[i])) for _, i in jobs],
        [block] * len(jobs),
    )
    robust: dict[str, list[Robustness]] = {method: [] for method in METHODS}
    for (method, _), own in zip(jobs, found, strict=True):
        robust[method].append(own)
    return robust


def _robustness_of(
    model: BaseModel, method: str, image: NDArray[np.float32], torus: tuple[int, int], block: int
) -> Robustness:
    from bids_brainage.relevance.comparison import robustness

    young, old = (simulate_torus(*torus, age=age).image[..., None] for age in (YOUNG, OLD))
    replacements: dict[str, tuple[int, NDArray[np.float32] | float]] = {
        "older first, made 20": (1, young),
        "younger first, made 80": (-1, old),
        "older first, black": (1, 0.0),
        "younger first, black": (-1, 0.0),
    }
    return robustness(model.network, image[..., None], method, replacements, block=block, seed=torus[1])


def _robustness_rows(robust: Mapping[str, Sequence[Robustness]]) -> list[Row]:
    rows = []
    for method, results in robust.items():
        for curve in results[0].curves:
            areas = [result.curves[curve].area for result in results]
            rows.append(row("perturbation area", method, areas, chance=0.0, region=curve))
        for layer in results[0].likeness:
            likeness = [result.likeness[layer] for result in results]
            rows.append(row("likeness after randomisation", method, likeness, region=f"down to {layer}"))
        rows.append(row("continuity", method, [result.continuity for result in results]))
    return rows


def _curve_rows(robust: Mapping[str, Sequence[Robustness]]) -> list[Row]:
    """Mean change of the estimate while blocks are replaced; the random orders are the same for all."""
    rows = []
    for method, results in robust.items():
        for name in results[0].curves:
            curves = [result.curves[name] for result in results]
            ordered = np.mean([c.outputs - c.outputs[0] for c in curves], axis=0)
            random = np.mean([c.random_outputs.mean(axis=0) - c.outputs[0] for c in curves], axis=0)
            rows += [
                {"curve": name, "method": method, "part": float(p), "change": float(o), "random": float(r)}
                for p, o, r in zip(curves[0].parts, ordered, random, strict=True)
            ]
    return rows
