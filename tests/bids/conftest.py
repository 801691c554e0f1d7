"""Small datasets of empty images, and runs over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bids_brainage.config import RunConfig


def touch(path: Path) -> Path:
    """Make an empty file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Path]:
    """Make a BIDS dataset out of image paths, some with ages."""

    def make(*images: str, participants: str | bytes | None = None, **description: Any) -> Path:
        root = tmp_path / "bids"
        root.mkdir(exist_ok=True)
        content = {"Name": "test", "BIDSVersion": "1.9.0"} | description
        (root / "dataset_description.json").write_text(json.dumps(content))
        for image in images:
            touch(root / image)
        if isinstance(participants, str):
            participants = participants.encode()
        if participants is not None:
            (root / "participants.tsv").write_bytes(participants)
        return root

    return make


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., RunConfig]:
    """Make a run over tmp_path/bids."""

    def make(**options: Any) -> RunConfig:
        return RunConfig(
            bids_dir=tmp_path / "bids", output_dir=tmp_path / "out", work_dir=tmp_path / "work", **options
        )

    return make
