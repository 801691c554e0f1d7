"""Brains expected at ages, from a lab's own people: into a copy of a bundle, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.references import age_reference, mean_reference
from bids_brainage.models.bundles.schema import EXPECTED_FILE
from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.models.cohorts.references import make_references
from bids_brainage.models.cohorts.store import build_store
from bids_brainage.networks.weights_file import read_arrays
from bids_brainage.relevance.difference import explain_difference
from tests.integration.small_bundle import make_bundle
from tests.models.synthetic import write_people

SUB = "WholeBrain_T1w"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Thirty balls, with T1w and FLAIR images alone."""
    return write_people(tmp_path_factory.mktemp("people"), 30)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of type I without references."""
    whole = make_bundle(tmp_path_factory.mktemp("whole"))
    record = whole.record
    first = record.ensembles[0]
    names = [f"TypeI/{sub.name}" for sub in first.sub_ensembles]
    reference = record.reference.model_copy(
        update={"predictions": {name: record.reference.predictions[name] for name in names}}
    )
    arrays = {
        file: whole.files.arrays(file) for file in record.files if file.startswith(("TypeI/", "reference"))
    }
    arrays["reference.safetensors"] = {name: arrays["reference.safetensors"][name] for name in names}
    record = record.model_copy(update={"ensembles": (first,), "reference": reference})
    return write_bundle(tmp_path_factory.mktemp("plain"), record, arrays)


@pytest.fixture(scope="module")
def made(plain: Bundle, people: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    root = tmp_path_factory.mktemp("made")
    out, raw = people
    return make_references(
        plain, out, raw / "participants.tsv", root / "new", root / "work", modalities=("T1w", "FLAIR")
    )


def test_the_new_bundle_knows_whose_they_are_and_is_otherwise_the_same(plain: Bundle, made: Bundle) -> None:
    facts = made.record.expected_inputs
    assert facts is not None
    assert facts.n == 30
    assert facts.datasets == ("Balls",)
    assert facts.simulated
    assert 20 <= facts.ends[0] < 30
    assert 70 < facts.ends[1] <= 80
    assert made.sha256 != plain.sha256
    assert {file: known for file, known in made.record.files.items() if file != EXPECTED_FILE} == dict(
        plain.record.files
    )
    assert all(check.passed for check in made.reference_checks())
    assert plain.record.expected_inputs is None


def test_the_older_the_larger_the_hole(made: Bundle) -> None:
    """As balls are: the middle is darker in old age, and what is between is in between."""
    young, between, old = (age_reference(made, "TypeI", SUB, age) for age in (25, 50, 75))
    middles = [_grey_of_hole(found.array) for found in (young, between, old)]
    assert middles[0] > middles[1] > middles[2]
    assert young.n == 30
    assert age_reference(made, "TypeI", SUB, 95).age == made.record.expected_inputs.ends[1]
    mean = mean_reference(made, "TypeI", SUB)
    assert mean.age is None
    assert middles[0] > _grey_of_hole(mean.array) > middles[2]


def test_what_is_usual_leads_from_the_mean_brain_to_the_people(made: Bundle, people, tmp_path: Path) -> None:
    """On average, the estimate is that of the expected input and what is usual."""
    out, raw = people
    cohort = read_cohort([out], raw / "participants.tsv", ["T1w"])
    sub = made.ensemble("TypeI").sub_ensembles[SUB]
    store = build_store(tmp_path / "store", cohort.people, {f"TypeI/{SUB}": sub.input})
    apart, maps = [], []
    for age, volume in zip(cohort.values, store.volumes(f"TypeI/{SUB}"), strict=True):
        reference = age_reference(made, "TypeI", SUB, float(age))
        image = volume[..., None].astype(np.float32) / 255
        networks = [model.network for model in sub.base_models]
        found = explain_difference(networks, image, reference.array, sub.head)
        usual = reference.usual.sum() + reference.usually_left
        apart.append(found.estimate - found.reference_estimate - usual)
        maps.append(found.relevance - reference.usual)
        assert maps[-1].sum() + found.quadrature - reference.usually_left == pytest.approx(
            apart[-1], abs=1e-3
        )
    assert abs(np.mean(apart)) < 0.05 * np.std(apart) + 0.01
    assert made.record.expected_inputs.n_maps == 30


def _grey_of_hole(array: np.ndarray) -> float:
    """Mean grey value around the middle of the box."""
    x, y, z = (extent // 2 for extent in array.shape[:3])
    return float(array[x - 2 : x + 2, y - 2 : y + 2, z - 2 : z + 2].mean())


def test_sequences_that_people_lack_have_none(made: Bundle) -> None:
    assert age_reference(made, "TypeI", "WholeBrain_T2starw", 50) is None


def test_an_imported_bundle_has_no_mean(plain: Bundle) -> None:
    """Without norms its reference input is not that of anybody."""
    assert mean_reference(plain, "TypeI", SUB) is None
    assert age_reference(plain, "TypeI", SUB, 50) is None


def command(plain: Bundle, people: tuple[Path, Path], root: Path, *more: str) -> list[str]:
    out, raw = people
    options = ["-w", str(root / "work"), "--nprocs", "1", "--modalities", "T1w"]
    return ["references", str(plain.path), str(raw), str(out), *options, *more]


def test_through_the_command_line(
    plain: Bundle, people: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(plain, people, tmp_path, "--model-out", str(tmp_path / "new"))) == 0
    assert "30 simulated people of Balls" in capsys.readouterr().out
    assert age_reference(load_bundle(tmp_path / "new"), "TypeI", SUB, 50) is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[:21], "from 20 people; they need at least 30"),
        (lambda rows: [rows[0], *(_aged(row, 50 + i % 3) for i, row in enumerate(rows[1:]))], "all alike"),
    ],
)
def test_too_few_or_too_much_alike_are_refused(
    plain: Bundle, people: tuple[Path, Path], tmp_path: Path, caplog, capsys, change, sentence
) -> None:
    out, raw = people
    other = tmp_path / "raw"
    other.mkdir()
    (other / "dataset_description.json").write_bytes((raw / "dataset_description.json").read_bytes())
    rows = (raw / "participants.tsv").read_text().splitlines()
    (other / "participants.tsv").write_text("\n".join(change(rows)) + "\n")
    new = tmp_path / "new"
    assert main(command(plain, (out, other), tmp_path, "--model-out", str(new))) == 2
    assert sentence in caplog.text + capsys.readouterr().err
    assert not new.exists()


def _aged(row: str, age: float) -> str:
    label, _, *others = row.split("\t")
    return "\t".join([label, str(age), *others])


def test_the_folder_of_the_model_itself_is_refused(plain, people, tmp_path, caplog, capsys) -> None:
    before = (plain.path / "bundle.json").read_bytes()
    assert main(command(plain, people, tmp_path, "--model-out", str(plain.path))) == 2
    assert "another folder" in caplog.text + capsys.readouterr().err
    assert (plain.path / "bundle.json").read_bytes() == before


def test_references_of_another_grid_are_refused(made: Bundle, tmp_path: Path) -> None:
    record = made.record
    arrays = {file: made.files.arrays(file) for file in record.files}
    name = f"TypeI/{SUB}/levels"
    arrays[EXPECTED_FILE] = {**arrays[EXPECTED_FILE], name: arrays[EXPECTED_FILE][name][:, 1:]}
    with pytest.raises(BundleError, match=f"TypeI/{SUB}.*three bytes"):
        write_bundle(tmp_path / "wrong", record, arrays)


def test_a_file_of_references_is_small(made: Bundle) -> None:
    content = (made.path / EXPECTED_FILE).read_bytes()
    arrays = read_arrays(content, "")
    voxels = sum(array.shape[1] for name, array in arrays.items() if name.endswith("/levels"))
    assert len(content) < 3 * voxels + 2 * 24 * 26 * 28 / 8 * (1 + 3) + 3000
    assert json.loads((made.path / "bundle.json").read_text())["expected_inputs"]["file"] == EXPECTED_FILE
