"""Bundles that mean harm: each is refused in one sentence, at once, and for little memory."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.limits import MOST_ACTIVATIONS, activations, check_size
from bids_brainage.models.bundles.schema import BundleRecord
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.weights_file import write_arrays
from tests.models.bundles.test_bundle import WEIGHTS, change_json, first_sub, replace_weights
from tests.models.conftest import small_record
from tests.odd_files import ODD, patience  # noqa: F401

pytestmark = pytest.mark.usefixtures("patience")
FILES = ("bundle.json", WEIGHTS, "reference.safetensors")


def refused(bundle: Bundle, words: str) -> None:
    """Loading says it in one sentence, and so do show, check and list, none of which stops there."""
    with pytest.raises(BundleError, match=f"(?s){words}") as caught:
        load_bundle(bundle.path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_a_file_is_refused_and_waited_for_by_nobody(
    bundle: Bundle, name: str, file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundle.path / file).unlink()
    ODD[name](bundle.path / file)
    words = "not a regular file|Too many levels|leads outside the bundle"
    refused(bundle, words)
    for action in ("show", "check"):
        assert main([action, str(bundle.path)]) == 2
        said = "".join(capsys.readouterr())
        assert re.search(words, said)
        assert "Traceback" not in said
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(bundle.path.parent))
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert "demo" in said.out
    assert ("regular file" in said.err or "Too many levels" in said.err) == (file == "bundle.json")


def test_a_folder_that_is_a_link_to_itself_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BundleError, match="No model bundle"):
        load_bundle(tmp_path / "loop")


@pytest.mark.parametrize("size", [2**40, 2**63, 10**30, -1])
def test_an_absurd_size_is_refused_before_it_is_believed(bundle: Bundle, size: int) -> None:
    change_json(bundle, lambda record: record["files"][WEIGHTS].update(bytes=size))
    refused(bundle, "bytes")


def test_many_files_of_the_largest_size_are_too_many(bundle: Bundle) -> None:
    entry = {"sha256": "0" * 64, "bytes": 512_000_000}
    change_json(bundle, lambda record: record["files"].update({f"{i}.x": entry for i in range(16)}))
    refused(bundle, "larger than 8 GB together")


SIZES = {
    "filters": ({"filters": [2048, 3], "kernels": [1, 1]}, [80, 80, 80], "4 GB of memory for one input"),
    "no pooling": ({"pool_stride": 1, "filters": [200, 3]}, [200, 200, 200], "GB of memory"),
    "dense": ({"dense_units": 2048}, [300, 300, 300], "parameters"),
    "kernels": ({"filters": [2048, 2048], "kernels": [15, 15]}, [5, 6, 4], "parameters"),
    "box": ({}, [513, 6, 4], "512 voxels"),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_network_that_needs_gigabytes_is_refused(bundle: Bundle, name: str) -> None:
    """The files may be small: nothing of the network's size is made before it is checked."""
    architecture, box, words = SIZES[name]

    def grow(record: dict[str, Any]) -> None:
        first_sub(record)["architecture"].update(architecture)
        first_sub(record)["input"]["box"] = box

    change_json(bundle, grow)
    refused(bundle, words)


def test_the_limit_of_memory_is_that_of_what_the_convolutions_make() -> None:
    """Counted by hand: 2 filters of 10 x 10 x 10, then 3 of 5 x 5 x 5."""
    spec = BaseModelSpec(filters=(2, 3), kernels=(3, 1))
    assert activations(spec, (10, 10, 10)) == 2 * 1000 + 3 * 125
    check_size(BaseModelSpec(), (256, 256, 256))
    assert activations(BaseModelSpec(), (256, 256, 256)) < MOST_ACTIVATIONS < 10**9 + 1


HEADERS = {
    "huge shape": '{"dense/bias":{"dtype":"F32","shape":[4000000000],"data_offsets":[0,16]}}',
    "many shapes": '{"dense/bias":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}',
    "empty huge shape": '{"dense/bias":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}',
    "negative offset": '{"dense/bias":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}',
    "unknown type": '{"dense/bias":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]}}',
    "brain float": '{"dense/bias":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]}}',
    "deep": '{"__metadata__":' + "[" * 100_000 + "}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie_are_refused_in_spite_of_right_sums(bundle: Bundle, name: str) -> None:
    header = HEADERS[name].encode()
    replace_weights(bundle, len(header).to_bytes(8, "little") + header + b"\0" * 16)
    refused(bundle, "safetensors|does not hold the weights")


def heads(record: dict[str, Any]) -> list[dict[str, Any]]:
    ensemble = record["ensembles"][0]
    folds = [fold["head"] for sub in ensemble["sub_ensembles"] for fold in sub["folds"]]
    return folds + [top["head"] for fold in ensemble["top_heads"] for top in fold]


@pytest.mark.parametrize("number", [1e308, -1e308, 1e13])
@pytest.mark.parametrize("key", ["coefficients", "intercept"])
def test_coefficients_of_no_sense_are_refused_on_loading(bundle: Bundle, key: str, number: float) -> None:
    def spoil(record: dict[str, Any]) -> None:
        for head in heads(record):
            head[key] = number if key == "intercept" else [number] * len(head[key])

    change_json(bundle, spoil)
    refused(bundle, "less than or equal|greater than or equal")


@pytest.mark.parametrize("key", ["half_widths", "disagreement_99", "normalised"])
def test_intervals_of_no_sense_are_refused_on_loading(bundle: Bundle, key: str) -> None:
    values = {"half_widths": {"0.95": 1e308}, "disagreement_99": -1.0}
    wrong = values.get(key, {"offset": 1.0, "quantiles": {"0.95": 1e308}})
    change_json(bundle, lambda record: record["ensembles"][0]["top_heads"][0][0].update({key: wrong}))
    refused(bundle, key)


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[31mSOUND", "a\rb", "\u202egnuos", "bell\x07", "\x9b31m", "\u2066x"]
)
@pytest.mark.parametrize(
    "place", ["licence", "description", "unit", "heads_fitted_on", "program", "datasets", "site", "error"]
)
def test_what_a_terminal_would_obey_is_refused_or_made_a_blank(
    bundle: Bundle, place: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(record: dict[str, Any]) -> None:
        source = {"file": "x.h5", "sha256": "0" * 64, "program": text}
        error = {"level": "ensemble", "name": text, "modalities": ["T1w"], "n": 1}
        error |= dict.fromkeys(("mae", "rmse", "r2", "r", "guess_mae"), 1.0)
        places: dict[str, tuple[dict[str, Any], Any]] = {
            "program": (record["protocol"], {"sources": {WEIGHTS: source}}),
            "heads_fitted_on": (record["protocol"], {"heads_fitted_on": text}),
            "datasets": (record["cohort"], {"datasets": [text]}),
            "site": (record["cohort"], {"sites": {text: 1}}),
            "error": (record["ensembles"][0], {"errors": [error]}),
        }
        target, change = places.get(place, (record, {place: text}))
        target.update(change)

    change_json(bundle, write)
    code = main(["show", str(bundle.path)])
    said = "".join(capsys.readouterr())
    assert code in (0, 2)
    assert (code == 2) or text == "a\rb"
    assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_keys_of_no_bundle_are_told_without_what_a_terminal_would_obey(bundle: Bundle) -> None:
    change_json(bundle, lambda record: record.update({"\x1b[2J" + "x" * 100_000: 1}))
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle.path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_a_json_of_a_million_wrong_values_is_told_briefly(bundle: Bundle) -> None:
    change_json(bundle, lambda record: record["protocol"].update(n_training=["x"] * 1_000_000))
    refused(bundle, "1000000 of its values are wrong")


def test_a_json_that_is_too_large_is_not_read(bundle: Bundle) -> None:
    with (bundle.path / "bundle.json").open("ab") as stream:
        stream.truncate(9_000_000)
    refused(bundle, "larger than 8 MB")


@pytest.mark.parametrize("number", ["1" * 10_000, "1e999", "-0", "2" + "0" * 4_000])
def test_numbers_of_any_length_are_told(bundle: Bundle, number: str) -> None:
    for key in ("schema_version", "seed"):
        content = (bundle.path / "bundle.json").read_text()
        (bundle.path / "bundle.json").write_text(
            re.sub(rf'"{key}": ?\d+', f'"{key}": {number}', content, count=1)
        )
        if number == "-0" and key == "seed":
            continue
        refused(bundle, r"bundle\.json")
        (bundle.path / "bundle.json").write_text(content)


def test_one_file_cannot_stand_for_a_hundred_networks(bundle: Bundle) -> None:
    def repeat(record: dict[str, Any]) -> None:
        for fold in first_sub(record)["folds"]:
            fold["base_models"] = [WEIGHTS] * 100
            fold["head"]["coefficients"] = [0.01] * 100

    change_json(bundle, repeat)
    refused(bundle, "two base models with the same file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"region": "Cortical"}, "Cortical needs the stage standard"),
        ({"region": "Elsewhere", "stage": "standard", "space": "MNI152NLin6Asym"}, "no region Elsewhere"),
        ({"space": "MNI152NLin6Asym"}, "space of the stage subject is T1w"),
        ({"orientation": "LLL"}, "one letter of each"),
    ],
)
def test_inputs_that_cannot_be_made_are_refused(bundle: Bundle, change: dict[str, str], words: str) -> None:
    change_json(bundle, lambda record: first_sub(record)["input"].update(change))
    refused(bundle, words)


def test_a_fold_that_is_not_there_tests_nobody(bundle: Bundle) -> None:
    change_json(bundle, lambda record: record["participants"]["folds"].update({"0" * 64: 2}))
    refused(bundle, "a fold that is not there")


def test_a_bundle_takes_little_memory_before_it_is_refused(bundle: Bundle) -> None:
    """Two megabytes of files that ask for 17 GB: 2048 channels of a box of 128 x 128 x 128."""
    box, record, arrays = (128, 128, 128), *small_record()
    for sub in record["ensembles"][0]["sub_ensembles"]:
        sub["input"]["box"], sub["architecture"]["filters"] = box, (2048, 3)
        sub["architecture"]["kernels"] = (1, 1)
    shapes = BaseModelSpec.model_validate(first_sub(record)["architecture"]).weight_shapes((*box, 1))
    weights = {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}
    for file in [file for file in arrays if file != "reference.safetensors"]:
        write_arrays(bundle.path / file, weights)
    write_arrays(
        bundle.path / "reference.safetensors",
        {key: np.zeros((*box, 1), np.uint8) for key in arrays["reference.safetensors"]},
    )
    for file in record["files"]:
        content = (bundle.path / file).read_bytes()
        record["files"][file] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (bundle.path / "bundle.json").write_text(json.dumps(record))
    # It tells itself how much it has taken: this process has other children.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "from bids_brainage.cli.models import main; code = main(sys.argv[1:])\n"
        "print('kB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); raise SystemExit(code)"
    )
    for action in ("show", "check"):
        run = subprocess.run(
            [sys.executable, "-c", code, action, str(bundle.path)], capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 2
        assert "GB of memory for one input" in run.stdout + run.stderr
        assert "Traceback" not in run.stderr
        assert int(run.stdout.rsplit("kB", 1)[1]) < 2_000_000


def test_an_estimate_that_is_not_finite_is_an_error(bundle: Bundle) -> None:
    """Heads that the schema lets pass cannot overflow; those that are built otherwise are told of."""
    from dataclasses import replace

    from bids_brainage.models.ensembles.head_model import HeadModel

    ensemble = bundle.ensemble("TypeI")
    given = {name: np.full(2, 50.0) for name in ensemble.sub_ensembles}
    first = next(iter(ensemble.sub_ensembles))
    sub = replace(ensemble.sub_ensembles[first], head=HeadModel(np.array([1e308, 1e308]), 0.0))
    with pytest.raises(BundleError, match=f"not a finite number \\(in {first}\\)"):
        replace(ensemble, sub_ensembles={**ensemble.sub_ensembles, first: sub}).estimate(given)
    for change, where in (
        ({"head": HeadModel(np.full(3, 1e308), 0.0)}, "TypeI"),
        ({"half_widths": {0.95: np.inf}, "normalised": None}, "the 95 % interval"),
    ):
        tops = tuple(
            replace(top, **change) if len(top.sub_ensembles) == 3 else top for top in ensemble.top_heads
        )
        with pytest.raises(BundleError, match=f"not a finite number \\(in {where}\\)"):
            replace(ensemble, top_heads=tops).estimate(given)


def test_largest_numbers_that_pass_give_a_finite_estimate(tmp_path: Path) -> None:
    record, arrays = small_record()
    for head in heads(record):
        head["coefficients"], head["intercept"] = [1e12] * len(head["coefficients"]), 1e12
    ensemble = write_bundle(tmp_path / "b", BundleRecord.model_validate(record), arrays).ensemble("TypeI")
    assert np.isfinite(ensemble.estimate({n: np.full(2, 1e12) for n in ensemble.sub_ensembles}).brain_age)


def test_a_process_reads_a_bundle_once_and_again_when_it_has_changed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bids_brainage.models.bundles import files

    read: list[str] = []
    plain = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda path, limit: read.append(path.name) or plain(path, limit))
    monkeypatch.chdir(bundle.path.parent)
    first = load_bundle("small")
    assert load_bundle(bundle.path) is load_bundle(bundle.path / "bundle.json") is first
    first.ensemble("TypeI")
    first.mean_inputs("TypeI")
    assert read == []  # the fixture has loaded it when it was written
    first.ensemble("TypeI", 1)
    assert len(read) == 6
    assert first.path.is_absolute()
    (bundle.path / WEIGHTS).write_bytes(b"other")
    with pytest.raises(BundleError, match="sha256 differs"):
        load_bundle("small")


def test_a_file_is_hashed_once(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from bids_brainage.models.bundles import bundle as module
    from bids_brainage.models.bundles import files

    module._loaded.clear()
    hashed: list[int] = []
    plain = hashlib.sha256
    monkeypatch.setattr(
        files.hashlib, "sha256", lambda content: hashed.append(len(content)) or plain(content)
    )
    loaded = load_bundle(bundle.path)
    for fold in (0, 1):
        loaded.ensemble("TypeI", fold)
    list(loaded.reference_checks())
    assert len(hashed) == 1 + len(loaded.record.files)
