"""What makes OUTPUT_DIR a BIDS derivatives dataset: its description, .bidsignore and README."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage.atomic import write_text
from bids_brainage.bids.output import OWNER

BIDS_VERSION = "1.9.0"


def write_dataset_description(
    out_dir: Path, bids_dir: Path | None = None, derivatives: Mapping[str, Path] | None = None
) -> Path:
    """Write OUT/dataset_description.json.

    Parameters
    ----------
    out_dir : Path
        Root of the derivatives dataset.
    bids_dir : Path, optional
        The raw dataset; its name and DOI are taken over, its path is written as a relative URI.
    derivatives : mapping of str to Path, optional
        Derivatives the run started from.
    """
    source = _source_description(bids_dir)
    name = source.get("Name")
    description: dict[str, Any] = {
        "Name": f"bids_brainage: brain age and relevance maps{f' of {name}' if name else ''}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": str(source.get("License") or "n/a"),
        "GeneratedBy": [{"Name": OWNER, "Version": bids_brainage.__version__}],
        "HowToAcknowledge": "See logs/CITATION.md for the methods and the works to cite.",
    }
    sources = [_source(bids_dir, source)] if bids_dir else []
    sources += [_source(path, _source_description(path)) for path in (derivatives or {}).values()]
    if sources:
        description["SourceDatasets"] = sources
    # Sidecars name their sources as bids:raw:sub-01/...
    links = {"raw": bids_dir} if bids_dir else {}
    links |= {link_name(name): folder for name, folder in (derivatives or {}).items()}
    if links:
        description["DatasetLinks"] = {name: folder.resolve().as_uri() for name, folder in links.items()}
    path = out_dir / "dataset_description.json"
    return write_text(path, json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def link_name(derivative: str) -> str:
    """Return what sidecars call a dataset of ``-d NAME=PATH``: NAME, with what a URI cannot hold as -."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", derivative)
    return f"{name}-derivatives" if name == "raw" else name


def write_bidsignore(out_dir: Path) -> Path:
    """Write OUT/.bidsignore: pages, figures, logs and transforms, which BIDS has no names for yet."""
    return write_text(out_dir / ".bidsignore", _text("bidsignore"))


def write_readme(out_dir: Path) -> Path:
    """Write OUT/README, unless somebody wrote one already."""
    path = out_dir / "README"
    return path if path.exists() else write_text(path, _text("output_readme.txt"))


def describe_output(
    out_dir: Path, bids_dir: Path | None = None, derivatives: Mapping[str, Path] | None = None
) -> None:
    """Write all that makes `out_dir` a BIDS derivatives dataset."""
    write_dataset_description(out_dir, bids_dir, derivatives)
    write_bidsignore(out_dir)
    write_readme(out_dir)


def dataset_name(bids_dir: Path) -> str:
    """Return the name a dataset gives itself, or that of its folder."""
    name = _source_description(bids_dir).get("Name")
    return name if isinstance(name, str) and name.strip() else bids_dir.name


def _text(name: str) -> str:
    return resources.files("bids_brainage").joinpath("data", name).read_text(encoding="utf-8")


def _source_description(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        content = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _source(folder: Path, description: Mapping[str, Any]) -> dict[str, str]:
    source = {"URL": folder.resolve().as_uri()}
    doi = description.get("DatasetDOI")
    if isinstance(doi, str) and doi:
        source["DOI"] = doi
    return source
