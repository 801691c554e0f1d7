"""The page of one participant: OUT/sub-XX.html, one file that opens without a network."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.atomic import replacing
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.reports import figures, fragments
from bids_brainage.reports.results import read_sessions
from bids_brainage.reports.templates import TEMPLATES
from bids_brainage.reports.words import Words, words_of_all

if TYPE_CHECKING:
    import nibabel as nib

LOG = logging.getLogger(__name__)
SPEC = TEMPLATES / "participant.yaml"
PAGE = TEMPLATES / "page.html.j2"
_PLAIN = re.compile(r"[^\w .,%/+-]+")
_FILE = re.compile(r'(?:src|data)="\./([^"]+)"')
# What a data address and an attribute cannot hold; all else stays, as base64 upon base64 would not.
_ENCODED = str.maketrans({c: f"%{ord(c):02X}" for c in "%#\"'<>&\n\r\t"})
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL)


def write_participant_report(
    out_dir: Path,
    participant: str,
    *,
    run: Mapping[str, Any] | None = None,
    template: Path | nib.Nifti1Image | None = None,
) -> Path:
    """Make the page of a participant from what is on disk.

    Figures and fragments are written to OUT/sub-XX/figures, assembled by nireports as participant.yaml
    says, and put inside the page. Figures newer than what they show are kept.

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    participant : str
        ``sub-01``.
    run : Mapping, optional
        Of the run: `versions` (package to version), `times` (step to seconds), `errors` (sentences),
        `crash_files` (paths of nipype's ``crash-*.txt``), `command` (what was typed). Each may be missing.
    template : Path or nib.Nifti1Image, optional
        The template's brain, for the picture of the registration.

    Returns
    -------
    Path
        OUT/sub-XX.html.

    Raises
    ------
    InputError
        For a name that is not a participant label, or an estimate or sidecar that cannot be read.
    """
    if not (participant.startswith("sub-") and is_label(participant.removeprefix("sub-"))):
        raise InputError(messages.REPORT_BAD_LABEL.format(participant=participant))
    run = dict(run or {})
    out_dir = Path(out_dir).absolute()
    sessions = read_sessions(out_dir, participant)
    folder = out_dir / participant / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for fragment in folder.glob("*_brainage.html"):
        fragment.unlink()
    for session in sessions:
        figures.write_session_figures(out_dir, session, template)
    fragments.write_fragments(folder, participant, sessions, run)
    page = out_dir / f"{participant}.html"
    with replacing(page) as temporary:
        records = [record for session in sessions for record in session.estimates]
        _assemble(folder, participant, temporary, words_of_all(records))
    LOG.info("Wrote %s (%.1f MB)", page, page.stat().st_size / 1e6)
    return page


def _assemble(figures_dir: Path, participant: str, page: Path, words: Words) -> None:
    """Let nireports collect the reportlets, put all files inside, and write the page.

    It works on a copy, because it reads entities such as ``ses-`` off the whole path and rewrites figures.
    """
    from nireports.assembler.report import Report

    with TemporaryDirectory(prefix="bids_brainage") as name, _labels_with_plus(Path(name) / "entities.json"):
        stage = Path(name) / "page"
        shutil.copytree(figures_dir, stage / "figures")
        metadata = {"participant": participant, "template_path": str(PAGE)}
        # The page's YAML takes them in: nothing of a table may become YAML or a field.
        for name in ("title", "measured", "more", "less"):
            metadata[name] = _PLAIN.sub(" ", getattr(words, name))
        report = Report(stage, None, bootstrap_file=SPEC, out_filename=page, metadata=metadata)
        for section in report.sections:
            for reportlet in section.reportlets:
                reportlet.components = [
                    (_inlined(content, stage), caption) for content, caption in reportlet.components
                ]
        report.generate_report()


@contextmanager
def _labels_with_plus(path: Path) -> Iterator[None]:
    """Have nireports read labels to their end: in its own description of entities they end at a ``+``.

    Figures of ``ses-a+b`` would stand under ``ses-a``. The description with ``+`` is written to `path`;
    nireports must be imported already, as it registers its own then.
    """
    from bids import config
    from nireports.assembler import data

    entities = data.load.readable("nipreps.json").read_text(encoding="utf-8")
    path.write_text(entities.replace("[a-zA-Z0-9]+", "[a-zA-Z0-9+]+"), encoding="utf-8")
    before = config.get_option("config_paths")
    config.set_option("config_paths", before | {"figures": str(path)})
    try:
        yield
    finally:
        config.set_option("config_paths", before)


def _inlined(content: str, folder: Path) -> str:
    """Replace nireports' reference to a figure file by the figure itself.

    A figure that moves (nireports' ``<object>``) becomes part of the page, so that pointer and keyboard
    reach it; all others become images of a data address, with their title as text.
    """
    found = _FILE.search(content)
    if found is None:
        return content
    path = folder / found.group(1)
    svg = path.read_text(encoding="utf-8")
    titled = _TITLE.search(svg)
    title = titled.group(1).strip() if titled else path.stem
    if "<object" in content:
        return f'<figure class="brain">{svg}</figure>'
    image = f'<img alt="{title}" src="data:image/svg+xml,{svg.translate(_ENCODED)}">'
    if path.stem.endswith("_brainage"):
        return f'<figure class="chart">{image}</figure>'
    caption = f"<figcaption>{title}</figcaption>" if "Relevance_" in path.stem else ""
    return f'<figure class="brain">{caption}{image}</figure>'
