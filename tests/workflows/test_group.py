"""The group level from finished sessions to its folder: what is found, refused, resumed and skipped."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli.run import main
from bids_brainage.locks import locked
from bids_brainage.preprocessing.resampling import image_like
from bids_brainage.preprocessing.templates import grid
from bids_brainage.records.group import AnalysisRecord, GroupRecord, UnitRecord
from bids_brainage.workflows.group import SECONDS
from tests.group.made_up import PLACE, MadeUp, publish_person, write_dataset

PATIENTS = 8


def write_group(root: Path, n: int = 16, effect: float = 4.0) -> None:
    """Half of the people are patients; a place of their T1w map adds years."""
    rng, rows = np.random.default_rng(2), []
    for number in range(n):
        ill = number < n // 2
        age = round(float(rng.uniform(52, 70)), 1)
        person = MadeUp(
            f"{number:02d}", age, float(rng.normal(0, 3)), effect * ill + float(rng.normal(0, 0.3))
        )
        publish_person(root / "out", person)
        facts = {"age": age, "diabetes": "yes" if ill else "no", "site": "abc"[number % 3]}
        rows.append({"participant_id": f"sub-{number:02d}", **facts})
    write_dataset(root / "bids", rows)
    around = np.zeros((91, 109, 91), dtype=np.uint8)
    around[24:45, 44:65, 34:55] = 1
    image_like(around, grid(2)).to_filename(root / "mask.nii.gz")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group, before the group level."""
    root = tmp_path_factory.mktemp("group")
    write_group(root)
    return root


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Pages take time and have tests of their own; here, only for which folders they are asked."""
    asked: list[Path] = []
    monkeypatch.setattr("bids_brainage.workflows.group.write_group_page", lambda out, told: asked.append(out))
    return asked


@pytest.fixture
def group(made: Path, tmp_path: Path) -> Callable[..., int]:
    """Give a function that runs the group level on a copy, in a small mask."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)

    def run(*words: str) -> int:
        places = [str(tmp_path / "bids"), str(tmp_path / "out"), "group", "-w", str(tmp_path / "work")]
        few = ["--n-permutations", "100", "--nprocs", "1", "--group-mask", str(tmp_path / "mask.nii.gz")]
        return main([*places, *few, *words])

    return run


def map_path(out: Path, name: str, unit: UnitRecord) -> Path:
    """A person's map of a sub-ensemble."""
    desc = f"desc-{unit.ensemble}{unit.region}Relevance"
    return out / name / "anat" / f"{name}_space-MNI152NLin6Asym_res-2_{desc}_{unit.modality}.nii.gz"


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table's rows."""
    with path.open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_an_effect_is_found_where_it_was_put(group: Callable[..., int], tmp_path: Path) -> None:
    assert group() == 0
    folder = tmp_path / "out" / "group"
    about = GroupRecord.read(folder / "group.json")
    assert set(about.analyses) == {"relevance", "dba", "diabetes"}
    assert [skipped.name for skipped in about.skipped] == ["youngElderly"]
    record = AnalysisRecord.read(folder / "diabetes" / "analysis.json")
    found = {unit.label: unit.contrasts[0] for unit in record.units}
    t1w = found["TypeIWholeBrainT1wRelevance"]
    assert t1w.smallest_p == pytest.approx(1 / 101)
    p = nib.load(folder / "diabetes" / t1w.files["logpfwe"]).get_fdata()
    assert (p[PLACE] >= -np.log10(0.05)).mean() > 0.9
    effect = nib.load(folder / "diabetes" / t1w.files["effect"]).get_fdata()
    assert effect[PLACE].sum() == pytest.approx(4.0, abs=0.5)
    clusters = rows_of(folder / "diabetes" / t1w.files["clusters"])
    assert (clusters[0]["cluster"], clusters[0]["peak"]) == ("1", "1")
    assert float(clusters[0]["statistic"]) > 5
    assert 90 - 2 * 39 < float(clusters[0]["x"]) <= 90 - 2 * 30
    assert found["TypeIWholeBrainFLAIRRelevance"].significant == 0
    name = t1w.files["t"].replace(".nii.gz", ".json")
    sidecar = json.loads((folder / "diabetes" / name).read_text())
    assert sidecar["N"] == 16
    assert sidecar["Rearrangements"] == 101


def test_the_peak_of_one_side_is_on_that_side(group: Callable[..., int], tmp_path: Path) -> None:
    """Of healthy minus ill, the place is far below zero; what is asked for lies elsewhere."""
    words = ("--no-paper", "--contrast", 'C(diabetes, "yes")', "--test", "voxels")
    for sides, sign in (((), -1), (("--one-sided",), 1)):
        assert group(*words, *sides) == 0
        record = AnalysisRecord.read(next((tmp_path / "out" / "group").glob("*/analysis.json")))
        unit = next(own for own in record.units if own.modality == "T1w" and own.sub_ensemble)
        assert unit.contrasts[0].peak is not None
        assert np.sign(unit.contrasts[0].peak.statistic) == sign


def test_t_is_that_of_scipy(group: Callable[..., int], tmp_path: Path) -> None:
    from scipy import stats

    assert group("--test", "voxels") == 0
    folder = tmp_path / "out" / "group" / "diabetes"
    unit = AnalysisRecord.read(folder / "analysis.json").units[-1]
    t = nib.load(folder / unit.contrasts[0].files["t"]).get_fdata()
    maps = {
        name: nib.load(map_path(tmp_path / "out", name, unit)).get_fdata()[30, 55, 45] for name in unit.people
    }
    ill = [value for name, value in maps.items() if int(name[-2:]) < PATIENTS]
    well = [value for name, value in maps.items() if int(name[-2:]) >= PATIENTS]
    assert t[30, 55, 45] == pytest.approx(stats.ttest_ind(ill, well).statistic, rel=1e-4)


def test_the_same_files_whatever_is_killed_and_however_many_processes(
    group: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--no-paper", "--contrast", "diabetes", "--covariates", "age", "--n-permutations", "1100")
    assert group(*words, "--keep-work") == 0
    folder = tmp_path / "out" / "group" / "diabetes"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    pieces = sorted((tmp_path / "work").rglob("contrast-*.npz"))
    assert len(pieces) == 9
    for piece in pieces[1::2]:
        piece.unlink()
    assert group(*words, "--nprocs", "2", "--omp-nthreads", "2") == 0
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert again.keys() == first.keys()
    different = [name for name in first if again[name] != first[name]]
    assert different == []


def test_what_is_finished_is_not_done_again(
    group: Callable[..., int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("--no-paper", "--contrast", "intercept", "--test", "regions")
    assert group(*words) == 0
    record = tmp_path / "out" / "group" / "intercept" / "analysis.json"
    before = record.stat().st_mtime_ns
    assert group(*words) == 0
    assert record.stat().st_mtime_ns == before
    assert group(*words, "--seed", "2") == 0
    assert record.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--contrast", "bmi"), "bmi"),
        (("--contrast", "age", "--covariates", "age"), "age"),
        (("--map", "dba"), "no dba maps"),
        (("--atlas", "nowhere"), "no atlas nowhere"),
        (("--by", "clinic"), "clinic"),
        (("--group-model", "none.json"), "none.json"),
        (("--contrast", "site", "--correct-over", "contrasts"), "corrected together"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    group: Callable[..., int],
    words: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for dry in ((), ("--dry-run",)):
        assert group("--no-paper", *words, *dry) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out" / "group").exists()


def test_a_mask_of_another_grid_is_refused(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nib.Nifti1Image(np.ones((91, 109, 91), np.uint8), np.eye(4) * 1.5).to_filename(tmp_path / "mask.nii.gz")
    assert group() == 2
    assert "2 mm grid" in capsys.readouterr().err


def test_an_empty_mask_is_told_as_what_it_is(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_like(np.zeros((91, 109, 91), np.uint8), grid(2)).to_filename(tmp_path / "mask.nii.gz")
    assert group("--dry-run") == 2
    assert "correct --group-mask" in capsys.readouterr().err


def test_two_runs_never_write_to_one_folder(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "out" / "logs" / "group.lock", "a test"):
        assert group("--test") == 1
        assert "Another run is working on the group level" in capsys.readouterr().err
    assert group("--test") == 0


def test_a_long_name_makes_no_long_file_names(group: Callable[..., int], tmp_path: Path) -> None:
    table = tmp_path / "bids" / "participants.tsv"
    table.write_text(table.read_text().replace("diabetes", "d" * 300, 1))
    assert group("--no-paper", "--contrast", "d" * 300, "--test", "regions") == 0
    assert (tmp_path / "out" / "group" / ("d" * 60) / "analysis.json").is_file()


def test_what_of_the_tables_is_not_used_is_told(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "bids" / "participants.tsv"
    header, first, *others = table.read_text().splitlines()
    name, _, *cells = first.split("\t")
    lines = [header, "\t".join([name, "99.5", *cells]), *others]
    own = ["DBA\tintercept", *("1\t2" for _ in lines[1:])]
    table.write_text("".join(f"{line}\t{more}\n" for line, more in zip(lines, own, strict=True)))
    assert group("--dry-run", "--test") == 0
    told = capsys.readouterr().out
    assert "are not used, because the group level calls its own so: DBA, intercept;" in told
    assert f"have another age than the estimate of {name};" in told


@pytest.mark.parametrize(
    ("inference", "less"), [("tfce", 1.0), ("voxel", 0.3), ("extent", 0.9), ("mass", 0.9)]
)
def test_the_hours_of_a_dry_run_are_those_of_its_measure(inference: str, less: float) -> None:
    for two_sided in (False, True):
        assert SECONDS[inference][two_sided] <= less * SECONDS["tfce"][two_sided]


def test_a_damaged_map_fails_what_needs_it_by_name(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (tmp_path / "out" / "sub-03").rglob("*desc-TypeIWholeBrainRelevance_T1w.nii.gz")
    path.write_bytes(path.read_bytes()[:5000])
    assert group("--no-paper", "--contrast", "diabetes", "--test", "voxels") == 1
    assert f"{path.name} cannot be read" in capsys.readouterr().err
    assert (tmp_path / "out" / "group" / "brainage.tsv").is_file()
    assert not (tmp_path / "out" / "group" / "diabetes").exists()


def test_further_atlases_are_tested(group: Callable[..., int], tmp_path: Path) -> None:
    labels = np.zeros((91, 109, 91), dtype=np.int16)
    labels[26:48, 46:63, 36:53] = 1
    labels[PLACE] = 2
    image_like(labels, grid(2)).to_filename(tmp_path / "my_own.nii.gz")
    (tmp_path / "my_own.tsv").write_text("index\tname\n1\taround\n2\tR_place\n")
    words = ("--no-paper", "--contrast", "diabetes", "--test", "regions")
    assert group(*words, "--atlas", "merged", str(tmp_path / "my_own.nii.gz")) == 0
    folder = tmp_path / "out" / "group" / "diabetes"
    unit = AnalysisRecord.read(folder / "analysis.json").units[-1]
    assert set(unit.contrasts[0].files) == {"regions merged", "regions my_own"}
    assert unit.contrasts[0].files["regions my_own"].endswith("RelevanceMyOwn_regions.tsv")
    around, place = rows_of(folder / unit.contrasts[0].files["regions my_own"])
    assert (place["region"], place["hemisphere"]) == ("place", "R")
    assert float(place["p_fwe"]) == pytest.approx(1 / 101, rel=1e-4)
    assert float(place["effect"]) == pytest.approx(4.0, abs=0.5)
    assert float(around["p_fwe"]) > 0.05


def test_an_atlas_that_was_changed_is_tested_anew(group: Callable[..., int], tmp_path: Path) -> None:
    labels = np.zeros((91, 109, 91), dtype=np.int16)
    words = ("--no-paper", "--contrast", "diabetes", "--test", "regions", "--atlas", f"{tmp_path}/my.nii.gz")
    sizes = []
    for place in (PLACE, (slice(30, 33), *PLACE[1:])):
        labels[:] = 0
        labels[place] = 1
        image_like(labels, grid(2)).to_filename(tmp_path / "my.nii.gz")
        assert group(*words) == 0
        folder = tmp_path / "out" / "group" / "diabetes"
        unit = AnalysisRecord.read(folder / "analysis.json").units[-1]
        (own,) = rows_of(folder / unit.contrasts[0].files["regions my"])
        sizes.append(float(own["effect"]))
    assert sizes[1] == pytest.approx(sizes[0] / 3, rel=0.2)


def test_atlases_that_would_be_called_alike_are_refused(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("my_own", "My-Own"):
        image_like(np.ones((91, 109, 91), np.int16), grid(2)).to_filename(tmp_path / f"{name}.nii.gz")
    assert group("--atlas", *(str(tmp_path / f"{name}.nii.gz") for name in ("my_own", "My-Own"))) == 2
    assert "would both be called MyOwn" in capsys.readouterr().err
    assert not (tmp_path / "out" / "group").exists()


def test_change_a_year_is_tested_within_people(tmp_path: Path) -> None:
    """A place gains a year in two years, in everybody; nothing else changes but by chance."""
    rng, rows = np.random.default_rng(4), []
    for number in range(8):
        age = 50.0 + number
        for session, years, effect in (("a", 0, 0.0), ("b", 2, 2.0)):
            change = effect + float(rng.normal(0, 0.1))
            publish_person(tmp_path / "out", MadeUp(f"{number}", age + years, 0.0, change, session))
        rows.append({"participant_id": f"sub-{number}", "age": age})
    write_dataset(tmp_path / "bids", rows)
    labels = np.zeros((91, 109, 91), dtype=np.int16)
    labels[PLACE] = 1
    image_like(labels, grid(2)).to_filename(tmp_path / "own.nii.gz")
    places = [str(tmp_path / "bids"), str(tmp_path / "out"), "group", "-w", str(tmp_path / "work")]
    words = ["--no-paper", "--contrast", "intercept", "--sessions", "change", "--nprocs", "1"]
    own = ["--atlas", "merged", str(tmp_path / "own.nii.gz"), "--test", "regions"]
    assert main([*places, *words, *own]) == 0
    folder = tmp_path / "out" / "group" / "intercept"
    unit = AnalysisRecord.read(folder / "analysis.json").units[-1]
    contrast = unit.contrasts[0]
    assert (contrast.rearrangements, contrast.enumerated, len(unit.people)) == (256, True, 8)
    (place,) = rows_of(folder / contrast.files["regions own"])
    assert float(place["effect"]) == pytest.approx(1.0, abs=0.2)
    assert float(place["p_fwe"]) == pytest.approx(2 / 256, rel=1e-4)


def test_a_dry_run_says_what_would_be_done(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group("--dry-run", "--nprocs", "2") == 0
    told = capsys.readouterr().out
    assert "group: 16 estimates of 16 people by TypeI" in told
    assert "16 people, 3 sets of maps" in told
    assert "youngElderly: left out." in told
    assert "hours on 2 processors" in told
    assert not (tmp_path / "out" / "group").exists()
    assert not (tmp_path / "work").exists()


def test_regions_need_no_maps_and_tables_need_nothing(group: Callable[..., int], tmp_path: Path) -> None:
    for path in (tmp_path / "out").rglob("*Relevance_*.nii.gz"):
        path.unlink()
    assert group("--no-paper", "--contrast", "diabetes", "--test", "regions") == 0
    assert (tmp_path / "out" / "group" / "diabetes" / "analysis.json").is_file()
    assert group("--test") == 0
    record = GroupRecord.read(tmp_path / "out" / "group" / "group.json")
    assert record.analyses == ()
    assert "accuracy" in record.tables


def test_who_was_in_training_and_who_is_not_finished_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        person = MadeUp(f"{number}", 50.0 + number)
        publish_person(tmp_path / "out", person, maps=False, in_training_set=number == 1)
    (tmp_path / "out" / "sub-9").mkdir()
    write_dataset(tmp_path / "bids", [{"participant_id": "sub-0"}])
    places = [str(tmp_path / "bids"), str(tmp_path / "out"), "group", "-w", str(tmp_path / "work")]
    assert main([*places, "--test"]) == 0
    told = capsys.readouterr().err
    assert "trained on 1 of these people" in told
    assert "(sub-1)" in told
    assert "1 without a finished estimate are left out: sub-9." in told


def test_a_page_is_made_and_can_be_made_again_alone(
    group: Callable[..., int], tmp_path: Path, page: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert group("--test") == 0
    assert page == [tmp_path / "out"]
    record = (tmp_path / "out" / "group" / "group.json").read_bytes()
    monkeypatch.setattr("bids_brainage.workflows.group.read_members", None)
    assert group("--reports-only") == 0
    assert page == [tmp_path / "out"] * 2
    assert (tmp_path / "out" / "group" / "group.json").read_bytes() == record


def test_a_page_alone_needs_a_run_before(
    group: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert group("--reports-only") == 2
    assert "run the group level without --reports-only first" in capsys.readouterr().err


def test_correction_over_maps_needs_the_same_people(
    group: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--no-paper", "--contrast", "intercept", "--correct-over", "maps", "--map", "lrp")
    (record,) = (tmp_path / "out" / "sub-03").rglob("*_record.json")
    content = json.loads(record.read_text())
    stage = content["estimates"]["TypeI"]
    stage["files"] = [file for file in stage["files"] if "FLAIR" not in file["path"]]
    record.write_text(json.dumps(content))
    assert group(*words) == 2
    told = capsys.readouterr().err
    assert "are not of the same people" in told
    assert "1 have no" not in told


def test_corrected_over_maps_the_null_is_that_of_all(group: Callable[..., int], tmp_path: Path) -> None:
    words = ("--no-paper", "--contrast", "diabetes", "--test", "voxels")
    folder = tmp_path / "out" / "group" / "diabetes"

    def nulls() -> dict[str, list[float]]:
        record = AnalysisRecord.read(folder / "analysis.json")
        files = {unit.label: unit.contrasts[0].files["null"] for unit in record.units}
        return {name: [float(r["maximum"]) for r in rows_of(folder / file)] for name, file in files.items()}

    assert group(*words) == 0
    alone = nulls()
    assert group(*words, "--correct-over", "maps") == 0
    together = nulls()
    largest = np.max(list(alone.values()), axis=0)
    assert all(null == pytest.approx(list(largest), rel=1e-5) for null in together.values())
