"""One at a time: locks that end with the process that holds them, so that none is ever left behind."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import BrainAgeError

_log = logging.getLogger(__name__)

_PAUSE = 0.2


class BusyError(BrainAgeError):
    """Another run is at it."""


@contextmanager
def participant_lock(folder: Path, label: str, seconds: float = 0.0) -> Iterator[None]:
    """Be the only one to work on a participant in `folder` meanwhile.

    Parameters
    ----------
    folder : Path
        A work folder, for all steps of the participant; or the folder of logs of an output folder, for its
        page.
    label : str
        Without ``sub-``.
    seconds : float
        How long to wait for another run.

    Raises
    ------
    BusyError
        Another run holds it; the sentence says which.
    """
    name = f"sub-{label}"
    with locked(folder / f"{name}.lock", f"{name} in {folder}", seconds):
        yield


@contextmanager
def participants_locked(
    folder: Path, labels: Iterable[str], seconds: float = 0.0
) -> Iterator[dict[str, str]]:
    """Hold several participants; gives those whom another run holds, with the sentence that says so."""
    busy: dict[str, str] = {}
    with ExitStack() as stack:
        # In one order, so that two runs never wait for each other.
        for label in sorted(set(labels)):
            try:
                stack.enter_context(participant_lock(folder, label, seconds))
            except BusyError as error:
                busy[label] = str(error)
        yield busy


@contextmanager
def locked(
    path: Path, what: str, seconds: float = 0.0, *, shared: bool = False, kept: bool = False
) -> Iterator[None]:
    """Hold the lock file `path` meanwhile, alone or with others who share it.

    Where the file system has no locks (some NFS), a warning says so once, and the work goes on.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    what : str
        What is locked, for the sentence.
    seconds : float
        How long to wait.
    shared : bool
        Whether others may share it.
    kept : bool
        Whether the file stays; otherwise its holder removes it, unless it is shared.

    Raises
    ------
    BusyError
        Another process holds it.
    """
    try:
        handle = _acquire(path, what, time.monotonic() + seconds, shared)
    except OSError as error:
        _warn_of_no_locks(str(path.parent), error.strerror or str(error))
        yield
        return
    try:
        yield
    finally:
        if not (shared or kept):
            # While it is held: who waits for it sees that the name has gone, and makes a new one.
            with suppress(OSError):
                path.unlink()
        os.close(handle)


def _acquire(path: Path, what: str, deadline: float, shared: bool) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            if _is_still(path, handle):
                os.truncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                return handle
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 200, 0).decode(errors="replace") or "another process"
                os.close(handle)
                raise BusyError(messages.BUSY.format(what=what, holder=holder)) from None
            time.sleep(_PAUSE)
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Whether the file that was locked is still the one of that name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


@cache
def _warn_of_no_locks(folder: str, reason: str) -> None:
    _log.warning(messages.NO_LOCKS.format(folder=folder, reason=reason))
