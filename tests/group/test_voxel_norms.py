"""Norms of voxels from finished people's maps: calibrated on others, checked, refused in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.region_norms import ALL
from bids_brainage.models.bundles.schema import NORMS_FILE
from bids_brainage.models.bundles.voxel_norms import KnownVoxels
from tests.group.reference_people import (
    BLOCKS,
    CUBE,
    MAPPED,
    block_mean_at,
    block_spread_at,
    map_of,
    write_reference_people,
)
from tests.integration.small_bundle import make_bundle, with_references

MAN = {"sex": np.array(["M"], object)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    root = tmp_path_factory.mktemp("models")
    return with_references(make_bundle(root / "small"), root / "references")


@pytest.fixture(scope="module")
def people(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    write_reference_people(root, bundle, n=60, women_shift=0.5, voxels=True)
    return root


def command(bundle: Bundle, people: Path, new: Path, *more: str) -> list[str]:
    places = [str(bundle.path), str(people / "bids"), str(people / "out")]
    return ["norms", *places, "--model-out", str(new), *more]


@pytest.fixture(scope="module")
def made(bundle: Bundle, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    new = tmp_path_factory.mktemp("made") / "new"
    assert main(command(bundle, people, new, "--by", "sex", "--voxels")) == 0
    return load_bundle(new)


def known(made: Bundle) -> KnownVoxels:
    (own,) = made.region_norms
    assert own.voxels is not None
    return own.voxels


def test_the_bundle_says_that_it_has_them(made: Bundle, capsys) -> None:
    own = known(made)
    assert list(own.maps) == list(MAPPED)
    assert (own.facts.edge, own.facts.sub_ensembles) == (2, ("WholeBrain_T1w",))
    assert 0.04 < own.facts.beyond < 0.07
    for each in own.maps.values():
        assert len(each.places) == BLOCKS  # blocks that nobody's map reaches have no norms
    assert main(["show", str(made.path)]) == 0
    assert "TypeI from T1w + FLAIR (60); voxels, too" in " ".join(capsys.readouterr().out.split())


def test_norms_of_regions_are_the_same_with_them(made: Bundle, bundle: Bundle, people, tmp_path) -> None:
    assert main(command(bundle, people, tmp_path / "new", "--by", "sex")) == 0
    (alone,), (own,) = load_bundle(tmp_path / "new").region_norms, made.region_norms
    assert alone.voxels is None
    assert alone.facts == own.facts.model_copy(update={"voxels": None})
    np.testing.assert_array_equal(alone.norms.mean, own.norms.mean)


def test_z_scores_of_other_people_are_calibrated(made: Bundle) -> None:
    rng, z = np.random.default_rng(9), []
    for age in rng.uniform(30, 60, 80):
        found = known(made).z(ALL, map_of(age, rng), age, MAN)
        z.append(found[CUBE][::2, ::2, ::2].ravel())
    own = np.array(z)
    assert own.mean() == pytest.approx(0, abs=0.1)
    assert own.std() == pytest.approx(1, abs=0.1)
    assert np.mean(np.abs(own) > 1.96) == pytest.approx(0.05, abs=0.02)


def test_a_block_that_is_three_standard_deviations_off_has_a_z_of_three(made: Bundle) -> None:
    values = np.zeros((91, 109, 91))
    values[CUBE] = np.kron(block_mean_at(40.0) / 8, np.ones((2, 2, 2)))
    values[32, 50, 40] += 3 * block_spread_at(40.0)[0, 0, 0]  # in one voxel of the first block
    found = known(made).z(ALL, values, 40.0, MAN)
    assert found[32:34, 50:52, 40:42] == pytest.approx(np.full((2, 2, 2), found[32, 50, 40]))
    assert found[32, 50, 40] == pytest.approx(3, abs=0.7)
    found[CUBE] = 0
    assert not found.any()


def test_maps_of_the_same_voxels_differ_between_sexes(made: Bundle) -> None:
    rng = np.random.default_rng(1)
    values = map_of(45.0, rng)
    man, woman, neither = (
        known(made).z(ALL, values, 45.0, {"sex": np.array([sex], object)})[CUBE].mean()
        for sex in ("M", "F", "else")
    )
    assert man - woman == pytest.approx(0.5, abs=0.15)
    assert neither == pytest.approx((man + woman) / 2, abs=0.02)


def test_without_maps_in_standard_space_it_is_refused(bundle: Bundle, people, tmp_path, caplog, capsys):
    shutil.copytree(people, tmp_path / "people")
    path = tmp_path / "people/out/sub-003/anat/sub-003_record.json"
    content = json.loads(path.read_text())
    for mark in content["estimates"]["TypeI"]["files"]:
        if mark["role"] == "reference_map":
            mark["about"]["space"] = "T1w"
    path.write_text(json.dumps(content))
    assert main(command(bundle, tmp_path / "people", tmp_path / "new", "--voxels")) == 2
    told = caplog.text + capsys.readouterr().err
    assert "has none of sub-003:" in told
    assert "--output-spaces MNI152NLin6Asym, or leave --voxels out" in told
    assert not (tmp_path / "new").exists()
    assert main(command(bundle, tmp_path / "people", tmp_path / "new")) == 0


@pytest.mark.parametrize(
    ("shape", "value", "sentence"),
    [((91, 109, 91), np.nan, "not finite"), ((46, 55, 46), 1.0, "2 mm grid"), (None, 0, "cannot be read")],
)
def test_a_map_that_is_odd_is_refused_by_name(
    bundle: Bundle, people, tmp_path, caplog, capsys, shape, value, sentence
) -> None:
    shutil.copytree(people, tmp_path / "people")
    name = "sub-005_space-MNI152NLin6Asym_res-2_desc-TypeIDBA_T1w.nii.gz"
    path = tmp_path / "people/out/sub-005/anat" / name
    if shape is None:
        path.write_bytes(path.read_bytes()[:99])
    else:
        nib.Nifti1Image(np.full(shape, value, np.float32), np.eye(4)).to_filename(path)
    assert main(command(bundle, tmp_path / "people", tmp_path / "new", "--voxels")) == 2
    told = caplog.text + capsys.readouterr().err
    assert name in told
    assert sentence in told


def test_maps_that_are_the_same_in_everybody_are_refused(bundle, people, tmp_path, caplog, capsys) -> None:
    shutil.copytree(people, tmp_path / "people")
    paths = sorted((tmp_path / "people/out").glob("sub-*/anat/*TypeIDBA_T1w.nii.gz"))
    for path in paths[1:]:
        shutil.copyfile(paths[0], path)
    assert main(command(bundle, tmp_path / "people", tmp_path / "new", "--voxels")) == 2
    assert "differs from the other people's" in caplog.text + capsys.readouterr().err


def test_a_bundle_from_before_there_were_any_is_read_as_it_was(
    made: Bundle, bundle, people, tmp_path
) -> None:
    assert main(command(bundle, people, tmp_path / "new")) == 0
    path = tmp_path / "new" / "bundle.json"
    content = json.loads(path.read_text())
    del content["region_norms"]["sets"][0]["voxels"]
    path.write_text(json.dumps(content))
    (own,) = load_bundle(tmp_path / "new").region_norms
    assert own.voxels is None


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("places", None, "it has no places"),
        ("places", lambda a: a[::-1].copy(), "ascending"),
        ("places", lambda a: a + np.int32(10**6), "ascending"),
        ("places", lambda a: a - np.int32(10**6), "ascending"),
        ("places", lambda a: a.astype(np.float32), "whole numbers"),
        ("places", lambda a: a[:0], "whole numbers"),
        ("places", lambda a: a[:-1], "blocks that they name"),
        ("norms_mean", lambda a: a.astype(np.float32), "numbers that they should be"),
        ("norms_mean", lambda a: a * np.float16(np.nan), "finite"),
        ("norms_mean", lambda a: a[:, 1:], "belong together"),
        ("norms_mean", lambda a: a.ravel(), "belong together"),
        ("norms_mean", lambda a: a[1:], "shape"),
        ("norms_shape", lambda a: a + np.float16(6e4), "spreads"),
        ("norms_shape", None, "it has no norms_shape"),
        ("norms_scale", lambda a: -a, "spreads"),
        ("norms_scale", lambda a: a * 0, "spreads"),
        ("norms_shares", lambda a: a.astype(np.int64), "belong together"),
    ],
)
def test_a_file_of_them_that_is_odd_is_refused(
    made: Bundle, tmp_path: Path, name: str, change: Callable | None, reason: str
) -> None:
    arrays = {file: made.files.arrays(file) for file in made.record.files}
    own, key = dict(arrays[NORMS_FILE]), f"0/voxels/1/{name}"
    if change is None:
        del own[key]
    else:
        own[key] = change(own[key])
    with pytest.raises(BundleError, match=f"norms cannot be used.*{reason}"):
        write_bundle(tmp_path / "wrong", made.record, arrays | {NORMS_FILE: own})


@pytest.mark.parametrize(
    "change",
    [
        {"edge": 0}, {"edge": 11}, {"edge": 9}, {"pieces": 3}, {"pieces": 10**9}, {"beyond": 2},
        {"sub_ensembles": ["WholeBrain_T1w", "WholeBrain_FLAIR"]}, {"sub_ensembles": ["../x"]}, {"more": 1},
        {"sub_ensembles": ["Elsewhere_T1w"]},
    ],
)  # fmt: skip
def test_a_record_of_them_that_is_odd_is_refused(made: Bundle, tmp_path: Path, change: dict) -> None:
    shutil.copytree(made.path, tmp_path / "odd")
    content = json.loads((tmp_path / "odd" / "bundle.json").read_text())
    content["region_norms"]["sets"][0]["voxels"].update(change)
    (tmp_path / "odd" / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError):
        load_bundle(tmp_path / "odd")
