"""bids_brainage_models: what it prints and what it answers to the shell."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bids_brainage.cli.models import main
from bids_brainage.cli.train_bundle import main as train

from .test_bundle import change_json


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
    ):
        assert words in out


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
        ("[1, 2]", "wrong at plan"),
        ("name: x\nensembles: []\nmagic: 1", "wrong at"),
    ],
)
def test_a_wrong_plan_is_one_sentence_and_two(tmp_path, capsys, text, words):
    plan = tmp_path / "plan.yaml"
    if text is not None:
        plan.write_text(text)
    arguments = [str(tmp_path), "--participants", "p.tsv", "--plan", str(plan), "--out", str(tmp_path / "b")]
    assert train(arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


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
