"""The work folder: what of it the program may remove, and what never."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.output import PROBE, make_writable
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.locks import BusyError, locked
from bids_brainage.models.bundles.finding import find_bundle

LOGGER = logging.getLogger(__name__)

#: A work folder that the program made is known by this file.
MARKER = ".bids_brainage_work"
#: All that the program makes in it, besides locks.
MADE = (
    "bids_brainage_wf",
    "bids_brainage_*_wf",
    "reports_wf",
    "seconds/sub-*.json",
    *(f"group/{name}" for name in ("mask.npy", "stacks", "units", "analysis-*.json", "group_wf")),
    *(f"training_*/{name}" for name in ("design.json", "store", "base_models", "training_wf")),
)
# Folders that others made. Even what the program made inside of them stays.
_OTHERS = (
    "bids_dir",
    "derivatives",
    "fs_subjects_dir",
    "bids_database_dir",
    "model",
    "from_bundle",
    "model_out",
)


@contextmanager
def work_folder(config: RunConfig) -> Iterator[None]:
    """Make the work folder, cleaned first where that is asked for; no other run may clean it meanwhile.

    Raises
    ------
    InputError
        If it cannot be written to, or must not be cleaned.
    """
    if config.clean_workdir:
        _clean(config)
    make_writable(config.work_dir)
    ours = _is_ours(config.work_dir)
    # The marker is the lock, too; a folder of somebody else gets none.
    with locked(config.work_dir / MARKER, str(config.work_dir), shared=True) if ours else nullcontext():
        yield


def check_work_folder(config: RunConfig) -> None:
    """Raise InputError where the run would remove what is not the program's own, or what it needs itself.

    Not only --clean-workdir removes what lies in the folders of the program: steps are emptied before they
    are done again, and those of finished people removed.
    """
    needed = _needed(config)
    if config.clean_workdir:
        with suppress(FileNotFoundError):
            needed["the folder this was started in"] = Path.cwd()
        _check_cleaning(config, needed)
    for name, path in needed.items():
        for item in _made(config.work_dir):
            if _lies_in(path, item):
                raise InputError(messages.WORK_HOLDS_NEEDED.format(item=item, name=name, path=path))


def _check_cleaning(config: RunConfig, needed: Mapping[str, Path]) -> None:
    if not _is_ours(config.work_dir):
        raise InputError(messages.WORK_NOT_OURS.format(path=config.work_dir, marker=MARKER))
    for name, path in needed.items():
        others = name.split("=")[0] in _OTHERS
        if _same(path, config.work_dir) or (others and _inside(config.work_dir, path, config.output_dir)):
            raise InputError(messages.WORK_IS_NEEDED.format(work_dir=config.work_dir, name=name, path=path))


def remove_made(config: RunConfig, items: Iterable[Path]) -> None:
    """Remove folders that the program made in the work folder, but none that holds something of the run."""
    for item in items:
        needed = [path for path in _needed(config).values() if _lies_in(path, item)]
        if needed:
            LOGGER.warning(messages.WORK_KEPT.format(item=item, path=needed[0]))
        elif _lies_in(item, config.work_dir):
            try:
                _remove(item)
            except InputError as error:
                LOGGER.warning("%s", error)


def _clean(config: RunConfig) -> None:
    check_work_folder(config)
    if not config.work_dir.exists():
        return
    try:
        with locked(config.work_dir / MARKER, str(config.work_dir), kept=True):
            _remove_all(config.work_dir)
    except BusyError as error:
        raise InputError(str(error)) from error
    left = sorted(item.name for item in config.work_dir.iterdir() if item.name != MARKER)
    if left:
        LOGGER.warning(messages.WORK_LEFT.format(path=config.work_dir, names=", ".join(left)))


def _remove_all(work_dir: Path) -> None:
    for item in _made(work_dir):
        _remove(item)
        if item.parent != work_dir and not any(item.parent.iterdir()):
            item.parent.rmdir()


def _is_ours(work_dir: Path) -> bool:
    """Whether the program made that folder, or will; one that is empty is as good."""
    try:
        if (work_dir / MARKER).is_file() or not work_dir.exists():
            return True
        # Another run that begins at the same time tries whether it can write.
        return all(item.name.startswith(PROBE) for item in work_dir.iterdir())
    except OSError:
        return False


def _made(work_dir: Path) -> list[Path]:
    """What of the program's lies in the work folder itself; where a link leads elsewhere, nothing does."""
    real = work_dir.resolve()
    found = {item for pattern in MADE for item in work_dir.glob(pattern)}
    return sorted(item for item in found if item.parent.resolve().is_relative_to(real))


def _needed(config: RunConfig) -> dict[str, Path]:
    """Every path of a run but the work folder, by the name of its option."""
    found: dict[str, Path] = {"logs": config.log_dir}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, dict):
            found |= {f"{field.name}={name}": path for name, path in value.items()}
        elif value and field.name in ("model", "from_bundle"):
            names = value if isinstance(value, tuple) else (value,)
            found |= {f"{field.name}={name}": path for name in names if (path := _bundle(name))}
        elif isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
            found[field.name] = Path(value)
    del found["work_dir"]
    return found


def _bundle(name: str) -> Path | None:
    """Where a bundle lies, or would; None of a name that is nobody's."""
    if os.sep in name:
        return Path(name)
    with suppress(InputError):
        return find_bundle(name)
    return None


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _inside(work_dir: Path, folder: Path, output_dir: Path) -> bool:
    """Whether the work folder lies in `folder`, and not in an output folder there."""
    return _lies_in(work_dir, folder) and not (
        _lies_in(work_dir, output_dir) and _lies_in(output_dir, folder)
    )


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or lies in it: as it is written, through links, or mounted elsewhere."""
    written = Path(os.path.abspath(path))  # noqa: PTH100
    if written.is_relative_to(folder) or path.resolve().is_relative_to(folder.resolve()):
        return True
    real = path.resolve()
    return any(_is_mounted(folder, place) for place in (real, *real.parents))


def _is_mounted(folder: Path, place: Path) -> bool:
    """Whether they are one folder; what cannot be looked at is not."""
    try:
        return place.samefile(folder)
    except OSError:
        return False


def _remove(item: Path) -> None:
    try:
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(messages.WORK_NOT_REMOVED.format(path=item, reason=reason)) from error
