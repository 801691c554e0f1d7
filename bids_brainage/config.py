"""One frozen description of a run, to and from TOML."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError

MODALITIES = ("T1w", "FLAIR", "T2starw")
LEVELS = ("participant", "train")
SKULL_STRIP = ("auto", "bet", "deepbet", "synthstrip", "none")
LRP_RULES = ("preset-a", "preset-a-flat", "preset-b", "epsilon-plus", "gamma", "innvestigate-preset-a")
LRP_BACKENDS = ("native", "innvestigate")
AGGREGATIONS = ("heads", "mean")
REFITS = ("heads", "all")
STANDARD_SPACE = "MNI152NLin6Asym:res-2"
OUTPUT_SPACES = ("T1w", STANDARD_SPACE)
MAPS = ("ensemble", "sub-ensemble")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run does; nothing else in the program is configurable.

    Each option of the command line is a field of the same name. Labels carry no ``sub-`` or ``ses-``.
    Paths are absolute. An empty label tuple means all, an empty `ensemble` all that the model has.
    """

    bids_dir: Path
    output_dir: Path
    analysis_level: tuple[str, ...] = ("participant",)

    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    modalities: tuple[str, ...] = MODALITIES
    bids_filter_file: Path | None = None
    skip_bids_validation: bool = False
    bids_database_dir: Path | None = None
    derivatives: dict[str, Path] = field(default_factory=dict)
    fs_subjects_dir: Path | None = None

    skull_strip: str = "auto"
    model: str = "demo"
    ensemble: tuple[str, ...] = ()
    lrp_rule: str = "preset-a"
    lrp_backend: str = "native"
    relevance_aggregation: str = "heads"
    no_relevance: bool = False
    output_spaces: tuple[str, ...] = (STANDARD_SPACE,)
    maps: str = "sub-ensemble"
    preproc_only: bool = False

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
    use_plugin: Path | None = None
    random_seed: int = 1
    stop_on_first_crash: bool = False
    reports_only: bool = False
    boilerplate_only: bool = False
    dry_run: bool = False
    keep_work: bool = False
    clean_workdir: bool = False
    verbose: int = 0
    debug: bool = False

    run_id: str = "run"

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

    @classmethod
    def from_toml(cls, path: Path) -> RunConfig:
        """Read back what `save` wrote.

        Raises
        ------
        InputError
            If the file cannot be read, sets an unknown option, or a value has the wrong type.
        """
        values = read_settings(path)
        missing = {"bids_dir", "output_dir"} - values.keys()
        if missing:
            reason = f"{' and '.join(sorted(missing))} missing"
            raise InputError(messages.CONFIG_NOT_READABLE.format(path=path, reason=reason))
        return cls(**values)


def read_settings(path: Path) -> dict[str, Any]:
    """Read a TOML file of some settings of a run, converted to the types of `RunConfig`'s fields.

    Raises
    ------
    InputError
        If the file cannot be read, sets an unknown option, or a value has the wrong type.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(messages.CONFIG_NOT_READABLE.format(path=path, reason=error)) from error
    types = get_type_hints(RunConfig)
    settings = {}
    for key, value in raw.items():
        name = key.replace("-", "_")
        if name not in types:
            raise InputError(messages.CONFIG_UNKNOWN_KEY.format(path=path, key=key, hint=_hint(name, types)))
        try:
            settings[name] = _typed(value, str(types[name]))
            check_choice(name, settings[name])
        except (TypeError, ValueError) as error:
            problem = messages.CONFIG_BAD_VALUE.format(path=path, key=key, value=value, reason=error)
            raise InputError(problem) from error
    return settings


CHOICES: dict[str, tuple[str, ...]] = {
    "analysis_level": LEVELS,
    "modalities": MODALITIES,
    "skull_strip": SKULL_STRIP,
    "lrp_rule": LRP_RULES,
    "lrp_backend": LRP_BACKENDS,
    "relevance_aggregation": AGGREGATIONS,
    "refit": REFITS,
    "output_spaces": OUTPUT_SPACES,
    "maps": MAPS,
}


def check_choice(name: str, value: Any) -> None:
    """Raise ValueError if an option with a fixed set of values has another one."""
    if name not in CHOICES:
        return
    wrong = [item for item in (value if isinstance(value, tuple) else (value,)) if item not in CHOICES[name]]
    if wrong:
        raise ValueError(f"choose from {', '.join(CHOICES[name])}")


def _plain(value: Any) -> Any:
    """Turn paths and tuples into what TOML knows."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _typed(value: Any, annotation: str) -> Any:
    """Convert a TOML value to a field's type; the fields know few types, so few are known here."""
    expected: type | tuple[type, ...]
    if "dict" in annotation:
        _expect(value, dict, "a table is expected")
        return {str(key): Path(item).expanduser().absolute() for key, item in value.items()}
    if "tuple" in annotation:
        items = [value] if isinstance(value, str) else value
        _expect(items, list, "a list is expected")
        return tuple(str(item) for item in items)
    if "Path" in annotation:
        _expect(value, str, "a path is expected")
        return Path(value).expanduser().absolute()
    if "bool" in annotation:
        _expect(value, bool, "true or false is expected")
        return value
    if "int" in annotation or "float" in annotation:
        expected = int if "int" in annotation else (int, float)
        if isinstance(value, bool):
            raise TypeError("a number is expected")
        _expect(value, expected, "a number is expected")
        return value if "int" in annotation else float(value)
    _expect(value, str, "text is expected")
    return value


def _expect(value: Any, kind: type | tuple[type, ...], reason: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(reason)


def _hint(name: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=2)
    return messages.DID_YOU_MEAN.format(names=" or ".join(close)) if close else ""
