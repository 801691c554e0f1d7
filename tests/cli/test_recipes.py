"""The listing of published networks."""

from __future__ import annotations

import re

from bids_brainage.cli.models import main


def test_recipes_are_listed(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    row = next(line for line in told.splitlines() if line.strip().startswith("sfcn-ukb"))
    assert row.split() == ["sfcn-ukb", "T1w", "t1w", "44", "to", "80", "2.14", "MIT"]
    assert "CC BY-NC-ND 4.0" in told
    rows = [line for line in told.splitlines() if re.search("T1w|T2w|FLAIR", line)]
    assert len(rows) == 11


def test_one_is_shown_with_what_must_be_known(capsys) -> None:
    assert main(["recipes", "pyment-reg"]) == 0
    told = capsys.readouterr().out
    assert "do not pass a bundle on" in told
    assert told.count("Known problem:") >= 4
    assert "kind fixed, start 6 2 0, shape 167 212 160" in told
    assert "estenhl/pyment-public" in told


def test_an_unknown_one_is_a_sentence(capsys, caplog) -> None:
    assert main(["recipes", "sfcn"]) == 2
    assert "There is no recipe sfcn" in caplog.text + capsys.readouterr().err
