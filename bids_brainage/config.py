"""One frozen description of a run, to and from TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_brainage import messages, options, terms
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.flags import FLAGS
from bids_brainage.quoting import one_line
from bids_brainage.reading import MB, read_text
from bids_brainage.suggestions import suggestion
from bids_brainage.terms import MODALITIES, SEQUENCES

LEVELS = ("participant", "group", "train")
SKULL_STRIP = ("auto", "bet", "deepbet", "synthstrip", "none")
LRP_RULES = ("preset-a", "preset-a-flat", "preset-b", "epsilon-plus", "gamma", "innvestigate-preset-a")
LRP_BACKENDS = ("native", "innvestigate")
EXPLANATIONS = ("lrp", *terms.REFERENCE_MAPS)
AGGREGATIONS = ("heads", "mean")
REFITS = ("heads", "all")
STANDARD_SPACE = f"{terms.STANDARD_SPACE}:res-2"
OUTPUT_SPACES = (terms.T1W_SPACE, STANDARD_SPACE)
MAPS = ("ensemble", "sub-ensemble")
GROUP_MAPS = ("lrp", "dba")
GROUP_TESTS = ("voxels", "regions")
GROUP_SESSIONS = ("first", "within", "change")
INFERENCES = ("tfce", "voxel", "extent", "mass")
FAMILIES = ("contrasts", "maps")
ATLASES = ("merged", "harvard-oxford", "aal", "juelich")

_LARGEST_FILE = MB


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run does; nothing else in the program is configurable.

    Each option of the command line is a field of the same name. Labels carry no ``sub-`` or ``ses-``.
    Paths are absolute. An empty label tuple means all, an empty `ensemble` all that the model has.

    Raises
    ------
    InputError
        If a value is not allowed (see `RULES`); however it was given, the same rules hold.
    """

    bids_dir: Path
    output_dir: Path
    analysis_level: tuple[str, ...] = ("participant",)

    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    modalities: tuple[str, ...] = MODALITIES
    require_all_modalities: bool = False
    bids_filter_file: Path | None = None
    skip_bids_validation: bool = False
    bids_database_dir: Path | None = None
    derivatives: dict[str, Path] = field(default_factory=dict)
    fs_subjects_dir: Path | None = None
    allow_raw_fallback: bool = False

    skull_strip: str = "auto"
    model: tuple[str, ...] = ("demo",)
    ensemble: tuple[str, ...] = ()
    explain: tuple[str, ...] = ("lrp", "dba")
    lrp_rule: str | None = None
    lrp_backend: str = "native"
    relevance_aggregation: str = "heads"
    no_relevance: bool = False
    output_spaces: tuple[str, ...] = (STANDARD_SPACE,)
    maps: str = "sub-ensemble"
    preproc_only: bool = False

    group_model: Path | None = None
    contrast: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    sessions: str = "first"
    no_paper: bool = False
    map: tuple[str, ...] = ("lrp",)
    test: tuple[str, ...] = GROUP_TESTS
    inference: str = "tfce"
    cluster_p: float = 0.001
    n_permutations: int = 5000
    tail_approximation: bool = False
    one_sided: bool = False
    correct_over: tuple[str, ...] = ()
    group_mask: Path | None = None
    smoothing: float = 0.0
    atlas: tuple[str, ...] = ("merged",)
    by: tuple[str, ...] = ()
    window: tuple[float, ...] = (10.0, 1.0, 20.0)

    model_out: Path | None = None
    training_plan: str | None = None
    folds: int | None = None
    target: str | None = None
    from_bundle: str | None = None
    refit: str = "heads"

    work_dir: Path = Path("work")
    nprocs: int = 1
    omp_nthreads: int = 1
    mem: float = 4.0
    low_mem: bool = False
    use_plugin: Path | None = None
    random_seed: int = 1
    stop_on_first_crash: bool = False
    reports_only: bool = False
    boilerplate_only: bool = False
    dry_run: bool = False
    keep_work: bool = False
    clean_workdir: bool = False
    fail_on_flag: tuple[str, ...] = ()
    verbose: int = 0
    debug: bool = False

    config_file: Path | None = None
    run_id: str = "run"

    def __post_init__(self) -> None:
        """Check every value, and keep it as its rule returns it."""
        for name in RULES:
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, checked(name, value))
            except ValueError as error:
                sentence = messages.OPTION_BAD_VALUE.format(option=name, value=one_line(value), reason=error)
                raise InputError(sentence) from error

    @property
    def log_dir(self) -> Path:
        """Where this run keeps its log, its settings and its crash files."""
        return self.output_dir / "logs" / self.run_id

    def to_toml(self) -> str:
        """Write every setting as TOML; what is None is left out."""
        import tomli_w

        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return tomli_w.dumps({name: value for name, value in values.items() if value is not None})

    def save(self, path: Path) -> Path:
        """Write the settings to the TOML file `path`, whole or not at all."""
        return write_text(path, self.to_toml())


def read_settings(path: Path) -> dict[str, Any]:
    """Read a TOML file of some settings of a run, as the fields of `RunConfig` have them.

    Raises
    ------
    InputError
        If the file cannot be read, sets an unknown option, or a value is not allowed.
    """
    settings = {}
    for key, value in _read_toml(path).items():
        name = key.replace("-", "_")
        if name not in RULES:
            raise InputError(
                messages.CONFIG_UNKNOWN_KEY.format(path=path, key=key, hint=suggestion([name], RULES))
            )
        try:
            settings[name] = checked(name, value)
        except ValueError as error:
            shown = one_line(value)
            sentence = messages.CONFIG_BAD_VALUE.format(path=path, key=key, value=shown, reason=error)
            raise InputError(sentence) from error
    return settings


def checked(name: str, value: Any) -> Any:
    """Return a value of the option `name` as the run has it; ValueError says why it is not allowed."""
    return RULES[name](value)


RULES: dict[str, options.Rule] = {
    "bids_dir": options.path,
    "output_dir": options.path,
    "analysis_level": options.several(options.one_of(LEVELS), least=1),
    "participant_label": options.labels("sub"),
    "session_label": options.labels("ses"),
    "modalities": options.several(options.one_of(SEQUENCES, {"swi": "T2starw"}), least=1),
    "require_all_modalities": options.flag,
    "bids_filter_file": options.optional(options.path),
    "skip_bids_validation": options.flag,
    "bids_database_dir": options.optional(options.path),
    "derivatives": options.named_folders,
    "fs_subjects_dir": options.optional(options.path),
    "allow_raw_fallback": options.flag,
    "skull_strip": options.one_of(SKULL_STRIP),
    "model": options.several(options.name_or_path, least=1),
    "ensemble": options.several(options.text),
    "explain": options.several(options.one_of(EXPLANATIONS), least=1),
    "lrp_rule": options.optional(options.one_of(LRP_RULES)),
    "lrp_backend": options.one_of(LRP_BACKENDS),
    "relevance_aggregation": options.one_of(AGGREGATIONS),
    "no_relevance": options.flag,
    "output_spaces": options.several(
        options.one_of(OUTPUT_SPACES, {STANDARD_SPACE.split(":")[0]: STANDARD_SPACE}), least=1
    ),
    "maps": options.one_of(MAPS),
    "preproc_only": options.flag,
    "group_model": options.optional(options.path),
    "contrast": options.several(options.text),
    "covariates": options.several(options.text),
    "sessions": options.one_of(GROUP_SESSIONS),
    "no_paper": options.flag,
    "map": options.several(options.one_of(GROUP_MAPS), least=1),
    "test": options.several(options.one_of(GROUP_TESTS)),
    "inference": options.one_of(INFERENCES),
    "cluster_p": options.number(1e-9, 0.5),
    "n_permutations": options.whole(10, 10_000_000),
    "tail_approximation": options.flag,
    "one_sided": options.flag,
    "correct_over": options.several(options.one_of(FAMILIES)),
    "group_mask": options.optional(options.path),
    "smoothing": options.number(0.0, 50.0),
    "atlas": options.several(options.name_or_path, least=1),
    "by": options.several(options.text),
    "window": options.numbers(3, 0.01),
    "model_out": options.optional(options.path),
    "training_plan": options.optional(options.name_or_path),
    "folds": options.optional(options.whole(1)),
    "target": options.optional(options.text),
    "from_bundle": options.optional(options.name_or_path),
    "refit": options.one_of(REFITS),
    "work_dir": options.path,
    "nprocs": options.whole(1, 100_000),
    "omp_nthreads": options.whole(1),
    # Nipype waits for ever where there is less than 0.01 GB.
    "mem": options.number(0.1),
    "low_mem": options.flag,
    "use_plugin": options.optional(options.path),
    "random_seed": options.whole(0, 2**32 - 1),
    "stop_on_first_crash": options.flag,
    "reports_only": options.flag,
    "boilerplate_only": options.flag,
    "dry_run": options.flag,
    "keep_work": options.flag,
    "clean_workdir": options.flag,
    "fail_on_flag": options.several(options.one_of(tuple(FLAGS))),
    "verbose": options.whole(0),
    "debug": options.flag,
    "config_file": options.optional(options.path),
    "run_id": options.file_name,
}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(messages.CONFIG_NOT_READABLE.format(path=path, reason=reason)) from error


def _plain(value: Any) -> Any:
    """Turn paths and tuples into what TOML knows."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
