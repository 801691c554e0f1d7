"""Nothing is removed but what the program made, and nothing that holds a path of the run."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bids_brainage.config import RunConfig
from bids_brainage.errors import BrainAgeError, InputError
from bids_brainage.workflows.work_folder import MADE, MARKER, check_work_folder, remove_made, work_folder


@pytest.fixture
def config(tmp_path):
    """A run whose work folder an earlier run has used."""
    work = tmp_path / "work"
    for name in ("bids_brainage_wf/sub_01_wf/node", "reports_wf", "training_paper/base_models", "theirs"):
        (work / name).mkdir(parents=True)
    (work / "bids_brainage_wf/sub_01_wf/node/result.nii").touch()
    (work / "training_paper/design.json").touch()
    (work / MARKER).touch()
    for name in ("bids", "out"):
        (tmp_path / name).mkdir()
    return RunConfig(
        bids_dir=tmp_path / "bids", output_dir=tmp_path / "out", work_dir=work, clean_workdir=True
    )


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


def use(config):
    """What a run does with its work folder."""
    check_work_folder(config)
    with work_folder(config):
        pass


def test_only_what_the_program_made_is_removed(config, caplog):
    use(config)
    assert sorted(item.name for item in config.work_dir.iterdir()) == [MARKER, "theirs"]
    assert "theirs" in caplog.text


FIELDS = [
    "bids_dir", "output_dir", "model", "from_bundle", "derivatives", "fs_subjects_dir", "bids_filter_file",
    "config_file", "model_out", "bids_database_dir", "use_plugin", "training_plan",
]  # fmt: skip


@pytest.mark.parametrize("cleaning", [True, False])
@pytest.mark.parametrize("spelling", ["plain", "link to it", "link to the work folder", "link inside"])
@pytest.mark.parametrize("field", FIELDS)
def test_what_the_run_needs_is_never_removed(field, spelling, cleaning, config, tmp_path):
    """Steps are emptied and removed without --clean-workdir, too."""
    inside = config.work_dir / "bids_brainage_wf/mine"
    (inside / "deeper").mkdir(parents=True)
    (inside / "deeper/precious").touch()
    path = inside / "deeper"
    if spelling == "link to it":
        path = tmp_path / "link"
        path.symlink_to(inside / "deeper")
    elif spelling == "link to the work folder":
        (tmp_path / "link").symlink_to(config.work_dir)
        path = tmp_path / "link/bids_brainage_wf/mine/deeper"
    elif spelling == "link inside":
        (tmp_path / "elsewhere").mkdir()
        path = config.work_dir / "bids_brainage_wf/link"
        path.symlink_to(tmp_path / "elsewhere")
    value = {"x": path} if field == "derivatives" else str(path)
    config = dataclasses.replace(config, clean_workdir=cleaning, **{field: value})
    before = files(config.work_dir)
    with pytest.raises(InputError) as error:
        use(config)
    assert error.value.exit_code == 2
    assert str(path) in str(error.value)
    assert files(config.work_dir) == before


def test_the_folder_of_the_start_is_not_removed(config, monkeypatch):
    monkeypatch.chdir(config.work_dir / "bids_brainage_wf/sub_01_wf")
    before = files(config.work_dir)
    with pytest.raises(InputError, match="started in"):
        use(config)
    assert files(config.work_dir) == before


@pytest.mark.parametrize(
    "field", ["bids_dir", "output_dir", "model", "derivatives", "fs_subjects_dir", "model_out"]
)
@pytest.mark.parametrize("link", [False, True])
def test_a_work_folder_that_is_one_of_the_runs_folders_is_not_cleaned(field, link, config, tmp_path):
    path = config.work_dir
    if link:
        path = tmp_path / "link"
        path.symlink_to(config.work_dir)
    config = dataclasses.replace(config, **{field: {"x": path} if field == "derivatives" else str(path)})
    before = files(config.work_dir)
    with pytest.raises(InputError, match="nothing is removed"):
        use(config)
    assert files(config.work_dir) == before


@pytest.mark.parametrize("field", ["derivatives", "fs_subjects_dir", "bids_database_dir", "from_bundle"])
def test_nothing_is_removed_inside_of_what_others_made(field, config, tmp_path):
    value = {"x": tmp_path} if field == "derivatives" else str(tmp_path)
    config = dataclasses.replace(config, **{field: value})
    before = files(config.work_dir)
    with pytest.raises(InputError, match="nothing is removed"):
        use(config)
    assert files(config.work_dir) == before


def test_a_work_folder_in_the_output_folder_is_cleaned(config, tmp_path):
    config = dataclasses.replace(config, output_dir=tmp_path)
    (tmp_path / "sub-01.html").touch()
    use(config)
    assert not (config.work_dir / "bids_brainage_wf").exists()
    assert (tmp_path / "sub-01.html").exists()


def test_what_has_no_marker_is_not_cleaned(config):
    (config.work_dir / MARKER).unlink()
    before = files(config.work_dir)
    with pytest.raises(InputError, match=MARKER):
        use(config)
    assert files(config.work_dir) == before


def test_links_are_removed_and_not_followed(config, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").touch()
    (config.work_dir / "bids_brainage_wf/link").symlink_to(tmp_path / "elsewhere")
    (config.work_dir / "reports_wf").rmdir()
    (config.work_dir / "reports_wf").symlink_to(tmp_path / "elsewhere")
    use(config)
    assert (tmp_path / "elsewhere/precious").exists()
    assert sorted(item.name for item in config.work_dir.iterdir()) == [MARKER, "theirs"]


def test_a_folder_in_use_is_not_cleaned(config):
    before = files(config.work_dir)
    with work_folder(dataclasses.replace(config, clean_workdir=False)):
        with pytest.raises(InputError, match="process "):
            use(config)
        with work_folder(dataclasses.replace(config, clean_workdir=False)):
            pass
    assert files(config.work_dir) == before


def test_a_folder_that_is_made_now_gets_its_marker_whoever_else_begins(config, tmp_path):
    new = dataclasses.replace(config, clean_workdir=False, work_dir=tmp_path / "new/work")
    use(new)
    assert (new.work_dir / MARKER).is_file()
    (new.work_dir / MARKER).rename(new.work_dir / ".tmp-of-another-run")
    use(new)
    assert (new.work_dir / MARKER).is_file()


@pytest.mark.parametrize("cleaning", [True, False])
def test_a_file_or_a_folder_that_cannot_be_read_is_told(cleaning, config, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(InputError, match="file"):
            use(dataclasses.replace(config, clean_workdir=cleaning, work_dir=tmp_path / name))
    (config.work_dir / MARKER).unlink()

    def fail(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", fail)
    if cleaning:
        with pytest.raises(InputError, match=MARKER):
            use(config)
    else:
        use(dataclasses.replace(config, clean_workdir=False))
        assert not (config.work_dir / MARKER).exists()


def test_a_folder_of_somebody_else_gets_no_marker(config):
    (config.work_dir / MARKER).unlink()
    use(dataclasses.replace(config, clean_workdir=False))
    assert not (config.work_dir / MARKER).exists()


def test_a_finished_persons_steps_are_removed_unless_they_hold_what_is_needed(config, caplog):
    steps = config.work_dir / "bids_brainage_wf/sub_01_wf"
    remove_made(dataclasses.replace(config, fs_subjects_dir=steps / "node"), [steps])
    assert steps.exists()
    assert "is kept" in caplog.text
    remove_made(config, [steps, config.bids_dir])
    assert not steps.exists()
    assert config.bids_dir.exists()


def test_what_cannot_be_removed_is_told_and_ends_no_run_that_has_computed(config, monkeypatch, caplog):
    def fail(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("bids_brainage.workflows.work_folder.shutil.rmtree", fail)
    remove_made(config, [config.work_dir / "bids_brainage_wf/sub_01_wf"])
    assert "Permission denied" in caplog.text
    with pytest.raises(BrainAgeError, match="Permission denied"):
        use(config)


def test_the_folders_of_the_workflows_are_among_what_the_program_made():
    from bids_brainage.workflows.participant import BATCH, REPORTS

    of_groups = [f"group/{name}" for name in ("group_wf", "mask.npy", "analysis-dba.json", "stacks", "units")]
    for name in (BATCH, REPORTS, *of_groups):
        assert any(fnmatch(name, pattern) for pattern in MADE)


@pytest.mark.parametrize("name", ["training_mine", "seconds"])
def test_what_lies_behind_a_link_in_the_work_folder_stays(name, config, tmp_path):
    theirs = tmp_path / "elsewhere"
    for item in ("store/volume", "base_models/model"):
        (theirs / item).parent.mkdir(parents=True)
        (theirs / item).touch()
    (theirs / "design.json").touch()
    (theirs / "sub-01.json").touch()
    (config.work_dir / name).symlink_to(theirs)
    before = files(theirs)
    use(config)
    assert files(theirs) == before


def test_a_model_that_is_given_by_name_is_never_removed(config, monkeypatch):
    bundle = config.work_dir / "reports_wf/models/mine"
    bundle.mkdir(parents=True)
    (bundle / "bundle.json").touch()
    monkeypatch.setenv("BIDS_BRAINAGE_MODELS", str(bundle.parent))
    with pytest.raises(InputError, match="mine"):
        use(dataclasses.replace(config, model=("mine",)))
    assert (bundle / "bundle.json").is_file()
