"""What norms ask of a run: the columns by which they tell people apart, and nothing where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.workflows import completion
from bids_brainage.workflows.participant import person_facts
from bids_brainage.workflows.sources import with_groups

BUNDLE = SimpleNamespace(
    region_norms=(SimpleNamespace(facts=SimpleNamespace(levels={"Site": ("A",), "sex": ("F", "M")})),)
)
TABLE = "participant_id\tgender\tsite\nsub-01\tF\t <b>A\u202e\nsub-02\tn/a\tn/a\n"


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    (tmp_path / "participants.tsv").write_text(TABLE, encoding="utf-8")
    return RunConfig(bids_dir=tmp_path, output_dir=tmp_path / "out", ensemble=("TypeI",))


def test_entries_are_read_and_made_harmless(config: RunConfig) -> None:
    sessions = [SessionInputs(label, None, {}) for label in ("01", "02", "03")]
    first, second, third = with_groups(sessions, config, [BUNDLE])
    assert first.groups == {"Site": "<b>A?", "sex": "F"}
    assert second.groups == third.groups == {"Site": None, "sex": None}
    assert person_facts(first, "Here").groups == first.groups


def test_without_norms_or_dba_nothing_is_read(config: RunConfig) -> None:
    sessions = [SessionInputs("01", None, {})]
    assert with_groups(sessions, config, [SimpleNamespace(region_norms=())]) == sessions
    assert with_groups(sessions, replace(config, explain=("lrp",)), [BUNDLE]) == sessions
    assert with_groups(sessions, replace(config, no_relevance=True), [BUNDLE]) == sessions


SUM = {"TypeI": completion.Estimator("sum")}


def test_fingerprints_of_before_hold_without_norms(config: RunConfig, monkeypatch) -> None:
    hashed = []
    monkeypatch.setattr(completion, "_hash", lambda content: str(hashed.append(content) or len(hashed)))
    image = config.bids_dir / "sub-01_T1w.nii.gz"
    image.write_bytes(b"image")
    session = SessionInputs("01", None, {"T1w": (image,)})
    completion.session_state(session, config, SUM)
    assert "groups" not in hashed[-1]
    completion.session_state(replace(session, groups={"sex": "F"}), config, SUM)
    assert hashed[-1]["groups"] == {"sex": "F"}
