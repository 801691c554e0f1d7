"""One rule for labels."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids.naming import session_name
from bids_brainage.labels import is_label, node_name

LABELS = st.from_regex(r"[A-Za-z0-9+]{1,4}", fullmatch=True)
NAMES = st.tuples(LABELS, st.none() | LABELS)


@pytest.mark.parametrize("label", ["01", "A1", "1+2", "+"])
def test_labels_of_bids(label):
    assert is_label(label)


@pytest.mark.parametrize(
    "label", ["", "a b", "a-b", "a_b", "é", "²", "٣", "a\n", '<b>x"', "../x", "a\0", "a.b"]
)
def test_what_is_not_a_label(label):
    assert not is_label(label)


@given(NAMES, NAMES)
def test_nodes_have_names_that_nipype_takes_and_that_stay_apart(one, other):
    names = [node_name(session_name(*who)) for who in (one, other)]
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)
    assert (names[0] == names[1]) == (one == other)


def test_ordinary_names_of_nodes():
    assert node_name("sub-01_ses-2") == "sub_01_ses_2"
