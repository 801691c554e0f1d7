"""Logging of a run: to the console, in colour on a terminal, and to OUT/logs/<run>/run.log."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

from bids_brainage.quoting import printable

_PLAIN = "%(asctime)s %(levelname)s: %(message)s"
_FILE = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_TIME = "%H:%M:%S"
_CONSOLE = "bids_brainage console"


def set_up_console(verbose: int) -> None:
    """Log to standard error: warnings and progress; with -v details, with -vv those of libraries too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold anything.
        sys.stdout.reconfigure(errors="backslashreplace")
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == _CONSOLE]:
        root.removeHandler(handler)
    root.setLevel(logging.DEBUG)
    # Another command of the same process may have made the project quieter.
    logging.getLogger("bids_brainage").setLevel(logging.NOTSET)
    handler = _console_handler()
    handler.name = _CONSOLE
    handler.setLevel(logging.DEBUG if verbose else logging.INFO)
    handler.addFilter(lambda record: _is_ours(record) or verbose > 1 or record.levelno >= logging.ERROR)
    root.addHandler(handler)
    logging.captureWarnings(True)


def add_log_file(path: Path) -> logging.Handler:
    """Log everything of the project, and warnings of libraries, to a file as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(_FILE))
    handler.addFilter(lambda record: _is_ours(record) or record.levelno >= logging.INFO)
    logging.getLogger().addHandler(handler)
    return handler


def _console_handler() -> logging.Handler:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(
            console=Console(stderr=True), show_path=False, markup=False, log_time_format=_TIME
        )
        handler.setFormatter(_OneSentence("%(message)s"))
        return handler
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneSentence(_PLAIN, _TIME))
    return handler


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] == "bids_brainage"


class _OneSentence(logging.Formatter):
    """Tracebacks belong in the log file; --debug prints them once, at the end.

    What files, labels and tables say cannot steer a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without its traceback."""
        plain = logging.makeLogRecord(record.__dict__)
        plain.exc_info = plain.exc_text = plain.stack_info = None
        return printable(super().format(plain))
