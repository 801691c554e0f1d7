"""Recipes of published networks: those that ship are whole, and a user's own is read without trust."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bids_brainage.errors import InputError
from bids_brainage.models.importing.recipe import SHIPPED, read_recipe, shipped_recipes

NAMES = [
    *("midi-flair", "midi-t1w", "midi-t2w"),
    *("pyment-rank", "pyment-reg", "pyment-sm"),
    *("sfcn-ukb", "synthba-g", "synthba-u", "westman", "xai4mri"),
]
#: The shapes that the networks are published with.
BOXES = {
    "sfcn": {(160, 192, 160)},
    "sfcn-keras": {(167, 212, 160)},
    "densenet121": {(130, 130, 130)},
    "densenet201": {(130, 130, 130)},
    "westman": {(80, 96, 80)},
    "mrinet": {(198, 198, 198)},
}


def test_all_that_were_promised_ship() -> None:
    assert list(shipped_recipes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_people_must_know(name) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.input.box in BOXES[recipe.architecture]
    assert recipe.problems
    assert recipe.mistakes
    assert recipe.files
    assert recipe.cohort.text
    assert len(recipe.source.commit) >= 12
    told = "NC" in recipe.licence.weights
    assert told == (recipe.licence.terms in ("non-commercial", "no-derivatives"))


def test_decoding_is_what_was_published() -> None:
    """PUBLISHED: bins 42.5 to 81.5; 3 to 95 years; 91 units; a hundredth of the age."""
    sfcn = read_recipe("sfcn-ukb").output
    assert (sfcn.first, sfcn.step, sfcn.n) == (42.5, 1, 40)
    reg = read_recipe("pyment-reg").output
    assert (reg.scale, reg.offset, reg.low, reg.high) == (1, 3, 3, 95)
    soft = read_recipe("pyment-sm").output
    assert (soft.first, soft.step, soft.n) == (3, 1, 93)
    rank = read_recipe("pyment-rank").output
    assert (rank.kind, rank.first, rank.threshold, rank.n) == ("count", 3, 0.5, 91)
    assert read_recipe("synthba-u").output.scale == 100
    assert read_recipe("midi-t2w").correction is not None


def own(tmp_path: Path, change=None, text: str | None = None, name: str = "mine.yaml") -> Path:
    content = yaml.safe_load((SHIPPED / "sfcn-ukb.yaml").read_text())
    if change:
        change(content)
    path = tmp_path / name
    path.write_text(yaml.safe_dump(content) if text is None else text, encoding="utf-8")
    return path


def test_a_users_own_recipe(tmp_path) -> None:
    path = own(tmp_path, lambda content: content.update(name="mine"))
    assert read_recipe(path).name == "mine"
    assert read_recipe(path).input == read_recipe("sfcn-ukb").input


WRONG = {
    "as scanned, cut to the brain": (
        lambda c: c["input"].update(source="native", mask="brain"),
        "native is not cut to the brain",
    ),
    "as scanned, on another grid": (
        lambda c: c["input"].update(source="native", mask="none"),
        "native stays on its own grid",
    ),
    "FreeSurfer's T2w": (
        lambda c: c["input"].update(source="freesurfer:brain", mask="none", modality="T2w"),
        "is of T1w images, not of T2w",
    ),
    "a step that nobody knows": (lambda c: c["input"].update(smooth={"fwhm": 2}), "there is no step smooth"),
    "a step that cannot be undone": (lambda c: c["input"].update(resize=[96] * 3), "resize cannot be undone"),
    "such a window": (lambda c: c["input"].update(window={"kind": "slices"}), "slices cannot be undone"),
    "an unknown window": (lambda c: c["input"].update(window={"kind": "centre"}), "there is no step centre"),
    "an unknown operation": (lambda c: c["input"].update(intensity=[{"op": "log"}]), "there is no step log"),
    "such an operation": (
        lambda c: c["input"].update(intensity=[{"op": "histogram-match"}]),
        "histogram-match cannot be undone",
    ),
    "no name of a step": (lambda c: c["input"].update(intensity=[{"over": "grid"}]), "there is no step None"),
    "scopes in another order": (
        lambda c: c["input"]["intensity"].insert(0, {"op": "z-score", "over": "window"}),
        "steps over grid or brain come before",
    ),
    "an enormous window": (
        lambda c: c["input"]["window"].update(shape=[100_000] * 3),
        "less than or equal to 512",
    ),
    "no registration to a template's grid": (
        lambda c: c["input"].update(registration={"kind": "none"}),
        "needs a registration",
    ),
    "not a number": (lambda c: c["output"].update(first=float("nan")), "finite number"),
    "an unknown decoding": (lambda c: c["output"].update(kind="argmax"), "kind|argmax"),
    "two bins": (lambda c: c["output"].update(n=2), "greater than or equal to 3"),
    "an unknown architecture": (lambda c: c.update(architecture="vit"), "no architecture vit; choose from"),
    "an unknown rule": (lambda c: c.update(composite="zplus"), "no rule zplus; choose from preset-a"),
    "three channels": (lambda c: c["input"].update(channels=3), "more than one channel"),
    "nothing on licences": (lambda c: c.pop("licence"), "licence"),
    "what no recipe has": (lambda c: c.update(run="rm -rf /"), "run"),
    "letters that a terminal obeys": (lambda c: c.update(title="\x1b[2J"), "title"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_faults_of_a_recipe_are_one_sentence(wrong, tmp_path) -> None:
    change, expected = WRONG[wrong]
    with pytest.raises(InputError) as caught:
        read_recipe(own(tmp_path, change))
    told = str(caught.value)
    assert re.search(expected, told), told
    assert "mine.yaml" in told
    assert told.count("\n") == 0
    assert "\x1b" not in told
    assert len(told) < 700


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "code": (
        "!!python/object/apply:os.system ['touch {mark}']",
        "cannot be used",
    ),
    "references": (BOMB, "refers to parts of itself"),
    "depth": ("[" * 20_000, "nested too deeply"),
    "depth of lines": ("- " * 5_000, "cannot be used"),
    "a list": ("[1, 2]", "settings by name"),
    "nothing": ("", "settings by name"),
    "binary": ("\x00\x01", "cannot be used"),
    "size": ("# " + "x" * 200_000, "larger than 0.03 MB"),
    "a number without end": ("name: " + "9" * 25_000, "cannot be used"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused(kind, tmp_path) -> None:
    text, expected = HOSTILE[kind]
    mark = tmp_path / "mark"
    path = own(tmp_path, text=text.replace("{mark}", str(mark)))
    with pytest.raises(InputError, match=expected):
        read_recipe(path)
    assert not mark.exists()


def test_what_is_not_there(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no recipe sfcn-ubk \(did you mean sfcn-ukb\?\)"):
        read_recipe("sfcn-ubk")
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        read_recipe(tmp_path / "folder.yaml")


def test_sources_that_an_input_can_be_made_of() -> None:
    pyment = read_recipe("pyment-reg").input
    assert pyment.operations == pyment.intensity[1:]
    assert pyment.of_source("t1w").operations == pyment.intensity
    assert pyment.of_source("given").operations == pyment.intensity[1:]
    with pytest.raises(ValueError, match="not of native"):
        pyment.of_source("native")
