"""What makes OUTPUT_DIR a BIDS derivatives dataset: its description, .bidsignore and README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.output import OWNER
from bids_brainage.bids.uris import dataset_links
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.terms import INJECTOR

BIDS_VERSION = "1.9.0"


def write_dataset_description(
    out_dir: Path,
    bids_dir: Path | None = None,
    derivatives: Mapping[str, Path] | None = None,
    fs_subjects_dir: Path | None = None,
) -> Path:
    """Write OUT/dataset_description.json.

    Parameters
    ----------
    out_dir : Path
        Root of the derivatives dataset.
    bids_dir : Path, optional
        The raw dataset; its name and DOI are taken over.
    derivatives : mapping of str to Path, optional
        Derivatives the run started from.
    fs_subjects_dir : Path, optional
        FreeSurfer's subjects, if the run started from them.
    """
    source = _source_description(bids_dir)
    name = _words(source.get("Name"))
    altered = _injection(out_dir)
    if altered:
        # What has been put into the images stays true, whoever writes beside them.
        name = messages.INJECT_DATASET_NAME.format(change=altered["Change"], name=name or "others")
    description: dict[str, Any] = {
        "Name": f"bids_brainage: brain age and relevance maps{f' of {name}' if name else ''}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": _words(source.get("License")) or "n/a",
        "GeneratedBy": [
            {"Name": OWNER, "Version": bids_brainage.__version__},
            *([altered] if altered else []),
        ],
        "HowToAcknowledge": "See logs/CITATION.md for the methods and the works to cite.",
    }
    links = dataset_links(bids_dir, derivatives, fs_subjects_dir)
    if links:
        description["SourceDatasets"] = [
            _source(folder, _source_description(folder)) for folder in links.values()
        ]
        # Sidecars name their sources as bids:raw:sub-01/...
        description["DatasetLinks"] = {name: folder.resolve().as_uri() for name, folder in links.items()}
    path = out_dir / "dataset_description.json"
    return write_text(path, json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def write_bidsignore(out_dir: Path) -> Path:
    """Write OUT/.bidsignore: pages, figures, logs and transforms, for which BIDS has no names yet."""
    return write_text(out_dir / ".bidsignore", _text("bidsignore"))


def write_readme(out_dir: Path) -> Path:
    """Write OUT/README, unless somebody wrote one already."""
    path = out_dir / "README"
    return path if path.exists() else write_text(path, _text("output_readme.txt"))


def describe_output(
    out_dir: Path,
    bids_dir: Path | None = None,
    derivatives: Mapping[str, Path] | None = None,
    fs_subjects_dir: Path | None = None,
) -> None:
    """Write all that makes `out_dir` a BIDS derivatives dataset (see `write_dataset_description`)."""
    write_dataset_description(out_dir, bids_dir, derivatives, fs_subjects_dir)
    write_bidsignore(out_dir)
    write_readme(out_dir)


def _text(name: str) -> str:
    return resources.files("bids_brainage").joinpath("data", name).read_text(encoding="utf-8")


def _source_description(folder: Path | None) -> dict[str, Any]:
    """Return what a dataset says about itself; nothing if that cannot be read."""
    if folder is None:
        return {}
    try:
        return read_json(folder / "dataset_description.json")
    except InputError:
        return {}


def _injection(out_dir: Path) -> dict[str, str] | None:
    """What a description already there says of changes that were injected into the images."""
    makers = _source_description(out_dir).get("GeneratedBy")
    for maker in makers if isinstance(makers, list) else []:
        if isinstance(maker, dict) and maker.get("Name") == INJECTOR:
            return {str(key): _words(value) for key, value in maker.items()} | {
                "Change": _words(maker.get("Change")) or "unknown"
            }
    return None


def _words(value: object) -> str:
    """Return a text that a dataset says about itself, on one line; nothing if it is not text."""
    return one_line(value) if isinstance(value, str) else ""


def _source(folder: Path, description: Mapping[str, Any]) -> dict[str, str]:
    source = {"URL": folder.resolve().as_uri()}
    doi = _words(description.get("DatasetDOI"))
    if doi:
        source["DOI"] = doi
    return source
