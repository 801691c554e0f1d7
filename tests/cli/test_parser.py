"""What is typed becomes a RunConfig."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bids_brainage import config
from bids_brainage.cli.parser import build_parser, parse
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError

BASE = ["in", "out", "participant"]


def test_defaults_are_those_of_the_config():
    config = parse(BASE)
    plain = RunConfig(bids_dir=Path("in").absolute(), output_dir=Path("out").absolute())
    varying = {"nprocs", "mem", "work_dir", "run_id"}
    for field in dataclasses.fields(RunConfig):
        if field.name not in varying:
            assert getattr(config, field.name) == getattr(plain, field.name), field.name
    assert config.work_dir == Path.cwd() / "work"


def test_every_option_has_a_field_and_every_field_an_option():
    options = {action.dest for action in build_parser()._actions}
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    assert options - fields == {"help", "version"}
    assert fields - options == {"run_id"}


def test_every_option_arrives():
    config = parse([
        *BASE, "--participant-label", "sub-01", "02", "--session-label", "ses-a", "--modalities", "T1w",
        "--bids-filter-file", "f", "--skip-bids-validation", "--bids-database-dir", "db",
        "-d", "smriprep=/s", "/x/fmriprep", "--fs-subjects-dir", "fs", "--skull-strip", "bet", "--model", "m",
        "--ensemble", "Any name", "--lrp-rule", "gamma", "--lrp-backend", "innvestigate",
        "--relevance-aggregation", "mean", "--no-relevance", "--preproc-only",
        "--output-spaces", "T1w", "MNI152NLin6Asym", "--maps", "ensemble", "--keep-work",
        "-w", "w", "--nprocs", "3",
        "--omp-nthreads", "2", "--mem", "7.5", "--use-plugin", "p", "--random-seed", "0",
        "--stop-on-first-crash", "--reports-only", "--boilerplate-only", "--dry-run", "--clean-workdir",
        "-vv", "--debug",
    ])  # fmt: skip
    here = Path.cwd()
    expected = {
        "participant_label": ("01", "02"), "session_label": ("a",), "modalities": ("T1w",),
        "bids_filter_file": here / "f", "skip_bids_validation": True, "bids_database_dir": here / "db",
        "derivatives": {"smriprep": Path("/s"), "fmriprep": Path("/x/fmriprep")},
        "fs_subjects_dir": here / "fs",
        "skull_strip": "bet", "model": ("m",), "ensemble": ("Any name",), "lrp_rule": "gamma",
        "lrp_backend": "innvestigate", "relevance_aggregation": "mean", "no_relevance": True,
        "preproc_only": True, "work_dir": here / "w", "nprocs": 3, "omp_nthreads": 2, "mem": 7.5,
        "output_spaces": ("T1w", "MNI152NLin6Asym:res-2"), "maps": "ensemble", "keep_work": True,
        "use_plugin": here / "p", "random_seed": 0, "stop_on_first_crash": True, "reports_only": True,
        "boilerplate_only": True, "dry_run": True, "clean_workdir": True, "verbose": 2, "debug": True,
    }  # fmt: skip
    for name, value in expected.items():
        assert getattr(config, name) == value, name


def test_config_file_replaces_defaults_and_what_is_typed_wins(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('nprocs = 5\nskull_strip = "bet"\nparticipant_label = ["07"]\nrun_id = "old"\n')
    config = parse([*BASE, "--config-file", str(file), "--skull-strip", "none"])
    assert (config.nprocs, config.skull_strip, config.participant_label) == (5, "none", ("07",))
    assert config.run_id != "old"


@pytest.mark.parametrize(
    "words",
    [
        ["in", "out"],
        ["in", "out", "groups"],
        [*BASE, "--nprocs", "0"],
        [*BASE, "--nprocs", "x"],
        [*BASE, "--mem", "nan"],
        [*BASE, "--participant-label", "../x"],
        [*BASE, "--random-seed", "-1"],
        [*BASE, "--lrp-rule", "magic"],
        [*BASE, "--output-spaces", "fsaverage"],
        [*BASE, "--maps", "all"],
        [*BASE, "--partic", "01"],
    ],
)
def test_wrong_usage_ends_with_code_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(words)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("usage:")
    assert told.count("\n") == 2


@pytest.mark.parametrize(
    ("typed", "written", "value"),
    [
        (["--participant-label", "sub-01", "01"], 'participant_label = ["sub-01", "01"]', ("01",)),
        (["--session-label", "ses-a"], 'session_label = "ses-a"', ("a",)),
        (["--modalities", "swi", "T1w"], 'modalities = ["swi", "T1w"]', ("T2starw", "T1w")),
        (["--output-spaces", "MNI152NLin6Asym"], 'output_spaces = ["MNI152NLin6Asym"]', None),
        (["--participant-label", "a b"], 'participant_label = ["a b"]', ValueError),
        (["--session-label", "<b>x"], 'session_label = ["<b>x"]', ValueError),
        (["--nprocs", "0"], "nprocs = 0", ValueError),
        (["--omp-nthreads", "-2"], "omp_nthreads = -2", ValueError),
        (["--folds", "0"], "folds = 0", ValueError),
        (["--mem", "-1"], "mem = -1", ValueError),
        (["--mem", "nan"], "mem = nan", ValueError),
        (["--random-seed", "-1"], "random_seed = -1", ValueError),
        (["--random-seed", "4294967296"], "random_seed = 4294967296", ValueError),
        (["--lrp-rule", "magic"], 'lrp_rule = "magic"', ValueError),
        (["--work-dir", ""], 'work_dir = ""', ValueError),
        (["--model", ""], 'model = ""', ValueError),
        (
            ["--derivatives", "a=~nobody-of-that"],
            '[derivatives]\na = "~nobody-of-that"',
            ValueError,
        ),
        (["--derivatives", "a=/x"], '[derivatives]\na = "/x"', {"a": Path("/x")}),
    ],
)
def test_what_is_typed_and_what_a_file_says_are_held_to_the_same_rules(typed, written, value, tmp_path):
    """Both give the same, or both are refused with code 2."""
    file = tmp_path / "config.toml"
    file.write_text(written)
    name = typed[0].removeprefix("--").replace("-", "_")
    if value is ValueError:
        with pytest.raises(SystemExit) as stop:
            parse([*BASE, *typed])
        with pytest.raises(InputError) as error:
            parse([*BASE, "--config-file", str(file)])
        assert stop.value.code == error.value.exit_code == 2
        return
    given, read = parse([*BASE, *typed]), parse([*BASE, "--config-file", str(file)])
    assert getattr(given, name) == getattr(read, name)
    assert getattr(given, name) == (value or (config.STANDARD_SPACE,))


def test_derivatives_may_hold_an_equals_sign_in_their_path_but_no_name_twice(capsys):
    assert parse([*BASE, "-d", "/x/a=b/fmriprep", "s=/y/a=b"]).derivatives == {
        "fmriprep": Path("/x/a=b/fmriprep"),
        "s": Path("/y/a=b"),
    }
    with pytest.raises(SystemExit):
        parse([*BASE, "-d", "a=/x", "a=/y"])
    assert "given twice" in capsys.readouterr().err


@pytest.mark.parametrize("place", range(2))
def test_a_path_that_is_not_utf8_is_refused_in_one_sentence(place, capsys):
    words = list(BASE)
    words[place] = os.fsdecode(b"K\xf6pfe")
    with pytest.raises(SystemExit) as stop:
        parse(words)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert ("BIDS_DIR", "OUTPUT_DIR")[place] in told
    assert "not valid UTF-8" in told


def test_a_folder_that_is_gone_is_told(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SystemExit) as stop:
        parse(BASE)
    assert stop.value.code == 2
    assert "no longer exists" in capsys.readouterr().err


def test_help_and_version_import_nothing_heavy():
    program = """
import sys
from bids_brainage.cli.run import main
for option in ("--help", "--version"):
    try:
        main([option])
    except SystemExit as stop:
        assert stop.code == 0
heavy = {"numpy", "tensorflow", "ants", "bids", "pandas", "nipype", "niworkflows", "nibabel", "pydantic"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--participant-label" in done.stdout
