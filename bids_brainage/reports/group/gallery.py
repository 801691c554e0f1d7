"""The figures of a group's page: drawn once, kept beside the results, put into the page."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

import bids_brainage
from bids_brainage.atomic import write_text
from bids_brainage.reading import MB, read_json
from bids_brainage.reports.canvas import as_data_address
from bids_brainage.reports.group.viewer import scripts_of

RECORD = "figures.json"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9-]")


@dataclass(eq=False)
class Gallery:
    """Draws figures that are not there yet, or were drawn from something else.

    Attributes
    ----------
    folder : Path
        Where they lie; nothing else lies there.
    shown : dict of str to str
        By file name, what each figure of the page was drawn from.
    scripts : dict
        Hashes of the scripts of its viewers, in order.
    """

    folder: Path
    shown: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, None] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            content = read_json(self.folder / RECORD, MB)
            self._known = {str(name): str(own) for name, own in content.items()}
        except (OSError, ValueError, AttributeError):
            self._known = {}

    def figure(
        self,
        name: str,
        title: str,
        draw: Callable[[Path, str], Path],
        drawn_from: Any,
        *,
        kind: str = "chart",
    ) -> Markup:
        """A figure as HTML.

        Parameters
        ----------
        name : str
            Of its file, with its extension (svg or webp).
        title : str
            What is read out instead of it.
        draw : callable
            Draws it, given where to and the title.
        drawn_from : Any
            All that decides how it looks, as JSON or arrays.
        kind : {"chart", "brain"}
            How it is framed.
        """
        path = self._drawn(name, title, draw, drawn_from)
        address = as_data_address(path)
        frame = Markup('<figure class="{}"><img alt="{}" decoding="async" src="{}"></figure>')
        return frame.format(kind, title, address)

    def viewer(self, name: str, title: str, draw: Callable[[Path, str], Path], drawn_from: Any) -> Markup:
        """A document with scripts of its own, in a frame that may do nothing else; see `figure`."""
        html = self._drawn(name, title, draw, drawn_from).read_text(encoding="utf-8")
        self.scripts.update(dict.fromkeys(scripts_of(html)))
        return Markup(
            '<iframe sandbox="allow-scripts" loading="lazy" title="{}" srcdoc="{}"></iframe>'
        ).format(title, html)

    def _drawn(self, name: str, title: str, draw: Callable[[Path, str], Path], drawn_from: Any) -> Path:
        name = self._free(name)
        path, own = self.folder / name, _hash([bids_brainage.__version__, title, drawn_from])
        if self._known.get(name) != own or not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            draw(path, title)
            self._known[name] = own
            self._save(self._known)
        self.shown[name] = own
        return path

    def _free(self, name: str) -> str:
        """A file name that no other figure of the page has, of plain letters."""
        stem, _, extension = name.rpartition(".")
        plain, number = _NOT_IN_NAMES.sub("", stem), 1
        found = f"{plain}.{extension}"
        while found.lower() in (taken.lower() for taken in self.shown):
            number += 1
            found = f"{plain}{number}.{extension}"
        return found

    def close(self) -> None:
        """Remove figures that the page does not show."""
        for name in self._known.keys() - self.shown.keys():
            if Path(name).name == name:
                (self.folder / name).unlink(missing_ok=True)
        self._save(self.shown)

    def _save(self, figures: Mapping[str, str]) -> None:
        if self.folder.is_dir():
            write_text(self.folder / RECORD, json.dumps(figures, indent=1, sort_keys=True) + "\n")


def _hash(content: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return str(value)

    return hashlib.sha256(json.dumps(content, default=plain, sort_keys=True).encode()).hexdigest()
