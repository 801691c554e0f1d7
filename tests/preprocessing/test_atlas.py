"""Regions of the merged atlas are called as a person would call them, and lie where their names say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bids_brainage.preprocessing.atlas import PARTS, Structure, merged_atlas, structures
from bids_brainage.preprocessing.templates import atlas, template_mask

# Words in small letters, and the Roman numerals of the cerebellum's lobules.
SPOKEN = re.compile(r"[a-z]{2,}( [a-z]{2,})*(( and)? [IVX]+B?)*")
# Letters of the atlases' own abbreviations, run together or cut short.
CODE_LIKE = ("ctx", "bankssts", "unknown", "proper", "cerebelum", "dc", "wm", "csf", "inf", "sup", "lat")


@pytest.mark.parametrize("structure", structures(), ids=lambda structure: structure.code)
def test_a_name_is_one_that_a_person_would_say(structure: Structure) -> None:
    assert SPOKEN.fullmatch(structure.name)
    words = structure.name.lower().split()
    assert not set(words) & set(CODE_LIKE)
    assert max(map(len, words)) <= len("hypointensities")
    assert structure.region in PARTS


def test_names_are_unique_and_tell_the_side() -> None:
    names = [structure.name for structure in structures()]
    assert len(set(names)) == len(names)
    for structure in structures():
        said = {side for side, word in (("L", "left"), ("R", "right")) if word in structure.name.split()}
        assert said == {structure.hemisphere} - {"B"}


def test_both_sides_have_the_same_structures() -> None:
    sides = {
        side: {s.name.replace(word, "SIDE") for s in structures() if s.hemisphere == side}
        for side, word in (("L", "left"), ("R", "right"))
    }
    assert sides["L"] == sides["R"]


def test_every_region_lies_on_the_side_that_it_is_said_to() -> None:
    labels, table = atlas()
    data = np.asanyarray(labels.dataobj)
    x = labels.affine[0, 0] * np.arange(data.shape[0]) + labels.affine[0, 3]
    for row in table.itertuples():
        counts = (data == row.index).sum(axis=(1, 2))
        mean = float(np.average(x, weights=counts))
        if row.hemisphere == "B":
            assert abs(mean) < 6, row.name
        else:
            assert (mean < -2) if row.hemisphere == "L" else (mean > 2), row.name


def test_the_atlas_is_what_it_was_and_made_once_a_process() -> None:
    """Numbers in tables of earlier versions stay what they were."""
    labels, table = atlas()
    assert atlas()[0] is labels
    assert len(table) == 129
    assert list(table["index"]) == list(range(1, 130))
    assert list(table["code"]) == sorted(table["code"])
    known = table.set_index("code")["index"]
    assert (known["3rd-Ventricle"], known["Right-Putamen"], known["ctx-rh-insula"]) == (1, 46, 105)
    again, _ = merged_atlas(template_mask(2))
    np.testing.assert_array_equal(again.dataobj, labels.dataobj)
