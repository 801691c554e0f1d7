"""--target and --from-bundle by command line, and what the participant level makes of such bundles."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.cli.run import main as run
from bids_brainage.config import RunConfig
from bids_brainage.errors import BundleError
from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.estimates.summary import estimate_record
from bids_brainage.models.bundles.bundle import Bundle, load_bundle
from bids_brainage.models.ensembles.ensemble import EnsembleEstimate
from bids_brainage.records.estimate import EstimateRecord, Preparation
from bids_brainage.records.reading import SessionPlace, read_session
from bids_brainage.records.writing import Output, publish
from bids_brainage.relevance.backends import explain_ensemble_with
from bids_brainage.reports.fragments import page_texts, session_texts
from bids_brainage.workflows.sources import with_measured
from tests.models.conftest import bundle as bundle
from tests.models.synthetic import small_plan, write_people

QUICK = {"epochs": 2, "learning_rate": 0.003}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Thirty people with a score that is not known of the first."""
    out, raw = write_people(tmp_path_factory.mktemp("people"), 30)
    table = raw / "participants.tsv"
    rows = list(csv.DictReader(table.open(), delimiter="\t"))
    lines = ["\t".join((*rows[0], "score"))]
    for number, row in enumerate(rows):
        score = "n/a" if number == 0 else f"{1 - float(row['age']) / 100:.4f}"
        lines.append("\t".join((*row.values(), score)))
    table.write_text("\n".join(lines) + "\n")
    (raw / "participants.json").write_text(json.dumps({"score": {"Units": "points"}}))
    return out, raw


def train(people: tuple[Path, Path], folder: Path, name: str, *options: str) -> int:
    where = ["--model-out", str(folder / name), "-w", str(folder / "work"), "--nprocs", "1"]
    return run([str(people[1]), str(people[0]), "train", *where, *options])


@pytest.fixture(scope="module")
def of_scores(people: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Trained by --target, with heads that bend."""
    folder = tmp_path_factory.mktemp("scores")
    heads = {
        "kind": "spline",
        "sub_ensemble_kind": "spline",
        "top_fitted_on": "validation+test",
        "top_alpha": 1.0,
    }
    plan = small_plan(fitting=QUICK, heads=heads).model_dump(mode="json")
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    assert (
        train(people, folder, "scores", "--training-plan", str(folder / "plan.yaml"), "--target", "score")
        == 0
    )
    return load_bundle(folder / "scores")


def test_everything_a_training_leaves_speaks_of_its_target(
    people: tuple[Path, Path], of_scores: Bundle
) -> None:
    assert (of_scores.record.target, of_scores.record.unit) == ("score", "points")
    assert of_scores.record.cohort.n == 29
    folder = people[0] / "train/scores"
    predictions = list(csv.DictReader((folder / "predictions.tsv").open(), delimiter="\t"))
    known = {
        row["participant_id"]: row["score"]
        for row in csv.DictReader((people[1] / "participants.tsv").open(), delimiter="\t")
    }
    assert all(float(row["measured"]) == float(known[row["participant_id"]]) for row in predictions)
    told = " ".join(
        path.read_text().lower()
        for path in (people[0] / "train_scores.html", *folder.glob("*.json"), *folder.glob("*.svg"))
    )
    assert "brain age" not in told
    assert "chronological" not in told
    assert "measured score" in told
    assert "points" in told
    error = next(row for row in of_scores.record.ensembles[0].errors if row.level == "ensemble").mae
    assert f"{error:.3g}" in told


def test_an_estimate_closes_and_says_what_it_is_of(of_scores: Bundle) -> None:
    """Heads bend on both levels, and constant + weights @ predictions is the estimate."""
    ensemble = of_scores.ensemble("TypeI")
    assert ensemble.top_heads[0].head.curves
    predictions = {name: np.array([0.31, 0.52]) for name in ensemble.sub_ensembles}
    estimate = ensemble.estimate(predictions)
    total = estimate.constant + sum(w @ predictions[n] for n, w in estimate.base_model_weights.items())
    assert total == pytest.approx(estimate.brain_age, abs=1e-9)
    record = recorded(of_scores, estimate, measured=0.25)
    assert record.target.model_dump() == {"name": "score", "unit": "points", "measured": 0.25}
    assert record.dba == pytest.approx(estimate.brain_age - 0.25)
    assert record.chronological_age == 44
    assert record.training_range == of_scores.training_range
    assert "brain age" not in json.dumps([[flag.text for flag in record.flags], record.disclaimer])
    unknown = recorded(of_scores, estimate, measured=None)
    assert unknown.dba is None
    codes = {flag.code for flag in unknown.flags}
    assert "target_unknown" in codes
    assert "age_unknown" not in codes


def test_relevance_closes_with_heads_that_bend(of_scores: Bundle) -> None:
    """Constant, target biases, relevance and what was absorbed are the estimate; all start from one place."""
    ensemble = of_scores.ensemble("TypeI")
    rng = np.random.default_rng(0)
    starts, shown = [], of_scores.reference_inputs()
    for _ in range(2):
        images = {
            name: np.clip(shown[f"TypeI/{name}"] * rng.uniform(0.5, 1.5), 0, 255).astype(np.float32) / 255
            for name in ensemble.sub_ensembles
        }
        estimate = ensemble.predict(images)
        total = start = estimate.constant
        for name, weights in estimate.base_model_weights.items():
            models = [model.network for model in ensemble.sub_ensembles[name].base_models]
            part = explain_ensemble_with("native", models, images[name], weights, "preset-a", threads=1)
            total += part.target_bias + float(part.relevance.sum(dtype=np.float64)) + part.absorbed
            start += part.target_bias
        assert total == pytest.approx(estimate.brain_age, abs=1e-5)
        starts.append(start)
    assert starts[0] == pytest.approx(starts[1], abs=1e-5)


def recorded(bundle: Bundle, estimate: EnsembleEstimate, measured: float | None) -> EstimateRecord:
    """The record of an estimate of somebody of 44 years."""
    person = PersonFacts(
        participant="sub-900",
        session=None,
        dataset="New",
        age=44.0,
        measured=measured,
        sex=None,
        simulated=True,
        inputs=(),
    )
    options = EstimationOptions(modalities=("T1w", "FLAIR"), lrp=None)
    preparation = Preparation(origin="raw", skull_strip="auto")
    return estimate_record(bundle, estimate, person, preparation, options)


def test_the_page_of_another_target_never_speaks_of_brain_age(of_scores: Bundle, tmp_path: Path) -> None:
    ensemble = of_scores.ensemble("TypeI")
    estimate = ensemble.estimate({name: np.array([0.31, 0.52]) for name in ensemble.sub_ensembles})
    place = SessionPlace.of(tmp_path, "sub-900", None)
    record = recorded(of_scores, estimate, measured=0.25)
    publish(
        place,
        ("estimate", "TypeI"),
        "print",
        [Output("estimate", place.path("brainage", ensemble="TypeI"), record.write)],
    )
    session = read_session(place)
    assert session is not None
    texts = {**page_texts("sub-900", [session], {}), **session_texts(session, "S1")}
    page = " ".join(texts.values())
    assert "0.25" in page
    assert "All numbers are in points" in page
    for never in ("rain age", "chronological", " years", "DBA"):
        assert never not in texts["Summary"]
    assert "score was estimated from brain images" in page
    assert "Additive head models with smooth curves" in page


def test_what_was_measured_is_read_for_those_it_is_known_of(
    of_scores: Bundle, people: tuple[Path, Path], bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    config = RunConfig(bids_dir=people[1], output_dir=people[0])
    sessions = [SessionInputs(label, None, {}, age=50.0) for label in ("000", "001")]
    first, second = with_measured(sessions, config, of_scores)
    assert first.measured is None
    assert "no number for sub-000 in column score" in caplog.text
    assert second.measured is not None
    assert 0 < second.measured < 1
    assert with_measured(sessions, config, bundle) == sessions


def test_the_ensembles_are_those_of_the_bundle_unless_some_are_asked_for(bundle: Bundle) -> None:
    assert bundle.chosen(()) == ("TypeI",)
    assert bundle.chosen(("TypeI",)) == ("TypeI",)
    with pytest.raises(BundleError, match="no ensemble TypeII; choose one of TypeI"):
        bundle.chosen(("TypeI", "TypeII"))


@pytest.mark.parametrize("refit", ["heads", "all"])
def test_a_bundle_is_transferred_by_one_command(
    of_scores: Bundle, people: tuple[Path, Path], tmp_path: Path, refit: str
) -> None:
    """From scores to ages, by the shipped plan and as nodes; a second time nothing changes."""
    plan = yaml.safe_load(
        (Path(__file__).parents[2] / "bids_brainage/data/models/finetune_plan.yaml").read_text()
    )
    plan["fitting"]["epochs"] = 2
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    options = [
        "--from-bundle",
        str(of_scores.path),
        "--refit",
        refit,
        "--training-plan",
        str(tmp_path / "plan.yaml"),
    ]
    options += ["--target", "age"]
    assert train(people, tmp_path, "ages", *options) == 0
    made = load_bundle(tmp_path / "ages")
    assert made.estimates_age
    assert made.record.parents[0].sha256 == of_scores.sha256
    assert made.record.parents[0].refit == refit
    page = (people[0] / "train_ages.html").read_text()
    assert "Transferred from" in page
    assert "scores" in page
    rows = list(csv.DictReader((people[0] / "train/ages/training_log.tsv").open(), delimiter="\t"))
    assert [row["epochs"] for row in rows] == ["0" if refit == "heads" else "2"] * 4
    # Networks that know scores have no errors as estimates of age, unless they were trained on ages.
    levels = {row.level for row in made.record.ensembles[0].errors}
    assert ("base_model" in levels) == (refit == "all")
    assert {row["validation_mae"] == "n/a" for row in rows} == {refit == "heads"}
    same = {f: e.sha256 for f, e in made.record.files.items() if "_bm-" in f} == {
        f: e.sha256 for f, e in of_scores.record.files.items() if "_bm-" in f
    }
    assert same == (refit == "heads")
    before = (tmp_path / "ages/bundle.json").read_bytes()
    assert train(people, tmp_path, "ages", *options) == 0
    assert (tmp_path / "ages/bundle.json").read_bytes() == before


@pytest.mark.parametrize(
    ("refit", "words"),
    [
        ("heads", ["base models stay those of bundle scores 1", "29 people", "1 fold of 0 : "]),
        (
            "all",
            ["all their weights are trained further", "4 base models (2 in each of 2", "20 epochs"],
        ),
    ],
)
def test_a_dry_run_tells_what_would_be_transferred(
    of_scores: Bundle,
    people: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    refit: str,
    words: list[str],
) -> None:
    options = ("--from-bundle", str(of_scores.path), "--refit", refit, "--dry-run")
    assert train(people, tmp_path, "ages", *options) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in words)
    assert ("epochs" in told) == (refit == "all")
    # The target is the bundle's, unless another one is named.
    assert "score from" in told
    assert not (tmp_path / "ages").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "wit"], "no column wit to learn"),
        (["--target", "sex"], "contains text"),
        (["--from-bundle", "nowhere"], "No model bundle nowhere"),
        (["--refit", "all"], "name the bundle with --from-bundle"),
        (["--from-bundle", "{scores}", "--training-plan", "demo"], "differ in ensembles"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    of_scores: Bundle,
    people: tuple[Path, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: list[str],
    words: str,
) -> None:
    plan = small_plan(fitting=QUICK).model_dump(mode="json")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    given = [option.format(scores=of_scores.path) for option in options]
    if "--training-plan" not in given and "--from-bundle" not in given:
        given += ["--training-plan", str(tmp_path / "plan.yaml")]
    assert train(people, tmp_path, "made", *given) == 2
    assert words in caplog.text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("given", ["its file", "its name", "a link to it"])
def test_a_bundle_is_not_transferred_onto_itself(
    given: str,
    of_scores: Bundle,
    people: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    before = (of_scores.path / "bundle.json").read_bytes()
    folder = of_scores.path.parent
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(folder))
    (tmp_path / "link").symlink_to(of_scores.path)
    written = {
        "its file": of_scores.path / "bundle.json",
        "its name": of_scores.path.name,
        "a link to it": tmp_path / "link",
    }
    assert train(people, folder, of_scores.path.name, "--from-bundle", str(written[given])) == 2
    assert "give another folder" in caplog.text
    assert (of_scores.path / "bundle.json").read_bytes() == before
