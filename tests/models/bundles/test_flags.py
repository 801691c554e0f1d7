"""Flags: each fires on its own condition and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.flags import estimate_flags
from bids_brainage.models.ensembles.scans import UnlikeScan
from bids_brainage.models.ensembles.typicality import Unusual
from bids_brainage.networks.graph import LayerGraph
from bids_brainage.networks.readouts import LinearReadout


def estimate(bundle: Bundle, brain_age: float = 50, spread: float = 0, **changes):
    ensemble = bundle.ensemble("TypeI")
    plain = ensemble.estimate({name: np.full(2, 50.0) for name in ensemble.sub_ensembles})
    return replace(plain, brain_age=brain_age, disagreement=spread, **changes)


def codes(bundle: Bundle, made, **known) -> list[str]:
    return [flag.code for flag in estimate_flags(bundle, made, **({"age": 50.0, "simulated": True} | known))]


def test_nothing_to_say(bundle):
    assert codes(bundle, estimate(bundle)) == []


@pytest.mark.parametrize(
    ("changes", "known", "code"),
    [
        ({}, {"simulated": False}, "demonstration_model"),
        ({}, {"age": 19.9}, "age_outside_training_range"),
        ({}, {"age": 80.1}, "age_outside_training_range"),
        ({}, {"age": None}, "age_unknown"),
        ({"brain_age": 80.5}, {}, "estimate_outside_training_range"),
        ({"brain_age": -3.0}, {}, "estimate_outside_training_range"),
        ({"spread": 6.1}, {}, "sub_ensembles_disagree"),
        ({"modalities_missing": ("FLAIR",)}, {}, "modality_missing"),
        ({"lower_95": None}, {}, "interval_unavailable"),
    ],
)
def test_each_condition_has_its_flag(bundle, changes, known, code):
    assert codes(bundle, estimate(bundle, **changes), **known) == [code]


def test_a_sequence_that_is_left_out_is_told_where_it_would_have_been_used(bundle):
    made = estimate(bundle, modalities_missing=("FLAIR",))
    left_out = {"FLAIR": "It is a slab.", "T2starw": "It is empty."}
    found = estimate_flags(bundle, made, age=50, simulated=True, left_out=left_out)
    texts = {flag.code: flag.text for flag in found}
    assert list(texts) == ["modality_left_out", "modality_missing"]
    assert texts["modality_left_out"] == "FLAIR is left out of the estimate: It is a slab."
    assert codes(bundle, estimate(bundle), left_out=left_out) == []


@pytest.mark.parametrize(("age", "brain_age", "spread"), [(20.0, 80.0, 6.0), (80.0, 20.0, 0.0)])
def test_limits_themselves_are_inside(bundle, age, brain_age, spread):
    assert codes(bundle, estimate(bundle, brain_age, spread), age=age) == []


def test_the_demonstration_model_says_what_its_number_is_not(bundle):
    (flag,) = estimate_flags(bundle, estimate(bundle), age=50, simulated=False)
    assert flag.severity == "warning"
    assert "small learned from simulated brains" in flag.text
    assert "not an estimate of anyone's brain age" in flag.text


def test_a_real_model_is_not_for_simulated_brains(bundle):
    cohort = bundle.record.cohort.model_copy(update={"simulated": False})
    record = bundle.record.model_copy(update={"purpose": "research", "cohort": cohort})
    real = Bundle(bundle.path, record, bundle.sha256)
    assert codes(real, estimate(bundle), simulated=True) == ["simulated_input"]
    assert codes(real, estimate(bundle), simulated=False) == []


def test_texts_are_filled_in(bundle):
    made = estimate(bundle, 95, 7, modalities_missing=("FLAIR",), modalities_used=("T1w",))
    for flag in estimate_flags(bundle, made, age=90, simulated=False):
        assert "{" not in flag.text
        assert flag.text.endswith(".")


def test_a_large_brain_is_told_of_once(bundle):
    """With the inputs concerned and the farthest of them; another measure has its own flag."""
    unusual = [
        Unusual("Cortical_T1w", "size", 4.6),
        Unusual("Cortical_FLAIR", "size", -7.2),
        Unusual("Cortical_T1w", "brightness", 5.0),
    ]
    size, brightness = estimate_flags(bundle, estimate(bundle), age=50, simulated=True, unusual=unusual)
    assert (size.code, brightness.code) == ("image_unusual_size", "image_unusual_brightness")
    assert "Cortical_T1w, Cortical_FLAIR lies up to 7 standard deviations" in size.text
    assert "in Cortical_T1w lies 5 standard deviations" in brightness.text


def test_scans_unlike_training_are_told_with_their_sequences(bundle):
    scans = [
        UnlikeScan("FLAIR", "voxels", (0.5, 0.5, 5.0), 1.0, 2.0),
        UnlikeScan("T1w", "voxels", (0.4, 0.4, 0.4), 1.0, 2.0),
        UnlikeScan("FLAIR", "smoothness", (9.25,), 3.0, 5.0),
    ]
    voxels, smooth = estimate_flags(bundle, estimate(bundle), age=50, simulated=True, scans=scans)
    assert (voxels.code, smooth.code) == ("scan_unlike_voxels", "scan_unlike_smoothness")
    assert "FLAIR 0.5 x 0.5 x 5 mm (in training 1 to 2 mm); T1w 0.4 x 0.4 x 0.4 mm" in voxels.text
    assert "FLAIR 9.25 mm (in training 3 to 5 mm)" in smooth.text


def test_what_a_published_network_cannot_say_or_does_not_know(bundle: Bundle) -> None:
    spreads = {"WholeBrain_T1w": [2.0, 6.5], "WholeBrain_FLAIR": [4.9]}
    done = ("It learned from others.", "It saw others.")
    found = {
        flag.code: flag.text
        for flag in estimate_flags(
            bundle, estimate(bundle), age=50, simulated=True, spreads=spreads, prepared_otherwise=done
        )
    }
    assert found["distribution_wide"].startswith("WholeBrain_T1w spreads its answer over many ages")
    assert "6.5 years" in found["distribution_wide"]
    assert found["prepared_otherwise"] == "It learned from others. It saw others."


def test_an_estimate_at_the_end_of_its_scale_is_flagged(bundle: Bundle) -> None:
    readout = {"kind": "linear", "low": 3.0, "high": 95.0}
    layer = {"kind": "dense", "name": "output", "inputs": ("image",), "units": 1}
    graph = LayerGraph.model_construct(layers=(layer,), readout=LinearReadout.model_validate(readout))
    made = estimate(bundle)
    part = made.sub_ensembles[0]
    record = bundle.ensemble_record(made.ensemble)
    subs = tuple(
        sub.model_copy(update={"architecture": graph}) if sub.name == part.name else sub
        for sub in record.sub_ensembles
    )
    limited = replace(
        bundle,
        record=bundle.record.model_copy(
            update={"ensembles": (record.model_copy(update={"sub_ensembles": subs}),)}
        ),
    )
    for age, expected in ((95.0, True), (94.9, False), (3.0, True)):
        parts = (replace(part, base_models=(50.0, age)), *made.sub_ensembles[1:])
        flags = estimate_flags(limited, replace(made, sub_ensembles=parts), age=50, simulated=True)
        assert ("estimate_at_limit" in [flag.code for flag in flags]) is expected
        told = [flag.text for flag in flags if flag.code == "estimate_at_limit"]
        assert all(f"{part.name} can only give ages in 3 to 95" in text for text in told)
