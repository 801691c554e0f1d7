"""BIDS URIs of files, wherever their datasets lie."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids.uris import bids_uri, dataset_links, own_uri

PLACE = "sub-01/anat/sub-01_T1w.nii.gz"


@pytest.mark.parametrize(
    "parent", ["/data", "/data/sub-01/study", "/sub-x/sub-01/anat", "/data/bids:raw:sub-01", "/50 % é", "/"]
)
def test_place_counts_from_the_root_whatever_its_parents_are_called(parent):
    links = dataset_links(Path(parent) / "bids", {"prep": Path(parent) / "prep"}, Path(parent) / "fs")
    assert bids_uri(links["raw"] / PLACE, links) == f"bids:raw:{PLACE}"
    assert bids_uri(links["prep"] / PLACE, links) == f"bids:prep:{PLACE}"
    brain = "sub-01/mri/brain.finalsurfs.mgz"
    assert bids_uri(links["freesurfer"] / brain, links) == f"bids:freesurfer:{brain}"
    assert own_uri(Path(parent) / "out" / PLACE, Path(parent) / "out") == f"bids::{PLACE}"


def test_the_nearest_root_counts():
    """Derivatives and FreeSurfer's subjects often lie inside the raw dataset, or inside each other."""
    raw = Path("/sub-data")
    prep = raw / "derivatives/fmriprep"
    links = dataset_links(raw, {"fmriprep": prep}, prep / "sourcedata/freesurfer")
    files = {name: bids_uri(root / PLACE, links) for name, root in links.items()}
    assert files == {name: f"bids:{name}:{PLACE}" for name in ("raw", "fmriprep", "freesurfer")}


def test_every_dataset_has_a_name_of_its_own():
    names = ["raw", "freesurfer", "my prep", "my-prep", "my/prep", "", "é"]
    links = dataset_links(Path("/raw"), {name: Path(f"/{i}") for i, name in enumerate(names)}, Path("/fs"))
    assert list(links.values()) == [Path("/raw"), Path("/fs"), *(Path(f"/{i}") for i in range(len(names)))]
    assert (links["raw"], links["freesurfer"]) == (Path("/raw"), Path("/fs"))
    assert links["raw-derivatives"] == Path("/0")
    assert all(name and ":" not in name and "/" not in name for name in links)


def test_name_raw_is_never_anothers_where_there_is_no_raw_dataset():
    assert "raw" not in dataset_links(None, {"raw": Path("/x")})


def test_file_outside_of_all_datasets_and_links(tmp_path):
    links = dataset_links(Path("/bids"))
    assert bids_uri(Path("/else where/x.nii"), links) == "file:///else%20where/x.nii"
    (tmp_path / "bids/sub-01").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "bids")
    for path in (tmp_path / "link/sub-01/x.nii", tmp_path / "bids/sub-02/../sub-01/x.nii"):
        assert bids_uri(path, {"raw": tmp_path / "bids"}) == "bids:raw:sub-01/x.nii"


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4))
def test_place_can_be_read_off_the_uri(parts):
    uri = bids_uri(Path("/sub-1/bids", *parts), {"raw": Path("/sub-1/bids")})
    head, place = uri[: len("bids:raw:")], uri[len("bids:raw:") :]
    assert head == "bids:raw:"
    assert unquote(place) == "/".join(parts)
    assert place.isascii()
    assert not set(place) & set(' :?#[]<>"\\%') - {"%"}
