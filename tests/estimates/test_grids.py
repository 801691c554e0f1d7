"""A map's years by grid and by region: none are lost, and none change sides."""

from __future__ import annotations

import ants
import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from bids_brainage.estimates.grids import Grids, image_sum
from bids_brainage.estimates.regions import region_rows
from bids_brainage.preprocessing.conform import conform
from bids_brainage.preprocessing.pose import affine_of
from bids_brainage.preprocessing.templates import atlas, template_mask
from bids_brainage.records.reading import PreparedImages

BOTH = ("T1w", "MNI152NLin6Asym")
SHRINK = 0.9


@pytest.fixture(scope="module")
def to_template() -> np.ndarray:
    """Takes points of the person to the template, mm: the head is smaller, nods, turns, and lies aside."""
    nod, turn = np.eye(3), np.eye(3)
    nod[1:, 1:] = [[np.cos(0.25), -np.sin(0.25)], [np.sin(0.25), np.cos(0.25)]]
    turn[:2, :2] = [[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]
    return affine_of(nod @ turn / SHRINK, np.array([14.0, -9.0, 6.0]))


@pytest.fixture(scope="module")
def grids(to_template: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Grids:
    """A person whose brain is the template's, so placed."""
    folder = tmp_path_factory.mktemp("person")
    fine = template_mask(1)
    placed = nib.Nifti1Image(
        np.asarray(fine.dataobj).astype(np.float32), np.linalg.inv(to_template) @ fine.affine
    )
    there = conform(placed)
    mask = nib.Nifti1Image((np.asarray(there.dataobj) > 0.5).astype(np.uint8), there.affine)
    flip = np.diag([-1.0, -1, 1])
    matrix, offset = flip @ to_template[:3, :3] @ flip, flip @ to_template[:3, 3]
    transform = ants.create_ants_transform(matrix=matrix, offset=offset, dimension=3)
    ants.write_transform(transform, str(folder / "inverse.h5"))
    return Grids(PreparedImages(folder, folder, folder / "inverse.h5", {}, {}), mask)


def _grid(grids: Grids, stage: str) -> nib.Nifti1Image:
    return grids.mask if stage == "subject" else template_mask(2)


def _map(grid: nib.Nifti1Image, chosen: np.ndarray) -> nib.Nifti1Image:
    values = np.random.default_rng(0).normal(size=grid.shape)
    return nib.Nifti1Image((values * chosen).astype(np.float32), grid.affine)


def _rows(grids: Grids, own: nib.Nifti1Image) -> list[dict]:
    return region_rows("Cortical_T1w", "T1w", -0.5, grids.regions(own))


@pytest.mark.parametrize("stage", ["subject", "standard"])
def test_maps_of_either_stage_reach_both_grids_with_their_sums(grids: Grids, stage: str) -> None:
    grid = _grid(grids, stage)
    own = _map(grid, np.asarray(grid.dataobj) > 0)
    both = grids.on(own, BOTH)
    assert both["T1w"].shape == grids.mask.shape
    assert both["MNI152NLin6Asym"].shape == (91, 109, 91)
    assert image_sum(both["T1w"]) == pytest.approx(image_sum(own), abs=1e-3)
    assert image_sum(both["MNI152NLin6Asym"]) == pytest.approx(image_sum(own), abs=1e-3)
    rows = _rows(grids, own)
    assert sum(row["relevance"] for row in rows) == pytest.approx(image_sum(own), abs=1e-6)
    assert sum(row["contribution"] for row in rows) == pytest.approx(-0.5 * image_sum(own), abs=1e-6)
    data = np.asarray(own.dataobj)
    assert sum(row["positive"] for row in rows) == pytest.approx(data[data > 0].sum(dtype=float), rel=1e-6)
    assert sum(row["negative"] for row in rows) == pytest.approx(data[data < 0].sum(dtype=float), rel=1e-6)


@pytest.mark.parametrize("stage", ["subject", "standard"])
@pytest.mark.parametrize("side", ["L", "R"])
def test_years_of_one_side_stay_there(grids: Grids, to_template: np.ndarray, stage: str, side: str) -> None:
    """Relevance up to 3 mm from the middle, in the template's left or right, wherever the person's is."""
    grid = _grid(grids, stage)
    points = apply_affine(grid.affine, np.argwhere(np.ones(grid.shape, bool)))
    x = (apply_affine(to_template, points) if stage == "subject" else points)[:, 0].reshape(grid.shape)
    chosen = (x < -3 if side == "L" else x > 3) & (np.asarray(grid.dataobj) > 0)
    own = _map(grid, chosen)
    years = {"L": 0.0, "R": 0.0, "B": 0.0, "n/a": 0.0}
    for row in _rows(grids, own):
        years[row["hemisphere"]] += row["positive"] - row["negative"]
    everything = np.abs(own.dataobj).sum(dtype=float)
    assert years.pop(side) > 0.8 * everything
    assert years["L" if side == "R" else "R"] < 0.002 * everything
    for image in grids.on(own, BOTH).values():
        turned = to_template if image.shape == grids.mask.shape else np.eye(4)
        voxels = np.argwhere(np.asarray(image.dataobj))
        x = apply_affine(turned @ image.affine, voxels)[:, 0]
        assert (x < 1 if side == "L" else x > -1).all()


def test_voxels_are_counted_in_the_persons_own_brain(grids: Grids) -> None:
    """Of 1 mm, in a head of 0.9 in every direction: 8 x 0.729 to one voxel of the template's atlas."""
    labels, table = atlas()
    expected = np.bincount(np.asarray(labels.dataobj).ravel()) * 8 * SHRINK**3
    rows = _rows(grids, _map(grids.mask, np.asarray(grids.mask.dataobj) > 0))
    assert [row["index"] for row in rows] == [0, *table["index"]]
    voxels = np.array([row["voxels"] for row in rows])
    assert voxels.sum() == np.asarray(grids.mask.dataobj).sum()
    assert voxels[0] == 0
    large = expected > 2000
    large[0] = False
    np.testing.assert_allclose(voxels[large], expected[large], rtol=0.08)
    assert [row["voxels"] for row in _rows(grids, template_mask(2))] == voxels.tolist()


def test_a_row_has_what_the_map_has_in_that_region(grids: Grids, to_template: np.ndarray) -> None:
    """One year in every voxel of the left thalamus alone, as the template's atlas has it."""
    labels, table = atlas()
    thalamus = int(table.loc[table["name"] == "left thalamus", "index"].iloc[0])
    to_atlas = np.linalg.inv(labels.affine) @ to_template @ grids.mask.affine
    voxels = np.rint(apply_affine(to_atlas, np.argwhere(np.ones(grids.mask.shape, bool)))).astype(int)
    voxels = np.clip(voxels, 0, np.array(labels.shape) - 1)
    found = np.asarray(labels.dataobj)[tuple(voxels.T)].reshape(grids.mask.shape) == thalamus
    own = nib.Nifti1Image(found.astype(np.float32), grids.mask.affine)
    rows = {row["index"]: row for row in _rows(grids, own)}
    assert rows[thalamus]["relevance"] == pytest.approx(found.sum(), rel=0.005)
    assert rows[thalamus]["voxels"] == pytest.approx(found.sum(), rel=0.005)
