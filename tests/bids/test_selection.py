"""Who and what is selected, against hand-worked datasets and against pybids over the whole dataset."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from bids_brainage.bids.dataset import index, open_dataset
from bids_brainage.bids.derivatives import Origin
from bids_brainage.bids.needs import Needs
from bids_brainage.bids.queries import find_images, read_filters
from bids_brainage.bids.selection import read_selection
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from tests.bids.conftest import touch
from tests.odd_files import ODD, patience  # noqa: F401

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
    first, second = read_selection(config()).sessions
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
    (session,) = read_selection(config()).sessions
    assert names(session.images["T2starw"]) == ["sub-01_part-mag_T2starw.nii.gz"]
    assert session.suffixes["T2starw"] == "T2starw"


@pytest.mark.parametrize("folder", ["anat", "swi"])
def test_swi_stands_for_t2starw(dataset, config, folder):
    dataset(ONE, f"sub-01/{folder}/sub-01_swi.nii.gz")
    (session,) = read_selection(config()).sessions
    assert names(session.images["T2starw"]) == ["sub-01_swi.nii.gz"]
    assert session.suffixes["T2starw"] == "swi"


def test_phase_alone_is_no_image(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_part-phase_T2starw.nii.gz")
    assert "T2starw" not in read_selection(config()).sessions[0].images


def test_last_echo_of_several(dataset, config):
    dataset(ONE, *(f"sub-01/anat/sub-01_echo-{echo}_T2starw.nii.gz" for echo in (2, 10, 1)))
    assert names(read_selection(config()).sessions[0].images["T2starw"]) == ["sub-01_echo-10_T2starw.nii.gz"]


def test_all_runs_of_one_kind_in_order_and_no_contrast_agent(dataset, config):
    runs = [f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz" for run in (10, 2, 1)]
    dataset(*runs, "sub-01/anat/sub-01_ce-gad_T1w.nii.gz", "sub-01/anat/sub-01_acq-low_T1w.nii.gz")
    (session,) = read_selection(config()).sessions
    assert names(session.images["T1w"]) == [f"sub-01_run-{run}_T1w.nii.gz" for run in (1, 2, 10)]
    assert any("3 kinds of T1w" in warning for warning in session.warnings)


def test_same_image_compressed_and_not_is_one_image(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_T1w.nii")
    assert names(read_selection(config()).sessions[0].images["T1w"]) == ["sub-01_T1w.nii.gz"]


def test_filter_file_in_the_words_of_fmriprep(dataset, config, tmp_path):
    dataset(ONE, "sub-01/anat/sub-01_acq-b_T1w.nii.gz", "sub-01/anat/sub-01_rec-x_FLAIR.nii.gz")
    file = tmp_path / "filter.json"
    file.write_text(
        json.dumps({"t1w": {"acquisition": "b"}, "flair": {"reconstruction": None}, "bold": {"task": "x"}})
    )
    (session,) = read_selection(config(bids_filter_file=file)).sessions
    assert names(session.images["T1w"]) == ["sub-01_acq-b_T1w.nii.gz"]
    assert "FLAIR" not in session.images
    file.write_text(json.dumps({"t1w": {"acquisition": "Query.NONE"}, "flair": {"reconstruction": "*"}}))
    (session,) = read_selection(config(bids_filter_file=file)).sessions
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
        read_selection(config(bids_filter_file=file))
    assert all(word in str(error.value) for word in words)


def test_modalities_narrow_the_selection_but_t1w_is_always_read(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_FLAIR.nii.gz", "sub-01/anat/sub-01_T2starw.nii.gz")
    assert set(read_selection(config(modalities=("FLAIR",))).sessions[0].images) == {"T1w", "FLAIR"}


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
    (session,) = read_selection(config()).sessions
    assert session.name == "sub-01_ses-b"
    assert names(session.images["FLAIR"]) == ["sub-01_ses-a_FLAIR.nii.gz"]
    assert any("ses-a" in warning for warning in session.warnings)


def test_labels_narrow_to_participants_and_sessions(dataset, config):
    dataset(
        *(f"sub-{p}/ses-{s}/anat/sub-{p}_ses-{s}_T1w.nii.gz" for p in ("1", "10", "100") for s in ("1", "12"))
    )
    found = read_selection(config(participant_label=("1", "100"), session_label=("1",))).sessions
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
        read_selection(config())


def test_empty_selection(dataset, config):
    dataset("sub-01/func/sub-01_task-x_bold.nii.gz")
    with pytest.raises(InputError, match="--bids-filter-file"):
        read_selection(config())


@pytest.mark.parametrize(("label", "hint"), [("001", "01"), ("zzz", None)])
def test_unknown_participant_is_named_with_close_matches_and_count(dataset, config, label, hint):
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    with pytest.raises(InputError) as error:
        read_selection(config(participant_label=("01", label)))
    assert f"no participant {label} among the 2" in str(error.value)
    assert (f"did you mean {hint}" in str(error.value)) if hint else ("did you mean" not in str(error.value))


def test_unknown_session(dataset, config):
    dataset("sub-01/ses-pre/anat/sub-01_ses-pre_T1w.nii.gz")
    with pytest.raises(InputError, match=r"no session prae .*did you mean pre"):
        read_selection(config(session_label=("prae",)))


def test_link_to_content_elsewhere_fails_that_person_in_clear_words(dataset, config):
    root = dataset(ONE, "sub-02/anat/x")
    (root / "sub-02/anat/sub-02_T1w.nii.gz").symlink_to("../../.git/annex/objects/nowhere")
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01"]
    assert "datalad get" in selection.failed["sub-02"]


def test_broken_sidecar_is_a_warning(dataset, config):
    root = dataset(ONE)
    (root / "sub-01/anat/sub-01_T1w.json").write_text("{broken")
    (session,) = read_selection(config()).sessions
    assert any("sub-01_T1w.json" in warning for warning in session.warnings)


def test_simulated_dataset_is_known(dataset, config):
    dataset(ONE)
    assert not read_selection(config()).sessions[0].simulated
    dataset(ONE, GeneratedBy=[{"Name": "bids_brainage_simulate"}])
    assert read_selection(config()).sessions[0].simulated


@pytest.mark.parametrize("makers", ["text", [1], {"Name": "bids_brainage_simulate"}, None])
def test_odd_generated_by_is_not_simulated(dataset, config, makers):
    dataset(ONE, GeneratedBy=makers)
    assert not read_selection(config()).sessions[0].simulated


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
    (session,) = read_selection(config(derivatives={"fmriprep": tmp_path / "fmriprep"})).sessions
    assert (session.name, names(session.images["FLAIR"])) == ("sub-01", ["sub-01_ses-1_FLAIR.nii.gz"])
    assert session.derivative is not None


@pytest.mark.parametrize("folder", ["sub-01_ses-1", "sub-01_ses-1.long.sub-01", "sub-01"])
def test_freesurfer_brain_by_short_and_long_names(dataset, config, tmp_path, folder):
    dataset("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    brain = tmp_path / "fs" / folder / "mri/brain.finalsurfs.mgz"
    brain.parent.mkdir(parents=True)
    brain.touch()
    (session,) = read_selection(config(fs_subjects_dir=tmp_path / "fs")).sessions
    assert (session.name, session.freesurfer_brain) == ("sub-01_ses-1", brain)


def test_folders_of_derivatives_are_checked(dataset, config, tmp_path):
    dataset(ONE)
    with pytest.raises(InputError, match="smriprep="):
        read_selection(config(derivatives={"smriprep": tmp_path / "nowhere"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no sub-"):
        read_selection(config(derivatives={"smriprep": tmp_path / "empty"}))
    with pytest.raises(InputError, match="SUBJECTS_DIR"):
        read_selection(config(fs_subjects_dir=tmp_path / "nowhere"))


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
from bids_brainage.bids.selection import read_selection
from bids_brainage.config import RunConfig
config = RunConfig(bids_dir=Path({str(root)!r}), output_dir=Path("/o"), participant_label=("07",))
assert [s.name for s in read_selection(config).sessions] == ["sub-07"]
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


@pytest.mark.parametrize("label", ["a+b", "+", "1"])
def test_labels_of_newer_bids_with_a_plus(dataset, config, label):
    dataset(f"sub-{label}/ses-{label}/anat/sub-{label}_ses-{label}_T1w.nii.gz")
    (session,) = read_selection(config()).sessions
    assert (session.participant, session.session) == (label, label)


ODD_LABELS = ["a b", '<b>x"', "a_b", "a-b", "é", "²", "a.b", "$(x)", "a\x1b[31m", ""]


@pytest.mark.parametrize("label", ODD_LABELS)
def test_labels_that_are_not_of_bids_are_left_out_and_named(dataset, config, label):
    """As a participant, as a session, and in a name alone; the others go on."""
    dataset(
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        f"sub-{label}/anat/sub-{label}_T1w.nii.gz",
        f"sub-01/ses-{label}/anat/sub-01_ses-{label}_T1w.nii.gz",
        f"sub-01/ses-2/anat/sub-01_ses-{label}_T1w.nii.gz",
    )
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01_ses-1"]
    assert selection.failed == {}
    told = " ".join(selection.left_out)
    assert told.isprintable()
    if label.isprintable():
        assert f"sub-{label} " in told
        # What stands behind a dot is no suffix, so that this is no T1w image.
        assert f"sub-01/ses-2/anat/sub-01_ses-{label}_T1w.nii.gz" in told or label == "a.b"


def test_bytes_that_are_not_utf8_in_a_label(dataset, config):
    root = dataset(ONE)
    (root / os.fsdecode(b"sub-\xff/anat")).mkdir(parents=True)
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01"]
    (sentence,) = selection.left_out
    sentence.encode()


def test_an_image_belongs_to_nobody_if_its_name_and_folders_disagree(dataset, config):
    """With one participant asked for, an image of theirs in another's folder is not seen: it never is."""
    dataset(
        ONE,
        "sub-02/anat/sub-02_T1w.nii.gz",
        "sub-02/anat/sub-01_FLAIR.nii.gz",
        "sub-02/ses-1/anat/sub-02_T2starw.nii.gz",
        "sub-01/anat/sub-01_sub-02_FLAIR.nii.gz",
    )
    for labels in ((), ("01",), ("02",)):
        selection = read_selection(config(participant_label=labels))
        assert all(list(session.images) == ["T1w"] for session in selection.sessions)
    told = " ".join(read_selection(config()).left_out)
    assert all(name in told for name in ("sub-02/anat/sub-01_FLAIR", "sub-02_T2starw", "sub-01_sub-02_FLAIR"))


def test_a_number_that_is_not_decimal_is_no_echo(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_echo-²_T2starw.nii.gz", "sub-01/anat/sub-01_echo-2_T2starw.nii.gz")
    assert names(read_selection(config()).sessions[0].images["T2starw"]) == ["sub-01_echo-2_T2starw.nii.gz"]


def test_many_unknown_labels_are_one_short_sentence(dataset, config):
    dataset(*(f"sub-{i:03d}/anat/sub-{i:03d}_T1w.nii.gz" for i in range(200)))
    wrong = tuple(f"{i:05d}" for i in range(3000))
    begin = time.perf_counter()
    with pytest.raises(InputError, match="and 2990 more") as error:
        read_selection(config(participant_label=wrong))
    assert len(str(error.value)) < 600
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    "value",
    ["9" * 41, "-" + "9" * 20, "1e300", "0.5", "[1, 2.0]", "Infinity", "NaN", "true", "{}", "[[1]]", "[]",
     '"' + "x" * 300 + '"', json.dumps([str(i) for i in range(1_000_000)])],
    ids=range(13),
)  # fmt: skip
def test_absurd_values_of_a_filter_are_refused(dataset, config, tmp_path, value):
    dataset(ONE)
    file = tmp_path / "filter.json"
    file.write_text(f'{{"t1w": {{"acquisition": {value}}}}}')
    with pytest.raises(InputError, match=r"filter\.json: 't1w' filters 'acquisition' by"):
        read_selection(config(bids_filter_file=file))


SCALARS = st.none() | st.text(max_size=5) | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
SCALARS |= st.sampled_from(["*", "Query.NONE", "Query.ANY", "Query.OPTIONAL", "Query.__class__", "Query.x"])


def test_any_filter_selects_or_tells(dataset, tmp_path):
    root = dataset(ONE, "sub-01/anat/sub-01_run-1_acq-a_T1w.nii.gz")
    layout, file = index(open_dataset(root)), tmp_path / "filter.json"

    @settings(max_examples=100, deadline=None)
    @given(
        entity=st.sampled_from(["acquisition", "run", "echo", "subject", "session", "part", "extension"]),
        value=SCALARS | st.lists(SCALARS, min_size=1, max_size=3),
    )
    @example(entity="run", value=[0.0, ""])
    @example(entity="run", value=[0, ""])
    def check(entity, value):
        file.write_text(json.dumps({"t1w": {entity: value}}))
        with contextlib.suppress(InputError):
            find_images(layout, root, "T1w", ("01",), (), read_filters(file)["t1w"], file)

    check()


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("odd", ODD)
def test_what_is_not_a_file_fails_its_person_alone(dataset, config, odd):
    root = dataset(ONE, "sub-02/anat/x")
    ODD[odd](root / "sub-02/anat/sub-02_T1w.nii.gz")
    selection = read_selection(config())
    assert [session.name for session in selection.sessions] == ["sub-01"]
    if odd != "folder":  # a folder is not an image at all
        assert "sub-02_T1w.nii.gz" in selection.failed["sub-02"]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("odd", ["fifo", "device", "folder"])
def test_odd_files_beside_images_hang_nothing(dataset, config, tmp_path, odd):
    root = dataset(ONE)
    ODD[odd](root / "sub-01/anat/sub-01_T1w.json")
    ODD[odd](root / ".bidsignore")
    ODD[odd](root / "CHANGES")
    (session,) = read_selection(config()).sessions
    assert any("sub-01_T1w.json" in warning for warning in session.warnings)
    ODD[odd](tmp_path / "filter.json")
    with pytest.raises(InputError, match=r"filter\.json cannot be read"):
        read_selection(config(bids_filter_file=tmp_path / "filter.json"))
    (root / "dataset_description.json").unlink()
    ODD[odd](root / "dataset_description.json")
    with pytest.raises(InputError, match=r"dataset_description\.json cannot be read"):
        read_selection(config())


def test_a_folder_that_cannot_be_read_is_named(dataset, config, monkeypatch):
    """As if by its permissions; root may read everything."""
    root = dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz").resolve()
    stat = os.stat

    def refuse(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike) and Path(path).parent == root / "sub-02/anat":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(InputError, match=r"bids/sub-02/anat cannot be read \(Permission denied\)"):
        read_selection(config())


def prepared(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


FORWARD = "from-T1w_to-MNI152NLin6Asym_mode-image_xfm.h5"
INVERSE = "from-MNI152NLin6Asym_to-T1w_mode-image_xfm.h5"
PREP = ("sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "sub-01/anat/sub-01_desc-brain_mask.nii.gz")


@pytest.mark.parametrize("name", ["raw", "freesurfer", "fmriprep", "preprocessed", "x y"])
def test_origin_is_who_prepared_and_not_what_a_dataset_is_called(dataset, config, tmp_path, name):
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz", "sub-03/anat/sub-03_T1w.nii.gz")
    prep = prepared(tmp_path / "prep", *PREP)
    (prep / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}, {"Name": "x"}]}')
    fs = prepared(tmp_path / "fs", "sub-02/mri/brain.finalsurfs.mgz")
    options = {"derivatives": {name: prep}, "fs_subjects_dir": fs, "allow_raw_fallback": True}
    first, second, third = read_selection(config(**options)).sessions
    assert (first.origin, second.origin, third.origin) == tuple(
        Origin(value) for value in ("preprocessed", "freesurfer", "raw")
    )
    assert first.derivative.software == ("fMRIPrep", "x")
    assert second.uri(second.freesurfer_brain) == "bids:freesurfer:sub-02/mri/brain.finalsurfs.mgz"
    assert third.uri(third.images["T1w"][0]) == "bids:raw:sub-03/anat/sub-03_T1w.nii.gz"
    link = first.uri(first.derivative.t1w).split(":")[1]
    assert first.datasets[link] == prep


@pytest.mark.parametrize(
    ("files", "transforms"),
    [
        ((), None),
        ((FORWARD,), None),
        ((INVERSE,), None),
        ((FORWARD, INVERSE), (FORWARD, INVERSE)),
        ((FORWARD, "acq-a_" + INVERSE), None),
        ((FORWARD.replace(".h5", ".txt"), INVERSE), None),
    ],
)
def test_transforms_to_the_template_are_found_in_both_directions_or_not_at_all(
    dataset, config, tmp_path, files, transforms
):
    dataset(ONE)
    prep = prepared(tmp_path / "prep", *PREP, *(f"sub-01/anat/sub-01_{file}" for file in files))
    (session,) = read_selection(config(derivatives={"p": prep})).sessions
    expected = transforms and tuple(prep / f"sub-01/anat/sub-01_{file}" for file in transforms)
    assert session.template_transforms == expected
    # They are of fMRIPrep's T1w and not of another.
    fs = prepared(tmp_path / "fs", "sub-01/mri/brain.finalsurfs.mgz")
    (session,) = read_selection(config(derivatives={"p": prep}, fs_subjects_dir=fs)).sessions
    assert session.template_transforms is None


def test_what_belongs_to_a_t1w_has_its_entities(dataset, config, tmp_path):
    """Of two kinds of T1w, mask and transforms are those of the T1w that is used."""
    dataset(ONE)
    own = ("desc-brain_mask.nii.gz", FORWARD, INVERSE)
    kinds = [f"sub-01/anat/sub-01_acq-{kind}_{file}" for kind in "ab" for file in own]
    prep = prepared(tmp_path / "prep", "sub-01/anat/sub-01_acq-b_desc-preproc_T1w.nii.gz", *kinds)
    (session,) = read_selection(config(derivatives={"p": prep})).sessions
    assert {re.sub("_(desc|from).*", "", path.name) for path in session.derivative.files} == {"sub-01_acq-b"}


def test_an_image_in_a_templates_space_is_no_t1w(dataset, config, tmp_path):
    dataset(ONE)
    prep = prepared(
        tmp_path / "prep",
        PREP[1],
        "sub-01/anat/sub-01_acq-b_space-MNI152NLin6Asym_res-2_desc-preproc_T1w.nii.gz",
        "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz.part",
    )
    options = config(derivatives={"p": prep}, allow_raw_fallback=True)
    (session,) = read_selection(options).sessions
    assert session.derivative is None
    with pytest.raises(
        InputError, match=r"p has no desc-preproc_T1w of sub-01 in its own space.*--allow-raw-fallback"
    ):
        read_selection(config(derivatives={"p": prep}))


@pytest.mark.parametrize(
    ("raw", "flair", "fs", "origin", "aligned"),
    [
        (True, None, False, "raw", False),
        (True, "space-T1w_desc-preproc", False, "raw", False),
        (False, "space-T1w_desc-preproc", False, "preprocessed", True),
        (False, "desc-preproc", False, "preprocessed", False),
        (False, "space-T1w_desc-preproc", True, "preprocessed", False),
        (False, None, False, None, False),
    ],
)
def test_a_flair_in_the_space_of_the_t1w_used_is_aligned(
    dataset, config, tmp_path, raw, flair, fs, origin, aligned
):
    dataset(ONE, *(["sub-01/anat/sub-01_FLAIR.nii.gz"] if raw else []))
    files = [f"sub-01/anat/sub-01_{flair}_FLAIR.nii.gz"] if flair else []
    prep = prepared(tmp_path / "prep", *PREP, *files)
    options = {"fs_subjects_dir": prepared(tmp_path / "fs", "sub-01/mri/brain.finalsurfs.mgz")} if fs else {}
    (session,) = read_selection(config(derivatives={"p": prep}, **options)).sessions
    assert session.flair_origin == origin
    assert session.flair_is_aligned is aligned


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("odd", ["fifo", "device", "loop"])
@pytest.mark.parametrize("what", ["T1w", "mask", "transform", "FreeSurfer"])
def test_prepared_files_that_are_none_fail_their_person_by_name(dataset, config, tmp_path, odd, what):
    """A brain whose content is elsewhere is not quietly passed over for the raw image."""
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    places = dict(zip(("T1w", "mask"), PREP, strict=True)) | {"transform": f"sub-01/anat/sub-01_{FORWARD}"}
    prep = prepared(tmp_path / "prep", *places.values(), f"sub-01/anat/sub-01_{INVERSE}")
    fs = prepared(tmp_path / "fs", "sub-01/mri/x")
    path = fs / "sub-01/mri/brain.finalsurfs.mgz" if what == "FreeSurfer" else prep / places[what]
    path.unlink(missing_ok=True)
    ODD[odd](path)
    selection = read_selection(config(derivatives={"p": prep}, fs_subjects_dir=fs, allow_raw_fallback=True))
    assert [session.name for session in selection.sessions] == ["sub-02"]
    assert path.name in selection.failed["sub-01"]


def test_subjects_dir_is_listed_once(dataset, config, tmp_path):
    """Looking for each person's folder among all of them would take time in the square of people."""
    dataset(*(f"sub-{i:02d}/anat/sub-{i:02d}_T1w.nii.gz" for i in range(30)))
    fs = prepared(tmp_path / "fs", *(f"sub-{i:02d}/mri/brain.finalsurfs.mgz" for i in range(30)))
    listed = []
    sys.addaudithook(lambda event, args: listed.append(args[0]) if event == "os.scandir" else None)
    sessions = read_selection(config(fs_subjects_dir=fs)).sessions
    assert len(sessions) == 30
    assert [str(path) for path in listed].count(str(fs)) == 1


@pytest.mark.parametrize("labels", [(), ("01",)])
@pytest.mark.parametrize(
    "parent",
    ["sub-x", "sub-x/ses-1/anat", "run-1", "a_part-phase_acq-x", "func", "[x](y", "sub-01/anat/sub-01_T1w"],
)
def test_folders_above_the_dataset_say_nothing(dataset, tmp_path, monkeypatch, parent, labels):
    """Nor do those above the folder for temporary files, where the dataset is looked at through links."""
    file = tmp_path / "filter.json"
    file.write_text('{"t1w": {"run": null, "session": null}}')
    above = tmp_path / parent
    above.mkdir(parents=True)
    root = dataset(ONE, "sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz").rename(
        above / "bids"
    )
    monkeypatch.setattr(tempfile, "tempdir", str(above))
    options = {"participant_label": labels, "bids_filter_file": file}
    selection = read_selection(RunConfig(bids_dir=root, output_dir=tmp_path / "out", **options))
    assert [session.name for session in selection.sessions] == ["sub-01", "sub-02"][: len(labels) or 2]
    assert set(selection.sessions[0].images) == {"T1w", "FLAIR"}
    assert selection.left_out == ()
    image = selection.sessions[0].images["T1w"][0]
    assert (image, selection.sessions[0].uri(image)) == (root / ONE, f"bids:raw:{ONE}")


def test_a_path_with_dots_and_links(dataset, config, tmp_path):
    root = dataset(ONE)
    (tmp_path / "link").symlink_to(root)
    for path in (root / "sub-01/..", tmp_path / "link", tmp_path / "x/../link"):
        (tmp_path / "x").mkdir(exist_ok=True)
        (session,) = read_selection(RunConfig(bids_dir=path, output_dir=tmp_path / "out")).sessions
        assert session.uri(session.images["T1w"][0]) == f"bids:raw:{ONE}"


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("folder", ["", "sub-01", "sub-01/anat"])
def test_what_a_dataset_says_of_entities_is_not_obeyed(dataset, config, folder):
    root = dataset(ONE)
    evil = {"name": "evil", "entities": [{"name": "suffix", "pattern": "(a+)+$"}]}
    (root / folder / "layout_config.json").write_text(json.dumps(evil))
    assert [session.name for session in read_selection(config()).sessions] == ["sub-01"]
    (root / folder / "layout_config.json").unlink()
    os.mkfifo(root / folder / "layout_config.json")
    assert [session.name for session in read_selection(config()).sessions] == ["sub-01"]


def test_t2w_images_are_looked_for_only_where_they_are_asked_for(dataset, config):
    dataset(ONE, "sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_acq-x_t2w.nii.gz")
    selection = read_selection(config())
    assert "T2w" not in selection.sessions[0].images
    assert "acq-x" not in " ".join((*selection.left_out, *selection.sessions[0].warnings))
    asked = read_selection(config(modalities=("T1w", "T2w")))
    assert names(asked.sessions[0].images["T2w"]) == ["sub-01_T2w.nii.gz"]
    assert "sub-01_acq-x_t2w" in " ".join(asked.left_out)


def test_a_filter_of_t2w_holds(dataset, config, tmp_path):
    anat = "sub-01/anat/sub-01"
    dataset(ONE, f"{anat}_acq-ax_T2w.nii.gz", f"{anat}_acq-cor_T2w.nii.gz")
    (tmp_path / "filters.json").write_text('{"T2w": {"acquisition": "cor"}}')
    options = {"modalities": ("T1w", "T2w"), "bids_filter_file": tmp_path / "filters.json"}
    (session,) = read_selection(config(**options)).sessions
    assert names(session.images["T2w"]) == ["sub-01_acq-cor_T2w.nii.gz"]


BRAINMASK = Needs(freesurfer=frozenset({"freesurfer:brainmask"}))


def test_freesurfers_own_images_are_taken_where_a_model_takes_them_in(dataset, config, tmp_path):
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    made = {
        "sub-01": ("brain.finalsurfs.mgz", "brainmask.mgz"),
        "sub-02": ("brainmask.mgz",),  # recon-all -autorecon1
    }
    for subject, files in made.items():
        for name in files:
            touch(tmp_path / "fs" / subject / "mri" / name)
    run = config(fs_subjects_dir=tmp_path / "fs")
    first, second = read_selection(run, BRAINMASK).sessions
    assert (first.freesurfer_brain.name, second.freesurfer_brain.name) == (
        "brain.finalsurfs.mgz",
        "brainmask.mgz",
    )
    for session, subject in ((first, "sub-01"), (second, "sub-02")):
        expected = tmp_path / "fs" / subject / "mri/brainmask.mgz"
        assert session.sources == {("T1w", "freesurfer:brainmask"): expected}
    plain = read_selection(run)
    assert plain.sessions[0].sources == {}
    assert "brain.finalsurfs.mgz of sub-02" in plain.failed["sub-02"]


GIVEN = Needs(given={"T1w": None})


def given_folder(root: Path, *images: str) -> dict[str, Path]:
    for name in images:
        touch(root / "flirt/sub-01/anat" / name)
    return {"flirt": root / "flirt"}


def test_a_given_image_is_found_beside_the_raw_ones(dataset, config, tmp_path):
    """Its folder holds nothing that was prepared as sMRIPrep does it."""
    dataset(ONE)
    folders = given_folder(
        tmp_path, "sub-01_space-MNI_desc-flirt_T1w.nii.gz", "sub-01_desc-brain_mask.nii.gz"
    )
    (session,) = read_selection(config(derivatives=folders), GIVEN).sessions
    assert {key: path.name for key, path in session.sources.items()} == {
        ("T1w", "given"): "sub-01_space-MNI_desc-flirt_T1w.nii.gz"
    }
    assert session.origin is Origin.RAW
    assert session.uri(session.sources["T1w", "given"]).startswith("bids:flirt:sub-01/anat/")
    with pytest.raises(InputError, match="is not prepared"):
        read_selection(config(derivatives=folders))


def test_the_filter_says_which_image_is_given(dataset, config, tmp_path):
    dataset(ONE)
    folders = given_folder(tmp_path, *(f"sub-01_desc-dof{n}_T1w.nii.gz" for n in (6, 12)))
    with pytest.raises(InputError, match=r"2 images may be the T1w image.*dof12.*given"):
        read_selection(config(derivatives=folders), GIVEN)
    filters = tmp_path / "filters.json"
    filters.write_text('{"given": {"desc": "dof12"}}')
    run = config(derivatives=folders, bids_filter_file=filters)
    (session,) = read_selection(run, GIVEN).sessions
    assert session.sources["T1w", "given"].name == "sub-01_desc-dof12_T1w.nii.gz"
    filters.write_text('{"given": {"desc": "dof9"}}')
    with pytest.raises(InputError, match="none of flirt has the T1w image"):
        read_selection(run, GIVEN)
    filters.write_text('{"given": {"dezc": "dof9"}}')
    with pytest.raises(InputError, match=r"dezc.*did you mean"):
        read_selection(run, GIVEN)


def test_who_has_no_given_image_fails_by_name(dataset, config, tmp_path):
    dataset(ONE, "sub-02/anat/sub-02_T1w.nii.gz")
    folders = given_folder(tmp_path, "sub-01_desc-flirt_T1w.nii.gz")
    selection = read_selection(config(derivatives=folders), GIVEN)
    assert [session.name for session in selection.sessions] == ["sub-01"]
    assert "none of flirt" in selection.failed["sub-02"]
    with pytest.raises(InputError, match="-d NAME=PATH"):
        read_selection(config(), GIVEN)


def test_a_given_image_does_not_excuse_from_what_else_was_to_be_prepared(dataset, config, tmp_path):
    dataset(ONE)
    folders = given_folder(tmp_path, "sub-01_desc-flirt_T1w.nii.gz")
    touch(tmp_path / "fmriprep/sub-02/anat/sub-02_desc-preproc_T1w.nii.gz")
    both = folders | {"fmriprep": tmp_path / "fmriprep"}
    with pytest.raises(InputError, match="fmriprep has no desc-preproc_T1w of sub-01"):
        read_selection(config(derivatives=both), GIVEN)
