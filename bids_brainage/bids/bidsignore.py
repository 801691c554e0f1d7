"""What .bidsignore leaves out, in the syntax of .gitignore.

Libraries turn a line into one regular expression, in which a line with many stars can search for ever. Here
each name of a path is matched by itself, in time that grows with its length.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from bids_brainage import messages
from bids_brainage.bids.content import check_here
from bids_brainage.reading import MB, read_text

_DEEP = "**"
# Blanks at the end count only behind a backslash, which takes the meaning off what follows.
_BLANKS = re.compile(r"(?<!\\)\s+$")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Pattern:
    """One line of the file.

    Attributes
    ----------
    names : tuple of re.Pattern or None
        What the names on a path match, one after the other; None is ``**``, any number of them.
    ignores : bool
        False if the line takes back what lines before it say (``!``).
    folders_only : bool
        Whether only folders are meant.
    """

    names: tuple[re.Pattern[str] | None, ...]
    ignores: bool
    folders_only: bool

    def fits(self, path: Sequence[str], is_folder: bool) -> bool:
        """Whether the line means the path of these names, counted from the root."""
        if self.folders_only and not is_folder:
            return False
        reached = self._beyond({0})
        for name in path:
            reached = self._beyond(set().union(*(self._step(place, name) for place in reached)))
        return len(self.names) in reached

    def _step(self, place: int, name: str) -> set[int]:
        """Return where the next name may be compared if `name` is compared with that at `place`."""
        if place == len(self.names):
            return set()
        wanted = self.names[place]
        if wanted is None:
            # Behind the last slash it needs at least one name.
            return {place, place + 1} if place == len(self.names) - 1 else {place}
        return {place + 1} if wanted.fullmatch(name) else set()

    def _beyond(self, places: set[int]) -> set[int]:
        """Return the places and, behind each ``**/``, the next: it may stand for nothing."""
        reached = set(places)
        for place in places:
            while place < len(self.names) - 1 and self.names[place] is None:
                place += 1
                reached.add(place)
        return reached


class BidsIgnore:
    """What a dataset's .bidsignore leaves out; nothing if there is no such file.

    Parameters
    ----------
    root : Path
        The dataset.

    Attributes
    ----------
    problem : str or None
        A sentence, if the file is there but cannot be read.

    Raises
    ------
    InputError
        If it is a link to nothing.
    """

    def __init__(self, root: Path) -> None:
        path = root / ".bidsignore"
        self.problem: str | None = None
        self._patterns: list[Pattern] = []
        check_here(path)
        if not path.exists():
            return
        try:
            lines = read_text(path, MB).split("\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            self.problem = messages.BIDSIGNORE_NOT_READABLE.format(path=path, reason=reason)
            return
        self._patterns = [pattern for line in lines if (pattern := parse(line)) is not None]

    def leaves_out(self, place: PurePath) -> bool:
        """Whether a file, by its place in the dataset, or a folder that it lies in is left out."""
        parts = place.parts
        return any(self._says(parts[:end], end < len(parts)) for end in range(1, len(parts) + 1))

    def _says(self, path: Sequence[str], is_folder: bool) -> bool:
        """Whether the last line that means this path leaves it out."""
        last = next((line for line in reversed(self._patterns) if line.fits(path, is_folder)), None)
        return last is not None and last.ignores


def parse(line: str) -> Pattern | None:
    """Return what a line of .bidsignore says; None if it is empty, a comment, or means no path."""
    text = _BLANKS.sub("", line)
    if text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    text = text.removeprefix("!")
    names = text.removesuffix("/").removeprefix("/").split("/")
    if not all(names):
        return None
    if "/" not in text.removesuffix("/"):
        names.insert(0, _DEEP)
    wanted = tuple(None if name.startswith(_DEEP) and not name.strip("*") else _name(name) for name in names)
    return Pattern(wanted, ignores, text.endswith("/"))


def _name(text: str) -> re.Pattern[str]:
    """Return what a name with wildcards matches."""
    plain = _ESCAPED.sub(lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], text)
    return re.compile(fnmatch.translate(plain.replace("[^", "[!")))
