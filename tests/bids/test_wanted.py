"""Which images filters take, against pybids."""

from __future__ import annotations

import json
from pathlib import PurePath

from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.bids.dataset import index, open_dataset
from bids_brainage.bids.naming import name_entities
from bids_brainage.bids.queries import find_images, read_filters
from bids_brainage.bids.wanted import Wanted, refused

NAMES = [
    "ses-1_T1w",
    "ses-1_acq-a_T1w",
    "ses-1_acq-a_run-1_T1w",
    "ses-1_acq-01_run-02_T1w",
    "ses-1_ce-gd_rec-x_T1w",
    "ses-1_echo-2_T1w",
    "ses-1_echo-02_part-mag_T1w",
    "ses-1_inv-1_T1w",
    "ses-1_trc-a_chunk-1_T1w",
    "ses-1_chunk-02_T1w",
]
ENTITIES = ["acquisition", "ceagent", "reconstruction", "echo", "part", "inv", "tracer", "chunk", "session"]
NUMBERS = st.sampled_from([None, "*", "Query.NONE", "Query.ANY", "01", "1", "02", "2", 1, 2])
VALUES = NUMBERS | st.sampled_from(["a", "gd", "x", "mag"])


def wanted_of(values):
    return values | st.lists(values, min_size=1, max_size=3)


# Beside a word, pybids does not know the index of a run as a number.
QUERIES = st.dictionaries(st.sampled_from(ENTITIES), wanted_of(VALUES), max_size=2) | st.fixed_dictionaries(
    {"run": wanted_of(NUMBERS)}, optional={"acquisition": wanted_of(VALUES)}
)


def test_filters_mean_what_they_mean_to_pybids(dataset, tmp_path):
    root = dataset(*(f"sub-01/ses-1/anat/sub-01_{name}.nii.gz" for name in NAMES))
    layout, file = index(open_dataset(root)), tmp_path / "filter.json"

    @settings(max_examples=150, deadline=None)
    @given(QUERIES)
    def check(query):
        file.write_text(json.dumps({"t1w": query}))
        filters = read_filters(file)["t1w"]
        found, _ = find_images(layout, root, "T1w", ("01",), (), filters, file)
        expected = {path.name for path, _ in found.get(("01", "1"), [])}
        names = [f"sub-01_{name}.nii.gz" for name in NAMES]
        assert {name for name in names if not refused(filters, name_entities(PurePath(name)))} == expected

    check()


def test_nothing_is_refused_or_doubted_where_nothing_is_asked_for(dataset):
    root = dataset(*(f"sub-01/ses-1/anat/sub-01_{name}.nii.gz" for name in NAMES))
    for name in ("sub-01", "sub-01_ses-1", *(f"sub-01_{name.removesuffix('_T1w')}" for name in NAMES)):
        verdict = Wanted(root).judge("T1w", name_entities(PurePath(f"{name}_desc-preproc_T1w.nii.gz")))
        assert (verdict.is_wanted, verdict.doubt) == (True, None)
