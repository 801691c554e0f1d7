"""The comparison with people of the same age: numbers, bars, maps, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.records.estimate import (
    Contributions,
    Difference,
    DifferencePart,
    EstimateRecord,
    NormsFacts,
    ReferenceFacts,
)
from bids_brainage.records.reading import SessionPlace
from bids_brainage.records.relevance_map import (
    NormsRecord,
    ReferenceMapRecord,
    ReferenceRecord,
    ZMapRecord,
)
from bids_brainage.records.tables import table_text
from bids_brainage.records.writing import Output, publish
from bids_brainage.reports.participant import write_participant_report
from bids_brainage.terms import STANDARD_SPACE
from tests.reports.conftest import estimate_of, publish_images, template_head
from tests.reports.test_participant import Page

REFERENCE = ReferenceFacts(kind="dba", age=63.2, n=240, n_usual=60, datasets=("Balls & more",))
QUADRATURE, MEAN_BRAIN, USUAL = -0.3, 30.0, 31.5


def compared(record: EstimateRecord, reference: ReferenceFacts = REFERENCE) -> Difference:
    """Half of the years in T1w, the other half in FLAIR and T2*w."""
    years = record.brain_age - MEAN_BRAIN - USUAL - QUADRATURE
    shares = dict(zip([part.name for part in record.sub_ensembles], (0.5, 0.3, 0.2), strict=True))
    parts = tuple(
        DifferencePart(
            name=part.name,
            reference_estimate=30.0,
            usual=20.0,
            relevance_sum=shares[part.name] * years / part.weight,
            quadrature=0.1,
            points=9,
            weight=part.weight,
            contribution=shares[part.name] * years,
        )
        for part in record.sub_ensembles
    )
    by_modality = {part.modality: shares[part.name] * years for part in record.sub_ensembles}
    return Difference(
        reference=reference,
        reference_estimate=MEAN_BRAIN,
        usual=USUAL,
        relevance_sum=years,
        quadrature=QUADRATURE,
        parts=parts,
        contributions=Contributions(modality=by_modality, region={"WholeBrain": years}),
    )


def sidecar(record: EstimateRecord, own: Difference, name: str) -> ReferenceMapRecord:
    return ReferenceMapRecord(
        description="made up",
        units="years",
        space="made up",
        ensemble="TypeI",
        sub_ensemble=name or "all",
        weight=-0.25 if name else 1.0,
        rule="integrated gradients",
        backend="native",
        aggregation="heads",
        relevance_sum=own.relevance_sum,
        rounding=0.0,
        step=1e-6,
        estimate=record.brain_age,
        closure_error=0.0,
        account=(),
        quality={},
        model=record.model,
        sources=(),
        reference=ReferenceRecord.model_validate(own.reference.model_dump()),
        reference_estimate=own.reference_estimate,
        usual=own.usual,
        quadrature=own.quadrature,
        points=9,
        estimate_minus_reference=record.brain_age - own.reference_estimate,
    )


def z_sidecar(record: EstimateRecord, name: str) -> dict[str, Any]:
    return ZMapRecord(
        description="made up",
        space="made up",
        ensemble="TypeI",
        sub_ensemble=name or "all",
        step=1e-3,
        model=record.model,
        sources=(),
        of="bids::made_up.nii.gz",
        known=63.2,
        norms=NormsRecord.model_validate(NORMS.model_dump()),
        block_size=(4, 4, 4),
        blocks=29108,
        beyond=0.0734,
        multiple_comparison_correction="none",
    ).as_json()


def write(
    out: Path,
    record: EstimateRecord,
    regions: Sequence[Mapping[str, str | float]] | None = None,
    z: bool = False,
) -> Page:
    """A page of an estimate by type I, explained by DBA maps alone; `regions` are rows of their table.

    With `z`, there are z maps, too.
    """
    place = SessionPlace.of(out, "sub-01", None)
    publish_images(place)
    outputs = [Output("estimate", place.path("brainage", ensemble="TypeI"), record.write)]
    for own in record.differences:
        row = {"region": "Putamen", "hemisphere": "L", "contribution": own.relevance_sum}
        rows = regions or [row]
        text = table_text(rows, {name: {} for name in rows[0]})
        path = place.path("reference_regions", ensemble="TypeI", map="DBA")
        write_text = partial(Path.write_text, data=text)
        outputs.append(Output("reference_regions", path, write_text, {"kind": "dba"}, {}))
        brain = template_head(4)
        data = np.asarray(brain.dataobj) * own.relevance_sum / 1e6
        picture = nib.Nifti1Image(data.astype(np.float32), brain.affine)
        for name, modality in (("", "T1w"), ("WholeBrain_T2starw", "T2starw")):
            region = name.split("_")[0]
            entities = {"sub_ensemble": region, "map": "DBA", "suffix": modality}
            about = {"sub_ensemble": name, "region": region, "modality": modality, "space": STANDARD_SPACE}
            path = place.path("reference_map_standard", ensemble="TypeI", **entities)
            facts = sidecar(record, own, name).as_json()
            outputs.append(Output("reference_map", path, picture.to_filename, about, facts))
            if z:
                path = place.path("z_map", ensemble="TypeI", **entities)
                outputs.append(Output("z_map", path, picture.to_filename, about, z_sidecar(record, name)))
    publish(place, ("estimate", "TypeI"), "made up", outputs, model=record.model.sha256)
    return Page(write_participant_report(out, "sub-01").read_text(encoding="utf-8"))


@pytest.fixture
def record() -> EstimateRecord:
    plain = estimate_of(relevance=False)
    return plain.model_copy(update={"differences": (compared(plain),)})


def test_it_leads_from_what_is_usual_to_this_brain(tmp_path: Path, record: EstimateRecord) -> None:
    page = write(tmp_path, record)
    own = record.differences[0]
    assert "why it is not the average of its age" in page.text
    assert (
        "Of people of age 63.2 (known from 240 people of Balls & more) the model usually says 61.5"
        in page.text
    )
    change = record.brain_age - 61.5
    assert f"{abs(change):.1f} years {'older' if change > 0 else 'younger'}" in page.text
    assert "would get 30.0 years: it is smoother than any brain" in page.text
    titles = " ".join(page.titles())
    sign = "\N{MINUS SIGN}" if own.relevance_sum < 0 else "+"
    assert f"People of age 63.2 61.5; left Putamen {sign}{abs(own.relevance_sum):.1f}" in titles
    assert "Left by quadrature \N{MINUS SIGN}0.3" in titles
    assert (
        "All sub-ensembles together (in template space): of people of age 63.2 the ensemble usually" in titles
    )
    assert "Its weight is negative" in titles
    assert "Target bias" not in titles


def test_without_a_usual_map_it_is_the_average_brain(tmp_path: Path) -> None:
    plain = estimate_of(relevance=False)
    own = compared(plain, REFERENCE.model_copy(update={"n_usual": 0})).model_copy(update={"usual": 0.0})
    page = write(tmp_path, plain.model_copy(update={"differences": (own,)}))
    assert (
        "Of the average brain of age 63.2 (known from 240 people of Balls & more) the model says 30.0"
        in page.text
    )
    assert "smoother" not in page.text


def test_why_there_is_none_is_told(tmp_path: Path) -> None:
    reason = "There is no DBA map: the person's age is not known."
    record = estimate_of(relevance=False).model_copy(update={"not_explained": {"dba": reason}})
    page = write(tmp_path, record)
    assert reason in page.text
    assert "DBA" not in " ".join(page.titles())


NORMS = NormsFacts(
    n=48, ends=(30, 60), datasets=("<b>Ours</b>",), simulated=True, columns=("sex",), beyond=0.061,
    outside=False, unknown=(), among=False,
)  # fmt: skip


def normed(record: EstimateRecord, **changes: object) -> EstimateRecord:
    own = record.differences[0].model_copy(update={"norms": NORMS.model_copy(update=changes)})
    return record.model_copy(update={"differences": (own,)})


def regions(n: int = 40) -> list[dict[str, str | float]]:
    """Two sub-ensembles' rows; place 7 has the largest z, -4.2, place 8 none."""
    return [
        {
            "sub_ensemble": name,
            "region": f"Place {index}",
            "hemisphere": "L",
            "contribution": 0.1 * index,
            "ensemble_expected": 0.05,
            "ensemble_z": -4.2 if index == 7 else "n/a" if index == 8 else index / 19,
        }
        for name in ("WholeBrain_T1w", "WholeBrain_FLAIR")
        for index in range(n)
    ]


def test_the_most_unusual_regions_stand_beside_their_years(tmp_path: Path, record: EstimateRecord) -> None:
    page = write(tmp_path, normed(record), regions())
    text = page.text
    assert (
        "among 48 simulated reference people of <b>Ours</b> (30.0 to 60.0 years; norms differ by sex)" in text
    )
    assert "3 of 39 regions lie beyond ±1.96." in text  # places 7, 38 and 39
    assert "here 2; of the reference people themselves, each judged by the others, 6.1 % did" in text
    assert "left Place 7 +1.400 +0.050 \N{MINUS SIGN}4.2 left Place 39 +7.800 +0.050 +2.1" in text
    assert "left Place 8 +" not in text
    assert "The 12 most unusual regions" in text
    assert "sub-01_desc-TypeIDBA_regions.tsv" in text
    assert "mean and spread at that age among 48 reference people, as smooth curves of age (P-splines" in text
    assert "Eilers" in text
    for never in ("nearest age", "one of the simulated", "Nobody of"):
        assert never not in text


def test_what_makes_them_less_sure_is_told(tmp_path: Path, record: EstimateRecord) -> None:
    text = write(tmp_path, normed(record, outside=True, unknown=("<i>site",), among=True), regions()).text
    assert "chronological age is outside of that range" in text
    assert "this person's entry in <i>site" in text
    assert "This person is one of the simulated reference people" in text


def test_the_map_of_z_scores_stands_below_the_regions(tmp_path: Path, record: EstimateRecord) -> None:
    page = write(tmp_path, normed(record), regions(), z=True)
    (title,) = [title for title in page.titles() if "blocks" in title]
    assert title == (
        "All sub-ensembles together (in template space), z among 48 simulated reference people: 7.3 % of "
        "29,108 blocks of 4 mm lie beyond ±1.96; of the reference people's own, 6.1 % did."
    )
    text = page.text
    assert text.index("the most unusual regions") < text.index("where it is unusual")
    assert text.index("where it is unusual") < text.index("where this brain differs from the average")
    assert "nothing is corrected for how many there are" in text
    assert len(list((tmp_path / "sub-01/figures").glob("*DBAZ*"))) == 1


def test_without_a_map_of_z_scores_there_is_no_figure(tmp_path: Path, record: EstimateRecord) -> None:
    page = write(tmp_path, normed(record), regions())
    assert "where it is unusual" not in page.text
    assert not list((tmp_path / "sub-01/figures").glob("*DBAZ*"))


def test_without_norms_nothing_is_said_of_them(tmp_path: Path, record: EstimateRecord) -> None:
    text = write(tmp_path, record, regions()).text
    assert "unusual regions" not in text
    assert "Eilers" not in text
