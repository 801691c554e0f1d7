"""Training end to end on small synthetic people, and its parts on simulated truth."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.errors import InputError, NetworkError
from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.models.cohorts.store import build_store
from bids_brainage.models.training import fitting as fits
from bids_brainage.models.training import volumes
from bids_brainage.models.training.boxes import input_specs
from bids_brainage.models.training.checkpoint import Checkpoint, load_checkpoint
from bids_brainage.models.training.design import TrainingDesign, load_design, make_splits
from bids_brainage.models.training.fitting import learning_rate, load_trained, train_base_model
from bids_brainage.models.training.keras_model import build, get_weights
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.training import train_bundle
from bids_brainage.models.training.volumes import make_step
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.preprocessing.block_input import grey_values
from bids_brainage.preprocessing.input_spec import InputSpec
from tests.models.synthetic import small_plan, write_people


@pytest.fixture(scope="module")
def derivatives(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"), 40)


@pytest.fixture(scope="module")
def trained(derivatives, tmp_path_factory):
    out, raw = derivatives
    folder = tmp_path_factory.mktemp("trained")
    done = train_bundle([out], raw / "participants.tsv", small_plan(), folder / "balls", folder / "work")
    return done, folder


def prepared(derivatives, folder, plan):
    out, raw = derivatives
    cohort = read_cohort([out], raw / "participants.tsv", plan.modalities)
    store = build_store(folder / "store", cohort.people, input_specs(plan, cohort.people))
    ages = np.array([person.age for person in cohort.people])
    design = TrainingDesign(plan, store, ages, make_splits(plan, cohort), folder / "models")
    return design.tasks(), store, cohort


def test_a_trained_bundle_is_whole_and_honest(trained):
    done, _ = trained
    bundle, record = done.bundle, done.bundle.record
    assert all(check.passed for check in bundle.reference_checks())
    assert record.cohort.n == 40
    assert record.cohort.simulated
    assert sum(record.cohort.age_counts) == 40
    # The test's images do not say how they were scanned, but how smooth they are can be seen.
    assert set(record.cohort.scans) == {"T1w", "FLAIR"}
    for scans in record.cohort.scans.values():
        assert scans.voxels is None
        assert 0 < scans.smoothness[0] < 50
    assert record.protocol.n_training == (24,)
    assert record.protocol.n_validation == record.protocol.n_test == (8,)
    assert record.protocol.top_heads_fitted_on == "validation+test"
    assert {row.level for row in record.ensembles[0].errors} == {"base_model", "sub_ensemble", "ensemble"}
    assert all(row.n == 16 for row in record.ensembles[0].errors)
    assert len(done.results) == 4


def test_test_people_have_a_fold_that_never_saw_them(trained):
    bundle = trained[0].bundle
    folds = [bundle.fold_of(f"sub-{number:03d}", "Balls") for number in range(40)]
    assert folds.count(0) == 8
    assert folds.count(None) == 32
    assert all(bundle.in_training_set(f"{number:03d}") for number in range(40))
    assert not bundle.in_training_set("040")


def test_a_second_call_trains_nothing_and_gives_the_same(trained, derivatives, monkeypatch):
    done, folder = trained
    out, raw = derivatives
    before = {path: path.stat().st_mtime_ns for path in (folder / "work" / "base_models").rglob("*.json")}
    again = train_bundle([out], raw / "participants.tsv", small_plan(), folder / "balls", folder / "work")
    assert again.bundle.sha256 == done.bundle.sha256
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_killed_training_goes_on_to_the_same_bundle(trained, derivatives, tmp_path):
    """As if killed while the second model was written; two processes instead of one."""
    done, folder = trained
    out, raw = derivatives
    shutil.copytree(folder / "work", tmp_path / "work")
    models = tmp_path / "work" / "base_models" / "TypeI" / "fold-0"
    (models / "WholeBrain_T1w_bm-01.json").unlink()
    (models / "WholeBrain_T1w_bm-01.safetensors").write_bytes(b"half")
    (models / "WholeBrain_FLAIR_bm-00.safetensors").unlink()
    again = train_bundle(
        [out], raw / "participants.tsv", small_plan(), tmp_path / "balls", tmp_path / "work", nprocs=2
    )
    assert again.bundle.sha256 == done.bundle.sha256


def test_the_design_on_disk_makes_the_same_tasks(derivatives, tmp_path):
    plan = small_plan(split={"parts": (3, 1, 1), "folds": 2, "group_column": "family"})
    out, raw = derivatives
    cohort = read_cohort([out], raw / "participants.tsv", plan.modalities, "family")
    store = build_store(tmp_path / "store", cohort.people, input_specs(plan, cohort.people))
    ages = np.array([person.age for person in cohort.people])
    design = TrainingDesign(plan, store, ages, make_splits(plan, cohort), tmp_path / "models")
    again = load_design(design.save(tmp_path / "design.json"))
    first, second = (
        {task.file: task.fingerprint() for group in d.tasks().values() for task in group}
        for d in (design, again)
    )
    assert first == second
    assert len(first) == 8


def test_a_model_killed_between_any_two_epochs_ends_the_same(derivatives, tmp_path, monkeypatch):
    """Killed three times, also while a checkpoint was half written: the same weights to the bit."""
    plan = small_plan(fitting={"epochs": 5, "schedule": "cosine"})
    tasks, _, _ = prepared(derivatives, tmp_path, plan)
    task = tasks["TypeI/WholeBrain_T1w", 0][0]
    whole = train_base_model(task)
    expected = (task.folder / task.file).read_bytes()
    shutil.rmtree(task.folder)
    run_epoch = volumes._run_epoch
    for deadline in (1, 2, 4):

        def killed(task, step, epoch, attempt, deadline=deadline):
            if epoch == deadline:
                raise KeyboardInterrupt
            return run_epoch(task, step, epoch, attempt)

        monkeypatch.setattr(volumes, "_run_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            train_base_model(task)
        assert task.checkpoint.is_file()
        assert not (task.folder / task.file).exists()
    shown = []
    monkeypatch.setattr(volumes, "_run_epoch", lambda *a: shown.append(a[2]) or run_epoch(*a))
    again = train_base_model(task)
    assert shown == [4]
    assert (task.folder / task.file).read_bytes() == expected
    assert again.history == whole.history
    assert not task.checkpoint.exists()


def test_a_checkpoint_that_is_damaged_or_of_another_task_is_none(derivatives, tmp_path):
    tasks, _, _ = prepared(derivatives, tmp_path, small_plan())
    first, second = tasks["TypeI/WholeBrain_T1w", 0][:2]
    weights = {"a": np.ones(2, np.float32)}
    Checkpoint(first.fingerprint(), 0, [], weights, weights, [np.int64(3)]).save(first.checkpoint)
    kept = load_checkpoint(first.checkpoint, first.fingerprint())
    assert kept is not None
    assert kept.optimizer[0] == 3
    assert load_checkpoint(first.checkpoint, second.fingerprint()) is None
    first.checkpoint.write_bytes(first.checkpoint.read_bytes()[:-3])
    assert load_checkpoint(first.checkpoint, first.fingerprint()) is None
    assert load_checkpoint(second.checkpoint, second.fingerprint()) is None


@pytest.mark.parametrize("activation", ["leaky_relu", "relu"])
def test_a_model_that_learns_nothing_begins_again(derivatives, tmp_path, monkeypatch, activation):
    """With its weights, which hardly move here; of ReLUs, with others."""
    architecture = {**small_plan().architecture.model_dump(), "activation": activation}
    fitting = {"epochs": 3, "learning_rate": 1e-9, "restart_after": 2}
    plan = small_plan(fitting=fitting, architecture=architecture)
    tasks, _, _ = prepared(derivatives, tmp_path, plan)
    task = tasks["TypeI/WholeBrain_T1w", 0][0]
    monkeypatch.setattr(fits, "MOST_RESTARTS", 2)
    result = train_base_model(task)
    assert result.restarts == 2
    assert len(result.history) == 3
    trained = load_trained(task).weights["conv_1/kernel"]
    begun = (
        build(task.architecture, task.input_shape, 0.0, task.model_seed).get_layer("conv_1").get_weights()[0]
    )
    assert np.allclose(trained, begun, atol=1e-3) == (activation == "leaky_relu")


def test_another_plan_trains_again(derivatives, tmp_path):
    tasks, _, _ = prepared(derivatives, tmp_path, small_plan())
    task = tasks["TypeI/WholeBrain_T1w", 0][0]
    first = train_base_model(task)
    (tmp_path / "models" / task.file).unlink()
    assert train_base_model(task).fingerprint == first.fingerprint
    assert (tmp_path / "models" / task.file).is_file()
    longer, _, _ = prepared(derivatives, tmp_path, small_plan(fitting={"epochs": 1}))
    assert len(train_base_model(longer["TypeI/WholeBrain_T1w", 0][0]).history) == 1


def test_training_learns_the_hole(derivatives, tmp_path):
    plan = small_plan(fitting={"epochs": 25, "learning_rate": 0.003, "schedule": "cosine"})
    tasks, _, _ = prepared(derivatives, tmp_path, plan)
    task = tasks["TypeI/WholeBrain_T1w", 0][0]
    train_base_model(task)
    unseen = task.split.test
    errors = task.predict(load_trained(task), unseen) - task.ages[unseen]
    guess = task.ages[task.split.training].mean() - task.ages[unseen]
    assert np.abs(errors).mean() < 0.5 * np.abs(guess).mean()


def test_the_store_holds_what_the_input_rule_says(derivatives, tmp_path):
    import nibabel as nib

    _, store, cohort = prepared(derivatives, tmp_path, small_plan())
    person = cohort.people[5]
    volume = store.volumes("TypeI/WholeBrain_T1w")[5]
    image = nib.load(person.images.subject["T1w"]).get_fdata()
    mask = nib.load(person.mask).get_fdata() > 0
    grey = np.rint(grey_values(image, mask, store.specs["TypeI/WholeBrain_T1w"].intensity)[mask])
    np.testing.assert_array_equal(np.sort(volume[volume > 0]), np.sort(grey[grey > 0]))


def test_an_interrupted_store_is_finished_and_a_changed_one_made_anew(derivatives, tmp_path):
    _, store, cohort = prepared(derivatives, tmp_path, small_plan())
    key = "TypeI/WholeBrain_FLAIR"
    whole = np.array(store.volumes(key))
    store.volumes(key, "r+")[3] = 7
    (store.path / "000003.done").unlink()
    build_store(store.path, cohort.people, store.specs)
    np.testing.assert_array_equal(store.volumes(key), whole)
    fewer = build_store(store.path, cohort.people[:10], store.specs)
    np.testing.assert_array_equal(fewer.volumes(key), whole[:10])


def test_the_box_has_the_slack_that_the_plan_asks_for(derivatives, tmp_path):
    plan = small_plan(
        input={"voxel_size": 4.0, "margin": 1, "smallest_subject_box_mm": [0, 90, 0]},
    )
    _, store, _ = prepared(derivatives, tmp_path, plan)
    x, y, z = store.specs["TypeI/WholeBrain_T1w"].box
    assert y == 23
    assert 14 <= x <= 16
    assert 14 <= z <= 16


def test_a_step_without_dropout_is_keras_own():
    """Our step against `train_on_batch` of a compiled model: same loss, same weights afterwards."""
    import tensorflow as tf
    from tensorflow import keras

    spec = BaseModelSpec(filters=(2, 3), kernels=(3, 1), dense_units=4, dropout=0)
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 4, 1), dtype=np.uint8)
    ages = np.array([20, 40, 60, 80], dtype=np.float32)
    ours, theirs = (build(spec, (6, 5, 4, 1), 50.0, seed=1) for _ in range(2))
    step = make_step(ours, spec, keras.optimizers.Adam(0.01))
    theirs.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    for _ in range(3):
        loss = step(images, ages, np.zeros(2, np.int32))
        expected = theirs.train_on_batch(images.astype(np.float32) / 255, ages[:, None])
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
    for name, array in get_weights(ours).items():
        np.testing.assert_allclose(array, get_weights(theirs)[name], atol=1e-4)
    assert tf.executing_eagerly()


def test_dropout_follows_its_seed_alone():
    from tensorflow import keras

    spec = BaseModelSpec(filters=(2,), kernels=(3,), dense_units=4, dropout=0.5)
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 4, 1), dtype=np.uint8)
    ages = np.array([20, 40, 60, 80], dtype=np.float32)

    def loss(seed: int) -> float:
        step = make_step(build(spec, (6, 5, 4, 1), 50.0, seed=1), spec, keras.optimizers.Adam(0.01))
        return float(step(images, ages, np.array([seed, 0], np.int32)))

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)


def test_cosine_schedule_falls_from_the_rate_towards_zero():
    fitting = small_plan(fitting={"epochs": 10, "learning_rate": 0.1, "schedule": "cosine"}).fitting
    rates = [learning_rate(fitting, epoch) for epoch in range(10)]
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert 0 < rates[-1] < 0.003
    assert all(earlier > later for earlier, later in pairwise(rates))


def test_a_loss_that_runs_off_stops_the_training(derivatives, tmp_path):
    plan = small_plan(fitting={"epochs": 3, "learning_rate": 1e30})
    tasks, _, _ = prepared(derivatives, tmp_path, plan)
    with pytest.raises(NetworkError, match=r"not finite.*lower the plan's learning_rate"):
        train_base_model(tasks["TypeI/WholeBrain_T1w", 0][0])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["participant_id\tsex", "sub-000\tF"], "no column age"),
        (["participant_id\tage", "sub-000\t30", "000\t40"], "lists 000 twice, on lines 2 and 3"),
        (["participant_id\tage", "sub-../../etc\t30"], "Nobody"),
        (["participant_id\tage", "sub-000\tn/a", "sub-001\told", "sub-002\tnan"], "Nobody"),
        (["participant_id\tage", "sub-000\t30", "sub-001\t40"], "Only 2 people"),
        (["participant_id\tage", "sub-000\t30", "sub-001\t30"], "same age"),
    ],
)
def test_tables_that_cannot_be_trained_on_are_told(derivatives, tmp_path, rows, words):
    table = tmp_path / "participants.tsv"
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match=words):
        train_bundle([derivatives[0]], table, small_plan(), tmp_path / "b", tmp_path / "w")
    assert not (tmp_path / "b").exists()


def test_people_without_all_modalities_are_left_out_and_named(derivatives, caplog):
    out, raw = derivatives
    table = raw / "participants.tsv"
    with caplog.at_level("WARNING"), pytest.raises(InputError, match="Nobody"):
        read_cohort([out], table, ("T1w", "T2starw"))
    (warning,) = caplog.messages
    assert warning.startswith("Left out (40), because not all modalities are there: sub-000, sub-001")
    assert "and 30 more;" in warning
    assert len(read_cohort([out], table, ("T1w",)).people) == 40


def test_training_roles_are_numbers_of_the_store(derivatives, tmp_path):
    tasks, store, _ = prepared(derivatives, tmp_path, small_plan())
    split: Split = tasks["TypeI/WholeBrain_T1w", 0][0].split
    together = np.sort(np.concatenate([split.training, split.held_out]))
    np.testing.assert_array_equal(together, np.arange(store.n))


def test_model_seeds_differ_and_are_stable(derivatives, tmp_path):
    tasks, _, _ = prepared(derivatives, tmp_path, small_plan())
    seeds = [task.model_seed for group in tasks.values() for task in group]
    assert len(set(seeds)) == 4
    again, _, _ = prepared(derivatives, tmp_path, small_plan())
    assert seeds == [task.model_seed for group in again.values() for task in group]


@pytest.mark.slow
def test_both_types_with_the_real_template(tmp_path):
    out, raw = write_people(tmp_path, 24, standard=True)
    ensembles = [
        {"name": "TypeII", "stage": "standard", "regions": ["Cerebellum", "Cortical"],
         "modalities": ["T1w", "FLAIR"], "base_models": 1},
    ]  # fmt: skip
    plan = small_plan(ensembles=ensembles, input={"voxel_size": 4.0, "margin": 1})
    done = train_bundle([out], raw / "participants.tsv", plan, tmp_path / "b", tmp_path / "w", nprocs=2)
    bundle = done.bundle
    spec: InputSpec = bundle.ensemble("TypeII").sub_ensembles["Cerebellum_T1w"].input
    assert spec.stage == "standard"
    assert spec.space == "MNI152NLin6Asym"
    assert max(spec.box) < 40
    record = json.loads((bundle.path / "bundle.json").read_text())
    assert [len(head["sub_ensembles"]) for head in record["ensembles"][0]["top_heads"][0]] == [4, 2, 2]


def test_what_tables_say_goes_into_a_bundle_without_what_a_terminal_would_obey(tmp_path):
    """Else the bundle would be refused after hours of training."""
    out, raw = write_people(tmp_path, 40)
    table = raw / "participants.tsv"
    lines = table.read_text().splitlines()
    site = "\x1b[2Jclinic" + "x" * 300
    table.write_text("\n".join([lines[0] + "\tsite", *(f"{line}\t{site}" for line in lines[1:])]) + "\n")
    description = json.loads((raw / "dataset_description.json").read_text())
    description["Name"] = "Two\nlines \u202eof balls"
    (raw / "dataset_description.json").write_text(json.dumps(description))
    plan = small_plan(fitting={"epochs": 1})
    done = train_bundle([out], table, plan, tmp_path / "balls", tmp_path / "work")
    record = done.bundle.record
    assert record.cohort.datasets == ("Two lines ?of balls",)
    (name,) = record.cohort.sites
    assert name.startswith("?[2Jclinicx")
    assert done.bundle.in_training_set("sub-000", description["Name"])
    assert done.bundle.in_training_set("sub-000")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": {"filters": [2048, 2048], "kernels": [15, 15]}}, "parameters"),
        ({"input": {"voxel_size": 4.0, "smallest_subject_box_mm": [4000, 90, 90]}}, "512 voxels"),
    ],
)
def test_a_plan_of_networks_that_need_gigabytes_is_refused_before_anything_is_made(
    derivatives, tmp_path, changes, words
):
    out, raw = derivatives
    with pytest.raises(InputError, match=words):
        train_bundle(
            [out], raw / "participants.tsv", small_plan(**changes), tmp_path / "balls", tmp_path / "work"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_a_store_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("notes.txt", "sub-01"):
        folder = tmp_path / name
        (folder / "sub-01").mkdir(parents=True)
        (folder / name).mkdir(exist_ok=True)
        with pytest.raises(InputError, match="not part of a store"):
            build_store(folder, [], {})
        assert (folder / "sub-01").is_dir()
