"""How maps are put together and add up, on cases small enough to work by hand."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.estimates.grids import image_sum
from bids_brainage.estimates.maps import MapFacts, ensemble_map
from bids_brainage.records.relevance_map import AccountLine


def facts(
    name: str, values: list[float], target_bias: float, absorbed: float, weight: float, estimate: float
) -> MapFacts:
    region, modality = name.split("_")
    image = nib.Nifti1Image(np.array(values, np.float32).reshape(-1, 1, 1), np.eye(4))
    line = AccountLine(layer="output", received=sum(values), passed_on=sum(values), absorbed=absorbed)
    return MapFacts(
        name=name,
        region=region,
        modality=modality,
        on={"T1w": image},
        estimate=estimate,
        target_bias=target_bias,
        relevance_sum=image_sum(image),
        absorbed=absorbed,
        weight=weight,
        account=(line,),
        quality={},
    )


@pytest.fixture
def maps() -> list[MapFacts]:
    """Estimates of 40 + 2 + 0.5 and of 50 - 2 - 1 years, of which the ensemble takes a half and a quarter."""
    return [
        facts("WholeBrain_T1w", [1, 2, -1], 40, 0.5, 0.5, 42.5),
        facts("WholeBrain_FLAIR", [0, -3, 1], 50, -1.0, 0.25, 47.0),
    ]


def test_each_map_closes_on_its_own_estimate(maps: list[MapFacts]) -> None:
    assert [own.closure_error for own in maps] == [0, 0]
    assert dataclasses.replace(maps[0], estimate=43.5).closure_error == 1.0


def test_the_ensembles_map_is_the_sum_each_times_its_weight(maps: list[MapFacts]) -> None:
    total = ensemble_map(maps, estimate=10 + 42.5 / 2 + 47 / 4, constant=10.0)
    assert np.asarray(total.on["T1w"].dataobj).ravel().tolist() == [0.5, 0.25, -0.25]
    assert (total.target_bias, total.relevance_sum, total.absorbed) == (42.5, 0.5, 0.0)
    assert total.closure_error == pytest.approx(0, abs=1e-12)
    assert total.account[0].received == 0.5 * 2 + 0.25 * -2


def test_a_wrong_part_shows_in_the_ensembles_closure_error(maps: list[MapFacts]) -> None:
    wrong = [dataclasses.replace(maps[0], absorbed=1.5), maps[1]]
    total = ensemble_map(wrong, estimate=10 + 42.5 / 2 + 47 / 4, constant=10.0)
    assert total.closure_error == pytest.approx(-0.5)
