"""One at a time, and nobody waits for the dead."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time

import pytest

from bids_brainage import locks
from bids_brainage.locks import BusyError, locked, participant_lock, participants_locked

HOLDER = """
import sys, time
from pathlib import Path
from bids_brainage.locks import participant_lock
with participant_lock(Path(sys.argv[1]), "01"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of sub-01."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_the_first_is(holder, tmp_path):
    with pytest.raises(BusyError) as error, participant_lock(tmp_path, "01"):
        pass
    assert f"sub-01 in {tmp_path}" in str(error.value)
    assert f"process {holder.pid} on " in str(error.value)
    with participant_lock(tmp_path, "02"):
        pass


def test_the_dead_hold_nothing(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "sub-01.lock").exists()
    with participant_lock(tmp_path, "01"):
        pass
    assert not list(tmp_path.iterdir())


def test_who_waits_gets_it_afterwards(tmp_path):
    """Though the file that was waited for is removed when its holder is done."""
    told = []

    def wait():
        with participant_lock(tmp_path, "01", seconds=20):
            told.append("second")

    with participant_lock(tmp_path, "01"):
        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.5)
        told.append("first")
    second.join()
    assert told == ["first", "second"]


def test_never_two_at_once(tmp_path):
    """Of many who take turns, each removing the file, one is inside at a time."""
    inside = []

    def work():
        for _ in range(20):
            with locked(tmp_path / "lock", "it", seconds=60):
                inside.append(1)
                assert len(inside) == 1
                time.sleep(0.001)
                inside.pop()

    failures = []
    threads = [threading.Thread(target=lambda: _collect(work, failures)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def _collect(work, failures):
    try:
        work()
    except BaseException as error:
        failures.append(error)


def test_of_several_the_free_are_held_and_the_others_named(holder, tmp_path):
    with participants_locked(tmp_path, ["01", "02", "02"]) as busy:
        assert list(busy) == ["01"]
        with pytest.raises(BusyError), participant_lock(tmp_path, "02"):
            pass
    with participant_lock(tmp_path, "02"):
        pass


def test_a_shared_lock_keeps_out_who_wants_it_alone(tmp_path):
    path = tmp_path / "lock"
    with (
        locked(path, "it", shared=True),
        locked(path, "it", shared=True),
        pytest.raises(BusyError),
        locked(path, "it", kept=True),
    ):
        pass
    with locked(path, "it", kept=True):
        pass
    assert path.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_the_work_goes_on_with_one_warning(number, tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    locks._warn_of_no_locks.cache_clear()
    done = []
    for label in ("01", "02"):
        with participant_lock(tmp_path, label):
            done.append(label)
    assert done == ["01", "02"]
    assert len([record for record in caplog.records if "cannot be locked" in record.message]) == 1
