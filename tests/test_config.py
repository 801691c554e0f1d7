"""The description of a run survives TOML, and a broken one is refused in clear words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.config import LRP_RULES, MAPS, MODALITIES, OUTPUT_SPACES, RunConfig, read_settings
from bids_brainage.errors import InputError

NAMES = st.text(
    st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=20
)
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


@given(config=CONFIGS)
def test_toml_gives_back_what_was_written(config, tmp_path_factory):
    path = config_file = tmp_path_factory.mktemp("config") / "config.toml"
    config.save(path)
    assert RunConfig.from_toml(config_file) == config
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
        ('nprocs = "three"', "a number is expected"),
        ("nprocs = true", "a number is expected"),
        ("nprocs = 1.5", "a number is expected"),
        ("no_relevance = 1", "true or false"),
        ('lrp_rule = "magic"', "choose from preset-a"),
        ('output_spaces = ["fsaverage"]', "choose from T1w"),
        ('maps = "all"', "choose from ensemble"),
        ("participant_label = 1", "a list"),
        ("work_dir = 7", "a path"),
        ('derivatives = "x"', "a table"),
        ("model = 3", "text"),
    ],
)
def test_broken_settings_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_settings(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_missing_file_and_missing_folders(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "nowhere.toml")
    (tmp_path / "config.toml").write_text("nprocs = 1")
    with pytest.raises(InputError, match="bids_dir and output_dir"):
        RunConfig.from_toml(tmp_path / "config.toml")


def test_log_folder_of_a_run():
    config = RunConfig(bids_dir=Path("/in"), output_dir=Path("/out"), run_id="r1")
    assert config.log_dir == Path("/out/logs/r1")
