"""Who and what is selected, against hand-worked datasets and against pybids over the whole dataset."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bids_brainage.bids.selection import read_selection, select
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError

ONE = "sub-01/anat/sub-01_T1w.nii.gz"


def names(paths):
    return [path.name for path in paths]


def test_each_participant_gets_its_images_and_age(dataset, config):
    dataset(
        ONE,
        "sub-01/anat/sub-01_FLAIR.nii",
        "sub-02/anat/sub-02_T1w.nii.gz",
        "sub-02/func/sub-02_task-rest_bold.nii.gz",
        participants="participant_id\tage\tsex\nsub-01\t61.5\tF\nsub-02\t33\tM\n",
    )
    first, second = select(config())
    assert (first.name, first.participant, first.session) == ("sub-01", "01", None)
    assert {modality: names(paths) for modality, paths in first.images.items()} == {
        "T1w": ["sub-01_T1w.nii.gz"],
        "FLAIR": ["sub-01_FLAIR.nii"],
    }
    assert (first.age, first.sex, second.age, second.sex) == (61.5, "F", 33.0, "M")
    assert list(second.images) == ["T1w"]
    assert "T2starw" in " ".join(first.warnings)


def test_part_magnitude_and_official_suffix_are_preferred_and_phase_is_never_taken(dataset, config):
    dataset(
        ONE,
        "sub-01/anat/sub-01_part-phase_T2starw.nii.gz",
        "sub-01/anat/sub-01_part-mag_T2starw.nii.gz",
        "sub-01/swi/sub-01_swi.nii.gz",
    )
    (session,) = select(config())
    assert names(session.images["T2starw"]) == ["sub-01_part-mag_T2starw.nii.gz"]
    assert session.suffixes["T2starw"] == "T2starw"


@pytest.mark.parametrize("folder", ["anat", "swi"])
def test_swi_stands_for_t2starw(dataset, config, folder):
    dataset(ONE, f"sub-01/{folder}/sub-01_swi.nii.gz")
    (session,) = select(config())
    assert names(session.images["T2starw"]) == ["sub-01_swi.nii.gz"]
    assert session.suffixes["T2starw"] == "swi"


def test_phase_alone_is_no_image(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_part-phase_T2starw.nii.gz")
    assert "T2starw" not in select(config())[0].images


def test_last_echo_of_several(dataset, config):
    dataset(ONE, *(f"sub-01/anat/sub-01_echo-{echo}_T2starw.nii.gz" for echo in (2, 10, 1)))
    assert names(select(config())[0].images["T2starw"]) == ["sub-01_echo-10_T2starw.nii.gz"]


def test_all_runs_of_one_kind_in_order_and_no_contrast_agent(dataset, config):
    runs = [f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz" for run in (10, 2, 1)]
    dataset(*runs, "sub-01/anat/sub-01_ce-gad_T1w.nii.gz", "sub-01/anat/sub-01_acq-low_T1w.nii.gz")
    (session,) = select(config())
    assert names(session.images["T1w"]) == [f"sub-01_run-{run}_T1w.nii.gz" for run in (1, 2, 10)]
    assert any("3 kinds of T1w" in warning for warning in session.warnings)


def test_same_image_compressed_and_not_is_one_image(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_T1w.nii")
    assert names(select(config())[0].images["T1w"]) == ["sub-01_T1w.nii.gz"]


def test_filter_file_in_the_words_of_fmriprep(dataset, config, tmp_path):
    dataset(ONE, "sub-01/anat/sub-01_acq-b_T1w.nii.gz", "sub-01/anat/sub-01_rec-x_FLAIR.nii.gz")
    file = tmp_path / "filter.json"
    file.write_text(
        json.dumps({"t1w": {"acquisition": "b"}, "flair": {"reconstruction": None}, "bold": {"task": "x"}})
    )
    (session,) = select(config(bids_filter_file=file))
    assert names(session.images["T1w"]) == ["sub-01_acq-b_T1w.nii.gz"]
    assert "FLAIR" not in session.images
    file.write_text(json.dumps({"t1w": {"acquisition": "Query.NONE"}, "flair": {"reconstruction": "*"}}))
    (session,) = select(config(bids_filter_file=file))
    assert names(session.images["T1w"]) == ["sub-01_T1w.nii.gz"]
    assert names(session.images["FLAIR"]) == ["sub-01_rec-x_FLAIR.nii.gz"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["filter.json", "not valid JSON"]),
        ("[]", ["filter.json", "object"]),
        ('{"t3w": {}}', ["t3w", "flair, t1w, t2starw"]),
        ('{"t1w": "x"}', ["t1w", "object"]),
        ('{"t1w": {"acquistion": "x"}}', ["acquistion", "acquisition"]),
    ],
)
def test_bad_filter_file(dataset, config, tmp_path, content, words):
    dataset(ONE)
    file = tmp_path / "filter.json"
    file.write_text(content)
    with pytest.raises(InputError) as error:
        select(config(bids_filter_file=file))
    assert all(word in str(error.value) for word in words)


def test_modalities_narrow_the_selection_but_t1w_is_always_read(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_FLAIR.nii.gz", "sub-01/anat/sub-01_T2starw.nii.gz")
    assert set(select(config(modalities=("FLAIR",)))[0].images) == {"T1w", "FLAIR"}


def test_sessions_stand_for_themselves_with_their_own_age(dataset, config):
    root = dataset(
        *(f"sub-01/ses-{ses}/anat/sub-01_ses-{ses}_T1w.nii.gz" for ses in ("1", "2")),
        "sub-01/ses-3/anat/sub-01_ses-3_FLAIR.nii.gz",
        participants="participant_id\tage\nsub-01\t50\n",
    )
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\nses-2\t55.5\nses-1\tn/a\n")
    selection = read_selection(config())
    assert [(s.name, s.age) for s in selection.sessions] == [("sub-01_ses-1", 50.0), ("sub-01_ses-2", 55.5)]
    assert len(selection.left_out) == 1
    assert "sub-01_ses-3" in selection.left_out[0]


def test_one_examination_over_several_sessions_is_joined(dataset, config):
    dataset(
        "sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz",
        "sub-01/ses-c/anat/sub-01_ses-c_FLAIR.nii.gz",
    )
    (session,) = select(config())
    assert session.name == "sub-01_ses-b"
    assert names(session.images["FLAIR"]) == ["sub-01_ses-a_FLAIR.nii.gz"]
    assert any("ses-a" in warning for warning in session.warnings)


def test_labels_narrow_to_participants_and_sessions(dataset, config):
    dataset(
        *(f"sub-{p}/ses-{s}/anat/sub-{p}_ses-{s}_T1w.nii.gz" for p in ("1", "10", "100") for s in ("1", "12"))
    )
    found = select(config(participant_label=("1", "100"), session_label=("1",)))
    assert [session.name for session in found] == ["sub-1_ses-1", "sub-100_ses-1"]


def test_person_without_t1w_fails_by_name_and_stops_nobody(dataset, config):
    dataset(ONE, "sub-02/anat/sub-02_FLAIR.nii.gz", "sub-03/func/sub-03_task-x_bold.nii.gz")
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01"]
    assert set(selection.failed) == {"sub-02", "sub-03"}
    assert "no T1w" in selection.failed["sub-02"]
    assert "FLAIR" in selection.failed["sub-02"]


def test_no_t1w_in_the_whole_selection(dataset, config):
    dataset("sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_FLAIR.nii.gz")
    with pytest.raises(InputError, match=r"None of the 2 selected sessions .* T1w"):
        select(config())


def test_empty_selection(dataset, config):
    dataset("sub-01/func/sub-01_task-x_bold.nii.gz")
    with pytest.raises(InputError, match="--bids-filter-file"):
        select(config())


@pytest.mark.parametrize(("label", "hint"), [("001", "01"), ("zzz", None)])
def test_unknown_participant_is_named_with_close_matches_and_count(dataset, config, label, hint):
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    with pytest.raises(InputError) as error:
        select(config(participant_label=("01", label)))
    assert f"No participant {label} among the 2" in str(error.value)
    assert (f"did you mean {hint}" in str(error.value)) if hint else ("did you mean" not in str(error.value))


def test_unknown_session(dataset, config):
    dataset("sub-01/ses-pre/anat/sub-01_ses-pre_T1w.nii.gz")
    with pytest.raises(InputError, match=r"No session prae .*did you mean pre"):
        select(config(session_label=("prae",)))


def test_link_to_content_elsewhere_fails_that_person_in_clear_words(dataset, config):
    root = dataset(ONE, "sub-02/anat/x")
    (root / "sub-02/anat/sub-02_T1w.nii.gz").symlink_to("../../.git/annex/objects/nowhere")
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01"]
    assert "datalad get" in selection.failed["sub-02"]


def test_broken_sidecar_is_a_warning(dataset, config):
    root = dataset(ONE)
    (root / "sub-01/anat/sub-01_T1w.json").write_text("{broken")
    (session,) = select(config())
    assert any("sub-01_T1w.json" in warning for warning in session.warnings)


def test_simulated_dataset_is_known(dataset, config):
    dataset(ONE)
    assert not select(config())[0].simulated
    dataset(ONE, GeneratedBy=[{"Name": "bids_brainage_simulate"}])
    assert select(config())[0].simulated


@pytest.mark.parametrize("makers", ["text", [1], {"Name": "bids_brainage_simulate"}, None])
def test_odd_generated_by_is_not_simulated(dataset, config, makers):
    dataset(ONE, GeneratedBy=makers)
    assert not select(config())[0].simulated


def test_derivatives_of_smriprep_stand_for_raw_images(dataset, config, tmp_path):
    dataset("sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_FLAIR.nii.gz")
    anat = tmp_path / "smriprep/sub-01/anat"
    anat.mkdir(parents=True)
    for name in ("desc-preproc_T1w.nii.gz", "desc-brain_mask.nii.gz"):
        (anat / f"sub-01_{name}").touch()
    (anat / "sub-01_space-MNI152NLin6Asym_desc-preproc_T1w.nii.gz").touch()
    selection = read_selection(config(derivatives={"smriprep": tmp_path / "smriprep"}))
    (session,) = selection.sessions
    assert set(selection.failed) == {"sub-02"}
    assert session.derivative is not None
    assert session.derivative.t1w == anat / "sub-01_desc-preproc_T1w.nii.gz"
    assert session.derivative.brain_mask == anat / "sub-01_desc-brain_mask.nii.gz"
    assert session.derivative.source == "smriprep"
    assert names(session.images["FLAIR"]) == ["sub-01_FLAIR.nii.gz"]


def test_t1w_of_all_sessions_together_gives_one_estimate(dataset, config, tmp_path):
    dataset(*(f"sub-01/ses-{s}/anat/sub-01_ses-{s}_{m}.nii.gz" for s in "12" for m in ("T1w", "FLAIR")))
    anat = tmp_path / "fmriprep/sub-01/anat"
    anat.mkdir(parents=True)
    for name in ("desc-preproc_T1w.nii.gz", "desc-brain_mask.nii.gz"):
        (anat / f"sub-01_{name}").touch()
    (session,) = select(config(derivatives={"fmriprep": tmp_path / "fmriprep"}))
    assert (session.name, names(session.images["FLAIR"])) == ("sub-01", ["sub-01_ses-1_FLAIR.nii.gz"])
    assert session.derivative is not None


@pytest.mark.parametrize("folder", ["sub-01_ses-1", "sub-01_ses-1.long.sub-01", "sub-01"])
def test_freesurfer_brain_by_short_and_long_names(dataset, config, tmp_path, folder):
    dataset("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    brain = tmp_path / "fs" / folder / "mri/brain.finalsurfs.mgz"
    brain.parent.mkdir(parents=True)
    brain.touch()
    (session,) = select(config(fs_subjects_dir=tmp_path / "fs"))
    assert (session.name, session.freesurfer_brain) == ("sub-01_ses-1", brain)


def test_folders_of_derivatives_are_checked(dataset, config, tmp_path):
    dataset(ONE)
    with pytest.raises(InputError, match="smriprep="):
        select(config(derivatives={"smriprep": tmp_path / "nowhere"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no sub-"):
        select(config(derivatives={"smriprep": tmp_path / "empty"}))
    with pytest.raises(InputError, match="SUBJECTS_DIR"):
        select(config(fs_subjects_dir=tmp_path / "nowhere"))


def test_database_dir_gives_the_same_selection_and_is_used_again(dataset, config, tmp_path):
    root = dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    plain = read_selection(config(participant_label=("02",)))
    options = {"participant_label": ("02",), "bids_database_dir": tmp_path / "index"}
    assert read_selection(config(**options)) == plain
    image = root / "sub-02/anat/sub-02_T1w.nii.gz"
    image.rename(image.with_name("sub-02_acq-new_T1w.nii.gz"))
    # The index still has the old name, whose file is gone: it was not made anew.
    with pytest.raises(InputError, match="sub-02_T1w"):
        read_selection(config(**options))


def test_nobody_but_the_participant_asked_for_is_looked_at(dataset):
    root = dataset(*(f"sub-{i:02d}/anat/sub-{i:02d}_T1w.nii.gz" for i in range(20)))
    program = f"""
import sys
seen = set()
def watch(event, args):
    if event in ("os.scandir", "os.listdir", "open") and args:
        seen.add(str(args[0]))
sys.addaudithook(watch)
from pathlib import Path
from bids_brainage.bids.selection import select
from bids_brainage.config import RunConfig
config = RunConfig(bids_dir=Path({str(root)!r}), output_dir=Path("/o"), participant_label=("07",))
assert [s.name for s in select(config)] == ["sub-07"]
inside = sorted(path for path in seen if "/sub-" in path)
assert any("sub-07" in path for path in inside), inside
assert all("sub-07" in path for path in inside), inside
"""
    subprocess.run([sys.executable, "-c", program], check=True)


ENTITIES = st.fixed_dictionaries(
    {},
    optional={
        "ses": st.sampled_from(["1", "2"]),
        "acq": st.sampled_from(["a", "b"]),
        "run": st.sampled_from(["1", "2"]),
        "part": st.sampled_from(["mag", "phase"]),
    },
)


@settings(max_examples=10, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2"]), ENTITIES, st.sampled_from(["T1w", "FLAIR"])),
        min_size=1,
        max_size=8,
    )
)
def test_every_selected_image_is_one_that_pybids_finds(files):
    """Against pybids over the whole dataset: sessions, modalities and that no phase image is taken."""
    from bids.layout import BIDSLayout, Query

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
        for participant, entities, suffix in files:
            parts = [f"sub-{participant}", *(f"{key}-{value}" for key, value in entities.items()), suffix]
            session = f"ses-{entities['ses']}/" if "ses" in entities else ""
            path = root / f"sub-{participant}/{session}anat" / ("_".join(parts) + ".nii.gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        layout = BIDSLayout(root, validate=False)
        query = {"suffix": "T1w", "part": [Query.NONE, "mag"]}
        expected = {(file.entities["subject"], file.entities.get("session")) for file in layout.get(**query)}
        if not expected:
            return
        selection = read_selection(RunConfig(bids_dir=root, output_dir=root.parent / "out"))
        assert {(s.participant, s.session) for s in selection.sessions} == expected
        for session in selection.sessions:
            mine = {"subject": session.participant, "session": session.session or Query.NONE}
            allowed = {file.path for file in layout.get(**query, **mine)}
            assert {str(path) for path in session.images["T1w"]} <= allowed
            assert len({re.sub(r"_run-\d", "", path.name) for path in session.images["T1w"]}) == 1
