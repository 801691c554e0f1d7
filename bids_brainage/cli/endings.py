"""How a command ends: the exit code, and the sentence, of whatever ended it."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import BrainAgeError

#: What docs/usage.md lists.
ALL_WELL, SOME_FAILED, WRONG_INPUT, FAULT, DISK, MEMORY, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 130, 143

_FULL = (errno.ENOSPC, errno.EDQUOT)
_BROKEN = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT)


class TerminationError(BaseException):
    """SIGTERM came, as Slurm sends it before time is up."""


def ending(error: BaseException, log: Path | None = None) -> tuple[int, str]:
    """Exit code and sentence of an error that ends a command.

    Parameters
    ----------
    error : BaseException
    log : Path, optional
        Where its traceback is kept, if anywhere.
    """
    if isinstance(error, BrainAgeError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, messages.INTERRUPTED
    if isinstance(error, TerminationError):
        return TERMINATED, messages.INTERRUPTED
    if isinstance(error, OSError) and error.errno in (*_FULL, *_BROKEN):
        sentence = messages.DISK_FULL if error.errno in _FULL else messages.DISK_BROKEN
        return DISK, sentence.format(place=error.filename or "the disk", reason=error.strerror)
    if _lacked_memory(error):
        return MEMORY, messages.NO_MEMORY
    kind, text = type(error).__name__, (str(error).splitlines() or [""])[0]
    if log is None or not log.is_file():
        return FAULT, messages.UNEXPECTED_ERROR_UNLOGGED.format(kind=kind, text=text)
    return FAULT, messages.UNEXPECTED_ERROR.format(kind=kind, text=text, log=log)


def _lacked_memory(error: BaseException) -> bool:
    """Whether it says so, or a process that helped was killed, which nearly always means this."""
    from concurrent.futures import BrokenExecutor

    return isinstance(error, MemoryError | BrokenExecutor)


@contextmanager
def ended_with_reader() -> Iterator[None]:
    """Let what only prints end quietly when nobody reads it any more (``| head``), as other commands do."""
    try:
        before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
        sys.stdout.flush()
    finally:
        signal.signal(signal.SIGPIPE, before)


@contextmanager
def told_of_termination() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that what was begun is ended properly."""

    def end(*_: object) -> None:
        raise TerminationError

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
