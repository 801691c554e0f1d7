"""z maps of a person: by hand from the DBA map and the bundle's norms, described, only where asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.estimates.session import EnsembleResult, estimate_session
from bids_brainage.group.norms import make_norms
from bids_brainage.interfaces.estimation import outputs_of
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.preprocessing.templates import template_mask
from bids_brainage.records.reading import FinishedSession, PreparedImages, SessionPlace, read_session
from bids_brainage.records.writing import publish
from bids_brainage.terms import T1W_SPACE
from tests.estimates.conftest import OPTIONS, PERSON, PREPARATION
from tests.group.reference_people import CUBE, write_reference_people
from tests.integration.small_bundle import with_references

DBA = replace(OPTIONS, lrp=None, references=("dba",))
WOMAN = replace(PERSON, groups={"sex": "F", "site": "elsewhere"})
NAME = "sub-01_space-MNI152NLin6Asym_res-2_desc-TypeI{}DBA_stat-z_T1w"


@pytest.fixture(scope="module")
def normed(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With norms of TypeI from T1w and FLAIR, at 30 to 60 years, by sex and site, of voxels, too."""
    root = tmp_path_factory.mktemp("normed")
    referring = with_references(bundle, root / "referring")
    write_reference_people(root, referring, n=40, voxels=True)
    return make_norms(referring, root / "out", root / "bids", root / "new", ["sex", "site"], voxels=True)[0]


def result_of(bundle: Bundle, images: PreparedImages, person=WOMAN, options=DBA) -> EnsembleResult:
    return next(estimate_session(bundle, ["TypeI"], images, PREPARATION, person, options))


def finished(folder: Path, result: EnsembleResult, options=DBA) -> FinishedSession:
    place = SessionPlace.of(folder, "sub-01", None)
    publish(place, ("estimate", "TypeI"), "print", outputs_of(place, result, options), model="a" * 64)
    session = read_session(place)
    assert session is not None
    return session


@pytest.fixture(scope="module")
def session(normed: Bundle, images: PreparedImages, tmp_path_factory) -> FinishedSession:
    return finished(tmp_path_factory.mktemp("finished"), result_of(normed, images))


def test_the_maps_are_those_that_there_are_norms_of(session: FinishedSession) -> None:
    assert [own.path.name for own in session.z_maps] == [
        NAME.format("WholeBrain") + ".nii.gz",
        NAME.format("") + ".nii.gz",
    ]
    assert all(own.standard for own in session.z_maps)
    assert [own.sub_ensemble for own in session.z_maps] == ["WholeBrain_T1w", ""]


def test_a_map_is_that_in_years_less_the_mean_over_the_spread(session, normed: Bundle) -> None:
    """The curves are put together from the bundle's arrays as scipy has B-splines."""
    from scipy.interpolate import BSpline

    known = normed.files.arrays("norms.safetensors")
    for number, name in enumerate(("", "WholeBrain_T1w")):
        years, z = (
            np.asanyarray(nib.load(own.path).dataobj)
            for maps in (session.reference_maps, session.z_maps)
            for own in maps
            if own.sub_ensemble == name
        )
        mean, shape, scale, places = (
            known[f"0/voxels/{number}/{key}"].astype(float)
            for key in ("norms_mean", "norms_shape", "norms_scale", "places")
        )
        knots = 30 + 7.5 * np.arange(-3, 8)
        splines = [
            BSpline.basis_element(knots[i : i + 5])(40.0) * (knots[i] <= 40 < knots[i + 4]) for i in range(7)
        ]
        # Half of the people are women; the one site is everybody's, the person's is unknown.
        columns = np.array([*splines, 0.5, -0.5, 0.0])
        usual, spread = columns @ mean * scale, np.exp(columns @ shape) * scale
        sums = [
            years[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * k : 2 * k + 2].sum()
            for x, y, k in _blocks(places)
        ]
        expected = np.clip((np.array(sums) - usual) / spread, -100, 100)
        found = [z[2 * x, 2 * y, 2 * k] for x, y, k in _blocks(places)]
        np.testing.assert_allclose(found, expected, atol=0.05, rtol=5e-3)
        assert np.abs(expected).max() > 0.1


def _blocks(places: np.ndarray) -> list[tuple[int, int, int]]:
    return list(zip(*np.unravel_index(places.astype(int), (46, 55, 46)), strict=True))


def test_it_is_finite_and_zero_where_there_are_no_norms(session: FinishedSession) -> None:
    inside = np.asanyarray(template_mask(2).dataobj) > 0
    for own in session.z_maps:
        image = nib.load(own.path)
        data = np.array(image.dataobj)
        assert data.shape == (91, 109, 91)
        assert np.isfinite(data).all()
        assert not data[~inside].any()
        data[CUBE] = 0
        assert not data.any()


def test_the_sidecar_says_whom_it_compares_with(session: FinishedSession) -> None:
    path = session.place.record.parent / f"{NAME.format('')}.json"
    content = json.loads(path.read_text())
    assert content["Norms"]["N"] == 40
    assert content["Norms"]["Ends"] == [30, 60]
    assert content["Norms"]["Columns"] == ["sex", "site"]
    assert content["Norms"]["Unknown"] == ["site"]
    assert content["Entries"] == {"sex": "F"}
    assert (content["Known"], content["BlockSize"], content["Blocks"]) == (40.0, [4, 4, 4], 216)
    assert content["MultipleComparisonCorrection"] == "none"
    assert "Neighbouring voxels are correlated" in content["Description"]
    assert content["Of"].endswith("_desc-TypeIDBA_T1w.nii.gz")
    assert (path.parent / content["Of"].rpartition("/")[2]).is_file()
    data = np.asanyarray(nib.load(path.with_suffix("").with_suffix(".nii.gz")).dataobj)
    assert content["Beyond"] == pytest.approx(np.mean(np.abs(data[CUBE]) > 1.96), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"sub_ensemble_maps": False}, 1),
        ({"spaces": (T1W_SPACE,)}, 0),
        ({"references": ("reference",)}, 0),
        ({"aggregation": "mean"}, 0),
    ],
)
def test_only_what_is_written_in_years_and_known_is_written_as_z(
    normed: Bundle, images: PreparedImages, tmp_path: Path, change: dict, number: int
) -> None:
    options = replace(DBA, **change)
    own = finished(tmp_path, result_of(normed, images, options=options), options)
    assert len(own.z_maps) == number
    assert len(list(tmp_path.glob("**/*stat-z*.nii.gz"))) == number


def test_without_norms_of_voxels_there_is_none(
    normed: Bundle, images: PreparedImages, tmp_path: Path
) -> None:
    (known,) = normed.region_norms
    normed.__dict__["region_norms"] = (replace(known, voxels=None),)
    try:
        result = result_of(normed, images)
    finally:
        normed.__dict__["region_norms"] = (known,)
    assert result.differences[0].deviations is not None
    assert not finished(tmp_path, result).z_maps


def test_an_age_outside_is_flagged_and_compared_with_the_nearest(normed: Bundle, images, session) -> None:
    older = result_of(normed, images, replace(WOMAN, age=75.0))
    assert "norms_age_outside" in {flag.code for flag in older.record.flags}
    assert older.differences[0].norms.outside
    assert len(older.differences[0].z) == 2
