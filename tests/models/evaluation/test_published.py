"""A published network on a lab's own people: figures by hand, a verdict in words, own heads."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bids_brainage.cli.models import main
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle
from bids_brainage.models.bundles.recipe import Recipe
from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.models.evaluation.published import PublishedFit, verdict
from bids_brainage.models.importing.published import import_published
from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.models.training.plan import make_plan
from bids_brainage.models.training.training import train_bundle
from bids_brainage.models.training.transfer import Transfer
from bids_brainage.statistics.people.intervals import Interval
from tests.models.synthetic import write_people
from tests.networks.keras_networks import sequential

BOX = (14, 14, 14)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The paper's network for balls: whole voxels of the person's own image, no registration."""
    own = read_recipe("xai4mri")
    content = own.input.model_dump() | {"window": {"kind": "brain-box", "shape": BOX}}
    return Recipe.model_validate(
        own.model_dump() | {"input": content, "error": {"mae": 2.0, "people": "balls"}}
    )


@pytest.fixture(scope="module")
def bundle(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("published")
    files = []
    for seed in range(2):
        sequential(BOX, seed, filters=(2, 3), kernels=(3, 1), units=4).save(folder / f"{seed}.h5")
        files.append(folder / f"{seed}.h5")
    return import_published(recipe, files, folder / "bundle")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_people(tmp_path_factory.mktemp("people"), 40)


def test_errors_here_stand_beside_those_of_the_authors(
    bundle: Bundle, people: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, raw = people
    where = ["-w", str(tmp_path / "work"), "--nprocs", "1"]
    assert main(["evaluate", str(bundle.path), str(raw), str(out), str(tmp_path / "tables"), *where]) == 0
    told = " ".join(capsys.readouterr().out.split())
    estimates = list(csv.DictReader((tmp_path / "tables/estimates.tsv").open(), delimiter="\t"))
    (row,) = csv.DictReader((tmp_path / "tables/published.tsv").open(), delimiter="\t")
    age, estimate = (np.array([float(own[name]) for own in estimates]) for name in ("age", "estimate"))
    errors, line = estimate - age, stats.linregress(age, estimate)
    interval = stats.t.interval(0.95, len(errors) - 1, errors.mean(), stats.sem(errors))
    assert float(row["mae"]) == pytest.approx(np.abs(errors).mean(), rel=1e-3)
    assert float(row["bias"]) == pytest.approx(errors.mean(), rel=1e-3)
    assert (float(row["bias_low"]), float(row["bias_high"])) == pytest.approx(interval, rel=1e-3)
    assert float(row["slope"]) == pytest.approx(line.slope, abs=1e-3)
    assert (row["published_mae"], row["fits"]) == ("2", "False")
    assert "it does not do here what it did there" in told
    assert "Likely causes" in told
    assert "The range of ages of the training people" not in told


FIT = PublishedFit(
    "Own", 100, 45, 75, 2.2, Interval(1.8, 2.6), 2.1, 0.1, Interval(-0.4, 0.6), 0.95, Interval(0.9, 1.0)
)
CASES = {
    "as published": ({}, ["not more than the 2.1 years"], ["Likely causes", "off by"]),
    "worse": ({"mae_interval": (2.15, 2.9)}, ["is more than the 2.1 years", "Likely causes"], ["off by"]),
    "off": (
        {"bias": -12.6, "bias_interval": (-13.5, -11.7)},
        ["off by -12.6 years", "registered rigidly"],
        [],
    ),
    "off by little": ({"bias": 0.6, "bias_interval": (0.2, 1.0)}, [], ["off by", "Likely causes"]),
    "flat": ({"slope": 0.39, "slope_interval": (0.3, 0.5)}, ["rise by 0.39 years"], ["Likely causes"]),
    "younger": ({"youngest": 20.0}, ["younger or older"], ["Likely causes"]),
    "not given": ({"published_mae": None}, ["give no mean absolute error"], ["Likely causes"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_says_what_the_figures_say_and_no_more(case: str) -> None:
    changes, expected, absent = CASES[case]
    changes = {name: Interval(*own) if isinstance(own, tuple) else own for name, own in changes.items()}
    told = " ".join(verdict(replace(FIT, **changes), read_recipe("sfcn-ukb")))
    assert all(words in told for words in expected), told
    assert not any(words in told for words in absent), told
    assert "100 people of" in told


def test_an_offset_and_a_slope_are_fitted_on_ones_own_people(
    bundle: Bundle, people: tuple[Path, Path], tmp_path: Path
) -> None:
    """The networks stay as they are, inputs are floats, and the new bundle keeps the recipe."""
    out, raw = people
    transfer = Transfer(bundle, "heads")
    heads = {"top_fitted_on": "validation+test", "top_alpha": 100.0}
    content = {"name": "own", "seed": 1, "heads": heads}
    plan = make_plan(transfer.complete(content, "own.yaml"), "own.yaml")
    trained = train_bundle(
        [out], raw / "participants.tsv", plan, tmp_path / "own", tmp_path / "work", transfer=transfer
    )
    made = load_bundle(trained.bundle.path)
    assert made.record.recipe == bundle.record.recipe
    assert (
        made.record.ensembles[0].sub_ensembles[0].input == bundle.record.ensembles[0].sub_ensembles[0].input
    )
    volumes = next((tmp_path / "work/store").glob("*.u8"))
    assert volumes.stat().st_size == 40 * 14**3 * 4
    errors = {own.name: own.mae for own in made.record.ensembles[0].errors}
    assert errors["Xai4mri"] < min(mae for name, mae in errors.items() if "_bm-" in name)
    image = made.reference_inputs()
    assert all(array.dtype == np.float32 for array in image.values())
    assert all(check.passed for check in made.reference_checks())


def test_few_people_tell_nothing_of_a_network(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, raw = write_people(tmp_path / "few", 9)
    where = ["-w", str(tmp_path / "work"), "--nprocs", "1"]
    assert main(["evaluate", str(bundle.path), str(raw), str(out), str(tmp_path / "tables"), *where]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Only 9 people: too few to tell whether the network is right here" in told
    assert not (tmp_path / "tables/published.tsv").exists()


def test_who_was_not_registered_for_a_network_is_left_out_with_the_remedy(
    people: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    out, raw = people
    with pytest.raises(InputError):
        read_cohort([out], raw / "participants.tsv", ["T1w"], linear=["affine"])
    assert "participant with --model and this model first" in caplog.text
