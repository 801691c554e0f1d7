"""How `bids_brainage_simulate` ends where something is in its way."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from bids_brainage.cli.simulate import main


@pytest.fixture
def cohort(monkeypatch, tmp_path):
    """Run the command, with something else in the place of the simulation."""

    def call(answer):
        monkeypatch.setattr("bids_brainage.simulation.cohort.write_cohort", answer)
        return main(["cohort", str(tmp_path / "made")])

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_is_told_in_one_sentence(cohort, capsys, number):
    def answer(*_, **__):
        raise OSError(number, os.strerror(number), "/scratch/x")

    assert cohort(answer) == 4
    told = capsys.readouterr().err
    assert "/scratch/x" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption(cohort, capsys, number, code):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert cohort(lambda *_, **__: os.kill(os.getpid(), number)) == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_fault_of_the_program_is_not_hidden(cohort):
    def answer(*_, **__):
        raise RuntimeError("oh")

    with pytest.raises(RuntimeError):
        cohort(answer)
