"""Whole runs use a small bundle of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.small_bundle import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("models") / "small").path
