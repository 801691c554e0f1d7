"""Which steps a session's graph holds, by where its images come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_brainage.bids.derivatives import PreprocessedInputs
from bids_brainage.bids.description import write_dataset_description
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.bids.uris import dataset_links
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.workflows.completion import session_state
from bids_brainage.workflows.participant import Task, init_batch_wf, init_session_wf
from bids_brainage.workflows.preprocessing import init_preprocessing_wf, preprocessed_paths, source_uri
from bids_brainage.workflows.run import _batches, read_plugin_file


def image(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    return path


def inputs(folder: Path, label: str = "01", session: str | None = None, **other: object) -> SessionInputs:
    anat = f"sub-{label}/anat/sub-{label}"
    images = {
        "T1w": (image(folder, f"{anat}_T1w.nii.gz"),),
        "FLAIR": (image(folder, f"{anat}_FLAIR.nii.gz"),),
    }
    return SessionInputs(label, session, **{"images": images, **other})


def graph(session: SessionInputs, out: Path) -> dict[str, object]:
    workflow = init_preprocessing_wf(
        session=session,
        out_dir=out,
        skull_strip="auto",
        omp_nthreads=1,
        seed=1,
        fingerprints=dict.fromkeys(("T1w", "FLAIR"), "x"),
    )
    return {name: workflow.get_node(name) for name in workflow.list_node_names()}


def test_raw_images_are_corrected_and_masked(tmp_path: Path) -> None:
    nodes = graph(inputs(tmp_path), tmp_path / "out")
    assert nodes["anatomical_wf.mask"].inputs.method == "auto"
    assert nodes["anatomical_wf.bias"].inputs.enabled
    assert "flair_wf.align" in nodes
    assert "t2starw_wf.align" not in nodes


def test_freesurfers_brain_is_neither_stripped_nor_corrected_again(tmp_path: Path) -> None:
    brain = image(tmp_path, "fs/sub-01/mri/brain.finalsurfs.mgz")
    nodes = graph(inputs(tmp_path, freesurfer_brain=brain), tmp_path / "out")
    assert nodes["anatomical_wf.conform"].inputs.in_file == str(brain)
    assert nodes["anatomical_wf.mask"].inputs.method == "none"
    assert not nodes["anatomical_wf.bias"].inputs.enabled


def test_fmripreps_mask_is_used(tmp_path: Path) -> None:
    t1w, mask = image(tmp_path, "d/sub-01_desc-preproc_T1w.nii.gz"), image(tmp_path, "d/mask.nii.gz")
    flair = image(tmp_path, "d/sub-01_space-T1w_FLAIR.nii.gz")
    derivative = PreprocessedInputs("fmriprep", t1w, mask, flair=flair)
    nodes = graph(SessionInputs("01", None, {}, derivative=derivative), tmp_path / "out")
    assert nodes["anatomical_wf.mask"].inputs.source_file == str(mask)
    assert not nodes["anatomical_wf.bias"].inputs.enabled
    assert nodes["flair_wf.check"].inputs.in_file == str(flair)


def test_repeated_t1w_images_are_averaged(tmp_path: Path) -> None:
    runs = tuple(image(tmp_path, f"sub-01/anat/sub-01_run-{n}_T1w.nii.gz") for n in (1, 2))
    nodes = graph(inputs(tmp_path, images={"T1w": runs}), tmp_path / "out")
    assert nodes["anatomical_wf.runs"].inputs.in_file == [str(path) for path in runs]
    assert "anatomical_wf.average_runs" in nodes


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(bids_dir=tmp_path, output_dir=tmp_path / "out", work_dir=tmp_path / "work")


def finish(session: SessionInputs, config: RunConfig) -> None:
    """Write what preprocessing would leave, as far as it is looked at."""
    import json

    paths = preprocessed_paths(session, config.output_dir)
    state = session_state(session, config, (), "")
    for path in paths.files:
        image(path.parent, path.name)
    for modality, path in paths.subject.items():
        facts = {"Fingerprint": state.preprocessing[modality]}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(facts))


def test_what_is_prepared_is_not_prepared_again(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    before = session_state(session, config, ("TypeI",), "sum")
    assert not before.preprocessed
    finish(session, config)
    state = session_state(session, config, ("TypeI",), "sum")
    assert state.preprocessed
    assert state.missing == ("TypeI",)
    workflow = init_session_wf(task=Task(session, state), config=config, bundle=tmp_path, dataset="")
    names = workflow.list_node_names()
    assert "prepared" in names
    assert not any(name.startswith("preprocessing_wf") for name in names)


def test_another_image_or_option_asks_for_preparing_again(tmp_path: Path, config: RunConfig) -> None:
    import dataclasses

    session = inputs(tmp_path)
    finish(session, config)
    other = dataclasses.replace(config, skull_strip="bet")
    assert not session_state(session, other, (), "").preprocessed
    session.images["FLAIR"][0].write_bytes(b"scanned anew")
    assert not session_state(session, config, (), "").preprocessed


def test_leaving_a_sequence_out_keeps_the_others(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    t1w_only = inputs(tmp_path, images={"T1w": session.images["T1w"]})
    assert session_state(t1w_only, config, (), "").preprocessed


def test_estimates_depend_on_age_model_rule_and_modalities(tmp_path: Path, config: RunConfig) -> None:
    import dataclasses

    session = inputs(tmp_path, age=50.0)
    states = [
        session_state(session, config, ("TypeI",), "sum"),
        session_state(dataclasses.replace(session, age=51.0), config, ("TypeI",), "sum"),
        session_state(session, config, ("TypeI",), "other sum"),
        session_state(session, dataclasses.replace(config, lrp_rule="gamma"), ("TypeI",), "sum"),
        session_state(session, dataclasses.replace(config, modalities=("T1w",)), ("TypeI",), "sum"),
    ]
    assert len({state.estimates["TypeI"] for state in states}) == len(states)


def test_sessions_of_a_person_share_a_batch_and_a_page(tmp_path: Path, config: RunConfig) -> None:
    sessions = [inputs(tmp_path, label, ses) for label in map(str, range(20)) for ses in ("a", "b")]
    tasks = [Task(s, session_state(s, config, ("TypeI",), "")) for s in sessions]
    batches = list(_batches(tasks, config))
    assert [task for batch in batches for task in batch] == tasks
    assert all(
        len({t.session.session for t in b if t.session.participant == p}) == 2
        for b in batches
        for p in {t.session.participant for t in b}
    )
    workflow = init_batch_wf(tasks=batches[0], config=config, bundle=tmp_path, dataset="")
    pages = [name for name in workflow.list_node_names() if name.endswith("report")]
    assert len(pages) == len({task.session.participant for task in batches[0]})


def test_sources_are_named_as_bids_names_them() -> None:
    raw = Path("/data/sub-01/anat/sub-01_T1w.nii.gz")
    prepared = Path("/prep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz")
    datasets = dataset_links(Path("/data"), {"my prep": Path("/prep")}, Path("/fs"))
    session = SessionInputs("01", None, {"T1w": (raw,)}, datasets=datasets)
    brain = Path("/fs/sub-01/mri/brain.mgz")
    assert source_uri(brain, session) == "bids:freesurfer:sub-01/mri/brain.mgz"
    assert source_uri(prepared, session) == "bids:my-prep:sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
    assert source_uri(raw, session) == "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"


def test_every_source_has_a_link(tmp_path: Path) -> None:
    (tmp_path / "raw dataset").mkdir()
    path = write_dataset_description(
        tmp_path, tmp_path / "raw dataset", {"my prep": tmp_path, "raw": tmp_path}
    )
    links = json.loads(path.read_text())["DatasetLinks"]
    assert list(links) == ["raw", "my-prep", "raw-derivatives"]
    assert links["raw"].endswith("/raw%20dataset")


@pytest.mark.parametrize("text", ["", "plugin: 3", "- a", "plugin: [", "\x00"])
def test_a_plugin_file_that_names_no_plugin_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"plugin\.yml"):
        read_plugin_file(path)


def test_a_plugin_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text("plugin: SLURM\nplugin_args: {sbatch_args: --mem=4G}\n")
    assert read_plugin_file(path)["plugin_args"] == {"sbatch_args": "--mem=4G"}
