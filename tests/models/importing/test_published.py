"""Published networks by recipe: the authors' file becomes a bundle that says their ages, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bids_brainage.cli.models import main
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.models.bundles.checking import check_bundle
from bids_brainage.models.importing.published import ensemble_name, import_published
from bids_brainage.models.importing.recipe import read_recipe, shipped_recipes
from bids_brainage.networks.architectures.named import ARCHITECTURES
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.workflows.models import Models
from tests.networks.architectures import golden
from tests.networks.torch_files import as_state, write_legacy, write_zip

#: What PyTorch says of the golden image by the golden network (PUBLISHED 6).
AGE = 57.98037002113244


def random_arrays(name: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of an architecture that an estimate survives: variances above zero, kernels not too large."""
    rng = np.random.default_rng(seed)
    found = {}
    for key, shape in ARCHITECTURES[name].shapes({}).items():
        if key.endswith("running_var"):
            array = rng.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            array = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            array = rng.uniform(0.1, 1, shape)
        found[key] = array.astype(np.float32)
    return found


def saved(folder: Path, name: str = "westman", seed: int = 0) -> Path:
    path = folder / f"{name}-{seed}.safetensors"
    save_file(random_arrays(name, seed), path)
    return path


def test_a_bundle_says_what_the_authors_network_says_whatever_the_layout_of_its_file(tmp_path: Path) -> None:
    state, recipe = as_state(golden.sfcn()), read_recipe("sfcn-ukb")
    files = [write_zip(tmp_path / "net.p", state), write_legacy(tmp_path / "old.p", state)]
    made = [import_published(recipe, [file], tmp_path / file.stem) for file in files]
    seen = golden.sfcn_input()
    estimates = [bundle.ensemble("SfcnUkb").predict({"WholeBrain_T1w": seen}) for bundle in made]
    assert estimates[0].brain_age == pytest.approx(AGE, abs=1e-4)
    sub = made[0].ensemble("SfcnUkb").sub_ensembles["WholeBrain_T1w"]
    scores = sub.scores(seen)
    assert sub.years(scores) == pytest.approx([AGE], abs=1e-4)
    shares = np.exp(scores[0]) / np.exp(scores[0]).sum()
    ages = 42.5 + np.arange(40)
    spread = np.sqrt(shares @ ages**2 - (shares @ ages) ** 2)
    assert sub.distributions(scores)[0] == pytest.approx((spread, ages[shares.argmax()]), rel=1e-3)
    sums = [
        {file: own.sha256 for file, own in bundle.record.files.items() if "fold-0" in file} for bundle in made
    ]
    assert sums[0] == sums[1]
    assert all(verdict.passed for verdict in check_bundle(made[0].path))


def test_a_bundle_keeps_its_recipe(tmp_path: Path) -> None:
    recipe = read_recipe("westman")
    bundle = load_bundle(import_published(recipe, [saved(tmp_path)], tmp_path / "own", name="mine").path)
    record = bundle.record
    assert record.recipe == recipe
    assert (record.name, record.schema_version, record.licence) == ("mine", 2, "MIT")
    assert bundle.ensembles == ("Mine",)
    assert record.cohort.age_range == recipe.cohort.ages
    (sub,) = record.ensembles[0].sub_ensembles
    assert (sub.name, sub.input, sub.input_shape) == ("WholeBrain_T1w", recipe.input, (80, 96, 80, 1))
    assert bundle.lrp_rule == "preset-a-flat"
    assert record.protocol.sources[sub.folds[0].base_models[0]].file == "westman-0.safetensors"


def test_several_files_are_one_ensemble(tmp_path: Path) -> None:
    files = [saved(tmp_path, seed=seed) for seed in range(3)]
    recipe = read_recipe("westman")
    mean = import_published(recipe, files, tmp_path / "mean")
    median = import_published(recipe.model_copy(update={"ensemble": "median"}), files, tmp_path / "median")
    ages = np.array([40.0, 50.0, 90.0])
    assert mean.ensemble("Westman").estimate({"WholeBrain_T1w": ages}).brain_age == pytest.approx(60)
    assert median.ensemble("Westman").estimate({"WholeBrain_T1w": ages}).brain_age == pytest.approx(50)
    with pytest.raises(InputError, match="give each network once"):
        import_published(recipe, [files[0], files[0]], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_every_recipe_gives_its_ensemble_a_name() -> None:
    names = [ensemble_name(name) for name in shipped_recipes()]
    assert all(name.isalnum() for name in names)
    assert len(set(names)) == len(names)


def test_a_bundle_of_the_paper_says_nothing_of_recipes() -> None:
    record = load_bundle("demo").record
    assert "recipe" not in json.loads(record.model_dump_json())
    assert record.schema_version == 1
    assert not any(
        isinstance(sub.input, InputRecipe) for own in record.ensembles for sub in own.sub_ensembles
    )


def test_two_files_of_one_recipe_run_side_by_side_under_names_of_their_own(tmp_path: Path) -> None:
    recipe = read_recipe("westman")
    paths = {
        name: str(import_published(recipe, [saved(tmp_path, seed=seed)], tmp_path / name, name=own).path)
        for seed, (name, own) in enumerate((("one", None), ("other", None), ("site2", "westman-site_2")))
    }
    assert tuple(Models.load([paths["one"], paths["site2"]]).ensembles) == ("Westman", "WestmanSite2")
    with pytest.raises(InputError, match=r"both have an ensemble Westman.*another --name"):
        Models.load([paths["one"], paths["other"]])


WRONG = {
    "another network's file": (["--recipe", "sfcn-ukb", "{westman}"], "not of this network"),
    "no file": (["--recipe", "sfcn-ukb"], "run_20190719_00_epoch_best_mae.p"),
    "no such recipe": (["--recipe", "sfcn", "{westman}"], "did you mean"),
    "what the recipe says": (["--recipe", "westman", "{westman}", "--box", "9", "9", "9"], "--box"),
    "no recipe": (["{westman}", "--name", "x"], "--recipe NAME"),
    "no name": (["--t1w", "{westman}"], "--name"),
    "no name for a bundle": (["--recipe", "westman", "{westman}", "--name", "../x"], "not a valid name"),
    "no letter in the name": (["--recipe", "westman", "{westman}", "--name", "_-_"], "one letter or digit"),
    "a web page": (["--recipe", "westman", "{page}"], "web page"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_imported_is_refused_in_a_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = WRONG[case]
    page = tmp_path / "net.pth"
    page.write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    files = {"westman": saved(tmp_path), "page": page}
    given = [argument.format(**files) for argument in arguments]
    assert main(["import", *given, "--out", str(tmp_path / "out")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert expected in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_who_imports_is_told_of_licence_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe("westman")
    file, out = saved(tmp_path), tmp_path / "out"
    assert main(["import", "--recipe", "westman", str(file), "--out", str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert all(" ".join(problem.split()) in told for problem in recipe.problems)
    assert "MIT (free to use)" in told
    assert "2.99 years" in told
