"""Bundles: whole ones load and give what was written; every fault is named in one sentence."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import load_bundle, write_bundle
from bids_brainage.models.bundles.finding import find_bundle, list_bundles, settled
from bids_brainage.models.bundles.schema import BundleRecord
from bids_brainage.networks.weights_file import write_arrays
from tests.models.conftest import SPEC, small_record

WEIGHTS = "TypeI/fold-0/WholeBrain_T1w_bm-00.safetensors"


def test_a_bundle_comes_back_as_it_was_written(bundle):
    _, arrays = small_record()
    model = bundle.ensemble("TypeI").sub_ensembles["WholeBrain_T1w"].base_models[0]
    for name, array in arrays[WEIGHTS].items():
        np.testing.assert_array_equal(model.weights[name], array)
    assert model.target_bias == 50
    assert bundle.sha256 == hashlib.sha256((bundle.path / "bundle.json").read_bytes()).hexdigest()
    assert bundle.ensembles == ("TypeI",)
    assert bundle.training_range == (20, 80)


def test_folds_hold_different_models(bundle):
    first, second = (bundle.ensemble("TypeI", fold).sub_ensembles["WholeBrain_T1w"] for fold in (0, 1))
    assert not np.allclose(
        first.base_models[0].weights["dense/kernel"], second.base_models[0].weights["dense/kernel"]
    )
    with pytest.raises(BundleError, match="no fold 2"):
        bundle.ensemble("TypeI", 2)
    with pytest.raises(BundleError, match=r"no ensemble TypeX.*TypeI"):
        bundle.ensemble("TypeX")


def test_training_participants_are_known_by_hash_alone(bundle):
    text = (bundle.path / "bundle.json").read_text()
    assert "sub-01" not in text
    assert [bundle.fold_of(label) for label in ("sub-01", "01", "sub-02", "sub-03", "sub-04")] == [
        0,
        0,
        1,
        None,
        None,
    ]
    assert [bundle.in_training_set(label) for label in ("sub-01", "sub-03", "sub-04")] == [True, True, False]
    assert not bundle.in_training_set("sub-01", dataset="Another cohort")
    assert bundle.fold_of("sub-02", dataset="Cohort A") == 1


def test_reference_predictions_agree_and_disagree(bundle):
    checks = list(bundle.reference_checks())
    assert len(checks) == 3 * 2 * 2
    assert all(check.passed for check in checks)
    record, arrays = small_record()
    record["reference"]["predictions"]["TypeI/WholeBrain_T1w"][0] = (1.0, 2.0)
    wrong = write_bundle(bundle.path, BundleRecord.model_validate(record), arrays)
    assert [check.passed for check in wrong.reference_checks()].count(False) == 2


def test_bundles_are_found_by_name_folder_and_file(bundle, monkeypatch, tmp_path):
    assert find_bundle(bundle.path) == bundle.path
    assert find_bundle(bundle.path / "bundle.json") == bundle.path
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", f"{tmp_path / 'nothing'}:{tmp_path / 'models'}")
    assert find_bundle("small") == bundle.path
    assert ("small", bundle.path) in list_bundles()


def test_a_path_means_the_same_bundle_in_every_folder(bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", "more")
    monkeypatch.chdir(bundle.path.parent)
    (bundle.path.parent / "demo").mkdir()
    for given in ("small", "./small", "small/bundle.json", "../models/small"):
        told = settled(given)
        assert find_bundle(given) == bundle.path
        assert find_bundle(told) == bundle.path
        assert Path(told).is_absolute()
    assert settled("demo") == "demo"  # a name goes before a folder that is called so
    assert find_bundle("demo").name == "demo"
    assert find_bundle("demo").parent != bundle.path.parent
    assert settled("nothing") == "nothing"
    assert Path(settled("nothing/at/all")).is_absolute()
    assert Path(settled("~nobody-of-that-name/model")).is_absolute()


def test_a_missing_bundle_is_named_with_those_there_are(bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(tmp_path / "models"))
    with pytest.raises(BundleError, match=r"No model bundle larger .*small"):
        load_bundle("larger")
    with pytest.raises(BundleError, match="No model bundle"):
        load_bundle(tmp_path / "nowhere")


def test_a_flipped_byte_in_any_file_is_noticed(bundle):
    for file in sorted(bundle.path.rglob("*.safetensors")):
        good = file.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        file.write_bytes(bytes(bad))
        with pytest.raises(BundleError, match=file.name):
            load_bundle(bundle.path)
        file.write_bytes(good)
    load_bundle(bundle.path)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
def test_a_file_of_another_length_is_noticed(bundle, change):
    file = bundle.path / WEIGHTS
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(BundleError, match="sha256 differs"):
        load_bundle(bundle.path)


def test_a_missing_weight_file_is_named(bundle):
    (bundle.path / WEIGHTS).unlink()
    with pytest.raises(BundleError, match=r"T1w_bm-00.*No such file"):
        load_bundle(bundle.path)


def change_json(bundle, change) -> None:
    file = bundle.path / "bundle.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


def first_sub(record: dict) -> dict:
    return record["ensembles"][0]["sub_ensembles"][0]


CHANGES = {
    "newer schema": (lambda r: r.update(schema_version=3), "schema version 3.*update bids_brainage"),
    "no schema": (lambda r: r.pop("cohort"), "cohort"),
    "unknown key": (lambda r: r.update(code="import os"), "code"),
    "path upwards": (lambda r: r["reference"].update(file="../other.safetensors"), "inside the bundle"),
    "absolute path": (lambda r: r["reference"].update(file="/etc/passwd"), "inside the bundle"),
    "windows path": (lambda r: r["reference"].update(file="..\\other"), "inside the bundle"),
    "unlisted file": (lambda r: r["files"].pop(WEIGHTS), "no sha256"),
    "missing coefficient": (
        lambda r: first_sub(r)["folds"][0]["head"].update(coefficients=[1.0]),
        "one coefficient for each base model",
    ),
    "another architecture": (
        lambda r: first_sub(r)["architecture"].update(dense_units=5),
        "needs floats",
    ),
    "deeper architecture": (
        lambda r: first_sub(r)["architecture"].update(filters=[2, 3, 3], kernels=[3, 1, 1]),
        "conv_3",
    ),
    "another box": (lambda r: first_sub(r)["input"].update(box=[50, 6, 4]), "needs floats|reference"),
    "giant box": (lambda r: first_sub(r)["input"].update(box=[10**6, 6, 4]), "1 to 512 voxels"),
    "negative box": (lambda r: first_sub(r)["input"].update(box=[-1, 6, 4]), "box"),
    "another stage": (lambda r: first_sub(r)["input"].update(stage="raw"), "stage"),
    "unknown sub-ensemble": (
        lambda r: r["ensembles"][0]["top_heads"][0][0].update(sub_ensembles=["Elsewhere_T1w"]),
        "unknown sub-ensembles",
    ),
    "lost reference": (lambda r: r["reference"]["predictions"].popitem(), "reference"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_fault_in_bundle_json_is_told(bundle, name):
    change, words = CHANGES[name]
    change_json(bundle, change)
    with pytest.raises(BundleError, match=f"(?s){words}") as caught:
        load_bundle(bundle.path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "[" * 100_000, '{"schema_version": NaN}', "\ud800"])
def test_what_is_not_a_record_is_told(bundle, text):
    (bundle.path / "bundle.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(bundle.path)


def test_infinite_numbers_are_refused(bundle):
    file = bundle.path / "bundle.json"
    file.write_text(file.read_text().replace('"age_mean": 50.0', '"age_mean": NaN'))
    with pytest.raises(BundleError, match=r"age_mean|JSON"):
        load_bundle(bundle.path)


def replace_weights(bundle, content: bytes) -> None:
    """Put other weights into the bundle, with the right sums: someone who means it."""
    (bundle.path / WEIGHTS).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    change_json(bundle, lambda record: record["files"].update({WEIGHTS: entry}))


def altered_weights(bundle, change) -> None:
    _, arrays = small_record()
    weights = dict(arrays[WEIGHTS])
    change(weights)
    write_arrays(bundle.path / WEIGHTS, weights)
    replace_weights(bundle, (bundle.path / WEIGHTS).read_bytes())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.update({"dense/bias": np.full(4, np.nan, np.float32)}), "not finite"),
        (lambda w: w.update({"dense/bias": np.zeros(5, np.float32)}), r"\(5,\)"),
        (lambda w: w.update({"dense/bias": np.zeros(4, np.int32)}), "int32"),
        (lambda w: w.update({"dense/bias": np.zeros(4, np.float64)}), "float64"),
        (lambda w: w.pop("dense/bias"), "dense/bias"),
        (lambda w: w.update({"more": np.zeros(1, np.float32)}), "more"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_spite_of_right_sums(bundle, change, words):
    altered_weights(bundle, change)
    with pytest.raises(BundleError, match=words):
        load_bundle(bundle.path)


HEADER = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**63) + HEADER,
        struct.pack("<Q", 2_000_000) + b" " * 2_000_000,
        struct.pack("<Q", len(HEADER)) + HEADER,
        struct.pack("<Q", len(HEADER)) + HEADER.replace(b"[1]", b"[9]") + b"\0" * 4,
        struct.pack("<Q", 4) + b"true" + b"\0" * 4,
        b"\x80\x04\x95" + b"\0" * 40,
    ],
    ids=["empty", "short", "huge", "oversized", "no data", "wrong shape", "no table", "pickle"],
)
def test_broken_safetensors_are_refused_in_spite_of_right_sums(bundle, content):
    replace_weights(bundle, content)
    with pytest.raises(BundleError, match="not a readable safetensors file"):
        load_bundle(bundle.path)


def test_a_link_out_of_the_bundle_is_refused(bundle, tmp_path: Path):
    outside = tmp_path / "outside.safetensors"
    (bundle.path / WEIGHTS).rename(outside)
    (bundle.path / WEIGHTS).symlink_to(outside)
    with pytest.raises(BundleError, match="leads outside the bundle"):
        load_bundle(bundle.path)


def test_half_precision_weights_are_read(bundle):
    altered_weights(bundle, lambda w: w.update({"dense/kernel": w["dense/kernel"].astype(np.float16)}))
    model = load_bundle(bundle.path).ensemble("TypeI").sub_ensembles["WholeBrain_T1w"].base_models[0]
    assert model.weights["dense/kernel"].dtype == np.float32
    assert model.spec == SPEC
