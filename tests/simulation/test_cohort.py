"""Cohorts on disk: reproducible, resumable, valid."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.simulate import main
from bids_brainage.errors import InputError
from bids_brainage.simulation import cohort
from bids_brainage.simulation.cohort import Settings, write_cohort
from bids_brainage.simulation.scans import draw_scan

SETTINGS = Settings(seed=1, voxel_size=4, skull=False, age_range=(20.0, 80.0))


def images(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.nii.gz")}


@pytest.mark.slow
def test_parallel_serial_and_piecewise_are_the_same(tmp_path: Path) -> None:
    assert write_cohort(tmp_path / "serial", SETTINGS, n=3) == 3
    write_cohort(tmp_path / "parallel", SETTINGS, n=3, nprocs=2)
    write_cohort(tmp_path / "pieces", SETTINGS, n=1, start=2)
    assert write_cohort(tmp_path / "pieces", SETTINGS, n=3) == 2
    serial = images(tmp_path / "serial")
    assert len(serial) == 12
    for other in ("parallel", "pieces"):
        assert images(tmp_path / other) == serial
        for table in ("participants.tsv", "derivatives/truth/participants.tsv"):
            assert (tmp_path / other / table).read_text() == (tmp_path / "serial" / table).read_text()


@pytest.mark.slow
@pytest.mark.skipif(not (Path(sys.executable).parent / "bids-validator-deno").exists(), reason="no validator")
def test_the_validator_finds_no_error(tmp_path: Path) -> None:
    write_cohort(tmp_path / "sim", SETTINGS, n=2)
    validator = Path(sys.executable).parent / "bids-validator-deno"
    for folder in (tmp_path / "sim", tmp_path / "sim" / "derivatives" / "truth"):
        run = subprocess.run([validator, "--json", folder], capture_output=True, text=True, check=False)
        issues = json.loads(run.stdout)["issues"]["issues"]
        assert [issue for issue in issues if issue.get("severity") == "error"] == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Write empty files in place of images; tells whom."""
    made: list[int] = []

    def write(folder: Path, settings: Settings, index: int) -> str:
        made.append(index)
        for path in cohort._files(folder, cohort._label(index)).values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return cohort._label(index)

    monkeypatch.setattr(cohort, "_write_person", write)
    return made


def test_who_is_there_is_not_made_again(tmp_path: Path, quick: list[int]) -> None:
    folder = tmp_path / "sim"
    write_cohort(folder, SETTINGS, n=2)
    (folder / "sub-0002" / "anat" / "sub-0002_FLAIR.nii.gz").unlink()
    assert write_cohort(folder, SETTINGS, n=3) == 2
    assert quick == [0, 1, 1, 2]
    rows = (folder / "participants.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["sub-0001", "sub-0002", "sub-0003"]
    limits = json.loads((folder / "derivatives" / "truth" / "bayes_limit.json").read_text())["Limits"]
    assert limits["all"]["MAE"] < limits["T1w"]["MAE"] < 5


def test_participants_json_tells_every_column(tmp_path: Path, quick: list[int]) -> None:
    write_cohort(tmp_path / "sim", SETTINGS, n=1)
    header = (tmp_path / "sim" / "participants.tsv").read_text().splitlines()[0].split("\t")
    described = json.loads((tmp_path / "sim" / "participants.json").read_text())
    assert set(header) - {"participant_id"} == set(described)


def test_other_settings_and_other_folders_are_refused(tmp_path: Path, quick: list[int]) -> None:
    write_cohort(tmp_path / "sim", SETTINGS, n=1)
    other = Settings(seed=2, voxel_size=4, skull=False, age_range=(20.0, 80.0))
    with pytest.raises(InputError, match="other settings"):
        write_cohort(tmp_path / "sim", other, n=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="not empty"):
        write_cohort(tmp_path / "mine", SETTINGS, n=1)
    (tmp_path / "sim" / cohort.SETTINGS).write_text("{")
    with pytest.raises(InputError, match="JSON"):
        write_cohort(tmp_path / "sim", SETTINGS, n=1)
    assert quick == [0]


def test_command_line(tmp_path: Path, quick: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sim"
    arguments = ["cohort", str(folder), "--n", "2", "--seed", "1", "--voxel-size", "4", "--start", "5"]
    assert main(arguments) == 0
    assert quick == [5, 6]
    assert "2 people simulated" in capsys.readouterr().out
    assert main([*arguments, "--skull"]) == 2
    assert "other settings" in capsys.readouterr().err
    for wrong in (["--n", "0"], ["--voxel-size", "3"], ["--age-range", "60", "50"]):
        with pytest.raises(SystemExit) as stop:
            main(["cohort", str(folder), *wrong])
        assert stop.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bids_brainage.cli.simulate import build_parser; build_parser().format_help();"
        "assert not {'numpy', 'nibabel', 'scipy', 'nilearn'} & set(sys.modules)"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.perf_counter() - start < 5  # far more than it takes, on a busy machine


def test_varied_scans_are_told_and_differ(tmp_path: Path, quick: list[int]) -> None:
    folder = tmp_path / "sim"
    assert main(["cohort", str(folder), "--n", "40", "--varied"]) == 0
    rows = [row.split("\t") for row in (folder / "participants.tsv").read_text().splitlines()]
    told = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    scans = [draw_scan(0, index) for index in range(40)]
    assert [(row["voxel_size"], row["skull"]) for row in told] == [
        (str(scan.voxel_size), str(int(scan.skull))) for scan in scans
    ]
    assert {(scan.voxel_size, scan.skull) for scan in scans} == {(1, True), (1, False), (2, True), (2, False)}
    angles = np.array([scan.turned for scan in scans])
    assert 8 < np.abs(angles).max() <= 12
    assert np.abs(angles.mean(axis=0)).max() < 4
    described = json.loads((folder / "participants.json").read_text())
    assert set(rows[0]) - {"participant_id"} == set(described)
    assert "scanned differently" in json.loads((folder / "dataset_description.json").read_text())["Name"]


def test_varied_draws_what_could_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["cohort", str(tmp_path / "sim"), "--varied", "--skull"])
