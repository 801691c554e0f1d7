"""Exit codes, logs and sentences of a whole run; the workflows are played by a stand-in."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

import bids_brainage
from bids_brainage.cli.run import main
from bids_brainage.errors import BundleError, InputError
from bids_brainage.flags import FLAGS
from bids_brainage.workflows.flags import RaisedFlag

ROOT = Path(bids_brainage.__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    flags: tuple[RaisedFlag, ...] = ()


@pytest.fixture
def bids(tmp_path):
    """Two participants; the second has no T1w."""
    root = tmp_path / "bids"
    for name in ("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/sub-02_FLAIR.nii.gz"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.9.0"}))
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t44\nsub-02\t33\n")
    return root


@pytest.fixture
def workflows(monkeypatch):
    """Put a stand-in for bids_brainage.workflows.run in place; set `.answer` to what it does."""
    module = ModuleType("bids_brainage.workflows.run")
    module.answer = lambda config, sessions: Outcome(tuple(session.name for session in sessions))
    module.calls = []

    def run_participants(config, sessions):
        module.calls.append([session.name for session in sessions])
        return module.answer(config, sessions)

    module.run_participants = run_participants
    monkeypatch.setitem(sys.modules, "bids_brainage.workflows.run", module)
    return module


@pytest.fixture
def run(tmp_path, bids):
    def call(*options, out="out"):
        where = [str(bids), str(tmp_path / out), "participant", "-w", str(tmp_path / "work")]
        return main([*where, "--skip-bids-validation", *options])

    return call


def the_log(tmp_path):
    (log,) = (tmp_path / "out/logs").glob("*/run.log")
    return log


def test_all_well(run, workflows, tmp_path):
    assert run("--participant-label", "sub-01") == 0
    assert workflows.calls == [["sub-01"]]
    log = the_log(tmp_path)
    assert "1 done" in log.read_text()
    settings = tomllib.loads((log.parent / "config.toml").read_text())
    assert settings["participant_label"] == ["01"]
    assert (tmp_path / "out/dataset_description.json").is_file()
    assert (tmp_path / "out/.bidsignore").is_file()


def test_one_without_t1w_is_named_and_the_other_done(run, workflows, capsys):
    assert run() == 1
    assert workflows.calls == [["sub-01"]]
    assert "sub-02 has no T1w" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--fail-on-flag", "age_unknown"], 0),
        (["--fail-on-flag", "age_unknown", "image_warning"], 1),
        (["--fail-on-flag", "image_warning", "--fail-on-flag", "age_unknown"], 1),
    ],
)
def test_a_flag_fails_the_run_where_that_is_asked_for(options, code, run, workflows, capsys):
    """Whose results are done, or were before."""
    flag = RaisedFlag("sub-01", None, None, "image_warning", "warning", "odd")
    workflows.answer = lambda config, sessions: Outcome(skipped=("sub-01",), flags=(flag, flag))
    assert run("--participant-label", "01", *options) == code
    told = capsys.readouterr().err
    assert ("--fail-on-flag image_warning: this flag is set for sub-01 (1 in all)" in told) == bool(code)


def test_a_flag_that_is_not_known_is_refused_with_those_that_are(run, capsys):
    with pytest.raises(SystemExit) as ended:
        run("--fail-on-flag", "image_wraning")
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert all(code in told for code in FLAGS)


def test_failure_in_the_workflows(run, workflows, capsys):
    workflows.answer = lambda config, sessions: Outcome(failed={"sub-01": "broken"})
    assert run("--participant-label", "01") == 1
    told = capsys.readouterr().err
    assert "1 of 1 sessions failed: sub-01." in told
    assert "The others are done" not in told


@pytest.mark.parametrize(
    ("options", "out", "words"),
    [
        (["--participant-label", "02"], "out", "no T1w"),
        (["--participant-label", "03"], "out", "among the 2"),
        (["--session-label", "x"], "out", "--session-label"),
        ([], "bids", "OUTPUT_DIR is BIDS_DIR"),
        ([], "bids/x", "derivatives/bids_brainage"),
        ([], "bids/participants.tsv/x", "derivatives/bids_brainage"),
        (["--bids-filter-file", "/nowhere.json"], "out", "/nowhere.json"),
        (["--config-file", "/nowhere.toml"], "out", "/nowhere.toml"),
        (["--derivatives", "a=/nowhere"], "out", "/nowhere"),
        ([], "/proc/brainage", "cannot be written"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(run, workflows, capsys, options, out, words):
    assert run(*options, out=out) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert len([line for line in error.splitlines() if "ERROR" in line]) == 1
    assert workflows.calls == []


def test_no_such_directory(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "out"), "participant"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_error_of_the_model_is_code_2(run, workflows):
    def answer(config, sessions):
        raise BundleError("no bundle")

    workflows.answer = answer
    assert run("--participant-label", "01") == 2


def test_fault_of_the_program_keeps_its_traceback_for_the_log(run, workflows, tmp_path, capsys):
    def answer(config, sessions):
        raise RuntimeError("oh\nno")

    workflows.answer = answer
    assert run("--participant-label", "01") == 3
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "Unexpected RuntimeError: oh;" in error
    assert "Traceback" in the_log(tmp_path).read_text()


def test_a_full_disk_is_told_with_its_remedy(run, workflows, capsys):
    def answer(config, sessions):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/work/x.nii.gz")

    workflows.answer = answer
    assert run("--participant-label", "01") == 4
    error = capsys.readouterr().err
    assert "No space is left at /scratch/work/x.nii.gz; free some" in error
    assert "Traceback" not in error


def test_debug_shows_the_traceback(run, workflows, capsys):
    def answer(config, sessions):
        raise RuntimeError("oh")

    workflows.answer = answer
    assert run("--participant-label", "01", "--debug") == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.fixture
def interruptible():
    """What a shell runs in the background inherits that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption(run, workflows, capsys, interruptible, number, code):
    workflows.answer = lambda config, sessions: os.kill(os.getpid(), number)
    before = signal.getsignal(signal.SIGTERM)
    assert run("--participant-label", "01") == code
    assert "continues from there" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_dry_run_names_what_would_estimate(run, capsys):
    assert run("--dry-run", "--nprocs", "3") == 0
    assert "model demo, TypeI and TypeII, 3 processors" in capsys.readouterr().out
    assert run("--dry-run", "--nprocs", "3", "--preproc-only") == 0
    said = capsys.readouterr().out
    assert "model" not in said
    assert "images only, 3 processors" in said


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_plugin_that_is_not_there_is_told_before_anything_is_done(
    options, run, workflows, tmp_path, capsys
):
    (tmp_path / "plugin.yml").write_text("plugin: Nobodys")
    assert run("--use-plugin", str(tmp_path / "plugin.yml"), *options) == 2
    assert "no plugin Nobodys" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_dry_run_tells_and_writes_nothing(run, workflows, tmp_path, capsys):
    assert run("--dry-run") == 0
    said = capsys.readouterr().out
    assert "sub-01  age 44" in said
    assert "sub-01_T1w.nii.gz" in said
    assert "sub-02  cannot be processed" in said
    assert workflows.calls == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bids"]


def test_dry_run_tells_which_prepared_images_are_used(run, tmp_path, capsys):
    names = (
        "desc-preproc_T1w",
        "desc-brain_mask",
        "acq-a_desc-preproc_FLAIR",
        "acq-scout_desc-preproc_FLAIR",
    )
    for folder, label in (("p", "01"), ("q", "02")):
        anat = tmp_path / folder / f"sub-{label}/anat"
        anat.mkdir(parents=True)
        for name in names:
            (anat / f"sub-{label}_{name}.nii.gz").touch()
    assert run("--dry-run", "-d", f"p={tmp_path / 'p'}", f"q={tmp_path / 'q'}") == 0
    said = capsys.readouterr().out
    assert f"p: {tmp_path}/p/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz" in said
    assert f"p: {tmp_path}/p/sub-01/anat/sub-01_acq-a_desc-preproc_FLAIR.nii.gz" in said
    # The second has a raw FLAIR, which comes first.
    assert "sub-02_acq-a_desc-preproc_FLAIR" not in said
    assert "(1 of p, 1 of q)" in said


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS])
def test_a_disk_that_fails_is_no_fault_of_the_program(run, workflows, capsys, number):
    def answer(config, sessions):
        raise OSError(number, os.strerror(number), "/scratch/x")

    workflows.answer = answer
    assert run("--participant-label", "01") == 4
    told = capsys.readouterr().err
    assert "/scratch/x" in told
    assert "finished work is kept" in told


def test_a_dry_run_names_no_log(run, monkeypatch, tmp_path, capsys):
    """None is written, nor an index where there is none."""

    def fail(config):
        raise RuntimeError("oh")

    monkeypatch.setattr("bids_brainage.bids.selection.read_selection", fail)
    assert run("--dry-run") == 3
    told = capsys.readouterr().err
    assert "run.log" not in told
    assert "No log was written" in told


def test_a_dry_run_writes_no_index_of_the_dataset(run, tmp_path):
    assert run("--dry-run", "--bids-database-dir", str(tmp_path / "index")) == 0
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bids"]


def test_boilerplate_alone_writes_nothing_else(run, workflows, tmp_path):
    """The stand-in writes none, so that nothing at all is there."""
    assert run("--boilerplate-only") == 0
    assert workflows.calls == [["sub-01"]]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bids", "out"]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("option", ["--reports-only", "--boilerplate-only"])
def test_pages_and_texts_alone_train_nothing(option, bids, tmp_path, capsys):
    words = [str(bids), str(tmp_path / "out"), "participant", "train", "--model-out", str(tmp_path / "m")]
    assert main([*words, option]) == 2
    assert "are for the levels participant and group; leave out the level train" in capsys.readouterr().err


def test_what_cannot_be_trained_after_people_were_done_is_code_1(bids, tmp_path, workflows, monkeypatch):
    """Code 2 promises that nothing was computed."""

    def fail(config):
        raise InputError("nobody to train on")

    training = ModuleType("bids_brainage.workflows.training")
    training.run_training = fail
    monkeypatch.setitem(sys.modules, "bids_brainage.workflows.training", training)
    places = [str(bids), str(tmp_path / "out")]
    words = ["--model-out", str(tmp_path / "m"), "--skip-bids-validation", "-w", str(tmp_path / "work")]
    chosen = ["--participant-label", "01"]
    assert main([*places, "participant", "train", *words, *chosen]) == 1
    assert workflows.calls == [["sub-01"]]
    assert main([*places, "train", *words, *chosen]) == 2


def test_no_temporary_folder_is_told_in_one_sentence(run, workflows, monkeypatch, tmp_path, capsys):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert run("--participant-label", "01") == 2
    assert "TMPDIR" in capsys.readouterr().err
    monkeypatch.setattr(tempfile, "gettempdir", os.getcwd)
    assert run("--participant-label", "01") == 2
    assert not (tmp_path / "out").exists()
    assert workflows.calls == []


def test_the_folder_of_the_start_is_left_and_come_back_to(run, workflows):
    where = []
    workflows.answer = lambda config, sessions: where.append(Path.cwd()) or Outcome()
    before = Path.cwd()
    assert run("--participant-label", "01") == 0
    assert where == [Path("/")]
    assert Path.cwd() == before


@pytest.mark.parametrize(("model", "code"), [("demo", 0), ("nobodys", 2)])
def test_a_run_starts_from_a_folder_that_is_gone(model, code, bids, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [str(bids), str(tmp_path / "out"), "participant", "--dry-run", "--clean-workdir"]
    words += ["-w", str(tmp_path / "work"), "--model", model]
    program = (
        f"import os; os.rmdir({str(gone)!r}); from bids_brainage.cli import run; exit(run.main({words}))"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=gone, env=environ, capture_output=True)
    assert done.returncode == code, done.stderr


def test_a_file_whose_name_is_not_utf8_ends_nothing(bids, tmp_path):
    name = os.fsdecode(b"sub-01_acq-\xf6_T1w.nii.gz")
    (bids / "sub-01/anat" / name).touch()
    words = [str(bids), str(tmp_path / "out"), "participant", "--dry-run", "-w", str(tmp_path / "work")]
    environ = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bids_brainage", *words]
    done = subprocess.run(command, env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_clean_workdir_empties_only_what_the_program_made(run, workflows, tmp_path, capsys):
    work = tmp_path / "work"
    work.mkdir()
    (work / "precious").touch()
    assert run("--participant-label", "01", "--clean-workdir") == 2
    assert (work / "precious").exists()
    assert "--clean-workdir" in capsys.readouterr().err
    (work / "precious").unlink()
    assert run("--participant-label", "01") == 0
    (work / "bids_brainage_wf/node").mkdir(parents=True)
    assert run("--participant-label", "01", "--clean-workdir") == 0
    assert [item.name for item in work.iterdir()] == [".bids_brainage_work"]


def test_a_reader_that_leaves_ends_a_dry_run_quietly(bids: Path, tmp_path: Path) -> None:
    """As ``--dry-run | head`` does, with more to say than a pipe holds."""
    import signal
    import subprocess
    import sys

    command = [sys.executable, "-m", "bids_brainage", str(bids), str(tmp_path / "out"), "participant"]
    process = subprocess.Popen(
        [*command, "--dry-run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"bug" not in process.stderr.read()
    assert process.wait() == -signal.SIGPIPE


def test_a_dry_run_leaves_the_signals_of_its_process_as_they_were(run, workflows):
    import signal

    before = signal.getsignal(signal.SIGPIPE)
    assert run("--dry-run") == 0
    assert signal.getsignal(signal.SIGPIPE) == before
