"""A run works outside the folder that it is started in, which may contain anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bids_brainage.config import RunConfig

# Variables of paths that may be relative to the folder of the start.
_VARIABLES = ("BIDS_BRAINAGE_MODELS", "TEMPLATEFLOW_HOME", "TMPDIR", "PYTHONPATH")


@contextmanager
def away_from_start() -> Iterator[None]:
    """Change to the root folder meanwhile.

    nipype, numba, matplotlib and others read settings from the folder they are started in, and numba can be
    told there to load a cache of compiled code. A dataset or a download folder must not decide that.
    """
    try:
        start = Path.cwd()
    except OSError:
        start = None
    else:
        for name in _VARIABLES:
            if os.environ.get(name):
                parts = os.environ[name].split(os.pathsep)
                os.environ[name] = os.pathsep.join(str(Path(part).absolute()) for part in parts if part)
    os.chdir("/")
    try:
        yield
    finally:
        if start is not None:
            with suppress(OSError):
                os.chdir(start)


def in_full(config: RunConfig) -> RunConfig:
    """Name bundles and plans that lie in the folder of the start by their full path."""
    from bids_brainage.models.bundles.finding import settled

    return replace(
        config,
        model=tuple(settled(name) for name in config.model),
        from_bundle=config.from_bundle and settled(config.from_bundle),
        training_plan=_settled_plan(config.training_plan),
    )


def _settled_plan(name: str | None) -> str | None:
    """A plan that comes with the program keeps its name."""
    if name is None or not Path(name).exists():
        return name
    from bids_brainage.models.bundles.finding import SHIPPED
    from bids_brainage.models.training.plan import find_plan

    found = find_plan(name)
    return name if found.parent == SHIPPED else str(found.absolute())
