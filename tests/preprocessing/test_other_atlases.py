"""Atlases besides the merged one lie where their structures are."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.preprocessing.other_atlases import find_atlas, known_atlases, sided
from bids_brainage.preprocessing.templates import atlas, grid, template_mask


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Left_Insular_Cortex", ("Insular Cortex", "L")),
        ("Precentral_R", ("Precentral", "R")),
        ("Vermis_3", ("Vermis 3", "B")),
        ("lh.cuneus", ("cuneus", "L")),
        ("Rolandic_Oper_L", ("Rolandic Oper", "L")),
        ("Lingual", ("Lingual", "B")),
    ],
)
def test_a_side_is_read_off_a_name(name: str, expected: tuple[str, str]) -> None:
    assert sided(name) == expected


@pytest.mark.parametrize("name", ["harvard-oxford", "juelich", "aal"])
def test_left_is_left_and_most_lies_in_the_brain(name: str) -> None:
    found = find_atlas(name)
    inside = np.asanyarray(template_mask(2).dataobj) > 0
    assert (found.labels > 0)[inside].mean() > 0.2
    assert inside[found.labels > 0].mean() > 0.8
    x = np.broadcast_to(90 - 2 * np.arange(91)[:, None, None], found.labels.shape)
    for index, (_, side) in found.regions.items():
        here = x[found.labels == index]
        if side != "B" and len(here) > 20:
            assert (np.median(here) < 0) == (side == "L"), found.regions[index]


def test_thalamus_is_where_the_merged_atlas_has_it() -> None:
    labels, table = atlas()
    merged = np.asanyarray(labels.dataobj)
    own = table.loc[table["name"].str.contains("halamus") & (table["hemisphere"] == "L"), "index"]
    place = np.argwhere(np.isin(merged, own)).mean(axis=0)
    for name in ("harvard-oxford", "aal"):
        found = find_atlas(name)
        index = [i for i, (region, side) in found.regions.items() if "halamus" in region and side == "L"]
        assert np.linalg.norm(np.argwhere(np.isin(found.labels, index)).mean(axis=0) - place) < 3, name


def test_an_own_atlas_is_named_by_the_table_beside_it(tmp_path: Path) -> None:
    data = np.zeros((91, 109, 91), dtype=np.int16)
    data[20:30, 40:50, 40:50], data[60:70, 40:50, 40:50] = 3, 7
    nib.Nifti1Image(data, grid(2).affine).to_filename(tmp_path / "own.nii.gz")
    (tmp_path / "own.tsv").write_text("index\tname\n3\tThing_R\n")
    found = find_atlas(str(tmp_path / "own.nii.gz"))
    assert found.regions == {3: ("Thing", "R"), 7: ("label 7", "B")}
    assert (found.labels == data).all()
    (tmp_path / "own.tsv").write_text("number\tname\n3\tThing\n")
    with pytest.raises(InputError, match=r"own\.tsv does not name"):
        find_atlas(str(tmp_path / "own.nii.gz"))


def test_an_own_atlas_may_lie_on_another_grid(tmp_path: Path) -> None:
    coarse = np.zeros((46, 55, 46), dtype=np.int16)
    coarse[10:20, 20:30, 20:30] = 1
    affine = grid(2).affine @ np.diag([2.0, 2, 2, 1])
    nib.Nifti1Image(coarse, affine).to_filename(tmp_path / "own.nii")
    found = find_atlas(str(tmp_path / "own.nii"))
    # Eight times as many voxels, but for the border.
    assert (found.labels == 1).sum() == pytest.approx(8 * 1000, rel=0.16)


@pytest.mark.parametrize("value", [0.5, -1.0, 0.0])
def test_what_is_no_atlas_is_refused(tmp_path: Path, value: float) -> None:
    data = np.full((91, 109, 91), value, dtype=np.float32)
    nib.Nifti1Image(data, grid(2).affine).to_filename(tmp_path / "own.nii.gz")
    with pytest.raises(InputError, match="is no atlas"):
        find_atlas(str(tmp_path / "own.nii.gz"))


def test_an_unknown_atlas_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=f"choose from merged, {', '.join(known_atlases())}"):
        find_atlas("brodmann")
