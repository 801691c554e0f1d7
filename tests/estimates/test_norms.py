"""Regions beside what is usual at an age: z scores by the bundle's norms, flagged where less sure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.estimates.session import EnsembleResult, estimate_session
from bids_brainage.group.dba_tables import dba_by_region
from bids_brainage.group.norms import make_norms
from bids_brainage.interfaces.estimation import outputs_of
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.region_norms import ALL
from bids_brainage.records.reading import PreparedImages, SessionPlace, read_session
from bids_brainage.records.writing import publish
from tests.estimates.conftest import OPTIONS, PERSON, PREPARATION
from tests.group.reference_people import write_reference_people
from tests.integration.small_bundle import with_references

DBA = replace(OPTIONS, lrp=None, references=("reference", "dba"))
WOMAN = replace(PERSON, groups={"sex": "F"})


@pytest.fixture(scope="module")
def referring(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_references(bundle, tmp_path_factory.mktemp("referring"))


@pytest.fixture(scope="module")
def normed(referring: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With norms of TypeI from T1w and FLAIR, at 30 to 60 years, by sex."""
    root = tmp_path_factory.mktemp("normed")
    write_reference_people(root, referring, n=60)
    return make_norms(referring, root / "out", root / "bids", root / "new", by=["sex"])[0]


def result_of(bundle: Bundle, images: PreparedImages, person=WOMAN, options=DBA) -> EnsembleResult:
    return next(estimate_session(bundle, ["TypeI"], images, PREPARATION, person, options))


@pytest.fixture(scope="module")
def result(normed: Bundle, images: PreparedImages) -> EnsembleResult:
    return result_of(normed, images)


def rows_in(folder: Path, result: EnsembleResult, name: str) -> list[dict[str, str]]:
    place = SessionPlace.of(folder, "sub-01", None)
    publish(place, ("estimate", "TypeI"), "print", outputs_of(place, result, DBA), model="a" * 64)
    return read_session(place).regions("TypeI", name)


def flags_of(result: EnsembleResult) -> dict[str, str]:
    return {flag.code: flag.text for flag in result.record.flags if flag.code.startswith("norms")}


def test_the_table_of_regions_says_what_is_usual_and_how_far_the_person_is_off(
    result: EnsembleResult, normed: Bundle, tmp_path: Path
) -> None:
    rows = rows_in(tmp_path, result, "dba")
    (own,) = normed.region_norms
    years = dba_by_region(read_session(SessionPlace.of(tmp_path, "01", None)).regions_path("TypeI", "dba"))
    found = own.of(years, 40.0, {"sex": "F"})
    assert len(rows) == 2 * 130
    for row in rows:
        name, index = row["sub_ensemble"], int(row["index"])
        assert float(row["z"]) == pytest.approx(found.z[name][index], rel=1e-3, abs=1e-3)
        assert float(row["expected"]) == pytest.approx(found.expected[name][index], rel=1e-4, abs=1e-4)
        assert float(row["ensemble_z"]) == pytest.approx(found.z[ALL][index], rel=1e-3, abs=1e-3)
        assert float(row["ensemble_expected"]) == pytest.approx(found.expected[ALL][index], abs=1e-4)
    assert "z" not in rows_in(tmp_path, result, "reference")[0]
    described = (tmp_path / "sub-01/anat/sub-01_desc-TypeIDBA_regions.json").read_text()
    assert '"ensemble_z"' in described


def test_the_record_says_whom_they_compare_with(result: EnsembleResult) -> None:
    reference, dba = result.record.differences
    assert reference.norms is None
    assert dba.norms.n == 60
    assert dba.norms.ends == (30, 60)
    assert dba.norms.columns == ("sex",)
    assert dba.norms.datasets == ("Made up",)
    assert (dba.norms.outside, dba.norms.unknown, dba.norms.among) == (False, (), False)
    assert not flags_of(result)


def test_norms_change_nothing_else(
    result: EnsembleResult, referring: Bundle, images: PreparedImages, tmp_path: Path
) -> None:
    before = result_of(referring, images)
    assert before.record.brain_age == result.record.brain_age
    assert before.record.differences[1].norms is None
    assert before.record.differences[1].parts == result.record.differences[1].parts
    columns = [list(rows_in(tmp_path / name, own, "dba")[0]) for name, own in (("a", before), ("b", result))]
    assert columns[1] == [*columns[0], "expected", "z", "ensemble_expected", "ensemble_z"]
    assert not flags_of(before)


@pytest.mark.parametrize(
    ("person", "code", "words"),
    [
        (replace(WOMAN, age=61.5), "norms_age_outside", "30 to 60"),
        (replace(WOMAN, groups={"sex": None}), "norms_group_unknown", "entry in sex"),
        (replace(WOMAN, groups={"sex": "<script>"}), "norms_group_unknown", "entry in sex"),
        (PERSON, "norms_group_unknown", "entry in sex"),
        (replace(WOMAN, participant="sub-003", dataset="Made up"), "norms_participant", "nearer to 0"),
    ],
)
def test_what_makes_z_scores_less_sure_is_flagged(normed, images, person, code, words) -> None:
    found = flags_of(result_of(normed, images, person, replace(DBA, references=("dba",))))
    assert list(found) == [code]
    assert words in found[code]


def test_other_sequences_have_no_z_scores_and_it_is_said(normed: Bundle, images: PreparedImages) -> None:
    alone = result_of(normed, images, WOMAN, replace(DBA, references=("dba",), modalities=("T1w",)))
    assert alone.record.differences[0].norms is None
    assert "of estimates from T1w + FLAIR, and this one is from T1w." in flags_of(alone)["norms_lacking"]
    means = result_of(normed, images, WOMAN, replace(DBA, references=("dba",), aggregation="mean"))
    assert "in another way" in flags_of(means)["norms_lacking"]
    ageless = result_of(normed, images, replace(WOMAN, age=None))
    assert not flags_of(ageless)


def test_places_where_nobody_varies_have_no_z(normed: Bundle, images: PreparedImages) -> None:
    (own,) = normed.region_norms
    constant = replace(own, norms=replace(own.norms, scale=own.norms.scale * 0))
    years = {name: np.ones(130) for name in (ALL, *own.facts.sub_ensembles)}
    assert np.isnan(constant.of(years, 40.0, {}).z[ALL]).all()
