"""Opening a BIDS dataset: what it is, who is in it, and an index of only the participants asked for."""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bids_brainage import messages, reading
from bids_brainage.bids.content import check_here
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import some, suggestion
from bids_brainage.terms import SIMULATOR

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

#: Bytes of the largest JSON file that is read; a sidecar has some kilobytes.
LARGEST_JSON = 16 * reading.MB

# Images of interest lie in anat/ (and, unofficially, swi/); nothing else needs to be read or kept.
_OTHER_FOLDERS = re.compile(
    r"/(?:func|dwi|fmap|perf|eeg|ieeg|meg|beh|pet|micr|nirs|motion|mrs|figures|log|logs|xfm|surf)(?:/|$)"
)
# pybids' index takes text alone.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NOT_AN_IMAGE = re.compile(r"\.(?!nii(?:\.gz)?$)[^/.]+(?<!\.nii\.gz)$")
# What was perhaps meant as the folder of a participant: Sub-01, sub_01, subject 01.
_LIKE_A_PARTICIPANT = re.compile(r"sub(?:j(?:ect)?)?(?![a-z])", re.IGNORECASE)
_NOT_A_PARTICIPANT = re.compile(r"^/(?!sub-[^/]+(?:/|$))")


@dataclass(frozen=True)
class Dataset:
    """A BIDS dataset and those of its participants that are asked for.

    Attributes
    ----------
    root : Path
        Where it lies.
    description : dict
        The content of dataset_description.json.
    participants : tuple of str
        Labels asked for, without ``sub-``, sorted.
    n_participants : int
        How many there are in all.
    ignored : tuple of str
        Names of folders that look like a participant's (``sub-a_b``, ``Sub-01``), but are none in BIDS; they
        are not read.
    absent : tuple of str
        Names ``sub-<label>`` that are links to nothing.
    """

    root: Path
    description: dict[str, Any]
    participants: tuple[str, ...]
    n_participants: int
    ignored: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether bids_brainage_simulate made this dataset."""
        return SIMULATOR in makers(self.description)


def open_dataset(root: Path, participant_labels: Collection[str] = ()) -> Dataset:
    """Check that `root` is a BIDS dataset and find the participants asked for in it.

    Parameters
    ----------
    root : Path
        BIDS_DIR.
    participant_labels : collection of str
        Labels without ``sub-``; none means everyone.

    Raises
    ------
    InputError
        If there is no such folder, it is not a BIDS dataset, or a label is unknown.
    """
    check_folder(root)
    description = read_description(root)
    present, ignored, absent = participant_folders(root)
    if not present:
        seen = (
            messages.SEEN_FOLDERS.format(names=some((*ignored, *absent), ", ")) if ignored or absent else ""
        )
        raise InputError(messages.NO_PARTICIPANT_FOLDERS.format(path=root, seen=seen))
    unknown = sorted(set(participant_labels) - set(present))
    if unknown:
        raise InputError(
            messages.UNKNOWN_PARTICIPANT.format(
                labels=some(unknown), count=len(present), path=root, hint=suggestion(unknown, present)
            )
        )
    wanted = sorted(set(participant_labels)) or present
    return Dataset(root, description, tuple(wanted), len(present), ignored, absent)


def check_folder(root: Path) -> None:
    """Raise InputError unless `root` is a folder that can be read."""
    if not root.exists():
        raise InputError(messages.NO_SUCH_DIRECTORY.format(path=root))
    if not root.is_dir():
        raise InputError(messages.NOT_A_DIRECTORY.format(path=root))
    try:
        with os.scandir(root):
            pass
    except OSError as error:
        raise InputError(messages.NOT_READABLE.format(path=root, reason=error.strerror)) from error


def read_description(root: Path) -> dict[str, Any]:
    """Read dataset_description.json, without which a folder is not a BIDS dataset."""
    path = root / "dataset_description.json"
    check_here(path)
    if not path.exists():
        raise InputError(messages.NO_BIDS_DATASET.format(path=root))
    return read_json(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object written by others.

    Raises
    ------
    InputError
        If it cannot be read, is larger than `LARGEST_JSON`, or is not a JSON object; names file and place.
    """
    try:
        content = reading.read_json(path, LARGEST_JSON)
    except OSError as error:
        raise InputError(messages.JSON_NOT_READABLE.format(path=path, reason=error.strerror)) from error
    except ValueError as error:
        raise InputError(messages.BROKEN_JSON.format(path=path, reason=one_line(error))) from error
    if not isinstance(content, dict):
        raise InputError(messages.NOT_A_JSON_OBJECT.format(path=path))
    return content


def makers(description: Mapping[str, Any]) -> list[str]:
    """Return the names of the programs that made a dataset, as its description has them."""
    entries = description.get("GeneratedBy")
    entries = entries if isinstance(entries, list) else []
    return [str(entry["Name"]) for entry in entries if isinstance(entry, dict) and "Name" in entry]


def participant_folders(root: Path) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    """Look for the folders of participants in `root`; they themselves are not looked into.

    Returns
    -------
    labels : list of str
        Of the folders ``sub-<label>``, sorted.
    ignored : tuple of str
        Names of folders that look like a participant's but are not of this form.
    absent : tuple of str
        Names ``sub-<label>`` that are links to nothing.
    """
    with os.scandir(root) as entries:
        alike = sorted(
            (entry for entry in entries if _LIKE_A_PARTICIPANT.match(entry.name)), key=lambda e: e.name
        )
    folders = [entry.name for entry in alike if entry.is_dir()]
    labels = [name[4:] for name in folders if _is_participant(name)]
    ignored = tuple(name for name in folders if not _is_participant(name))
    absent = tuple(
        entry.name for entry in alike if _is_participant(entry.name) and not (root / entry.name).exists()
    )
    return labels, ignored, absent


def _is_participant(name: str) -> bool:
    return name.startswith("sub-") and is_label(name[4:])


def session_folders(dataset: Dataset) -> set[str]:
    """Return the labels of the folders ``ses-<label>`` of the participants asked for."""
    labels = set()
    for participant in dataset.participants:
        with os.scandir(dataset.root / f"sub-{participant}") as entries:
            names = {entry.name for entry in entries if entry.name.startswith("ses-") and entry.is_dir()}
        labels |= {name[4:] for name in names if is_label(name[4:])}
    return labels


def index(dataset: Dataset, sessions: Collection[str] = (), database_dir: Path | None = None) -> BIDSLayout:
    """Index the images of only the participants (and sessions) asked for.

    With `database_dir`, pybids' index of the whole dataset is made there once and reused. The paths
    of the index count from its own root, which may be a `view`.

    Raises
    ------
    InputError
        If a folder cannot be read, or the index in `database_dir` cannot be used.
    """
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    # pybids obeys a file of this name in any folder; what a dataset holds is not obeyed.
    obeyed = uuid4().hex
    skip = [_NOT_A_PARTICIPANT, _OTHER_FOLDERS, _NOT_AN_IMAGE, _NOT_UTF8]
    everyone = database_dir is not None or len(dataset.participants) == dataset.n_participants
    if database_dir is None and sessions:
        skip.append(_all_but("ses", sessions, parent="/sub-[^/]+"))
    with view(dataset.root, () if everyone else dataset.participants) as root, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            indexer = BIDSLayoutIndexer(
                validate=False, index_metadata=False, ignore=skip, config_filename=obeyed
            )
            return BIDSLayout(
                str(root.resolve()),
                validate=False,
                config=_entities_below(root.resolve()),
                indexer=indexer,
                database_path=database_dir,
            )
        except PermissionError as error:
            folder = Path(os.path.relpath(Path(error.filename).parent, root.resolve()))
            place = dataset.root / folder
            raise InputError(messages.NOT_READABLE.format(path=place, reason=error.strerror)) from error
        except Exception as error:
            if database_dir is None:
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(messages.BROKEN_DATABASE.format(path=database_dir, reason=reason)) from error


def _entities_below(root: Path) -> dict[str, Any]:
    """Return pybids' description of entities, reading them off what stands behind `root` alone.

    As it is, a folder above the dataset that is called ``sub-x`` or ``run-1`` gives all images that entity.
    """
    from bids import config

    entities: dict[str, Any] = json.loads(Path(config.get_option("config_paths")["bids"]).read_text("utf-8"))
    for entity in entities["entities"]:
        if "pattern" in entity:
            entity["pattern"] = f"^{re.escape(str(root))}(?s:.*?){entity['pattern']}"
    return entities


@contextmanager
def view(root: Path, participants: Sequence[str] = ()) -> Iterator[Path]:
    """Give the dataset, or a temporary folder of links to its root's files and to these participants.

    pybids and the validator look into every folder of a dataset's root; the view has few.
    """
    if not participants:
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="bids_brainage-") as name:
        folder = Path(name).resolve()
        with os.scandir(root) as entries:
            files = [entry.name for entry in entries if not entry.is_dir()]
        for item in (*files, *(f"sub-{label}" for label in participants)):
            (folder / item).symlink_to(root.resolve() / item)
        yield folder


def _all_but(prefix: str, labels: Collection[str], parent: str = "") -> re.Pattern[str]:
    """Match the paths below `parent` of every ``<prefix>-`` folder except those of `labels`."""
    kept = "|".join(map(re.escape, sorted(labels)))
    return re.compile(rf"^{parent}/{prefix}-(?!(?:{kept})(?:/|$))[^/]*(?:/|$)")
