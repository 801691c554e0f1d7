"""Files reach the derivatives folder whole, the decisive one last."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.interfaces import outputs
from bids_brainage.interfaces.outputs import SaveOutput, SaveTree, write_json
from bids_brainage.interfaces.prediction import by_modality


def test_an_image_and_its_sidecar_are_saved(tmp_path: Path) -> None:
    source = tmp_path / "image.nii.gz"
    source.write_bytes(b"image")
    out = tmp_path / "out/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
    SaveOutput(in_file=str(source), out_path=str(out), sidecar={"a": 1}, method="bet", warnings=["odd"]).run()
    assert out.read_bytes() == b"image"
    facts = json.loads((out.parent / "sub-01_desc-preproc_T1w.json").read_text())
    assert facts == {"a": 1, "Warnings": ["odd"], "SkullStripMethod": "bet"}


def test_the_decisive_file_comes_last_and_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "results", tmp_path / "out"
    for name in ("a_brainage.json", "b_map.nii.gz", "z_map.nii.gz"):
        (source / "sub-01").mkdir(parents=True, exist_ok=True)
        (source / "sub-01" / name).write_text(name)

    def full_disk(origin: str, destination: Path) -> None:
        Path(destination).write_text("half")
        if Path(origin).name.startswith("z"):
            raise OSError(28, "No space left on device")
        Path(destination).write_text(Path(origin).read_text())

    monkeypatch.setattr(outputs.shutil, "copyfile", full_disk)
    with pytest.raises(OSError, match="No space"):
        SaveTree(in_dir=str(source), out_dir=str(target), last="*_brainage.json").run()
    assert [path.name for path in (target / "sub-01").iterdir()] == ["b_map.nii.gz"]
    monkeypatch.undo()
    result = SaveTree(in_dir=str(source), out_dir=str(target), last="*_brainage.json").run()
    assert Path(result.outputs.last_file).name == "a_brainage.json"
    assert (target / "sub-01/z_map.nii.gz").read_text() == "z_map.nii.gz"


def test_json_holds_plain_numbers_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    content = {"a": np.float32(0.5), "b": np.arange(2), "c": math.nan, "d": (1, Path("x/y"))}
    path = write_json(tmp_path / "a.json", content)
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [0, 1], "c": None, "d": [1, "x/y"]}


def test_modalities_are_read_off_names() -> None:
    names = ["/o/sub-T1w_desc-preproc_T1w.nii.gz", "/o/sub-T1w_space-T1w_desc-preproc_FLAIR.nii.gz"]
    assert list(by_modality(names)) == ["T1w", "FLAIR"]
