"""A bundle on people it has not seen: errors and coverage against what its estimates come to."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle
from bids_brainage.models.evaluation.evaluation import Evaluation, evaluate_bundle, expected_coverage
from bids_brainage.models.evaluation.tables import write_evaluation
from bids_brainage.models.training.training import train_bundle
from tests.models.synthetic import small_plan, write_people


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A bundle of 60 balls, calibrated on 24 of them, and the folder of its people."""
    root = tmp_path_factory.mktemp("trained")
    out, raw = write_people(root, 60)
    done = train_bundle([out], raw / "participants.tsv", small_plan(), root / "balls", root / "work")
    return done.bundle, root


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Balls of another dataset, whose labels are those of the first."""
    out, raw = write_people(tmp_path_factory.mktemp("others"), 30, seed=7)
    description = raw / "dataset_description.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "Name": "Other balls"}))
    return out, raw


@pytest.fixture(scope="module")
def evaluated(
    trained: tuple[Bundle, Path], others: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Evaluation:
    out, raw = others
    return evaluate_bundle(trained[0], out, raw / "participants.tsv", tmp_path_factory.mktemp("work"))


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(), delimiter="\t"))


def test_errors_are_those_of_the_estimates(evaluated: Evaluation) -> None:
    ages = np.array([person.age for person in evaluated.people])
    estimates = np.array([estimate.brain_age for estimate in evaluated.estimates["TypeI"]])
    whole = max(
        (r for r in evaluated.errors["TypeI"] if r.level == "ensemble"), key=lambda r: len(r.modalities)
    )
    assert whole.n == 30
    assert whole.mae == pytest.approx(np.abs(estimates - ages).mean())
    assert whole.r2 == pytest.approx(1 - np.mean((estimates - ages) ** 2) / ages.var())
    levels = [row.level for row in evaluated.errors["TypeI"]]
    assert (levels.count("base_model"), levels.count("sub_ensemble"), levels.count("ensemble")) == (4, 2, 3)


def test_the_guess_is_the_mean_of_training(trained: tuple[Bundle, Path], evaluated: Evaluation) -> None:
    ages = np.array([person.age for person in evaluated.people])
    mean = trained[0].record.cohort.age_mean
    assert evaluated.errors["TypeI"][0].guess_mae == pytest.approx(np.abs(ages - mean).mean())


def test_training_keeps_what_is_expected_at_an_age(trained: tuple[Bundle, Path]) -> None:
    """Of the first fold's training people; their mean is the reference input that the bundle has anyway."""
    bundle = trained[0]
    facts = bundle.record.expected_inputs
    assert facts is not None
    assert facts.n == bundle.record.protocol.n_training[0] == 36
    assert facts.n_maps == 36  # those held out are too few
    assert facts.datasets == ("Balls",)
    for name, grey in bundle.mean_inputs("TypeI").items():
        np.testing.assert_allclose(255 * bundle.expected[f"TypeI/{name}"].input.mean[..., 0], grey, atol=1.2)


def test_an_interval_holds_those_it_says(evaluated: Evaluation) -> None:
    whole = {row.level: row for row in evaluated.coverage if len(row.modalities) == 2}
    inside = [
        estimate.lower_95 <= person.age <= estimate.upper_95
        for person, estimate in zip(evaluated.people, evaluated.estimates["TypeI"], strict=True)
    ]
    assert whole[0.95].covered == pytest.approx(np.mean(inside))
    assert whole[0.8].width < whole[0.9].width < whole[0.95].width
    assert whole[0.8].covered <= whole[0.9].covered <= whole[0.95].covered


def test_what_chance_allows_is_what_simulated_calibrations_show() -> None:
    """Residuals of one distribution: calibrated on 24, tried on 30, four thousand times."""
    rng = np.random.default_rng(5)
    calibration = np.sort(np.abs(rng.standard_normal((4000, 24))), axis=1)
    half_width = calibration[:, [int(np.ceil(25 * 0.8)) - 1]]
    covered = (np.abs(rng.standard_normal((4000, 30))) <= half_width).mean(axis=1)
    low, high = expected_coverage(0.8, 24, 30)
    assert np.mean(covered < low) <= 0.03
    assert np.mean(covered > high) <= 0.03
    assert np.mean(covered <= low) + np.mean(covered >= high) >= 0.04
    assert expected_coverage(0.95, 18, 30) is None


def test_training_people_are_left_out(
    trained: tuple[Bundle, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle, root = trained
    with pytest.raises(InputError, match="nobody is left"):
        evaluate_bundle(bundle, root / "out", root / "raw/participants.tsv", tmp_path)
    assert "60 of 60 people" in caplog.text


def test_tables_are_written_and_described(
    trained: tuple[Bundle, Path], evaluated: Evaluation, tmp_path: Path
) -> None:
    for path in write_evaluation(tmp_path, trained[0], evaluated):
        columns = list(rows(path)[0])
        assert list(json.loads(path.with_suffix(".json").read_text())) == columns
    assert len(rows(tmp_path / "estimates.tsv")) == 30
    assert len(rows(tmp_path / "coverage.tsv")) == 9


def command(
    trained: tuple[Bundle, Path],
    others: tuple[Path, Path],
    tmp_path: Path,
    work: str,
    out: Path | None = None,
) -> list[str]:
    derivatives, raw = others
    places = [str(trained[0].path), str(raw), str(out or derivatives), str(tmp_path / "tables")]
    return ["evaluate", *places, "-w", str(tmp_path / work), "--nprocs", "1"]


def test_through_the_command_line(
    trained: tuple[Bundle, Path],
    others: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(trained, others, tmp_path, "work")) == 0
    said = capsys.readouterr().out
    assert "TypeI 95%" in said
    assert "estimates.tsv" in said
    assert main(command(trained, others, tmp_path, "work", out=tmp_path)) == 2


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(
    trained: tuple[Bundle, Path],
    others: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert main(command(trained, others, tmp_path, "taken")) == 2
    said = capsys.readouterr().err
    assert "taken" in said
    assert "cannot be written to" in said
    assert "Traceback" not in said


def test_an_ensemble_is_called_as_its_plan_calls_it(
    others: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, evaluated and shown under a name that no constant of the program holds."""
    out, raw = write_people(tmp_path / "people", 40)
    ensemble = small_plan().ensembles[0].model_dump() | {"name": "MyMLens"}
    plan = small_plan(ensembles=[ensemble])
    done = train_bundle([out], raw / "participants.tsv", plan, tmp_path / "mine", tmp_path / "work")
    assert done.bundle.ensembles == ("MyMLens",)
    command = ["evaluate", str(done.bundle.path), str(others[1]), str(others[0]), str(tmp_path / "tables")]
    assert main([*command, "-w", str(tmp_path / "work"), "--nprocs", "1"]) == 0
    assert main(["show", str(done.bundle.path)]) == 0
    assert "MyMLens" in capsys.readouterr().out
    assert {row["ensemble"] for row in rows(tmp_path / "tables/estimates.tsv")} == {"MyMLens"}
    assert {row["ensemble"] for row in rows(tmp_path / "tables/coverage.tsv")} == {"MyMLens"}
    assert "MyMLens" in {row["name"] for row in rows(tmp_path / "tables/errors.tsv")}


def test_a_sub_ensemble_that_heads_leave_aside_is_evaluated_like_all(
    trained: tuple[Bundle, Path],
    others: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """FLAIR's networks have no weight, so it says 50 of everybody, and the estimate is that of T1w alone."""
    folder = Path(shutil.copytree(trained[0].path, tmp_path / "aside"))
    content = json.loads((folder / "bundle.json").read_text())
    ensemble = content["ensembles"][0]
    flair = next(sub for sub in ensemble["sub_ensembles"] if sub["name"] == "WholeBrain_FLAIR")
    flair["folds"][0]["head"] |= {"coefficients": [0.0, 0.0], "intercept": 50.0}
    for top in ensemble["top_heads"][0]:
        weights = [float(name == "WholeBrain_T1w") for name in top["sub_ensembles"]]
        top["head"] |= {"coefficients": weights, "intercept": 0.0 if any(weights) else 51.0}
    (folder / "bundle.json").write_text(json.dumps(content))
    assert main(command((load_bundle(folder), tmp_path), others, tmp_path, "work")) == 0
    assert "nan" not in capsys.readouterr().out.lower().split()
    errors = {(row["name"], row["modalities"]): row for row in rows(tmp_path / "tables/errors.tsv")}
    estimates = rows(tmp_path / "tables/estimates.tsv")
    ages = np.array([float(row["age"]) for row in estimates])
    of_flair, alone = errors["WholeBrain_FLAIR", "FLAIR"], errors["TypeI", "FLAIR"]
    assert float(of_flair["mae"]) == pytest.approx(np.abs(50 - ages).mean(), abs=0.01)
    assert float(alone["mae"]) == pytest.approx(np.abs(51 - ages).mean(), abs=0.01)
    assert of_flair["r"] == alone["r"] == "n/a"
    both, t1w = errors["TypeI", "T1w+FLAIR"], errors["WholeBrain_T1w", "T1w"]
    assert both["mae"] == t1w["mae"]
