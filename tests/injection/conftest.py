from __future__ import annotations

from pathlib import Path

import pytest

from bids_brainage.injection.head import Head, read_head
from bids_brainage.records.reading import FinishedSession
from tests.injection.heads import finished


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> FinishedSession:
    return finished(tmp_path_factory.mktemp("prepared") / "out")


@pytest.fixture(scope="session")
def head(session: FinishedSession) -> Head:
    assert session.images is not None
    return read_head(session.images, session.name)[0]


@pytest.fixture(scope="session")
def prepared(session: FinishedSession) -> Path:
    return session.place.out_dir
