"""Other targets than age, and training from another bundle, on people who are balls."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.errors import BundleError, InputError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle
from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.models.cohorts.store import build_store, predict_people
from bids_brainage.models.training import fitting, volumes
from bids_brainage.models.training.boxes import input_specs
from bids_brainage.models.training.design import TrainingDesign, load_design, make_splits
from bids_brainage.models.training.fitting import load_trained, train_base_model
from bids_brainage.models.training.plan import TrainingPlan, make_plan
from bids_brainage.models.training.training import train_bundle
from bids_brainage.models.training.transfer import Transfer
from tests.models.synthetic import small_plan, write_people

LONG = {"epochs": 25, "learning_rate": 0.003, "schedule": "cosine"}
# Hole in thousandths of something: a linear function of age, in another place and of another size.
SLOPE, OFFSET = -250.0, 40_000.0


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Sixty people, with a column that follows age and some that cannot be learned."""
    out, raw = write_people(tmp_path_factory.mktemp("people"), 60)
    rows = list(csv.DictReader((raw / "participants.tsv").open(), delimiter="\t"))
    for number, row in enumerate(rows):
        row["hole"] = f"{OFFSET + SLOPE * float(row['age']):.1f}"
        row |= {
            "constant": "7",
            "empty": "n/a",
            "some": row["hole"] if number > 9 else ("n/a", "90+")[number % 2],
        }
    with (raw / "participants.tsv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (raw / "participants.json").write_text(json.dumps({"hole": {"Units": "mm3"}}))
    return out, raw


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Few people of another dataset, whose tissue is darker by a fifth, so that a model of the first errs."""
    out, raw = write_people(tmp_path_factory.mktemp("others"), 24, seed=5)
    description = json.loads((raw / "dataset_description.json").read_text())
    (raw / "dataset_description.json").write_text(json.dumps(description | {"Name": "Others"}))
    return out, raw


@pytest.fixture(scope="module")
def source(people: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that has learnt ages."""
    folder = tmp_path_factory.mktemp("source")
    plan = small_plan(fitting=LONG)
    return train_bundle(
        [people[0]], people[1] / "participants.tsv", plan, folder / "balls", folder / "work"
    ).bundle


def prepared(where: tuple[Path, Path], folder: Path, plan: TrainingPlan, transfer: Transfer | None = None):
    cohort = read_cohort([where[0]], where[1] / "participants.tsv", plan.modalities, target=plan.target)
    specs = transfer.specs() if transfer else input_specs(plan, cohort.people)
    store = build_store(folder / "store", cohort.people, specs)
    starts = transfer.starts(plan, cohort.unit) if transfer else {}
    splits = make_splits(plan, cohort)
    return TrainingDesign(plan, store, cohort.values, splits, folder / "models", starts)


def transferred_plan(transfer: Transfer, **changes: object) -> TrainingPlan:
    content = {
        "name": "new",
        "fitting": {"epochs": 6, "learning_rate": 0.0005, "schedule": "cosine"},
        "split": {"parts": [3, 1, 1], "folds": 1},
        "heads": {"top_fitted_on": "validation+test", "top_alpha": 1.0},
    }
    return make_plan(transfer.complete({**content, **changes}, "plan.yaml"), "plan.yaml")


# --- another target --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("height", r"no column height to learn \(its columns: age, sex, family, hole"),
        ("participant_id", "no column participant_id"),
        ("sex", r"column sex of .* contains text \('F', 'M'\)"),
        ("constant", r"All 60 people have the same constant \(7\)"),
        ("empty", "Nobody in .* has both a number in column empty"),
    ],
)
def test_a_column_that_cannot_be_learnt_is_one_sentence(people, tmp_path, column, words):
    with pytest.raises(InputError, match=words) as told:
        train_bundle(
            [people[0]],
            people[1] / "participants.tsv",
            small_plan(target=column),
            tmp_path / "b",
            tmp_path / "w",
        )
    assert "\n" not in str(told.value)
    assert not (tmp_path / "b").exists()


def test_people_without_a_number_are_left_out_by_name(people, caplog):
    with caplog.at_level("WARNING"):
        cohort = read_cohort([people[0]], people[1] / "participants.tsv", ("T1w",), target="some")
    assert [person.participant for person in cohort.people] == [f"{i:03d}" for i in range(10, 60)]
    assert "Left out (10), without a number in column some of" in caplog.text
    assert "sub-000, sub-001, sub-002, sub-003, " in caplog.text


def test_ages_in_another_unit_are_years(people, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\nsub-000\t480\nsub-001\t12000\n")
    (tmp_path / "participants.json").write_text(json.dumps({"age": {"Units": "months"}}))
    cohort = read_cohort([people[0]], table, ("T1w",))
    assert [person.age for person in cohort.people] == [40]


def test_a_target_of_any_size_is_learnt_as_ages_are(people, tmp_path):
    """hole = 40,000 - 250 age: the networks err by as much of its spread, to a factor, as for ages."""
    parts = {}
    for target in ("age", "hole"):
        plan = small_plan(target=target, fitting=LONG)
        design = prepared(people, tmp_path / target, plan)
        task = design.task("TypeI/WholeBrain_T1w", 0, 0)
        result = train_base_model(task)
        unseen = task.split.test
        errors = predict_people(load_trained(task), task.store, task.key, unseen) - task.ages[unseen]
        guess = task.ages[task.split.training].mean() - task.ages[unseen]
        parts[target] = np.abs(errors).mean() / np.abs(guess).mean()
        assert result.validation_mae == pytest.approx(
            np.abs(
                predict_people(load_trained(task), task.store, task.key, task.split.validation)
                - task.ages[task.split.validation]
            ).mean(),
            rel=0.01,
        )
    assert parts["hole"] < 0.5
    assert parts["age"] < 0.5


@pytest.fixture(scope="module")
def of_holes(people: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("holes")
    plan = small_plan(target="hole", fitting=LONG)
    return train_bundle(
        [people[0]], people[1] / "participants.tsv", plan, folder / "holes", folder / "work"
    ).bundle


def test_the_bundle_says_what_it_estimates(of_holes, people):
    record = of_holes.record
    values = read_cohort([people[0]], people[1] / "participants.tsv", ("T1w",), target="hole").values
    assert (record.target, record.unit) == ("hole", "mm3")
    assert of_holes.training_range == (values.min(), values.max())
    assert of_holes.age_range == pytest.approx(
        ((OFFSET - values.max()) / -SLOPE, (OFFSET - values.min()) / -SLOPE)
    )
    assert record.protocol.plan["target"] == "hole"
    assert all(check.passed for check in of_holes.reference_checks())
    whole = next(row for row in record.ensembles[0].errors if row.level == "ensemble")
    assert whole.mae < 0.6 * whole.guess_mae


def test_a_penalty_means_the_same_whatever_the_unit(source, of_holes):
    """Ridge penalties follow the unit: the heads of the two targets shrink alike, not one to nothing."""
    for bundle in (source, of_holes):
        heads = [sub.folds[0].head for sub in bundle.record.ensembles[0].sub_ensembles]
        assert all(0.5 < sum(head.coefficients) < 1.6 for head in heads)


def test_an_old_bundle_without_the_field_means_age(bundle):
    path = bundle.path / "bundle.json"
    content = json.loads(path.read_text())
    for name in ("target", "unit", "parents"):
        content.pop(name)
    path.write_text(json.dumps(content))
    old = load_bundle(bundle.path)
    assert old.estimates_age
    assert old.record.unit == "years"
    assert old.training_range == (20, 80)


# --- from another bundle ---------------------------------------------------------------------------


def test_new_heads_keep_every_weight_and_use_everybody_who_is_not_tested(source, others, tmp_path):
    transfer = Transfer(source, "heads")
    plan = transferred_plan(transfer, split={"parts": [3, 1, 1], "folds": 2})
    done = train_bundle(
        [others[0]],
        others[1] / "participants.tsv",
        plan,
        tmp_path / "new",
        tmp_path / "work",
        transfer=transfer,
    )
    record = done.bundle.record
    old = {f: e.sha256 for f, e in source.record.files.items() if "_bm-" in f}
    assert {f: e.sha256 for f, e in record.files.items() if "_bm-" in f} == old
    assert record.protocol.n_training == (0, 0)
    assert [a + b for a, b in zip(record.protocol.n_validation, record.protocol.n_test, strict=True)] == [
        24,
        24,
    ]
    before = [sub.folds[0].head for sub in source.record.ensembles[0].sub_ensembles]
    after = [sub.folds[0].head for sub in record.ensembles[0].sub_ensembles]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert [head.n_calibration for head in record.ensembles[0].top_heads[0]] == [48] * 3
    assert all(check.passed for check in done.bundle.reference_checks())


def test_the_new_bundle_knows_its_parent_and_whom_that_had_seen(source, others, tmp_path):
    transfer = Transfer(source, "heads")
    done = train_bundle(
        [others[0]],
        others[1] / "participants.tsv",
        transferred_plan(transfer),
        tmp_path / "new",
        tmp_path / "work",
        transfer=transfer,
    )
    (parent,) = done.bundle.record.parents
    assert (parent.name, parent.version, parent.sha256) == ("balls", "1", source.sha256)
    bundle = load_bundle(tmp_path / "new")
    assert bundle.in_training_set("sub-003", "Others")
    assert bundle.in_training_set("sub-003", "Balls")
    assert bundle.in_training_set("sub-059", "Balls")
    assert bundle.in_training_set("sub-059", "Others") is False
    # The parent's networks saw its people in whatever fold: none is free of them.
    assert bundle.fold_of("sub-059", "Balls") is None
    assert bundle.record.purpose == "demonstration"
    grandchild = Transfer(bundle, "all").parents()
    assert [p.name for p in grandchild] == ["new", "balls"]


def test_heads_for_another_target(source, people, tmp_path, caplog):
    """Ages predicted, holes estimated: the heads find the line between the two."""
    transfer = Transfer(source, "heads")
    plan = transferred_plan(transfer, target="hole")
    with caplog.at_level("WARNING"):
        done = train_bundle(
            [people[0]],
            people[1] / "participants.tsv",
            plan,
            tmp_path / "new",
            tmp_path / "work",
            transfer=transfer,
        )
    assert "60 of 60 people were among those the bundle balls was trained on" in caplog.text
    whole = next(row for row in done.bundle.record.ensembles[0].errors if row.level == "ensemble")
    assert whole.r2 > 0.6
    head = done.bundle.record.ensembles[0].sub_ensembles[0].folds[0].head
    assert sum(head.coefficients) == pytest.approx(SLOPE, rel=0.4)


def test_few_people_are_enough_to_go_on_but_not_to_begin(source, others, tmp_path):
    """Fine-tuned on 15 people for 6 epochs against trained anew on them as the source was: on new people."""
    transfer = Transfer(source, "all")
    ways = {
        "fine-tuned": (transferred_plan(transfer), transfer),
        "anew": (transferred_plan(transfer, fitting=LONG), None),
    }
    errors = {}
    for name, (plan, start) in ways.items():
        design = prepared(others, tmp_path / name, plan, start)
        found = []
        for key in design.store.specs:
            task = design.task(key, 0, 0)
            train_base_model(task)
            unseen = task.split.test
            predicted = predict_people(load_trained(task), task.store, key, unseen)
            found.append(np.abs(predicted - task.ages[unseen]).mean())
        errors[name] = np.mean(found)
    assert errors["fine-tuned"] < 0.5 * errors["anew"]


def test_fine_tuning_never_leaves_with_worse_weights_than_it_came_with(source, others, tmp_path):
    """A learning rate that ruins everything: the weights that were there before are kept, to the bit."""
    transfer = Transfer(source, "all")
    plan = transferred_plan(transfer, fitting={"epochs": 2, "learning_rate": 3.0})
    task = prepared(others, tmp_path, plan, transfer).task("TypeI/WholeBrain_T1w", 0, 0)
    result = train_base_model(task)
    assert result.best_epoch == -1
    assert task.start is not None
    for name, array in task.start.weights().items():
        np.testing.assert_array_equal(load_trained(task).weights[name], array)


def test_a_transferred_model_never_begins_anew(source, others, tmp_path):
    transfer = Transfer(source, "all")
    with pytest.raises(InputError, match="only for models trained from scratch"):
        transferred_plan(transfer, fitting={"restart_after": 1})
    plan = transferred_plan(transfer)
    stuck = plan.model_copy(
        update={"fitting": plan.fitting.model_copy(update={"restart_after": 1, "learning_rate": 1e-12})}
    )
    task = prepared(others, tmp_path, stuck, transfer).task("TypeI/WholeBrain_T1w", 0, 0)
    assert train_base_model(task).restarts == 0


def test_a_killed_fine_tuning_goes_on_to_the_same_weights(source, others, tmp_path, monkeypatch):
    transfer = Transfer(source, "all")
    design = prepared(others, tmp_path, transferred_plan(transfer), transfer)
    task = load_design(design.save(tmp_path / "design.json")).task("TypeI/WholeBrain_FLAIR", 0, 1)
    assert task.fingerprint() == design.task("TypeI/WholeBrain_FLAIR", 0, 1).fingerprint()
    whole = train_base_model(task)
    expected = (task.folder / task.file).read_bytes()
    shutil.rmtree(task.folder)
    run_epoch = volumes._run_epoch

    def killed(task, step, epoch, attempt):
        if epoch == 3:
            raise KeyboardInterrupt
        return run_epoch(task, step, epoch, attempt)

    monkeypatch.setattr(volumes, "_run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train_base_model(task)
    monkeypatch.setattr(volumes, "_run_epoch", run_epoch)
    assert train_base_model(task).history == whole.history
    assert (task.folder / task.file).read_bytes() == expected


def test_another_target_is_centred_and_keeps_its_spread(source, people, tmp_path):
    transfer = Transfer(source, "all")
    design = prepared(people, tmp_path, transferred_plan(transfer, target="hole"), transfer)
    task = design.task("TypeI/WholeBrain_T1w", 0, 0)
    mean = float(task.targets[task.split.training].mean())
    assert task.start is not None
    weights = task.start.begin(mean, task.scale)
    assert weights["output/bias"] == pytest.approx(mean)
    old = task.start.weights()
    np.testing.assert_allclose(weights["output/kernel"], old["output/kernel"], rtol=1e-6)
    assert task.scale == pytest.approx(task.ages[task.split.training].std() / 15)


def test_networks_predict_what_they_were_trained_on_whatever_heads_came_after(source, of_holes):
    """Ages, then heads for holes, then heads for ages; and holes trained on from ages."""

    def made_of(bundle: Bundle, *parents: tuple[Bundle, str]) -> Bundle:
        remembered = [Transfer(parent, refit).parents()[0] for parent, refit in parents]
        return replace(bundle, record=bundle.record.model_copy(update={"parents": tuple(remembered)}))

    hole_scale = of_holes.record.cohort.target_sd / 15
    assert Transfer(source, "all").predicted() == ("age", "years", 1)
    assert Transfer(of_holes, "all").predicted() == ("hole", "mm3", hole_scale)
    heads_for_holes = made_of(of_holes, (source, "heads"))
    assert Transfer(heads_for_holes, "all").predicted() == ("age", "years", 1)
    back = made_of(source, (heads_for_holes, "heads"), (source, "heads"))
    assert Transfer(back, "heads").predicted() == ("age", "years", 1)
    trained_on = made_of(source, (of_holes, "heads"), (source, "all"))
    assert Transfer(trained_on, "heads").predicted() == ("hole", "mm3", hole_scale)


def test_weights_that_changed_since_are_not_taken(source, others, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source.path, copy)
    transfer = Transfer(load_bundle(copy), "heads")
    task = prepared(others, tmp_path, transferred_plan(transfer), transfer).task("TypeI/WholeBrain_T1w", 0, 0)
    assert task.start is not None
    task.start.file.write_bytes(b"other")
    with pytest.raises(BundleError, match="not the file"):
        fitting.keep_start(task)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"input": {"voxel_size": 2.0}}, "input.voxel_size"),
        ({"architecture": {"filters": [8, 8]}}, "architecture.filters"),
        (
            {
                "ensembles": [
                    {"name": "TypeI", "stage": "subject", "regions": ["WholeBrain"], "modalities": ["T1w"],
                     "base_models": 2}
                ]
            },
            "ensembles",
        ),
    ],
)  # fmt: skip
def test_a_plan_of_another_shape_is_refused(source, change, where):
    with pytest.raises(InputError, match=f"plan.yaml and the bundle balls differ in {where}"):
        transferred_plan(Transfer(source, "all"), **change)


def test_a_plan_of_the_same_shape_may_say_so(source):
    same = small_plan().model_dump(mode="json", include={"ensembles", "input", "architecture"})
    assert transferred_plan(Transfer(source, "all"), **same).ensembles == small_plan().ensembles


@pytest.mark.parametrize("change", [{"input": 3}, {"ensembles": [3]}, {"architecture": {"magic": 1}}])
def test_a_plan_that_is_none_is_told(source, change):
    with pytest.raises(InputError, match="wrong at plan"):
        transferred_plan(Transfer(source, "all"), **change)
