"""One rule for labels."""

from __future__ import annotations

import pytest

from bids_brainage.labels import is_label


@pytest.mark.parametrize("label", ["01", "A1", "1+2", "+"])
def test_labels_of_bids(label):
    assert is_label(label)


@pytest.mark.parametrize(
    "label", ["", "a b", "a-b", "a_b", "é", "²", "\u0663", "a\n", '<b>x"', "../x", "a\0", "a.b"]
)
def test_what_is_not_a_label(label):
    assert not is_label(label)
