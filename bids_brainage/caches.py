"""Caches that an image brings along: machine code of compiled loops, and the list of fonts.

numba and matplotlib read such caches only where they can also write, and numba's hold for one model of
processor. An image cannot be written to and runs on any. So it keeps machine code for *levels* of processors,
each a set of instructions that processors of different makes have in common, and a run links what fits into a
temporary folder of its own. What is missing there is compiled and written beside the links.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError

#: Names the folder; images set it.
VARIABLE = "BIDS_BRAINAGE_CACHES"
_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"}
#: Levels that the x86-64 psABI defines, the best first, and what they need as /proc/cpuinfo calls it.
LEVELS = {
    "x86-64-v4": _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": _V3,
}
_FONTS = "matplotlib"


@contextmanager
def brought_along(
    environ: MutableMapping[str, str] = os.environ, cpuinfo: Path = Path("/proc/cpuinfo")
) -> Iterator[None]:
    """Let this process and those that it starts use an image's caches meanwhile.

    Nothing happens outside of an image. Folders that the user has set for numba or matplotlib are left alone.
    It must come before numba is imported.

    Raises
    ------
    InputError
        If there is no folder for temporary files.
    """
    image = environ.get(VARIABLE)
    if not image:
        yield
        return
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise InputError(messages.NO_TEMPORARY_FOLDER) from error
    with tempfile.TemporaryDirectory(prefix="bids_brainage-") as folder:
        settings = _settings(Path(image), Path(folder), cpuinfo)
        new = {name: value for name, value in settings.items() if name not in environ}
        environ.update(new)
        try:
            yield
        finally:
            for name in new:
                environ.pop(name, None)


def fitting_level(image: Path, cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """The best level that both this processor and the image have, None if there is none."""
    return next((name for name in LEVELS if processor_has(name, cpuinfo) and (image / name).is_dir()), None)


def processor_has(level: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor can run code of a level."""
    return LEVELS[level] <= _flags(cpuinfo)


def _settings(image: Path, folder: Path, cpuinfo: Path) -> dict[str, str]:
    """Link what fits into `folder`, and return the variables that say so."""
    code, fonts = folder / "numba", folder / _FONTS
    settings = {"NUMBA_CACHE_DIR": str(code), "MPLCONFIGDIR": str(fonts)}
    if (image / _FONTS).is_dir():
        shutil.copytree(image / _FONTS, fonts, copy_function=os.symlink)
    level = fitting_level(image, cpuinfo)
    if level is None:
        return settings
    shutil.copytree(image / level, code, copy_function=os.symlink)
    # Without features numba would add those of this very processor, and take the code for another one's.
    return settings | {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": ""}


def _flags(cpuinfo: Path) -> set[str]:
    """What the first processor has."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            return next((set(line.split()) for line in lines if line.startswith("flags")), set())
    except OSError:
        return set()
