"""Norms of regions from finished people: calibrated on others, small, checked, and refused in a sentence."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import BundleError
from bids_brainage.estimates.summary import model_facts
from bids_brainage.models.bundles.bundle import Bundle, load_bundle, write_bundle
from bids_brainage.models.bundles.extending import extend_bundle
from bids_brainage.models.bundles.region_norms import ALL, KnownNorms
from bids_brainage.models.bundles.schema import EXPECTED_FILE, NORMS_FILE
from tests.group.made_up import SUB_ENSEMBLES, MadeUp, publish_person
from tests.group.reference_people import REGIONS, mean_at, spread_at, write_reference_people, years_of
from tests.integration.small_bundle import make_bundle, with_references


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    root = tmp_path_factory.mktemp("models")
    return with_references(make_bundle(root / "small"), root / "references")


@pytest.fixture(scope="module")
def people(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    write_reference_people(root, bundle, women_shift=0.5)
    return root


def command(bundle: Bundle, people: Path, new: Path, *more: str) -> list[str]:
    places = [str(bundle.path), str(people / "bids"), str(people / "out")]
    return ["norms", *places, "--model-out", str(new), *more]


@pytest.fixture(scope="module")
def made(bundle: Bundle, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    new = tmp_path_factory.mktemp("made") / "new"
    assert main(command(bundle, people, new, "--by", "sex", "site")) == 0
    return load_bundle(new)


def known(made: Bundle) -> KnownNorms:
    (own,) = made.region_norms
    return own


def with_all(years: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return years | {ALL: sum(SUB_ENSEMBLES[name] * own for name, own in years.items())}


MAN = {"sex": "M", "site": "<b>A</b>"}


def test_the_bundle_says_whose_norms_it_has_and_is_otherwise_the_same(bundle: Bundle, made: Bundle) -> None:
    facts = made.record.region_norms
    (own,) = facts.sets
    assert (own.ensemble, own.modalities, own.aggregation) == ("TypeI", ("T1w", "FLAIR"), "heads")
    assert (own.n, own.ends, own.regions) == (120, (30, 60), REGIONS)
    assert own.levels == {"sex": ("F", "M"), "site": ("<b>A</b>",)}
    assert facts.datasets == ("Made up",)
    assert 0.04 < own.beyond < 0.07
    assert {file: known for file, known in made.record.files.items() if file != NORMS_FILE} == dict(
        bundle.record.files
    )
    assert made.in_norms("sub-007", "Made up")
    assert not made.in_norms("sub-007", "Elsewhere")
    assert not made.in_norms("sub-999", "Made up")
    assert made.record.files[NORMS_FILE].bytes < 100_000
    assert not bundle.region_norms


def test_z_scores_of_other_people_are_calibrated(made: Bundle) -> None:
    rng, z = np.random.default_rng(9), []
    for age in rng.uniform(30, 60, 200):
        found = known(made).of(with_all(years_of(age, rng)), age, MAN)
        assert not found.outside
        assert not found.unknown
        z.append([found.z[name] for name in (ALL, *SUB_ENSEMBLES)])
    own = np.moveaxis(z, 1, 0)
    assert own.mean(axis=(1, 2)) == pytest.approx(np.zeros(3), abs=0.15)
    assert own.std(axis=(1, 2)) == pytest.approx(np.ones(3), abs=0.15)
    assert np.mean(np.abs(own) > 1.96) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("k", [-3, 2.5, 6])
def test_a_region_that_is_k_standard_deviations_off_has_a_z_of_k(made: Bundle, k: float) -> None:
    years = {name: mean_at(40.0) for name in SUB_ENSEMBLES}
    years["WholeBrain_T1w"] = years["WholeBrain_T1w"] + k * spread_at(40.0) * (np.arange(REGIONS) == 77)
    found = known(made).of(with_all(years), 40.0, MAN)
    assert found.z["WholeBrain_T1w"][77] == pytest.approx(k, abs=0.2 + 0.15 * abs(k))
    assert np.abs(np.delete(found.z["WholeBrain_T1w"], 77)).max() < 0.8
    assert np.abs(found.z["WholeBrain_FLAIR"]).max() < 0.8
    total = k * 0.75 / np.hypot(0.75, 0.25)
    assert found.z[ALL][77] == pytest.approx(total, abs=0.2 + 0.15 * abs(k))


def test_sexes_differ_and_who_is_unlike_everybody_is_told(made: Bundle) -> None:
    years = with_all({name: mean_at(40.0) for name in SUB_ENSEMBLES})
    man, woman, neither = (
        known(made).of(years, 40.0, MAN | {"sex": sex}).expected["WholeBrain_T1w"] for sex in ("M", "F", None)
    )
    assert np.mean((woman - man) / spread_at(40.0)) == pytest.approx(0.5, abs=0.15)
    assert np.allclose(neither, (woman + man) / 2, atol=0.02)
    assert known(made).of(years, 40.0, {"sex": "M", "site": "B"}).unknown == ("site",)
    assert known(made).of(years, 70.0, MAN).outside


def test_the_table_of_the_calibration_has_a_row_for_each_region(made: Bundle) -> None:
    with (made.path / "norms_calibration.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert len(rows) == 3 * REGIONS
    assert {row["sub_ensemble"] for row in rows} == {"all", *SUB_ENSEMBLES}
    assert np.mean([float(row["z_sd"]) for row in rows]) == pytest.approx(1, abs=0.02)
    described = json.loads((made.path / "norms_calibration.json").read_text())
    assert set(described) == set(rows[0])


def test_show_tells_of_norms(made: Bundle, bundle: Bundle, capsys) -> None:
    assert main(["show", str(made.path)]) == 0
    assert "120 simulated" not in (out := capsys.readouterr().out)
    assert "120 people of Made up: TypeI from T1w + FLAIR (120)" in out
    assert main(["check", str(made.path)]) == 0
    assert main(["show", str(bundle.path)]) == 0
    assert "bids_brainage_models norms makes some" in capsys.readouterr().out


def test_other_references_make_norms_void(made: Bundle, tmp_path: Path) -> None:
    arrays = made.files.arrays(EXPECTED_FILE)
    again = extend_bundle(made, tmp_path / "again", made.record.expected_inputs, arrays)
    assert again.record.region_norms is None
    assert NORMS_FILE not in again.record.files


def test_norms_can_be_made_of_some_people(bundle: Bundle, people: Path, tmp_path: Path, capsys) -> None:
    labels = [f"sub-{number:03d}" for number in range(0, 120, 3)]
    assert main(command(bundle, people, tmp_path / "new", "--participant-label", *labels)) == 0
    (own,) = load_bundle(tmp_path / "new").region_norms
    assert own.facts.n == 40
    assert own.facts.levels == {}
    assert "z scores of the reference people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--participant-label", *(f"{number:03d}" for number in range(29))), "at least 30"),
        (("--participant-label", *(f"{number:03d}" for number in range(31))), "standard deviation"),
        (("--by", "colour"), "no column colour"),
        (("--by", "participant_id"), "at least 5 of the people"),
        (("--by", "age"), "at least 5 of the people"),
        (("--participant-label", "nobody"), "no results of sub-nobody"),
    ],
)
def test_what_cannot_be_norms_is_refused_in_a_sentence(
    bundle: Bundle, people: Path, tmp_path: Path, caplog, capsys, more, sentence
) -> None:
    assert main(command(bundle, people, tmp_path / "new", *more)) == 2
    assert sentence in caplog.text + capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_another_models_people_are_refused(
    bundle: Bundle, people: Path, made: Bundle, tmp_path, caplog, capsys
):
    assert main(command(made, people, tmp_path / "new")) == 2
    assert "are by small 1.0" in caplog.text + capsys.readouterr().err
    assert main(command(bundle, people, bundle.path)) == 2
    assert "another folder" in caplog.text + capsys.readouterr().err


def test_people_who_say_nothing_of_what_is_usual_are_left_out(
    bundle: Bundle, people: Path, tmp_path: Path, caplog, capsys
) -> None:
    shutil.copytree(people, tmp_path / "people")
    out, rng = tmp_path / "people" / "out", np.random.default_rng(1)
    flag = [{"code": "images_altered", "severity": "warning", "text": "x"}]
    facts = {"maps": False, "dba": years_of(40.0, rng), "model": model_facts(bundle)}
    publish_person(out, MadeUp("altered", 40.0), **facts, flags=flag)
    publish_person(out, MadeUp("ageless", None), **facts)
    publish_person(out, MadeUp("twice", 40.0, session="1"), **facts)
    publish_person(out, MadeUp("twice", 41.0, session="2"), **facts)
    publish_person(out, MadeUp("mapless", 40.0), **facts | {"dba": None})
    assert main(command(bundle, tmp_path / "people", tmp_path / "new")) == 0
    told = caplog.text + capsys.readouterr().err
    for name in ("sub-altered (", "sub-ageless (", "sub-twice_ses-2 (", "sub-mapless ("):
        assert name in told
    assert load_bundle(tmp_path / "new").region_norms[0].facts.n == 121


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("relevance", "relief"),
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        lambda text: text.replace("place 3\tB\t0.75\t", "place 3\tB\t0.75\tnan"),
        lambda text: "",
        lambda text: "\x00\xff",
    ],
)
def test_a_damaged_table_is_refused_by_name(
    bundle: Bundle, people: Path, tmp_path: Path, caplog, capsys, change
) -> None:
    shutil.copytree(people, tmp_path / "people")
    path = tmp_path / "people/out/sub-003/anat/sub-003_desc-TypeIDBA_regions.tsv"
    path.write_text(change(path.read_text()))
    assert main(command(bundle, tmp_path / "people", tmp_path / "new")) == 2
    assert "sub-003_desc-TypeIDBA_regions.tsv is not a table" in caplog.text + capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("0/norms_mean", lambda a: a[:, 1:], "shape"),
        ("0/norms_mean", lambda a: a * np.float32(np.nan), "finite"),
        ("0/norms_scale", lambda a: -a, "spreads"),
        ("0/norms_shape", lambda a: a + np.float32(1e6), "spreads"),
        ("0/norms_scale", lambda a: a.astype(np.int32), "not of numbers"),
        ("0/norms_shares", None, "it has no norms_shares"),
    ],
)
def test_a_file_of_norms_that_is_odd_is_refused(made: Bundle, tmp_path: Path, name, change, reason) -> None:
    arrays = {file: made.files.arrays(file) for file in made.record.files}
    own = dict(arrays[NORMS_FILE])
    if change is None:
        del own[name]
    else:
        own[name] = change(own[name])
    with pytest.raises(BundleError, match=f"norms cannot be used.*{reason}"):
        write_bundle(tmp_path / "wrong", made.record, arrays | {NORMS_FILE: own})


@pytest.mark.parametrize(
    "change",
    [
        lambda own: own.update(ensemble="TypeIX"),
        lambda own: own.update(ends=[60, 30]),
        lambda own: own.update(regions=65),
        lambda own: own.update(pieces=7),
        lambda own: own["levels"].update(sex=["F"]),
        lambda own: own["levels"].update(sex=["F", "\u202eM"]),
        lambda own: own.update(beyond=7),
    ],
)
def test_a_record_of_norms_that_is_odd_is_refused(made: Bundle, tmp_path: Path, change) -> None:
    shutil.copytree(made.path, tmp_path / "odd")
    content = json.loads((tmp_path / "odd" / "bundle.json").read_text())
    change(content["region_norms"]["sets"][0])
    (tmp_path / "odd" / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError):
        load_bundle(tmp_path / "odd")


def test_a_tampered_file_of_norms_is_noticed(made: Bundle, tmp_path: Path) -> None:
    shutil.copytree(made.path, tmp_path / "odd")
    content = bytearray((tmp_path / "odd" / NORMS_FILE).read_bytes())
    content[-5] ^= 1
    (tmp_path / "odd" / NORMS_FILE).write_bytes(content)
    with pytest.raises(BundleError, match=r"norms\.safetensors"):
        load_bundle(tmp_path / "odd")
