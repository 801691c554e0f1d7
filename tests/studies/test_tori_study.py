"""The simulation study: what it measures, what it writes, what it refuses."""

from __future__ import annotations

import csv
import json
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from bids_brainage.cli import simulate
from bids_brainage.models.training.splits import Split
from bids_brainage.simulation.tori import older_evidence, simulate_tori, younger_evidence
from bids_brainage.studies import tori_measures
from bids_brainage.studies.tori_study import _open_folder
from bids_brainage.studies.tori_training import StudySettings, load_study_plan

SEED = 3


class Here:
    """A pool that does the work itself."""

    def submit(self, work, *arguments):
        done = Future()
        done.set_result(work(*arguments))
        return done


@pytest.fixture(scope="module")
def tori():
    return simulate_tori(SEED, range(30))


def everybody(tori):
    return {"all": np.ones(len(tori.ages), bool)}


def find(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_maps_of_the_truth_reach_the_highest_scores(tori):
    older, younger = older_evidence(tori, 1), younger_evidence(tori)
    maps = {"knows": older["lesions and atrophies"] * 1.0 - younger["intact matter"], "even": tori.images}
    rows = tori_measures._truth_rows(maps, tori, everybody(tori), [0, 1])
    both = {"region": "lesions and atrophies", "distance": 1}
    for measure in ("mass accuracy", "rank accuracy"):
        assert find(rows, measure=measure, method="knows", **both)["mean"] == pytest.approx(1)
    assert find(rows, measure="mass accuracy", method="knows", region="intact matter")[
        "mean"
    ] == pytest.approx(1)
    # A map that is the image knows little more than the mask does: lesions are a fourth brighter.
    even = find(rows, measure="mass accuracy", method="even", **both)
    assert even["mean"] == pytest.approx(even["chance"], rel=0.1)
    assert find(rows, measure="mass accuracy", method="even", region="intact matter")["n"] == 0


def test_evidence_for_older_and_younger_do_not_overlap(tori):
    older, younger = older_evidence(tori, 1), younger_evidence(tori)
    body = tori.images > 0
    np.testing.assert_array_equal(older["lesions and atrophies"] ^ younger["intact matter"], body)
    assert (younger["intact border"] <= younger["intact matter"]).all()
    assert older_evidence(tori, 0)["atrophies"].sum() == (tori.atrophies > 0).sum()
    shares = younger["intact border"].sum(axis=(1, 2)) / body.sum(axis=(1, 2))
    assert np.corrcoef(shares, tori.ages)[0, 1] < -0.8


def test_effects_are_what_lesions_and_atrophies_do(tori):
    """For a model that adds up intensities, and a map that is the image, both are known."""
    model = SimpleNamespace(predict=lambda images: images.sum(axis=(1, 2, 3), dtype=np.float64))
    indices = np.arange(30)
    trained = SimpleNamespace(
        tori=tori,
        split=Split(indices[:0], indices[:0], indices),
        models=[model],
        predictions=model.predict(tori.images[..., None])[None],
    )
    young = simulate_tori(SEED, range(30), atrophy_age=20)
    rows = tori_measures._effect_rows({"image": tori.images}, tori, trained, SEED, everybody(tori), Here())
    lost = (young.images * (tori.atrophies > 0)).sum(axis=(1, 2))
    assert find(rows, measure="effect", region="atrophies")["mean"] == pytest.approx(-lost.mean(), rel=1e-5)
    has = tori.lesions.any(axis=(1, 2))
    lesions = find(rows, measure="effect", region="lesions")
    assert lesions["n"] == has.sum()
    # 9 pixels, 0.2 brighter, for each lesion, less where they overlap, are clipped or are lost.
    assert 1.2 < lesions["mean"] / tori.n_lesions[has].mean() < 1.8
    follows = find(rows, measure="correlation with effect", region="lesions")
    assert follows["mean"] > 0.9


def test_signs_and_sums_of_maps_that_are_known(tori):
    """A map that is positive on what aged, and negative elsewhere."""
    aged = older_evidence(tori, 1)["lesions and atrophies"]
    maps = {"knows": np.where(aged, 1.0, -1.0) * (tori.images > 0)}
    rows = tori_measures._sign_rows(maps, tori, everybody(tori))
    assert find(rows, region="lesions")["mean"] == 1
    assert find(rows, region="intact matter")["mean"] == 0
    share = aged.sum(axis=(1, 2)) / (tori.images > 0).sum(axis=(1, 2))
    assert find(rows, region="torus")["mean"] == pytest.approx(share.mean())
    sums = maps["knows"].sum(axis=(1, 2))
    assert tori_measures._sum_rows(maps, 50 + 2 * sums)[0]["mean"] == pytest.approx(1)
    assert tori_measures._sum_rows(maps, -sums)[0]["mean"] == pytest.approx(-1)


def test_rows_and_tables_have_the_same_columns():
    text = (simulate.Path(simulate.__file__).parents[1] / "data/simulation/tori_tables.yaml").read_text()
    columns = yaml.safe_load(text)
    row = tori_measures.row("effect", "none", [1.0, 3.0, float("nan")])
    assert list(row) == list(columns["quality"])
    assert (row["n"], row["mean"], row["sd"]) == (2, 2.0, pytest.approx(np.sqrt(2)))
    assert tori_measures.row("effect", "none", [])["mean"] is None


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert simulate.main(["tori", str(tmp_path), "--n", "50"]) == 2
    assert "give a new or empty folder" in capsys.readouterr().err
    study = tmp_path / "study"
    _open_folder(study, StudySettings(n=60))
    _open_folder(study, StudySettings(n=60))
    assert simulate.main(["tori", str(study), "--n", "61"]) == 2
    assert "other settings" in capsys.readouterr().err
    (study / "study.json").write_text("{")
    assert simulate.main(["tori", str(study), "--n", "60"]) == 2


def test_too_few_tori_are_refused(capsys):
    with pytest.raises(SystemExit):
        simulate.main(["tori", "out", "--n", "49"])
    assert "must be at least 50" in capsys.readouterr().err


def test_the_plan_is_the_papers_but_for_schedule_and_mirroring():
    plan, own, paper = load_study_plan(), StudySettings().fitting, StudySettings(as_in_paper=True).fitting
    assert (own.schedule, own.flip, paper.schedule, paper.flip) == ("cosine", True, "constant", False)
    assert own == paper.model_copy(update={"schedule": "cosine", "flip": True})
    assert StudySettings(epochs=3).fitting.epochs == 3
    assert plan.architecture.activation == "relu"
    assert plan.architecture.count_parameters((98, 98, 1)) == 60_593
    assert (paper.epochs, paper.batch_size, paper.learning_rate) == (80, 4, 5e-4)
    assert plan.parts == (8, 1, 1)


@pytest.mark.slow
def test_a_small_study_adds_up(tmp_path):
    out = tmp_path / "out"
    assert simulate.main(["tori", str(out), "--n", "50", "--epochs", "2", "--nprocs", "2"]) == 0
    with (out / "predictions.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    summary = json.loads((out / "summary.json").read_text())
    assert [row["split"] for row in rows].count("test") == summary["n_test"] == 5
    for row in rows:
        explained = summary["target_bias"] + float(row["relevance_sum"]) + float(row["absorbed"])
        assert float(row["prediction"]) == pytest.approx(explained, abs=1e-3)
    errors = [abs(float(r["prediction"]) - float(r["age"])) for r in rows if r["split"] == "test"]
    assert summary["mae"] == pytest.approx(np.mean(errors), abs=1e-3)
    page = (out / "tori.html").read_text()
    assert f"{summary['mae']:.2f}" in page
    assert 'src="http' not in page
    assert {path.name for path in out.glob("*.tsv")} == {"predictions.tsv", "quality.tsv", "perturbation.tsv"}
    for table in out.glob("*.tsv"):
        header = table.read_text().splitlines()[0].split("\t")
        assert header == list(json.loads(table.with_suffix(".json").read_text()))
