"""Slow tests run only when asked for, so that the usual run stays a matter of minutes."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked slow unless RUN_SLOW is set or it is asked for; and what builds images."""
    if "container" not in (config.getoption("-m") or ""):
        no_images = pytest.mark.skip(reason="builds images; make test-container runs it")
        for item in items:
            if item.get_closest_marker("container"):
                item.add_marker(no_images)
    if os.environ.get("RUN_SLOW") or "slow" in (config.getoption("-m") or ""):
        return
    skip = pytest.mark.skip(reason="slow; set RUN_SLOW=1 to run it")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)
