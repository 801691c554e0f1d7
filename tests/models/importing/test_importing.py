"""Bundles of imported networks: sound, usable, honest about what is not known; or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.models.bundles.flags import estimate_flags
from bids_brainage.models.importing.importing import ImportPlan, import_bundle, reference_image
from tests.networks.keras_networks import SMALL, functional, images_of, sequential
from tests.odd_files import ODD, patience  # noqa: F401

MODALITIES = ("T1w", "FLAIR", "T2starw")


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> dict[str, tuple[object, Path]]:
    """Networks in Keras with their files: one a sequence, a second of T1w, and one of another box."""
    folder = tmp_path_factory.mktemp("networks")
    models = {
        "T1w": sequential(**SMALL, seed=1),
        "FLAIR": functional(**SMALL, seed=2),
        "T2starw": sequential(**SMALL, seed=3, activation="relu inside"),
        "second": sequential(**SMALL, seed=4),
        "large": sequential(**SMALL | {"box": (12, 12, 12)}, seed=5),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.h5")
    return {name: (model, folder / f"{name}.h5") for name, model in models.items()}


@pytest.fixture
def three(networks) -> dict[str, list[Path]]:
    """One file a sequence."""
    return {modality: [networks[modality][1]] for modality in MODALITIES}


def keras_ages(networks, images: dict[str, np.ndarray]) -> dict[str, float]:
    """What Keras itself predicts of grey values."""
    return {
        name: float(networks[name][0].predict(image[None] * 255, verbose=0)[0, 0])
        for name, image in images.items()
    }


def test_an_ensemble_is_the_plain_mean_of_keras_predictions_on_grey_values(networks, three, tmp_path):
    bundle = import_bundle(ImportPlan(three, name="mine"), tmp_path / "mine")
    assert bundle.ensembles == ("TypeI",)
    ensemble = bundle.ensemble("TypeI")
    images = {m: images_of(networks[m][0], 1, seed)[0] for seed, m in enumerate(MODALITIES)}
    ages = keras_ages(networks, images)
    for missing in ((), ("FLAIR",), ("FLAIR", "T2starw")):
        given = [m for m in MODALITIES if m not in missing]
        estimate = ensemble.predict({f"WholeBrain_{m}": images[m] for m in given})
        assert estimate.brain_age == pytest.approx(np.mean([ages[m] for m in given]), rel=1e-5)
        assert estimate.lower_95 is None
        assert estimate.modalities_missing == missing


def test_inputs_in_training_may_have_been_divided(networks, three, tmp_path):
    plan = ImportPlan(three, name="mine", input_max=1)
    models = import_bundle(plan, tmp_path / "mine").ensemble("TypeI").sub_ensembles
    model, _ = networks["T1w"]
    images = images_of(model, 4)
    computed = models["WholeBrain_T1w"].predict(images)[:, 0]
    np.testing.assert_allclose(computed, model.predict(images, verbose=0)[:, 0], rtol=1e-5)


def test_the_target_bias_is_the_last_layers(networks, three, tmp_path):
    ensemble = import_bundle(ImportPlan(three, name="mine"), tmp_path / "mine").ensemble("TypeI")
    for modality in MODALITIES:
        model = ensemble.sub_ensembles[f"WholeBrain_{modality}"].base_models[0]
        assert model.target_bias == networks[modality][0].get_weights()[-1][0]


def test_maps_of_an_imported_network_add_up(networks, three, tmp_path):
    """Target bias + relevance + what biases and epsilon absorb = the network's prediction on grey values."""
    from bids_brainage.relevance import explain

    ensemble = import_bundle(ImportPlan(three, name="mine"), tmp_path / "mine").ensemble("TypeI")
    keras_model, _ = networks["T2starw"]
    image = images_of(keras_model, 1)
    network = ensemble.sub_ensembles["WholeBrain_T2starw"].base_models[0].network
    explained = explain(network, image)
    age = float(keras_model.predict(image * 255, verbose=0)[0, 0])
    bias = float(keras_model.get_weights()[-1][0])
    assert explained.target_bias == bias
    assert age == pytest.approx(bias + explained.relevance.sum() + explained.absorbed[0], rel=1e-5)


def test_several_files_of_a_sequence_are_one_sub_ensemble(networks, tmp_path):
    files = {"T1w": [networks["T1w"][1], networks["second"][1]]}
    bundle = import_bundle(ImportPlan(files, name="mine", stage="standard"), tmp_path / "mine")
    assert bundle.ensembles == ("TypeII",)
    sub = bundle.ensemble("TypeII").sub_ensembles["WholeBrain_T1w"]
    assert (sub.input.stage, sub.input.space, sub.input.voxel_size) == ("standard", "MNI152NLin6Asym", 2)
    images = images_of(networks["T1w"][0], 1)
    expected = [networks[name][0].predict(images * 255, verbose=0)[0, 0] for name in ("T1w", "second")]
    np.testing.assert_allclose(sub.predict(images)[0], expected, rtol=1e-5)
    estimate = bundle.ensemble("TypeII").predict({"WholeBrain_T1w": images[0]})
    assert estimate.brain_age == pytest.approx(np.mean(expected), rel=1e-5)
    assert estimate.sub_ensembles[0].uncertainty > 0


def test_the_record_says_what_is_known_and_what_is_not(networks, three, tmp_path):
    plan = ImportPlan(three, name="mine", licence="CC0", age_range=(18, 82), description="Of mine.")
    bundle = import_bundle(plan, tmp_path / "mine")
    record = bundle.record
    assert bundle.training_range == (18, 82)
    assert record.cohort.n is None
    assert record.protocol.seed is None
    assert record.protocol.heads_fitted_on == "nobody (plain mean)"
    assert record.protocol.top_heads_fitted_on == "nobody (plain mean)"
    assert [source.file for source in record.protocol.sources.values()] == [f"{m}.h5" for m in MODALITIES]
    assert not record.ensembles[0].errors
    spec = record.ensembles[0].sub_ensembles[0].input
    assert (spec.orientation, spec.voxel_size, spec.box) == ("LIA", 1, SMALL["box"])
    assert (spec.intensity.clip, spec.intensity.output_max) == (383, 255)
    estimate = bundle.ensemble("TypeI").estimate({"WholeBrain_T1w": np.array([90.0])})
    codes = {flag.code for flag in estimate_flags(bundle, estimate, age=85, simulated=False)}
    expected = {"age_outside_training_range", "estimate_outside_training_range", "interval_unavailable"}
    assert codes == expected | {"modality_missing"}


def test_an_unknown_age_range_is_a_note(three, tmp_path):
    bundle = import_bundle(ImportPlan(three, name="mine"), tmp_path / "mine")
    estimate = bundle.ensemble("TypeI").estimate({"WholeBrain_T1w": np.array([900.0])})
    codes = {flag.code for flag in estimate_flags(bundle, estimate, age=85, simulated=False)}
    assert "training_range_unknown" in codes
    assert bundle.in_training_set("sub-01") is None
    assert not codes & {"age_outside_training_range", "estimate_outside_training_range"}


def test_the_same_files_make_the_same_bundle(three, tmp_path):
    first, second = (import_bundle(ImportPlan(three, name="mine"), tmp_path / n / "mine") for n in "ab")
    assert first.sha256 == second.sha256


HEADS = {
    "sub_ensembles": {"T1w": {"coefficients": [0.25, 0.5], "intercept": 3}},
    "top": [{"coefficients": {"FLAIR": 0.75, "T1w": 0.5}, "intercept": -4}],
}


def test_heads_fitted_elsewhere_are_used(networks, tmp_path):
    (tmp_path / "heads.json").write_text(json.dumps(HEADS))
    files = {"T1w": [networks["T1w"][1], networks["second"][1]], "FLAIR": [networks["FLAIR"][1]]}
    plan = ImportPlan(files, name="mine", heads=tmp_path / "heads.json")
    bundle = import_bundle(plan, tmp_path / "mine")
    ensemble = bundle.ensemble("TypeI")
    both = ensemble.estimate({"WholeBrain_T1w": np.array([40, 60]), "WholeBrain_FLAIR": np.array([50])})
    assert both.brain_age == pytest.approx(0.5 * (0.25 * 40 + 0.5 * 60 + 3) + 0.75 * 50 - 4)
    alone = ensemble.estimate({"WholeBrain_T1w": np.array([40, 60])})
    assert alone.brain_age == pytest.approx(0.25 * 40 + 0.5 * 60 + 3)
    protocol = bundle.record.protocol
    assert protocol.heads_fitted_on == "people elsewhere (given at import); of FLAIR: nobody (plain mean)"
    assert protocol.top_heads_fitted_on.endswith("of T1w, FLAIR: nobody (plain mean)")


def test_inputs_may_depart_from_the_papers(three, tmp_path):
    changes = {"T1w": {"intensity": {"clip": 255.0}}, "FLAIR": {"orientation": "RAS", "voxel_size": 8}}
    (tmp_path / "inputs.json").write_text(json.dumps(changes))
    plan = ImportPlan(three, name="mine", inputs=tmp_path / "inputs.json")
    t1w, flair, swi = import_bundle(plan, tmp_path / "mine").record.ensembles[0].sub_ensembles
    assert (t1w.input.intensity.clip, flair.input.intensity.clip) == (255, 383)
    assert (flair.input.orientation, flair.input.voxel_size) == ("RAS", 8)
    assert (swi.input.orientation, swi.input.voxel_size) == ("LIA", 1)


def test_reference_images_show_something_everywhere_but_outside():
    image = reference_image((30, 40, 50))
    assert image.shape == (30, 40, 50, 1)
    assert image[0].max() == 0
    assert len(np.unique(image[10:20, 10:30, 15:35])) > 50


# --- the command line, and what it refuses ---------------------------------------------------------


def command(three: dict[str, list[Path]], out: Path, *more: str) -> list[str]:
    options = {"T1w": "--t1w", "FLAIR": "--flair", "T2starw": "--t2starw"}
    given = [part for m, files in three.items() for part in (options[m], *map(str, files))]
    return ["import", *given, "--name", "mine", "--out", str(out), *more]


def test_an_imported_bundle_passes_the_check(three, tmp_path, capsys):
    out = tmp_path / "deep" / "mine"
    assert main(command(three, out, "--age-range", "18", "82", "--licence", "CC0")) == 0
    told = capsys.readouterr().out
    for words in ("18 to 82 years", "T1w.h5", "nobody (plain mean)", "an unknown number of people"):
        assert words in told
    assert main(["check", str(out)]) == 0
    assert "3 predictions" in capsys.readouterr().out
    assert main(["show", str(out)]) == 0
    assert "WholeBrain_T2starw" in capsys.readouterr().out


def test_simulated_people_make_a_demonstration(three, tmp_path):
    assert main(command(three, tmp_path / "mine", "--simulated", "--model-version", "0.3")) == 0
    bundle = load_bundle(tmp_path / "mine")
    assert bundle.is_demonstration
    assert bundle.record.cohort.simulated
    assert bundle.record.version == "0.3"


REFUSALS: dict[str, tuple[list[str], str]] = {
    "no name": (["--name", "my model"], "--name 'my model' is not a valid name"),
    "no version": (["--model-version", "../1"], "is not a valid name"),
    "ages turned round": (["--age-range", "80", "18"], "--age-range 80 18"),
    "ages not numbers": (["--age-range", "nan", "18"], "--age-range nan 18"),
    "no maximum": (["--input-max", "0"], "--input-max 0"),
    "endless maximum": (["--input-max", "inf"], "--input-max inf"),
    "vast maximum": (["--input-max", "1e39"], "not finite"),
    "heads gone": (["--heads", "none.json"], "none.json (for --heads)"),
    "inputs gone": (["--inputs", "none.json"], "none.json (for --inputs)"),
    "other box": (["--box", "98", "98", "98"], "leave --box out"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_wrong_options_are_one_sentence_and_nothing_is_left(three, tmp_path, capsys, name):
    more, words = REFUSALS[name]
    assert main(command(three, tmp_path / "mine", *more)) == 2
    err = capsys.readouterr().err
    assert words in " ".join(err.split())
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


WRONG_JSON: dict[str, tuple[str, str, str]] = {
    "no JSON": ("--heads", "{", "for --heads"),
    "unknown key": ("--heads", '{"code": 1}', "code"),
    "no coefficients": ("--heads", '{"sub_ensembles": {"T1w": {"coefficients": []}}}', "coefficients"),
    "too many": (
        "--heads",
        '{"sub_ensembles": {"T1w": {"coefficients": [1, 2]}}}',
        "T1w 2 coefficients, but 1 files",
    ),
    "unknown sequence": (
        "--heads",
        '{"sub_ensembles": {"DWI": {"coefficients": [1]}}}',
        "DWI 1 coefficients, but 0 files",
    ),
    "unknown in top": (
        "--heads",
        '{"top": [{"coefficients": {"DWI": 1}}]}',
        "a top head of DWI, but T1w, FLAIR, T2starw are",
    ),
    "not a number": ("--heads", '{"top": [{"coefficients": {"T1w": NaN}}]}', "for --heads"),
    "no input": ("--inputs", '{"DWI": {}}', "names DWI"),
    "no orientation": ("--inputs", '{"T1w": {"orientation": "LLL"}}', "one letter of each"),
    "no voxels": ("--inputs", '{"T1w": {"voxel_size": 0}}', "voxel_size"),
    "not text": ("--inputs", "\udcff", "for --inputs"),
    "deep": ("--heads", "[" * 100_000, "for --heads"),
    "large": ("--inputs", " " * 1_100_000, "larger than 1 MB"),
    "huge number": ("--heads", '{"top": [{"coefficients": {"T1w": 1e308}}]}', "less than or equal"),
    "control characters": ("--inputs", '{"T1w": {"\\u001b[2J": 1}}', r"\?\[2J"),
}


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("option", ["--heads", "--inputs"])
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_a_file_is_refused_and_waited_for_by_nobody(three, tmp_path, capsys, name, option):
    ODD[name](tmp_path / "odd")
    assert main(command(three, tmp_path / "mine", option, str(tmp_path / "odd"))) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert f"(for {option}) cannot be used" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--licence", "--description"])
def test_texts_that_a_terminal_would_obey_are_refused(three, tmp_path, capsys, option):
    assert main(command(three, tmp_path / "mine", option, "\x1b[2Jfree")) == 2
    err = capsys.readouterr().err
    assert f"{option} ?[2Jfree" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", WRONG_JSON)
def test_wrong_json_is_one_sentence(three, tmp_path, name):
    option, text, words = WRONG_JSON[name]
    file = tmp_path / "given.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    plan = ImportPlan(three, name="mine", **{option[2:]: file})
    with pytest.raises(InputError, match=words) as caught:
        import_bundle(plan, tmp_path / "mine")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [file]


def test_files_of_a_sub_ensemble_must_be_alike_and_different(networks, tmp_path):
    files = [networks["T1w"][1], networks["large"][1]]
    with pytest.raises(InputError, match=r"large\.h5 has a different input or architecture from .*T1w\.h5"):
        import_bundle(ImportPlan({"T1w": files}, name="mine"), tmp_path / "mine")
    with pytest.raises(InputError, match=r"is the same as .*T1w\.h5"):
        import_bundle(ImportPlan({"T1w": [files[0], files[0]]}, name="mine"), tmp_path / "mine")
    with pytest.raises(InputError, match="--t1w, --flair or --t2starw"):
        import_bundle(ImportPlan({}, name="mine"), tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_file_among_good_ones_leaves_nothing(three, tmp_path, capsys):
    bad = tmp_path / "bad.h5"
    bad.write_bytes(three["FLAIR"][0].read_bytes()[:5000])
    assert main(command(three | {"FLAIR": [bad]}, tmp_path / "mine")) == 2
    assert "bad.h5 is a damaged" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == [bad]


def test_what_is_there_is_never_overwritten(three, tmp_path, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    assert main(command(three, out)) == 2
    assert "exists already" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(three, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(command(three, tmp_path / "file" / "mine")) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_interrupted_import_leaves_nothing(three, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        (folder,) = (path for path in tmp_path.iterdir() if path.name.startswith(".tmp-"))
        assert folder.is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr("bids_brainage.models.importing.importing.write_bundle", fail)
    with pytest.raises(KeyboardInterrupt):
        import_bundle(ImportPlan(three, name="mine"), tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []
