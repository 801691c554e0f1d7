"""The page of the simulation study, from made-up results."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.studies import tori_figures
from bids_brainage.studies import tori_page as tori
from bids_brainage.studies.tori_figures import METHOD_COLOURS, TorusPicture
from bids_brainage.studies.tori_page import TorusStudy, write_tori_page
from tests.html_page import Page

SUMMARY = {
    "n": 60, "seed": 4, "epochs": 2, "base_models": 2, "n_training": 48, "n_validation": 6, "n_test": 6,
    "n_robustness": 6, "parameters": 60593, "batch_size": 4, "learning_rate": 5e-4, "mae": 2.345,
    "mae_of_each": [2.345, 2.5], "mae_of_mean": 2.2, "mae_guess": 13.1, "r": 0.981, "target_bias": 51.2,
    "absorbed_mean": -0.31, "closure_error": 2e-6, "training_minutes": 1.0, "minutes": 2.0,
}  # fmt: skip


def rows():
    found = []

    def add(measure, mean, region=None, distance=None, evidence=None, method=None, chance=None):
        for name in [method] if method else METHOD_COLOURS:
            found.append(
                {"measure": measure, "method": name, "evidence": evidence, "region": region, "chance": chance}
                | {"distance": distance, "ages": "all", "n": 6, "mean": mean, "sd": 0.1}
            )

    for measure in ("mass accuracy", "rank accuracy"):
        for region in ("lesions", "atrophies", "lesions and atrophies"):
            for distance in (0, 1, 2):
                add(measure, 0.431, region, distance, "older", chance=0.2)
        for region in ("border", "intact border", "intact matter"):
            add(measure, 0.3, region, None, "younger", chance=0.1)
    for region in ("lesions", "atrophies"):
        add("effect", 5.67, region, method="none")
        add("correlation with effect", 0.87, region, 1)
    for name in (
        "older first, made 20",
        "younger first, made 80",
        "older first, black",
        "younger first, black",
    ):
        add("perturbation area", 3.21, name, chance=0.0)
    for layer in ("output", "conv_1"):
        add("likeness after randomisation", 0.4, f"down to {layer}")
    for region in ("lesions", "atrophies", "intact border", "intact matter"):
        for ages in ("below 40", "from 40"):
            add("positive share", 0.6, region)
            found[-1]["ages"] = ages
    add("correlation with prediction", 0.99)
    add("continuity", 1.5)
    return found


@pytest.fixture
def study():
    rng = np.random.default_rng(0)
    image = np.zeros((98, 98), np.float32)
    image[20:80, 20:80] = 0.8
    lesions, atrophies = np.zeros((2, 98, 98), np.uint8)
    lesions[30:33, 40:43], atrophies[20, 50] = 1, 1
    relevance = (rng.standard_normal((98, 98)) * (image > 0)).astype(np.float32)
    pictures = [
        TorusPicture(age, age + 1, image, lesions, atrophies, relevance) for age in (25.0, 60.0, 75.0)
    ]
    curves = [
        {
            "curve": "older first, made 20",
            "method": method,
            "part": part,
            "change": -part,
            "random": -part / 2,
        }
        for method in METHOD_COLOURS
        for part in (0.0, 0.5, 1.0)
    ]
    ages = rng.uniform(20, 80, 6)
    maps = dict.fromkeys(METHOD_COLOURS, relevance)
    return TorusStudy(SUMMARY, ages, ages + 1, ages - 51.2, pictures, maps, rows(), curves, [([9.0, 5.0], 1)])


def test_the_page_tells_the_figures_and_loads_nothing(study, tmp_path):
    path = write_tori_page(tmp_path, study)
    page = Page(path.read_text(encoding="utf-8"))
    for words in ("2.35", "13.10", "51.20", "seed 4", "+5.7", "0.87", "43", "+3.2"):
        assert words in page.text
    assert page.loaded()
    assert all(address.startswith(("data:image/", "#")) for address in page.loaded())
    assert "NiReports" not in page.text
    assert len(list((tmp_path / "figures").glob("*.svg"))) == 9


def test_what_was_not_measured_is_not_available(study, tmp_path):
    study.rows[:] = [row for row in study.rows if row["measure"] != "continuity"]
    assert "n/a" in Page(write_tori_page(tmp_path, study).read_text(encoding="utf-8")).text


def test_outlines_run_between_inside_and_outside():
    outlined = np.zeros((4, 5), bool)
    outlined[1, 2:4] = True
    edges = tori_figures._Tile(np.zeros((4, 5, 3)), outlined).edges()
    # Two pixels side by side: three edges each, those between them left out.
    expected = {((2, 1), (3, 1)), ((3, 1), (4, 1)), ((2, 2), (3, 2)), ((3, 2), (4, 2))}
    assert set(edges) == expected | {((2, 1), (2, 2)), ((4, 1), (4, 2))}


def test_the_detail_holds_the_lesions(study):
    torus = study.examples[0]
    lesions = torus.lesions.copy()
    lesions[60:70, 60:70] = 1
    busy = TorusPicture(1.0, 1.0, torus.image, lesions, torus.atrophies * 0, torus.relevance)
    rows_, columns = tori_figures._busiest(busy)
    assert lesions[rows_, columns].sum() == 100


def test_numbers_that_are_not_known():
    assert tori._number(None, ".2f") == "n/a"
    assert tori._number(-1.25, "+.1f") == "−1.2"  # noqa: RUF001
