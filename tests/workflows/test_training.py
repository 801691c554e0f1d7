"""The level train through the command line, on people who are balls."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from bids_brainage.cli.run import main as run
from bids_brainage.models.bundles.bundle import load_bundle
from tests.models.synthetic import small_plan, write_people

PEOPLE = 40


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_people(tmp_path_factory.mktemp("people"), PEOPLE)


def write_plan(folder: Path, **changes: object) -> Path:
    content = small_plan(**changes).model_dump(mode="json")
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def command(people: tuple[Path, Path], folder: Path, plan: Path, *options: str) -> list[str]:
    out, raw = people
    own = ["--model-out", str(folder / "balls"), "--training-plan", str(plan), "-w", str(folder / "work")]
    return [str(raw), str(out), "train", *own, "--nprocs", "2", *options]


@pytest.fixture(scope="module")
def trained(people: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five folds, so that everybody is tested once."""
    folder = tmp_path_factory.mktemp("trained")
    plan = write_plan(folder, split={"parts": [3, 1, 1], "folds": 5, "group_column": "family"})
    assert run(command(people, folder, plan)) == 0
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(), delimiter="\t"))


def test_everybody_is_tested_once_by_models_that_never_saw_the_family(
    trained: Path, people: tuple[Path, Path]
) -> None:
    predictions = rows(people[0] / "train/balls/predictions.tsv")
    tested = [r for r in predictions if r["role"] == "test" and r["model"] == "TypeI"]
    assert sorted(r["participant_id"] for r in tested) == [f"sub-{i:03d}" for i in range(PEOPLE)]
    families = defaultdict(set)
    for row in tested:
        families[int(row["participant_id"][4:]) // 2].add(row["fold"])
    assert all(len(folds) == 1 for folds in families.values())
    bundle = load_bundle(trained / "balls")
    for row in tested:
        assert bundle.fold_of(row["participant_id"], "Balls") == int(row["fold"])


def test_the_table_is_that_of_the_predictions(trained: Path, people: tuple[Path, Path]) -> None:
    predictions = rows(people[0] / "train/balls/predictions.tsv")
    for name in ("TypeI", "WholeBrain_FLAIR"):
        own = [r for r in predictions if r["model"] == name]
        error = np.mean([abs(float(r["estimate"]) - float(r["age"])) for r in own])
        most = max(
            (r for r in rows(people[0] / "train/balls/errors.tsv") if r["name"] == name),
            key=lambda r: len(r["modalities"]),
        )
        assert float(most["mae"]) == pytest.approx(error, abs=2e-3)
        assert int(most["n"]) == len(own)


def test_tables_are_described_column_by_column(trained: Path, people: tuple[Path, Path]) -> None:
    for name in ("errors", "predictions", "training_log"):
        table = people[0] / f"train/balls/{name}.tsv"
        described = json.loads(table.with_suffix(".json").read_text())
        assert list(described) == list(rows(table)[0])


def test_the_page_tells_the_errors_and_loads_nothing(trained: Path, people: tuple[Path, Path]) -> None:
    page = (people[0] / "train_balls.html").read_text()
    error = float(rows(people[0] / "train/balls/errors.tsv")[-1]["mae"])
    assert "simulated brains" in page
    assert page.count("<svg") == 1
    assert "<script" not in page
    assert "src=" not in page.replace('src="data:', "")
    assert f"{error:.2f}"[:3] in page


def test_a_second_run_trains_nothing(
    trained: Path, people: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    before = (trained / "balls/bundle.json").read_bytes()
    with caplog.at_level("INFO"):
        assert run(command(people, trained, trained / "plan.yaml")) == 0
    assert (trained / "balls/bundle.json").read_bytes() == before
    assert "base models:" not in caplog.text


@pytest.mark.slow
def test_killed_three_times_it_comes_to_the_same_bundle(
    trained: Path, people: tuple[Path, Path], tmp_path: Path
) -> None:
    """SIGKILL to the whole process group: while volumes are prepared, and twice while models are trained."""
    started = [sys.executable, "-m", "bids_brainage", *command(people, tmp_path, trained / "plan.yaml")]
    for pattern, number in (("*.done", 5), ("*.checkpoint.safetensors", 1), ("*_bm-*.json", 12)):
        process = subprocess.Popen(started, start_new_session=True, stderr=subprocess.DEVNULL)
        while len(list((tmp_path / "work").rglob(pattern))) < number:
            assert process.poll() is None, "the training was over before it could be killed"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "balls").exists()
    subprocess.run(started, check=True, stderr=subprocess.DEVNULL)
    expected = json.loads((trained / "balls/bundle.json").read_text())
    found = json.loads((tmp_path / "balls/bundle.json").read_text())
    assert found == expected


def test_a_dry_run_tells_the_plan_and_writes_nothing(
    people: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write_plan(tmp_path)
    assert run(command(people, tmp_path, plan, "--dry-run")) == 0
    told = capsys.readouterr().out
    assert f"{PEOPLE} people of Balls" in told
    assert "4 base models (2 in each of 2 sub-ensembles, 1 folds), 3 epochs" in told
    assert "hours on 2 processors" in told
    assert not (tmp_path / "balls").exists()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--training-plan", "nowhere.yaml"], "nowhere.yaml"),
        (["--folds", "40"], "folds"),
        (["--participant-label", "001", "002"], "Only 2 people"),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_sentence(
    people: tuple[Path, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: list[str],
    words: str,
) -> None:
    plan = write_plan(tmp_path)
    assert run(command(people, tmp_path, plan, *options)) == 2
    assert words in caplog.text
    assert not (tmp_path / "balls").exists()


def test_the_bundle_needs_a_place_that_is_free(
    people: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = write_plan(tmp_path)
    assert run([str(people[1]), str(people[0]), "train", "--training-plan", str(plan)]) == 2
    assert "--model-out" in caplog.text
    (tmp_path / "balls").mkdir()
    (tmp_path / "balls/thesis.txt").write_text("mine")
    assert run(command(people, tmp_path, plan)) == 2
    assert "contains something other" in caplog.text


def test_a_base_model_that_runs_off_is_named_and_the_others_are_kept(
    people: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = write_plan(tmp_path, fitting={"epochs": 2, "learning_rate": 1e30})
    assert run(command(people, tmp_path, plan)) == 1
    assert "could not be trained" in caplog.text
    assert "not finite" in caplog.text
    assert not (tmp_path / "balls").exists()


def threads_of_tensorflow() -> tuple[int, int]:
    """Asked in a worker, after TensorFlow has done some work there."""
    import tensorflow as tf

    tf.reduce_sum(tf.ones(4))
    threading = tf.config.threading
    return threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()


def test_tensorflow_has_one_thread_in_every_worker_that_trains() -> None:
    """A limit that is set twice is no error: a worker trains one base model after another."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from bids_brainage.models.training.threads import limit_threads
    from bids_brainage.studies.tori_training import worker_pool

    def own_pool() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=limit_threads)

    with own_pool() as workers, worker_pool(1) as tori_workers:
        for pool in (workers, tori_workers):
            assert pool.submit(threads_of_tensorflow).result() == (1, 1)
            pool.submit(limit_threads).result()


def test_a_node_limits_the_threads_before_it_trains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bids_brainage.interfaces.training import TrainBaseModel
    from bids_brainage.models.training import design, fitting, threads

    done: list[str] = []
    (tmp_path / "design.json").write_text("{}")
    task = type("Task", (), {"path": tmp_path / "design.json"})()
    planned = type("Design", (), {"task": lambda *_: task})()
    monkeypatch.setattr(design, "load_design", lambda path: planned)
    monkeypatch.setattr(threads, "limit_threads", lambda: done.append("limit"))
    monkeypatch.setattr(fitting, "train_base_model", lambda task: done.append("train"))
    node = TrainBaseModel(
        design_file=str(tmp_path / "design.json"), key="A/B", fold=0, index=0, fingerprint="x"
    )
    node.run(cwd=str(tmp_path))
    assert done == ["limit", "train"]
