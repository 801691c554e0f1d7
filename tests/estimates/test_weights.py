"""Heads that leave a sub-ensemble aside, or turn it round: estimate, maps, tables, sidecars and page."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_brainage.estimates.grids import image_sum
from bids_brainage.estimates.session import EnsembleResult
from bids_brainage.interfaces.estimation import outputs_of
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.records.reading import PreparedImages, SessionPlace
from bids_brainage.records.session import TEMPLATE
from bids_brainage.records.tables import table_text
from bids_brainage.records.writing import Output, publish
from bids_brainage.reports.participant import write_participant_report
from bids_brainage.terms import STANDARD_SPACE, T1W_SPACE
from tests.estimates.conftest import OPTIONS, PERSON
from tests.estimates.test_session import estimate_one
from tests.integration.small_bundle import make_bundle
from tests.models.bundles.test_bundle import change_json
from tests.reports.test_participant import Page

MINUS = "\N{MINUS SIGN}"
FACTS = {"Warnings": [], "Preparation": {"origin": "raw", "skull_strip": "auto"}}


def estimated(
    folder: Path,
    images: PreparedImages,
    top: dict[str, float],
    within: dict[str, list[float]],
) -> EnsembleResult:
    """Type I of T1w and FLAIR by these weights of sub-ensembles, and of base models where they are given."""

    def change(record: dict[str, Any]) -> None:
        ensemble = record["ensembles"][0]
        for sub in ensemble["sub_ensembles"]:
            if sub["input"]["modality"] in within:
                sub["folds"][0]["head"]["coefficients"] = within[sub["input"]["modality"]]
        for head in ensemble["top_heads"][0]:
            if head["modalities"] == list(top):
                head["head"]["coefficients"] = list(top.values())

    bundle = make_bundle(folder / "model")
    change_json(bundle, change)
    return estimate_one(load_bundle(bundle.path), images, PERSON, OPTIONS)


def written(out: Path, result: EnsembleResult, images: PreparedImages) -> Page:
    """The page of a session of these images and this result."""
    place = SessionPlace.of(out, "sub-01", None)
    for modality in ("T1w", "FLAIR"):
        first = modality == "T1w"
        path = place.path("preproc_T1w") if first else place.path("preproc_T1w_space", suffix=modality)
        standard = place.path("preproc_standard", suffix=modality)
        about = {"modality": modality}
        outputs = [
            Output("subject_image", path, partial(shutil.copy, images.subject[modality]), about, FACTS),
            Output("standard_image", standard, partial(shutil.copy, images.standard[modality]), about),
        ]
        if first:
            outputs.append(Output("brain_mask", place.path("brain_mask"), partial(shutil.copy, images.mask)))
        publish(place, ("preprocessing", modality), "images", outputs)
        if first:
            ends = ((T1W_SPACE, STANDARD_SPACE), (STANDARD_SPACE, T1W_SPACE))
            warps = [
                Output(
                    "transform",
                    place.path("transform", source=source, target=target),
                    partial(shutil.copy, images.forward),
                    {"source": source, "target": target},
                )
                for source, target in ends
            ]
            publish(place, ("preprocessing", TEMPLATE), "images", warps)
    outputs = outputs_of(place, result, OPTIONS)
    publish(place, ("estimate", "TypeI"), "estimate", outputs, model=result.record.model.sha256)
    return Page(write_participant_report(out, "sub-01").read_text(encoding="utf-8"))


def description(result: EnsembleResult, number: int, out: Path) -> str:
    """What the sidecar of one of the maps says that it shows."""
    outputs = outputs_of(SessionPlace.of(out, "sub-01", None), result, OPTIONS)
    return str([output for output in outputs if output.role == "relevance"][number].sidecar["Description"])


@pytest.fixture(scope="module")
def aside(tmp_path_factory: pytest.TempPathFactory, images: PreparedImages) -> EnsembleResult:
    """Nothing is taken of T1w, whose networks see something, nor of the networks of FLAIR."""
    folder = tmp_path_factory.mktemp("aside")
    return estimated(folder, images, {"T1w": 0.0, "FLAIR": 0.5}, {"FLAIR": [0.0, 0.0]})


def test_what_is_left_aside_adds_nothing_and_all_accounts_close(aside: EnsembleResult) -> None:
    """FLAIR says its head's intercept of 1 whatever it sees, so the ensemble says 0.5."""
    record = aside.record
    assert record.brain_age == record.target_bias == pytest.approx(0.5)
    assert (record.relevance_sum, record.absorbed) == (0, 0)
    t1w, flair = record.sub_ensembles
    assert abs(t1w.sees) > 0.01
    assert (t1w.weight, t1w.contribution) == (0, 0)
    assert (flair.brain_age, flair.target_bias, flair.sees, flair.relevance_sum) == (1, 1, 0, 0)
    assert record.contributions.modality == {"T1w": 0, "FLAIR": 0}
    for own in aside.maps:
        assert own.closure_error == pytest.approx(0, abs=1e-4)
        assert np.isfinite(np.asarray(own.on[STANDARD_SPACE].dataobj)).all()
    assert [image_sum(own.on[STANDARD_SPACE]) == 0 for own in aside.maps] == [False, True, True]
    sums = {name: [row for row in aside.regions if row["modality"] == name] for name in ("T1w", "FLAIR")}
    assert sum(row["relevance"] for row in sums["T1w"]) == pytest.approx(t1w.relevance_sum, abs=1e-4)
    assert {row["contribution"] for row in aside.regions} == {0.0}
    assert "-0" not in table_text(aside.regions, {"contribution": {}}).split()
    assert "negative_weight" not in {flag.code for flag in record.flags}


def test_the_page_says_that_it_was_left_aside(
    aside: EnsembleResult,
    tmp_path: Path,
    images: PreparedImages,
) -> None:
    page = written(tmp_path, aside, images)
    assert "Whole brain · T1w has the weight zero: the estimate takes nothing from it" in page.text
    assert "nan" not in page.text.lower().split()
    assert "turned round" not in page.text
    captions = [title for title in page.titles() if title.startswith("Whole brain")]
    assert ["the ensemble's estimate takes nothing from it" in title for title in captions] == [True, False]


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory, images: PreparedImages) -> EnsembleResult:
    """T1w has a negative weight, and so has the second of its networks; FLAIR's are positive."""
    folder = tmp_path_factory.mktemp("turned")
    return estimated(folder, images, {"T1w": -0.25, "FLAIR": 0.9}, {"T1w": [18, -8], "FLAIR": [0.5, 0.5]})


def test_the_record_tells_what_is_seen_from_what_is_made_of_it(turned: EnsembleResult) -> None:
    t1w, flair = turned.record.sub_ensembles
    for part in (t1w, flair):
        assert part.sees == pytest.approx(part.brain_age - part.target_bias)
        assert part.sees == pytest.approx(part.relevance_sum + part.absorbed, abs=1e-4)
    assert t1w.contribution == pytest.approx(-0.25 * t1w.relevance_sum)
    (flag,) = [flag for flag in turned.record.flags if flag.code == "negative_weight"]
    assert flag.severity == "note"
    assert "WholeBrain_T1w (-0.25)" in flag.text
    assert "FLAIR" not in flag.text


def test_tables_and_sidecars_of_what_is_turned_round_say_so(turned: EnsembleResult, tmp_path: Path) -> None:
    assert {(row["modality"], row["weight"]) for row in turned.regions} == {("T1w", -0.25), ("FLAIR", 0.9)}
    for row in turned.regions:
        assert row["contribution"] == pytest.approx(row["weight"] * row["relevance"])
    t1w, flair, whole = (description(turned, number, tmp_path) for number in range(3))
    assert "it is negative: what is positive here makes the ensemble's estimate lower" in t1w
    assert t1w.endswith("whose own maps enter this one turned round: bm-01")
    assert "negative" not in flair
    assert whole.endswith("negative weights turn the maps of WholeBrain_T1w round")


def test_every_place_of_the_page_that_shows_it_says_so(
    turned: EnsembleResult,
    tmp_path: Path,
    images: PreparedImages,
) -> None:
    page = written(tmp_path, turned, images)
    titles, text = page.titles(), page.text
    t1w, _ = turned.record.sub_ensembles
    # Summary, table of estimates, what is seen and made of it, account.
    assert (
        "turns round what these sub-ensembles see, because their weights are negative: WholeBrain_T1w" in text
    )
    assert f"{MINUS}0.25 (turned round)" in text
    looks = f"{abs(t1w.sees):.1f} years {'older' if t1w.sees > 0 else 'younger'}"
    makes = f"{abs(t1w.contribution):.1f} years {'older' if t1w.contribution > 0 else 'younger'}"
    assert f"To Whole brain · T1w the brain looks {looks} than where it starts" in text
    assert f"on its map make it {makes}." in text
    assert f"{makes} (turned round)" in text
    assert "Whole brain · T1w has a negative weight: the ensemble's estimate turns its numbers" in text
    # Bars, their captions, and the maps.
    assert text.count("because their weights are negative: Whole brain · T1w.") == 2
    (bars,) = [title for title in titles if title.startswith("Target bias") and "FLAIR" in title]
    assert "T1w (turned round)" in bars
    assert "FLAIR (turned round)" not in bars
    captions = {title.split(" (")[0]: title for title in titles if "the map sums to" in title}
    assert "turns its colours round" in captions["Whole brain · T1w"]
    assert "turns its colours round" not in captions["Whole brain · FLAIR"]
