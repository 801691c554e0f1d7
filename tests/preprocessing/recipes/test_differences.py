"""What differs from the authors' preparation is told, and nothing else."""

from __future__ import annotations

from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.recipes.differences import Made, differences


def told(name: str, made: Made, source: str | None = None) -> str:
    theirs = read_recipe(name).input
    return "\n".join(differences(theirs.of_source(source or theirs.source), theirs, made, name))


def test_the_same_preparation_has_no_warning() -> None:
    assert told("synthba-g", Made("synthstrip", bias_corrected=False)) == ""
    assert told("midi-t1w", Made("HD-BET")) == ""


def test_another_program_is_named() -> None:
    both = told("sfcn-ukb", Made("deepbet"))
    assert "bet found" in both
    assert "found by deepbet" in both
    assert "FLIRT registered" in both
    assert both.count("\n") == 1
    assert "without bias correction" in told("synthba-g", Made("synthstrip"))
    assert "is not corrected" in told("midi-t1w", Made("hd-bet", bias_corrected=False))


def test_a_given_image_is_the_users_own_affair() -> None:
    assert told("pyment-reg", Made("bet"), "given") == ""


def test_another_source_is_told() -> None:
    assert "freesurfer:brainmask" in told("pyment-reg", Made("freesurfer"), "t1w")
    assert "source" not in told("pyment-reg", Made("freesurfer"))


def test_heads_need_no_stripper() -> None:
    assert "found" not in told("westman", Made("deepbet"))
