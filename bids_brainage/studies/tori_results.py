"""What a simulation study leaves behind: tables with their dictionaries, maps, a summary and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.networks.weights_file import write_arrays
from bids_brainage.simulation.tori import INNER, OUTER
from bids_brainage.studies.tori_figures import TorusPicture
from bids_brainage.studies.tori_measures import REACH, Measures, Row
from bids_brainage.studies.tori_page import TorusStudy, write_tori_page
from bids_brainage.studies.tori_training import Explained, StudySettings, Trained, load_study_plan

# Ages of the tori that are drawn, if there are test tori near them.
EXAMPLE_AGES = (22, 31, 41, 52, 63, 76)


def write_results(
    folder: Path,
    settings: StudySettings,
    trained: Trained,
    explained: Explained,
    measures: Measures,
    minutes: float,
) -> Path:
    """Write all results of a study, and return the page."""
    summary = _summary(settings, trained, explained, minutes)
    write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_text(folder / "README", messages.TORI_README.format(**summary))
    _write_table(folder, "predictions", _prediction_rows(trained, explained))
    _write_table(folder, "quality", measures.rows)
    _write_table(folder, "perturbation", measures.curves)
    _write_maps(folder / "test_tori.safetensors", trained, measures)
    return write_tori_page(folder, _page(summary, trained, explained, measures))


def _summary(
    settings: StudySettings, trained: Trained, explained: Explained, minutes: float
) -> dict[str, Any]:
    plan, split, ages = load_study_plan(), trained.split, trained.tori.ages
    errors = np.abs(trained.predictions - ages)[:, split.test].mean(axis=1)
    of_mean = np.abs(trained.predictions.mean(axis=0) - ages)[split.test].mean()
    guess = ages[split.training].mean()
    model = trained.models[0]
    return {
        "n": settings.n,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "base_models": settings.base_models,
        "as_in_paper": settings.as_in_paper,
        "n_training": len(split.training),
        "n_validation": len(split.validation),
        "n_test": len(split.test),
        "n_robustness": min(plan.robustness.tori, len(split.test)),
        "parameters": model.spec.count_parameters(model.input_shape),
        "batch_size": plan.fitting.batch_size,
        "learning_rate": plan.fitting.learning_rate,
        "mae": float(errors[0]),
        "mae_of_each": errors.tolist(),
        "mae_of_mean": float(of_mean),
        "mae_guess": float(np.abs(ages[split.test] - guess).mean()),
        "r": float(np.corrcoef(trained.predictions[0, split.test], ages[split.test])[0, 1]),
        "target_bias": model.target_bias,
        "mean_training_age": float(guess),
        "absorbed_mean": float(explained.absorbed[split.test].mean()),
        "closure_error": float(np.abs(explained.closure_errors).max()),
        "best_epochs": [fit.best_epoch + 1 for fit in trained.fits],
        "training_minutes": sum(fit.seconds for fit in trained.fits) / 60,
        "minutes": minutes,
    }


def _prediction_rows(trained: Trained, explained: Explained) -> list[Row]:
    tori = trained.tori
    columns = {
        "torus": np.arange(len(tori.ages)),
        "split": trained.roles,
        "age": tori.ages,
        "lesions": tori.n_lesions,
        "atrophies_outer": (tori.atrophies == OUTER).sum(axis=(1, 2)),
        "atrophies_inner": (tori.atrophies == INNER).sum(axis=(1, 2)),
        "prediction": trained.predictions[0],
        "relevance_sum": explained.relevance_sums,
        "absorbed": explained.absorbed,
        "prediction_of_mean": trained.predictions.mean(axis=0),
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _write_table(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Write a table and a JSON file that explains its columns."""
    text = (files("bids_brainage") / "data" / "simulation" / "tori_tables.yaml").read_text(encoding="utf-8")
    dictionary = yaml.safe_load(text)[name]
    frame = pd.DataFrame(list(rows), columns=list(dictionary))
    # Whole numbers stay whole if some are missing.
    frame = frame.convert_dtypes(convert_floating=False)
    write_text(folder / f"{name}.tsv", frame.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g"))
    write_text(folder / f"{name}.json", json.dumps(dictionary, indent=2) + "\n")


def _write_maps(path: Path, trained: Trained, measures: Measures) -> None:
    """Write images, truth and maps of the test tori, in the order of their numbers."""
    tori = trained.tori.take(trained.split.test)
    arrays: dict[str, NDArray[Any]] = {f"relevance/{method}": maps for method, maps in measures.maps.items()}
    arrays |= {"torus": trained.split.test, "age": tori.ages, "image": tori.images}
    write_arrays(path, arrays | {"lesions": tori.lesions.astype(np.uint8), "atrophies": tori.atrophies})


def _page(summary: dict[str, Any], trained: Trained, explained: Explained, measures: Measures) -> TorusStudy:
    test = trained.split.test
    tori = trained.tori.take(test)
    nearest = [int(np.abs(tori.ages - age).argmin()) for age in EXAMPLE_AGES]
    shown = sorted(set(nearest), key=lambda i: tori.ages[i])
    pictures = [
        TorusPicture(
            float(tori.ages[i]),
            float(trained.predictions[0, test[i]]),
            tori.images[i],
            tori.lesions[i],
            tori.atrophies[i],
            explained.maps[test[i]],
        )
        for i in shown
    ]
    rival = shown[-2] if len(shown) > 1 else shown[-1]
    return TorusStudy(
        summary=summary,
        ages=tori.ages,
        predictions=trained.predictions[0, test],
        sums=explained.relevance_sums[test],
        examples=pictures,
        rivals={method: maps[rival] for method, maps in measures.maps.items()},
        rows=measures.rows,
        curves=measures.curves,
        fits=[([e["validation_mae"] for e in fit.history], fit.best_epoch) for fit in trained.fits],
        distance=REACH,
    )
