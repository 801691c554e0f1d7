"""The methods text as LaTeX, by pandoc where it is installed."""

from __future__ import annotations

import logging
import shutil
import subprocess

from bids_brainage import messages

# What facts say must stay text: no TeX, HTML or formula in it is taken for one.
_MARKDOWN = "markdown-raw_tex-raw_html-raw_attribute-tex_math_dollars-latex_macros-yaml_metadata_block"
_SECONDS = 60

LOGGER = logging.getLogger(__name__)


def as_latex(text: str, library: str) -> str | None:
    """Return Markdown with citations ([@key]) as a LaTeX document that cites them by natbib.

    Parameters
    ----------
    text : str
    library : str
        Name of the file of BibTeX entries that will lie beside it.

    Returns
    -------
    str or None
        None where pandoc is not installed, or does not do it; a warning tells of the latter.
    """
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        return None
    command = [pandoc, "--from", _MARKDOWN, "--to", "latex", "--standalone", "--natbib"]
    command += ["--bibliography", library]
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        LOGGER.warning("%s", messages.PANDOC_FAILED.format(reason=type(error).__name__))
        return None
    return done.stdout
