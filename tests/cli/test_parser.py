"""What is typed becomes a RunConfig."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from bids_brainage.cli.parser import build_parser, parse
from bids_brainage.config import RunConfig

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
    assert options - fields == {"help", "version", "config_file"}
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
        "skull_strip": "bet", "model": "m", "ensemble": ("Any name",), "lrp_rule": "gamma",
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
        ["in", "out", "group"],
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
    assert "usage:" in capsys.readouterr().err


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
