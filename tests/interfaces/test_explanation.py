"""How maps are put together and added up, on cases small enough to work by hand."""

from __future__ import annotations

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.interfaces.explanation import (
    ExplainedPart,
    add_accounts,
    aggregation_weights,
    as_tsv,
    complete_record,
    ensemble_map,
    map_sidecar,
)

OPTIONS = SimpleNamespace(rule="preset-a", backend="native", aggregation="heads")


def part(name: str, values: list[float], target_bias: float, absorbed: float) -> ExplainedPart:
    region, modality = name.split("_")
    image = nib.Nifti1Image(np.array(values, np.float32).reshape(-1, 1, 1), np.eye(4))
    account = [{"layer": "output", "received": sum(values), "passed_on": sum(values), "absorbed": absorbed}]
    return ExplainedPart(name, region, modality, image, image, target_bias, absorbed, account, {})


@pytest.fixture
def parts() -> list[ExplainedPart]:
    return [part("WholeBrain_T1w", [1, 2, -1], 20, 0.5), part("WholeBrain_FLAIR", [0, -3, 1], 25, -0.25)]


@pytest.fixture
def record() -> dict:
    """An estimate of 5 + (20 + 2 + 0.5) + (25 - 2 - 0.25) = 50.25 years."""
    return {
        "ensemble": "TypeI",
        "brain_age": 50.25,
        "constant": 5.0,
        "model": {},
        "inputs": [],
        "disclaimer": None,
        "sub_ensembles": [{"name": "WholeBrain_T1w"}, {"name": "WholeBrain_FLAIR"}],
    }


def test_the_ensembles_map_closes_on_the_estimate(parts: list[ExplainedPart], record: dict) -> None:
    total = ensemble_map(parts, record, "heads")
    assert np.asarray(total.subject.dataobj).ravel().tolist() == [1, -1, 0]
    assert (total.target_bias, total.relevance_sum, total.absorbed) == (50.0, 0.0, 0.25)
    sidecar = map_sidecar(record, total, OPTIONS, "subject", total.relevance_sum)
    assert sidecar["Estimate"] == 50.25
    assert sidecar["ClosureError"] == 0


def test_a_wrong_sum_shows_in_the_closure_error(parts: list[ExplainedPart], record: dict) -> None:
    total = ensemble_map(parts, record | {"constant": 4.0}, "heads")
    assert map_sidecar(record, total, OPTIONS, "subject", 0.0)["ClosureError"] == pytest.approx(1.0)


def test_contributions_are_the_sums_of_the_maps(parts: list[ExplainedPart], record: dict) -> None:
    complete = complete_record(record, parts, ensemble_map(parts, record, "heads"))
    assert complete["contributions"]["modality"] == {"T1w": 2.0, "FLAIR": -2.0}
    assert complete["contributions"]["region"] == {"WholeBrain": 0.0}
    assert [sub["contribution"] for sub in complete["sub_ensembles"]] == [2.0, -2.0]


def test_plain_means_give_the_mean_over_sub_ensembles(parts: list[ExplainedPart], record: dict) -> None:
    total = ensemble_map(parts, record, "mean")
    assert np.asarray(total.subject.dataobj).ravel().tolist() == [0.5, -0.5, 0]
    assert total.target_bias == 22.5


def test_weights_are_the_heads_or_equal() -> None:
    estimate = SimpleNamespace(base_model_weights={"WholeBrain_T1w": np.array([0.7, -0.1, 0.2, 0.1])})
    assert aggregation_weights(estimate, "heads")["WholeBrain_T1w"].tolist() == [0.7, -0.1, 0.2, 0.1]
    assert aggregation_weights(estimate, "mean")["WholeBrain_T1w"].tolist() == [0.25] * 4


def test_accounts_add_up_layer_by_layer() -> None:
    line = {"layer": "conv", "received": 2.0, "passed_on": 1.5, "absorbed": 0.5}
    other = {"layer": "conv", "received": -1.0, "passed_on": -1.0, "absorbed": 0.0}
    assert add_accounts([[line], [other]], 0.5) == [
        {"layer": "conv", "received": 0.5, "passed_on": 0.25, "absorbed": 0.25}
    ]


def test_disclaimer_goes_into_every_sidecar(parts: list[ExplainedPart], record: dict) -> None:
    sidecar = map_sidecar(record | {"disclaimer": "no estimate"}, parts[0], OPTIONS, "standard", 2.0)
    assert sidecar["Disclaimer"] == "no estimate"
    assert "Disclaimer" not in map_sidecar(record, parts[0], OPTIONS, "standard", 2.0)


def test_tables_keep_hostile_text_in_its_cell() -> None:
    text = as_tsv([{"region": "a\tb\nc", "relevance": 0.123456789}])
    assert text.splitlines()[0] == "region\trelevance"
    assert '"a\tb' in text
    assert text.rstrip().endswith("0.123457")
