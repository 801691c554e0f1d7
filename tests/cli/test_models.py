"""bids_brainage_models: what it prints and what it answers to the shell."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bids_brainage.cli.models import main
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.models.training.plan import make_plan, read_plan_file
from tests.models.bundles.test_bundle import WEIGHTS, altered_weights, change_json


def test_list_names_the_bundles_of_the_folders(bundle, monkeypatch, capsys):
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(bundle.path.parent))
    assert main(["list"]) == 0
    assert "small" in capsys.readouterr().out


def test_list_passes_over_a_broken_bundle(bundle, monkeypatch, capsys):
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(bundle.path.parent))
    (bundle.path / "bundle.json").write_text("{")
    assert main(["list"]) == 0
    assert "not readable as JSON" in capsys.readouterr().err


def test_show_tells_what_is_in_it(bundle, capsys):
    assert main(["show", str(bundle.path)]) == 0
    out = capsys.readouterr().out
    for words in (
        "small 1.0",
        "demonstration",
        "20 to 80 years",
        "WholeBrain_FLAIR",
        "5 x 6 x 4",
        bundle.sha256,
        "no sub-ensemble has a negative weight",
    ):
        assert words in out


def test_show_tells_what_estimates_turn_round(bundle, capsys):
    def turn(record):
        head = record["ensembles"][0]["top_heads"][0][-1]
        head["head"]["coefficients"][0] = -0.25

    change_json(bundle, turn)
    assert main(["show", str(bundle.path)]) == 0
    name = bundle.record.ensembles[0].top_heads[0][-1].sub_ensembles[0]
    out = " ".join(capsys.readouterr().out.split())
    assert f"Turned round: TypeI/{name} (negative weights" in out


def test_check_of_a_sound_bundle(bundle, capsys):
    assert main(["check", str(bundle.path)]) == 0
    out = capsys.readouterr().out
    assert "12 predictions" in out
    assert "is sound" in out


def test_check_of_predictions_that_differ(bundle, capsys):
    def spoil(record):
        record["reference"]["predictions"]["TypeI/WholeBrain_T1w"][1] = [10.0, 20.0]

    change_json(bundle, spoil)
    assert main(["check", str(bundle.path)]) == 2
    out = capsys.readouterr().out
    assert out.count("WRONG: TypeI WholeBrain_T1w, fold 1") == 2
    assert "NOT sound" in out


def verdicts(text: str) -> dict[str, list[str]]:
    """What `check` says of each item."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        item, _, said = line.partition(" ")
        found.setdefault(item, []).append(said.strip())
    return found


def test_every_item_has_its_verdict(bundle, capsys):
    assert main(["check", str(bundle.path)]) == 0
    said = verdicts(capsys.readouterr().out)
    for item, words in {
        "schema": "version 1",
        "files": "13 files",
        "architecture": "12 networks",
        "reference": "12 predictions",
    }.items():
        assert len(said[item]) == 1
        assert said[item][0].startswith("ok: ")
        assert words in said[item][0]


def test_all_altered_files_are_told_and_nothing_that_rests_on_them_is_checked(bundle, capsys):
    (bundle.path / WEIGHTS).write_bytes(b"other")
    (bundle.path / "TypeI/fold-1/WholeBrain_FLAIR_bm-01.safetensors").unlink()
    assert main(["check", str(bundle.path)]) == 2
    out = capsys.readouterr().out
    said = verdicts(out)
    assert said["schema"] == ["ok: version 1"]
    assert [line.startswith("WRONG: ") for line in said["files"]] == [True, True]
    assert all(said[item][0].startswith("not checked") for item in ("architecture", "reference"))
    assert "NOT sound" in out


def test_a_listed_file_that_no_model_uses_is_checked_too(bundle, capsys):
    """Loading does not need it, so only `check` can tell."""
    extra = {"notes.txt": {"sha256": "0" * 64, "bytes": 3}}
    change_json(bundle, lambda record: record["files"].update(extra))
    (bundle.path / "notes.txt").write_text("abc")
    load_bundle(bundle.path)
    assert main(["check", str(bundle.path)]) == 2
    assert "notes.txt" in verdicts(capsys.readouterr().out)["files"][0]


def test_a_wrong_schema_is_a_verdict(bundle, capsys):
    change_json(bundle, lambda record: record.pop("cohort"))
    assert main(["check", str(bundle.path)]) == 2
    said = verdicts(capsys.readouterr().out)
    assert said["schema"][0].startswith("WRONG: ")
    assert "cohort" in said["schema"][0]
    assert said["files"][0].startswith("not checked")


def test_weights_that_do_not_fit_are_an_architecture_that_is_wrong(bundle, capsys):
    altered_weights(bundle, lambda weights: weights.pop("dense/bias"))
    assert main(["check", str(bundle.path)]) == 2
    said = verdicts(capsys.readouterr().out)
    assert said["files"][0].startswith("ok: ")
    assert len(said["architecture"]) == 1
    assert "dense/bias" in said["architecture"][0]
    assert said["reference"][0].startswith("not checked")


def test_other_weights_with_right_sums_are_noticed_by_their_predictions(bundle, capsys):
    altered_weights(bundle, lambda weights: weights.update({"output/bias": weights["output/bias"] + 1}))
    assert main(["check", str(bundle.path)]) == 2
    said = verdicts(capsys.readouterr().out)
    assert said["architecture"][0].startswith("ok: ")
    assert len(said["reference"]) == 1
    assert "fold 0, base model 0" in said["reference"][0]


def test_a_lost_reference_is_a_verdict(bundle, capsys):
    change_json(bundle, lambda record: record["reference"]["predictions"].popitem())
    assert main(["check", str(bundle.path)]) == 2
    assert "reference input or prediction" in verdicts(capsys.readouterr().out)["reference"][0]


def test_the_shipped_bundle_is_sound(capsys):
    assert main(["check"]) == 0
    assert "is sound" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["show", "check"])
def test_a_missing_bundle_is_one_sentence_and_two(action, capsys, tmp_path):
    assert main([action, str(tmp_path / "none")]) == 2
    err = capsys.readouterr().err
    assert "No model bundle" in err
    assert "Traceback" not in err


def test_wrong_usage_answers_two(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["improve"])
    assert caught.value.code == 2
    assert "list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("a: [", "cannot be read"),
        ("name: x", "wrong at ensembles"),
        ("[1, 2]", "settings by name"),
        ("name: x\nensembles: []\nmagic: 1", "wrong at"),
    ],
)
def test_a_wrong_plan_is_one_sentence(tmp_path, text, words):
    plan = tmp_path / "plan.yaml"
    if text is not None:
        plan.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        make_plan(read_plan_file(plan), str(plan))
    assert "plan.yaml" in str(told.value)
    assert "\n" not in str(told.value)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, bids_brainage.cli.models as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'tensorflow', 'pydantic', 'sklearn', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    started = time.process_time()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]")
    assert time.process_time() - started < 1
