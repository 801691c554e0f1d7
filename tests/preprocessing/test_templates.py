"""The standard grid is FSL's and the regions make up the brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_brainage.errors import ImageError, InputError
from bids_brainage.preprocessing.templates import atlas, region_mask, template_brain, template_mask


def test_grid_is_the_one_of_fsl() -> None:
    brain = template_brain(2)
    assert brain.shape == (91, 109, 91)
    np.testing.assert_array_equal(
        brain.affine, [[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]]
    )
    assert template_brain(1).shape == (182, 218, 182)
    # FSL's 2 mm brain mask has 228,483 voxels.
    assert int(np.asanyarray(template_mask(2).dataobj).sum()) == pytest.approx(228_483, rel=0.03)


def test_a_template_of_the_user_is_checked_as_an_image_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tpl-MNI152NLin6Asym"
    folder.mkdir()
    file = folder / "tpl-MNI152NLin6Asym_res-01_desc-brain_T1w.nii.gz"
    template_brain(1).to_filename(file)
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    expected = template_brain(2).get_fdata()
    np.testing.assert_array_equal(template_brain.__wrapped__(2).get_fdata(), expected)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(ImageError, match=f"{file.name} ends too early"):
        template_brain.__wrapped__(2)


def test_three_regions_are_disjoint_and_make_up_the_brain() -> None:
    parts = [np.asanyarray(region_mask(name).dataobj) for name in ("Cortical", "Subcortical", "Cerebellum")]
    np.testing.assert_array_equal(sum(parts), np.asanyarray(region_mask("WholeBrain").dataobj))
    assert all(part.sum() > 10_000 for part in parts)
    with pytest.raises(InputError, match="no region"):
        region_mask("Thalamus")


def test_every_brain_voxel_has_a_label_and_sides_are_right() -> None:
    labels, table = atlas()
    data = np.asanyarray(labels.dataobj)
    np.testing.assert_array_equal(data > 0, np.asanyarray(template_mask(2).dataobj) > 0)
    assert set(np.unique(data[data > 0])) == set(table["index"])
    x = labels.affine[0, 0] * np.arange(91) + labels.affine[0, 3]
    for side, sign in (("L", -1), ("R", 1)):
        chosen = table.loc[
            (table["hemisphere"] == side) & table["code"].str.startswith(("ctx", "Left", "Right"))
        ]
        weights = np.isin(data, chosen["index"]).sum(axis=(1, 2))
        assert sign * np.average(x, weights=weights) > 15


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("left putamen", (-26, 2, 0)),
        ("right thalamus", (12, -18, 8)),
        ("brainstem", (0, -28, -32)),
        ("left lateral orbitofrontal cortex", (-26, 30, -14)),
        ("right cerebellar crus I", (42, -66, -30)),
        ("right insula", (38, 6, 2)),
        ("right lateral occipital cortex", (36, -88, 2)),
        ("left hippocampus", (-26, -22, -14)),
    ],
)
def test_structures_lie_where_they_are_in_the_standard_space(name: str, place: tuple[int, int, int]) -> None:
    labels, table = atlas()
    voxel = np.rint(np.linalg.inv(labels.affine) @ [*place, 1])[:3].astype(int)
    found = np.asanyarray(labels.dataobj)[tuple(voxel)]
    assert table.set_index("index").loc[found, "name"] == name
