"""Who and what is to be processed: one `SessionInputs` for each session of each participant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bids_brainage import messages
from bids_brainage.bids import queries
from bids_brainage.bids.bidsignore import BidsIgnore
from bids_brainage.bids.choice import asked_for
from bids_brainage.bids.dataset import Dataset, index, open_dataset, session_folders
from bids_brainage.bids.derivatives import Preparations
from bids_brainage.bids.inputs import Gathering, SessionError, SessionInputs
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.sessions import BySession, Sessions
from bids_brainage.bids.uris import dataset_links
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.suggestions import some, suggestion

__all__ = ["Selection", "SessionInputs", "read_selection"]


@dataclass(frozen=True)
class Selection:
    """Who is to be processed.

    Attributes
    ----------
    sessions : tuple of SessionInputs
        Those that can be processed.
    failed : mapping of str to str
        By name (``sub-XX[_ses-Y]``) those that cannot, each with the reason.
    left_out : tuple of str
        Sentences about sessions that are not processed although nothing is wrong with them.
    """

    sessions: tuple[SessionInputs, ...]
    failed: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def read_selection(config: RunConfig) -> Selection:
    """Read from the dataset who and what is to be processed.

    Raises
    ------
    InputError
        If the dataset, a table, a label or the filter file is not usable, if nothing is selected, or if
        no selected session has a T1w image.
    """
    dataset = open_dataset(config.bids_dir, config.participant_label)
    preparations = Preparations(config.derivatives, config.fs_subjects_dir)
    table = ParticipantsTable(dataset.root / "participants.tsv")
    filters = queries.read_filters(config.bids_filter_file)
    found, unused = _find(dataset, filters, config)
    asked = {modality: asked_for(filters.get(modality.lower(), {})) for modality in _modalities(config)}
    gathering = Gathering(preparations, config.modalities, asked, config.allow_raw_fallback)
    datasets = dataset_links(config.bids_dir, config.derivatives, config.fs_subjects_dir)
    ready: list[SessionInputs] = []
    failed: dict[str, str] = {}
    left_out = [*unused, *table.notes]
    for participant in dataset.participants:
        try:
            sessions = Sessions(participant, found.get(participant, {}), preparations, config.session_label)
        except InputError as problem:
            failed[session_name(participant, None)] = str(problem)
            continue
        left_out += sessions.left_out
        for session, images in sessions.chosen.items():
            try:
                inputs = gathering.inputs(participant, session, images)
                person = table.person(participant, session)
            except (SessionError, InputError) as problem:
                failed[session_name(participant, session)] = str(problem)
                continue
            ready.append(
                replace(
                    inputs,
                    age=person.age,
                    sex=person.sex,
                    simulated=dataset.simulated,
                    warnings=(*inputs.warnings, *person.warnings),
                    datasets=datasets,
                )
            )
    if not ready:
        _complain(failed, found, unused, dataset, config)
    return Selection(tuple(ready), failed, tuple(left_out))


def _modalities(config: RunConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("T1w", *config.modalities)))


def _find(
    dataset: Dataset, filters: Mapping[str, queries.Filters], config: RunConfig
) -> tuple[dict[str, BySession], list[str]]:
    """Return the images found, by participant, session and modality, and sentences about those left out."""
    layout = index(dataset, config.session_label, config.bids_database_dir)
    ignored = BidsIgnore(dataset.root)
    found: dict[str, BySession] = defaultdict(lambda: defaultdict(dict))
    left_out: dict[str, list[str]] = defaultdict(list)
    for modality in _modalities(config):
        images, unused = queries.find_images(
            layout,
            dataset.root,
            modality,
            dataset.participants,
            config.session_label,
            filters.get(modality.lower()),
            config.bids_filter_file,
            ignored.leaves_out,
        )
        for reason, places in unused.items():
            left_out[reason] += places
        for (participant, session), files in images.items():
            found[participant][session][modality] = files
    sentences = [*_folders_left_out(dataset), *_images_left_out(dataset, left_out)]
    return found, sentences + ([ignored.problem] if ignored.problem else [])


def _folders_left_out(dataset: Dataset) -> Iterator[str]:
    """Report folders that look like a participant's but are not read."""
    for names, sentence in (
        (dataset.ignored, messages.NOT_A_LABEL),
        (dataset.absent, messages.ABSENT_FOLDER),
    ):
        if names:
            yield sentence.format(path=dataset.root, names=some(names, ", "))


def _images_left_out(dataset: Dataset, left_out: Mapping[str, list[str]]) -> Iterator[str]:
    """Report images that are not used, by the reason; folders that are not read stand for what is in them."""
    for reason, places in left_out.items():
        names = sorted(place for place in places if place.partition("/")[0] not in dataset.ignored)
        if names:
            yield reason.format(path=dataset.root, names=some(names, ", "))


def _complain(
    failed: Mapping[str, str],
    found: Mapping[str, BySession],
    unused: list[str],
    dataset: Dataset,
    config: RunConfig,
) -> None:
    """Raise the sentence that best explains why nothing can be processed."""
    if config.session_label and not found:
        known = session_folders(dataset)
        unknown = sorted(set(config.session_label) - known)
        if unknown:
            hint = suggestion(unknown, known)
            raise InputError(
                messages.UNKNOWN_SESSION.format(labels=some(unknown), path=dataset.root, hint=hint)
            )
    if not found:
        empty = messages.EMPTY_SELECTION.format(
            modalities=" or ".join(_modalities(config)), path=dataset.root
        )
        raise InputError(" ".join([empty, *unused]))
    if len(set(failed.values())) == 1:
        raise InputError(next(iter(failed.values())))
    if any("T1w" in images for sessions in found.values() for images in sessions.values()):
        first = next(iter(failed.values()))
        raise InputError(messages.NOTHING_LEFT.format(count=len(failed), first=first))
    raise InputError(messages.NO_T1W_AT_ALL.format(count=len(failed), path=dataset.root))
