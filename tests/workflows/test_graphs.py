"""Which steps a session's graph holds, by where its images come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.bids.description import write_dataset_description
from bids_brainage.bids.naming import sidecar
from bids_brainage.bids.needs import Needs
from bids_brainage.bids.prepared import PreprocessedInputs
from bids_brainage.bids.selection import Selection, SessionInputs
from bids_brainage.bids.uris import dataset_links
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.interfaces.registration import Aligned, RegisterRigid, UseTransforms
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.input_spec import InputSpec
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.records.reading import SessionPlace, read_session
from bids_brainage.records.session import (
    FIRST,
    LINEAR,
    SOURCES,
    TEMPLATE,
    Role,
    StageKey,
    source_of,
    source_stage,
)
from bids_brainage.records.writing import Output, publish
from bids_brainage.terms import STANDARD_SPACE
from bids_brainage.workflows.completion import Estimator, session_state
from bids_brainage.workflows.models import Models, needs_of, with_needs
from bids_brainage.workflows.participant import Task, estimation_options, init_session_wf, workflow_name
from bids_brainage.workflows.preprocessing import init_preprocessing_wf
from bids_brainage.workflows.run import _batches
from bids_brainage.workflows.sources import with_fitting_images

SUM = {"TypeI": Estimator("sum")}


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


def graph(session: SessionInputs, config: RunConfig) -> dict[str, object]:
    state = session_state(session, config)
    workflow = init_preprocessing_wf(session=session, state=state, config=config)
    return {name: workflow.get_node(name) for name in workflow.list_node_names()}


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(bids_dir=tmp_path, output_dir=tmp_path / "out", work_dir=tmp_path / "work")


def test_raw_images_are_corrected_and_masked(tmp_path: Path, config: RunConfig) -> None:
    nodes = graph(inputs(tmp_path), config)
    assert nodes["anatomical_wf.conform"].inputs.upright
    assert nodes["anatomical_wf.mask"].inputs.method == "auto"
    assert nodes["anatomical_wf.bias"].inputs.enabled
    assert "flair_wf.align" in nodes
    assert "t2starw_wf.align" not in nodes


def test_freesurfers_brain_is_neither_stripped_nor_corrected_again(tmp_path: Path, config: RunConfig) -> None:
    brain = image(tmp_path, "fs/sub-01/mri/brain.finalsurfs.mgz")
    nodes = graph(inputs(tmp_path, freesurfer_brain=brain), config)
    assert nodes["anatomical_wf.conform"].inputs.in_files == [str(brain)]
    assert nodes["anatomical_wf.mask"].inputs.method == "none"
    assert not nodes["anatomical_wf.bias"].inputs.enabled


def test_fmripreps_mask_is_used(tmp_path: Path, config: RunConfig) -> None:
    t1w, mask = image(tmp_path, "d/sub-01_desc-preproc_T1w.nii.gz"), image(tmp_path, "d/mask.nii.gz")
    flair = image(tmp_path, "d/sub-01_space-T1w_FLAIR.nii.gz")
    derivative = PreprocessedInputs("fmriprep", t1w, mask, flair=flair)
    nodes = graph(SessionInputs("01", None, {}, derivative=derivative), config)
    # Its transforms and its mask would not follow it.
    assert not nodes["anatomical_wf.conform"].inputs.upright
    assert nodes["anatomical_wf.mask"].inputs.source_file == str(mask)
    assert not nodes["anatomical_wf.bias"].inputs.enabled
    assert nodes["flair_wf.check"].inputs.in_files == [str(flair)]


def test_repeated_t1w_images_are_averaged(tmp_path: Path, config: RunConfig) -> None:
    runs = tuple(image(tmp_path, f"sub-01/anat/sub-01_run-{n}_T1w.nii.gz") for n in (1, 2))
    nodes = graph(inputs(tmp_path, images={"T1w": runs}), config)
    assert nodes["anatomical_wf.conform"].inputs.in_files == [str(path) for path in runs]


def finish(session: SessionInputs, config: RunConfig) -> None:
    """Publish what preprocessing would, as far as it is looked at."""
    state = session_state(session, config)
    place = SessionPlace.of(config.output_dir, session.participant, session.session)
    for modality in state.unprepared:
        key: StageKey = ("preprocessing", modality)
        files = list(published(place, modality))
        publish(place, key, state.preprocessing[modality], files, inputs=state.inputs[modality])


def published(place: SessionPlace, modality: str) -> Iterator[Output]:
    def output(role: Role, pattern: str, about: dict[str, str], **names: str) -> Output:
        preparation = {"origin": "raw", "skull_strip": "auto", "skull_strip_method": "bet"}
        content = {"Preparation": preparation} if role == "subject_image" else None
        path = place.path(pattern, **names)
        return Output(role, path, lambda where: where.write_text("x"), about, sidecar=content)

    if (origin := source_of(modality)) is not None:
        modality = modality.partition("/")[0]
        about = {"modality": modality, "origin": origin}
        yield output("source_image", "source_image", about, source=SOURCES[origin], suffix=modality)
        return
    if modality in LINEAR:
        for source, target in (("T1w", STANDARD_SPACE), (STANDARD_SPACE, "T1w")):
            about = {"source": source, "target": target, "kind": modality}
            yield output("linear_transform", "transform_linear", about, **about)
        return
    if modality == TEMPLATE:
        for source, target in (("T1w", STANDARD_SPACE), (STANDARD_SPACE, "T1w")):
            yield output("transform", "transform", {"source": source}, source=source, target=target)
        modality = FIRST
    else:
        pattern = "preproc_T1w" if modality == FIRST else "preproc_T1w_space"
        yield output("subject_image", pattern, {"modality": modality}, suffix=modality)
    if modality == FIRST:
        yield output("brain_mask", "brain_mask", {})
    yield output("standard_image", "preproc_standard", {"modality": modality}, suffix=modality)


def test_what_is_prepared_is_not_prepared_again(tmp_path: Path, config: RunConfig) -> None:
    session, config = inputs(tmp_path), replace(config, ensemble=("TypeI",))
    before = session_state(session, config, SUM)
    assert before.unprepared == ("T1w", TEMPLATE, "FLAIR")
    finish(session, config)
    state = session_state(session, config, SUM)
    assert state.unprepared == ()
    assert state.missing == ("TypeI",)
    models = Models((stand_in("TypeI", "TypeII"),))
    workflow = init_session_wf(task=Task(session, state), config=config, models=models, dataset="")
    assert workflow.list_node_names() == ["estimate"]


def stand_in(*ensembles: str, **record: object) -> SimpleNamespace:
    """What a run must know of a bundle."""
    record = {"target": "age", "ensembles": ()} | record
    return SimpleNamespace(
        path=Path(f"/models/{'-'.join(ensembles)}"),
        name="-".join(ensembles),
        sha256="-".join(ensembles),
        ensembles=ensembles,
        lrp_rule="preset-a",
        linear_ways=(),
        modalities={"T1w"},
        record=SimpleNamespace(**record),
        chosen=lambda names: names or ensembles,
    )


def test_models_side_by_side_come_one_after_the_other(tmp_path: Path, config: RunConfig) -> None:
    """No two write a person's results at a time, each keeps the others', each is explained by its rule."""
    one, other = stand_in("TypeI", "TypeII"), stand_in("SfcnUkb")
    other.lrp_rule = "preset-a-flat"
    models = Models((one, other), ("SfcnUkb", "TypeII"))
    assert models.ensembles == {"SfcnUkb": other, "TypeII": one}
    session, config = inputs(tmp_path), replace(config, ensemble=tuple(models.ensembles))
    state = session_state(session, config)
    workflow = init_session_wf(task=Task(session, state), config=config, models=models, dataset="")
    nodes = {name: workflow.get_node(name) for name in ("estimate_TypeII", "estimate_SfcnUkb")}
    assert [list(node.inputs.fingerprints) for node in nodes.values()] == [["TypeII"], ["SfcnUkb"]]
    assert [node.inputs.beside for node in nodes.values()] == [["SfcnUkb"], ["TypeI-TypeII"]]
    assert [node.inputs.options.lrp.rule for node in nodes.values()] == ["preset-a", "preset-a-flat"]
    joined = [(a.name, b.name) for a, b in workflow._graph.edges() if a.name in nodes]
    assert joined == [("estimate_TypeII", "estimate_SfcnUkb")]


def test_a_model_without_its_sequence_takes_no_other_with_it(tmp_path: Path, config: RunConfig) -> None:
    midi, sfcn = stand_in("MidiT2w"), stand_in("SfcnUkb")
    midi.modalities = {"T2w"}
    models = Models((midi, sfcn))
    for session, first in ((inputs(tmp_path), "SfcnUkb"), (with_t2w(tmp_path), "MidiT2w")):
        state = session_state(session, replace(config, ensemble=tuple(models.ensembles)))
        workflow = init_session_wf(task=Task(session, state), config=config, models=models, dataset="")
        joined = [a.name for a, b in workflow._graph.edges() if b.name.startswith("estimate")]
        assert f"estimate_{first}" in joined
        assert len(joined) == 2


WRONG_MODELS = {
    "the same ensemble twice": (
        (stand_in("TypeI"), stand_in("TypeII", "TypeI")),
        (),
        "both have an ensemble",
    ),
    "another target": ((stand_in("A"), stand_in("B", target="score")), (), "do not estimate the same"),
    "an ensemble that none has": ((stand_in("A"), stand_in("B")), ("C",), "None of the models has"),
}


@pytest.mark.parametrize("case", WRONG_MODELS)
def test_models_that_cannot_be_run_side_by_side_are_refused(case: str) -> None:
    bundles, asked, expected = WRONG_MODELS[case]
    with pytest.raises(InputError, match=expected):
        Models(bundles, asked)._check()


def test_a_changed_flair_alone_is_prepared_again(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    session.images["FLAIR"][0].write_bytes(b"scanned anew")
    assert session_state(session, config).unprepared == ("FLAIR",)
    session.images["T1w"][0].write_bytes(b"scanned anew")
    assert session_state(session, config).unprepared == ("T1w", TEMPLATE, "FLAIR")


def test_two_sequences_alone_are_prepared_again(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    session.images["T2starw"] = (image(tmp_path, "sub-01/anat/sub-01_T2starw.nii.gz"),)
    finish(session, config)
    for modality in ("FLAIR", "T2starw"):
        session.images[modality][0].write_bytes(b"scanned anew")
    nodes = graph(session, config)
    assert {"flair_wf.align", "t2starw_wf.align"} <= nodes.keys()
    assert "anatomical_wf.conform" not in nodes


def test_only_the_sequence_whose_sidecar_is_gone_is_prepared_again(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    place = SessionPlace.of(config.output_dir, "01", None)
    sidecar(place.path("preproc_T1w_space", suffix="FLAIR")).unlink()
    assert session_state(session, config).unprepared == ("FLAIR",)
    assert "flair_wf.align" in graph(session, config)
    only_t1w = replace(config, modalities=("T1w",))
    assert session_state(replace(session, images={"T1w": session.images["T1w"]}), only_t1w).unprepared == ()


def test_linear_ways_are_made_where_a_model_needs_them(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    assert session_state(session, config).unprepared == ()
    state = session_state(session, config, linear=("rigid", "affine"))
    assert state.unprepared == ("affine", "rigid")
    workflow = init_preprocessing_wf(session=session, state=state, config=config)
    names = workflow.list_node_names()
    assert workflow.get_node("rigid_wf.register").inputs.kind == "rigid"
    assert workflow.get_node("affine_wf.register").inputs.kind == "affine"
    assert not [name for name in names if name.startswith(("anatomical_wf", "template_wf", "flair_wf"))]


def test_a_finished_linear_way_is_found_again(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    place = SessionPlace.of(config.output_dir, "01", None)
    state = session_state(session, config, linear=("rigid",))
    publish(place, ("preprocessing", "rigid"), state.preprocessing["rigid"], list(published(place, "rigid")))
    assert session_state(session, config, linear=("rigid",)).unprepared == ()
    images = read_session(place).images
    names = [path.name for path in images.linear["rigid"]]
    assert names == [
        "sub-01_from-T1w_to-MNI152NLin6Asym_mode-image_desc-rigid_xfm.h5",
        "sub-01_from-MNI152NLin6Asym_to-T1w_mode-image_desc-rigid_xfm.h5",
    ]
    assert images.forward.name == "sub-01_from-T1w_to-MNI152NLin6Asym_mode-image_xfm.h5"
    session.images["FLAIR"][0].write_bytes(b"scanned anew")
    assert session_state(session, config, linear=("rigid",)).unprepared == ("FLAIR",)
    session.images["T1w"][0].write_bytes(b"scanned anew")
    whole = ("T1w", "rigid", TEMPLATE, "FLAIR")
    assert session_state(session, config, linear=("rigid",)).unprepared == whole


def test_what_networks_take_in_tells_which_ways_are_needed() -> None:
    def ways(*inputs: object) -> tuple[str, ...]:
        ensemble = SimpleNamespace(sub_ensembles=[SimpleNamespace(input=one) for one in inputs])
        return Bundle(Path(), SimpleNamespace(ensembles=[ensemble]), "").linear_ways

    sfcn, pyment, midi = (read_recipe(name).input for name in ("sfcn-ukb", "pyment-sm", "midi-t2w"))
    paper = InputSpec(modality="T1w", stage="subject", space="T1w", voxel_size=1, box=(8, 8, 8))
    assert ways(paper, midi, pyment.of_source("given")) == ()
    assert ways(paper, sfcn, pyment) == ("affine", "rigid")


def test_a_file_of_the_same_size_and_time_is_not_read_again(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bids_brainage.workflows import completion

    session = inputs(tmp_path)
    finish(session, config)
    monkeypatch.setattr(completion, "sha256_of", lambda path: pytest.fail(f"{path} was read"))
    assert not session_state(session, config).unprepared


def test_another_image_or_option_asks_for_preparing_again(tmp_path: Path, config: RunConfig) -> None:

    session = inputs(tmp_path)
    finish(session, config)
    other = replace(config, skull_strip="bet")
    assert session_state(session, other).unprepared


def test_leaving_a_sequence_out_keeps_the_others(tmp_path: Path, config: RunConfig) -> None:
    session = inputs(tmp_path)
    finish(session, config)
    t1w_only = inputs(tmp_path, images={"T1w": session.images["T1w"]})
    assert not session_state(t1w_only, config).unprepared


def test_estimates_depend_on_age_model_rule_and_modalities(tmp_path: Path, config: RunConfig) -> None:
    session, config = inputs(tmp_path, age=50.0), replace(config, ensemble=("TypeI",))
    states = [
        session_state(session, config, SUM),
        session_state(replace(session, age=51.0), config, SUM),
        session_state(session, config, {"TypeI": Estimator("other sum")}),
        session_state(session, config, {"TypeI": Estimator("sum", "gamma")}),
        session_state(session, replace(config, explain=("lrp",)), SUM),
        session_state(session, replace(config, no_relevance=True), SUM),
        session_state(session, replace(config, modalities=("T1w",)), SUM),
    ]
    assert len({state.estimates["TypeI"] for state in states}) == len(states)


def test_sessions_of_a_person_share_a_batch(tmp_path: Path, config: RunConfig) -> None:
    sessions = [inputs(tmp_path, label, ses) for label in map(str, range(20)) for ses in ("a", "b")]
    batches = list(_batches(sessions, config))
    assert [session for batch in batches for session in batch] == sessions
    assert all(
        len({s.session for s in batch if s.participant == participant}) == 2
        for batch in batches
        for participant in {s.participant for s in batch}
    )


@given(st.lists(st.from_regex(r"[A-Za-z0-9+]+", fullmatch=True), min_size=2, max_size=2, unique=True))
def test_labels_become_names_that_nipype_takes_and_stay_apart(labels: list[str]) -> None:
    names = [workflow_name(f"sub-{label}_ses-{label}") for label in labels]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)


def test_sources_are_named_as_bids_names_them() -> None:
    raw = Path("/data/sub-01/anat/sub-01_T1w.nii.gz")
    prepared = Path("/prep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz")
    datasets = dataset_links(Path("/data"), {"my prep": Path("/prep")}, Path("/fs"))
    session = SessionInputs("01", None, {"T1w": (raw,)}, datasets=datasets)
    brain = Path("/fs/sub-01/mri/brain.mgz")
    assert session.uri(brain) == "bids:freesurfer:sub-01/mri/brain.mgz"
    assert session.uri(prepared) == "bids:my-prep:sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
    assert session.uri(raw) == "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"


def test_every_source_has_a_link(tmp_path: Path) -> None:
    (tmp_path / "raw dataset").mkdir()
    path = write_dataset_description(
        tmp_path, tmp_path / "raw dataset", {"my prep": tmp_path, "raw": tmp_path}
    )
    links = json.loads(path.read_text())["DatasetLinks"]
    assert list(links) == ["raw", "my-prep", "raw-derivatives"]
    assert links["raw"].endswith("/raw%20dataset")


def test_transforms_and_an_aligned_flair_of_derivatives_are_used(tmp_path: Path, config: RunConfig) -> None:
    names = ("T1w", "mask", "FLAIR", "forward", "inverse")
    files = {name: image(tmp_path, f"d/{name}.nii.gz") for name in names}
    derivative = PreprocessedInputs(
        "prep",
        files["T1w"],
        files["mask"],
        flair=files["FLAIR"],
        flair_in_t1w_space=True,
        t1w_to_template=files["forward"],
        template_to_t1w=files["inverse"],
    )
    nodes = graph(SessionInputs("01", None, {}, derivative=derivative), config)
    register, align = nodes["template_wf.register"], nodes["flair_wf.align"]
    assert isinstance(register.interface, UseTransforms)
    assert register.inputs.forward_file == str(files["forward"])
    assert isinstance(align.interface, Aligned)
    assert not nodes["anatomical_wf.publish"].inputs.preparation["registered"]
    # A raw FLAIR beside them is in nobody's space but its own.
    raw = image(tmp_path, "raw/sub-01_FLAIR.nii.gz")
    nodes = graph(SessionInputs("01", None, {"FLAIR": (raw,)}, derivative=derivative), config)
    assert isinstance(nodes["flair_wf.align"].interface, RegisterRigid)


@pytest.mark.parametrize(
    ("settings", "lrp", "references"),
    [
        ({}, True, ("dba",)),
        ({"explain": ("dba", "reference")}, False, ("reference", "dba")),
        ({"explain": ("lrp",)}, True, ()),
        ({"no_relevance": True, "explain": ("lrp", "dba")}, False, ()),
    ],
)
def test_what_is_explained_is_what_is_asked_for(
    tmp_path: Path, config: RunConfig, settings: dict, lrp: bool, references: tuple[str, ...]
) -> None:
    options = estimation_options(replace(config, **settings), inputs(tmp_path))
    assert (options.lrp is not None) == lrp
    assert options.references == references


T2W, SCANNED = "T2w", source_stage("T2w", "native")


def with_t2w(folder: Path, **other: object) -> SessionInputs:
    session = inputs(folder, **other)
    session.images[T2W] = (image(folder, "sub-01/anat/sub-01_T2w.nii.gz"),)
    return session


def test_an_image_as_scanned_is_kept_where_a_model_takes_it_in(tmp_path: Path, config: RunConfig) -> None:
    """Beside the sequence itself, which is registered like any other: its transform brings maps home."""
    session = with_t2w(tmp_path)
    before = session_state(session, config)
    state = session_state(session, config, scanned=(T2W,))
    assert state.unprepared == ("T1w", SCANNED, TEMPLATE, "FLAIR", T2W)
    assert {name: state.preprocessing[name] for name in before.preprocessing} == before.preprocessing
    workflow = init_preprocessing_wf(session=session, state=state, config=config)
    check, publish = (workflow.get_node(f"t2w_native_wf.{name}").inputs for name in ("check", "publish"))
    assert (check.in_files, check.as_it_is) == ([str(session.images[T2W][0])], False)
    assert publish.modality == SCANNED
    assert "t2w_wf.align" in workflow.list_node_names()
    assert session_state(session, config, scanned=("FLAIR",)).unprepared[1] == "FLAIR/native"


def test_images_that_others_prepared_keep_every_value(tmp_path: Path, config: RunConfig) -> None:
    files = {
        ("T1w", "given"): image(tmp_path, "flirt/sub-01_desc-flirt_T1w.nii.gz"),
        ("T1w", "freesurfer:brainmask"): image(tmp_path, "fs/sub-01/mri/brainmask.mgz"),
    }
    session = inputs(tmp_path, sources=files)
    nodes = graph(session, config)
    for name, path in zip(("given", "freesurfer_brainmask"), files.values(), strict=True):
        check = nodes[f"t1w_{name}_wf.check"].inputs
        assert (check.in_files, check.as_it_is) == ([str(path)], True)
    finish(session, config)
    assert session_state(session, config).unprepared == ()
    files["T1w", "given"].write_bytes(b"registered anew")
    assert session_state(session, config).unprepared == (source_stage("T1w", "given"),)


def needs_by(*recipes: InputRecipe) -> Needs:
    return needs_of([SimpleNamespace(name=str(n), recipes=(one,)) for n, one in enumerate(recipes)])


def test_what_networks_take_in_tells_which_images_are_needed() -> None:
    sfcn, pyment, midi, flair = (
        read_recipe(name).input for name in ("sfcn-ukb", "pyment-sm", "midi-t2w", "midi-flair")
    )
    assert needs_by(sfcn) == Needs()
    assert needs_by(sfcn, midi, flair) == Needs(frozenset({T2W}), frozenset({T2W, "FLAIR"}))
    assert needs_by(pyment) == Needs(freesurfer=frozenset({"freesurfer:brainmask"}))
    given = pyment.of_source("given")
    assert needs_by(given, given, midi).given == {"T1w": given.grid}
    with pytest.raises(InputError, match="not on the same grid or registered in the same way"):
        needs_by(given, sfcn.of_source("given"))


def test_a_run_has_t2w_only_where_its_model_takes_it_in(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bids_brainage.models.bundles import bundle

    recipes = {"demo": (), "midi": (read_recipe("midi-t2w").input,)}
    monkeypatch.setattr(bundle, "open_bundle", lambda name: SimpleNamespace(recipes=recipes[name]))
    assert with_needs(config)[0] == config
    midi = replace(config, model=("demo", "midi"))
    assert with_needs(midi)[0].modalities == ("T1w", "FLAIR", "T2starw", "T2w")
    named = replace(midi, modalities=("T1w", "FLAIR"))
    assert with_needs(named)[0].modalities == ("T1w", "FLAIR")


def test_a_given_image_on_another_grid_fails_its_person(tmp_path: Path) -> None:
    grid = read_recipe("sfcn-ukb").input.grid
    folder, sessions = tmp_path / "flirt", []
    for label, size in (("01", 1.0), ("02", 2.0)):
        affine = np.diag([-size, size, size, 1.0])
        affine[:3, 3] = (90, -126, -72)
        shape = tuple(round(n / size) for n in (182, 218, 182))
        path = folder / f"sub-{label}_desc-flirt_T1w.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.Nifti1Image(np.zeros(shape, np.uint8), affine).to_filename(path)
        sessions.append(inputs(tmp_path, label, sources={("T1w", "given"): path}))
    needs = Needs(given={"T1w": grid})
    left = with_fitting_images(Selection(tuple(sessions), {"sub-03": "why"}), needs)
    assert [session.name for session in left.sessions] == ["sub-01"]
    assert set(left.failed) == {"sub-02", "sub-03"}
    assert "91 x 109 x 91 voxels" in left.failed["sub-02"]
    assert with_fitting_images(Selection(tuple(sessions), {}), Needs()).failed == {}
    with pytest.raises(InputError, match="lies on another grid"):
        with_fitting_images(Selection(tuple(sessions[1:]), {}), needs)
