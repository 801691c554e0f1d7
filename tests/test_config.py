"""The description of a run survives TOML, and a broken one is refused in clear words."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.config import LRP_RULES, MAPS, MODALITIES, OUTPUT_SPACES, RULES, RunConfig, read_settings
from bids_brainage.errors import InputError

NAMES = st.text(
    st.characters(blacklist_characters="\0/", blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20
).filter(str.strip)
PATHS = NAMES.map(lambda name: Path("/data") / name)
CONFIGS = st.builds(
    RunConfig,
    bids_dir=PATHS,
    output_dir=PATHS,
    participant_label=st.lists(st.from_regex(r"\A[A-Za-z0-9]+\Z")).map(tuple),
    modalities=st.permutations(MODALITIES).map(tuple),
    bids_filter_file=st.none() | PATHS,
    derivatives=st.dictionaries(NAMES, PATHS, max_size=3),
    ensemble=st.lists(NAMES).map(tuple),
    output_spaces=st.permutations(OUTPUT_SPACES).map(tuple),
    maps=st.sampled_from(MAPS),
    lrp_rule=st.sampled_from(LRP_RULES),
    no_relevance=st.booleans(),
    nprocs=st.integers(1, 512),
    mem=st.floats(0.5, 4096),
    random_seed=st.integers(0, 2**32 - 1),
    work_dir=PATHS,
)


@settings(deadline=None)
@given(config=CONFIGS)
def test_toml_gives_back_what_was_written(config, tmp_path_factory):
    path = config_file = tmp_path_factory.mktemp("config") / "config.toml"
    config.save(path)
    assert RunConfig(**read_settings(config_file)) == config
    assert tomllib.loads(path.read_text(encoding="utf-8"))["nprocs"] == config.nprocs


def test_dashes_stand_for_underscores_and_one_word_for_a_list(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('no-relevance = true\nparticipant-label = "01"\nmem = 8\n')
    assert read_settings(path) == {"no_relevance": True, "participant_label": ("01",), "mem": 8.0}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nprocs = ", "cannot be read"),
        ("npocs = 3", "did you mean nprocs"),
        ('nprocs = "three"', "a whole number is expected"),
        ("nprocs = true", "a whole number is expected"),
        ("nprocs = 1.5", "a whole number is expected"),
        ("no_relevance = 1", "true or false"),
        ('lrp_rule = "magic"', "choose from preset-a"),
        ('explain = ["lrp", "magic"]', "choose from lrp, reference, dba"),
        ("explain = []", "it is empty"),
        ('output_spaces = ["fsaverage"]', "choose from T1w"),
        ('maps = "all"', "choose from ensemble"),
        ("participant_label = 1", "a list"),
        ("work_dir = 7", "a path"),
        ('derivatives = "x"', "a table"),
        ("model = 3", "a list is expected"),
        ('model = ""', "empty"),
        ("nprocs = 0", "from 1 to"),
        ("omp_nthreads = -1", "at least 1"),
        ("folds = 0", "at least 1"),
        ("mem = -4", "at least 0.1"),
        ("mem = 0.001", "at least 0.1"),
        ("mem = nan", "at least 0.1"),
        ("mem = inf", "at least 0.1"),
        ("random_seed = -1", "from 0 to"),
        ("random_seed = 4294967296", "from 0 to"),
        ("verbose = -1", "at least 0"),
        ('participant_label = ["../x"]', "not a label"),
        ("participant_label = [1]", "text"),
        ("session_label = ['ses-']", "not a label"),
        ("modalities = []", "empty"),
        ('work_dir = ""', "empty"),
        ('work_dir = "~nobody-of-that-name/x"', "home folder"),
        ('output_dir = "/a\\u0000b"', "control char"),
        ('run_id = "../../elsewhere"', "letters"),
        ("model = " + "[" * 5000, "cannot be read"),
        ("nprocs = " + "9" * 5000, "cannot be read"),
    ],
)
def test_broken_settings_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_settings(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "nowhere.toml")


def test_log_folder_of_a_run():
    config = RunConfig(bids_dir=Path("/in"), output_dir=Path("/out"), run_id="r1")
    assert config.log_dir == Path("/out/logs/r1")


def test_every_field_has_a_rule():
    assert RULES.keys() == {field.name for field in dataclasses.fields(RunConfig)}


def test_the_same_rules_hold_where_a_program_makes_the_config():
    config = RunConfig(bids_dir="in", output_dir="out", participant_label=["sub-01", "01"], modalities="swi")
    assert config.bids_dir == Path.cwd() / "in"
    assert (config.participant_label, config.modalities) == (("01",), ("T2starw",))
    with pytest.raises(InputError, match="nprocs = 0 is not allowed"):
        dataclasses.replace(config, nprocs=0)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "large"])
def test_what_is_not_a_small_file_is_not_read(tmp_path, kind):
    path = tmp_path / "config.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("#" * 2_000_000)
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(path)


def test_a_name_stays_and_a_path_becomes_absolute():
    config = RunConfig(bids_dir=Path("/in"), output_dir=Path("/out"), model=("demo",), from_bundle="m/theirs")
    assert config.model == ("demo",)
    assert config.from_bundle == str(Path.cwd() / "m/theirs")
