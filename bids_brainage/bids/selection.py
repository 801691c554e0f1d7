"""Who and what is to be processed: one `SessionInputs` for each session of each participant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from bids_brainage import messages
from bids_brainage.bids import queries
from bids_brainage.bids.bidsignore import BidsIgnore
from bids_brainage.bids.dataset import Dataset, index, open_dataset, session_folders
from bids_brainage.bids.derivatives import Origin, Preparations
from bids_brainage.bids.given import GivenImages
from bids_brainage.bids.inputs import Gathering, SessionError, SessionInputs
from bids_brainage.bids.misnamed import misnamed_images
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.needs import Needs
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.sessions import BySession, Sessions, prepared_of, without_last_resorts
from bids_brainage.bids.uris import dataset_links
from bids_brainage.bids.wanted import Wanted
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
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
        Sentences about sessions that are not processed although nothing is wrong with them, and about the
        study as a whole.
    """

    sessions: tuple[SessionInputs, ...]
    failed: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def read_selection(config: RunConfig, needs: Needs | None = None) -> Selection:
    """Read from the dataset who and what is to be processed.

    Parameters
    ----------
    config : RunConfig
    needs : Needs, optional
        Of the models, beside the images that every run prepares.

    Raises
    ------
    InputError
        If the dataset, a table, a label or the filter file is not usable, if nothing is selected, or if
        no selected session has a T1w image.
    """
    dataset = open_dataset(config.bids_dir, config.participant_label)
    filters = queries.read_filters(config.bids_filter_file)
    ignored = BidsIgnore(dataset.root)
    wanted = Wanted(dataset.root, filters, ignored.leaves_out)
    needs = needs or Needs()
    preparations = Preparations(config.derivatives, config.fs_subjects_dir, wanted, needs.freesurfer)
    asked = {modality: wanted.asked_for(modality) for modality in _modalities(config)}
    given = GivenImages(config.derivatives, filters, config.bids_filter_file) if needs.given else None
    if needs.given and not config.derivatives:
        raise InputError(messages.GIVEN_NOWHERE.format(modalities=" and ".join(sorted(needs.given))))
    gathering = Gathering(
        preparations,
        config.modalities,
        asked,
        config.allow_raw_fallback,
        tuple(sorted(needs.given)),
        given,
    )
    decisions = _Decisions(dataset, gathering, config)
    found, unused = _find(dataset, ignored, filters, config)
    people_ignored = {place.partition("/")[0] for place in unused.get(messages.IGNORED_IMAGE, ())}
    for participant in dataset.participants:
        # Whom .bidsignore names is told with the images that it leaves out.
        if participant in found or session_name(participant, None) not in people_ignored:
            decisions.add(participant, found.get(participant, {}))
    told = [*_folders_left_out(dataset), *_images_left_out(dataset, unused)]
    told += [ignored.problem] if ignored.problem else []
    if not decisions.ready:
        _complain(decisions.failed, found, told, dataset, config)
    told += [*decisions.left_out, *_told_of_mixture(decisions.ready)]
    return Selection(tuple(decisions.ready), decisions.failed, tuple(told))


class _Decisions:
    """Who is processed and who is not, as far as decided.

    Attributes
    ----------
    ready : list of SessionInputs
    failed : dict
        The reasons by name.
    left_out : list of str
        Sentences.
    """

    def __init__(self, dataset: Dataset, gathering: Gathering, config: RunConfig) -> None:
        self._root = dataset.root
        self._simulated = dataset.simulated
        self._gathering = gathering
        self._sessions_asked_for = config.session_label
        self._table = ParticipantsTable(dataset.root / "participants.tsv")
        self._datasets = dataset_links(config.bids_dir, config.derivatives, config.fs_subjects_dir)
        self.ready: list[SessionInputs] = []
        self.failed: dict[str, str] = {}
        self.left_out: list[str] = list(self._table.notes)

    def add(self, participant: str, found: BySession) -> None:
        """Decide about the sessions of one participant."""
        found = without_last_resorts(found, self._gathering.asked_for)
        try:
            sessions = Sessions(participant, found, self._gathering.preparations, self._sessions_asked_for)
        except InputError as problem:
            self.failed[session_name(participant, None)] = str(problem)
            return
        self.left_out += sessions.left_out
        for session, images in sessions.chosen.items():
            try:
                self.ready.append(self._with_person(self._gathering.inputs(participant, session, images)))
            except (SessionError, InputError) as problem:
                self.failed[session_name(participant, session)] = str(problem)

    def _with_person(self, inputs: SessionInputs) -> SessionInputs:
        """Add what the tables know of the person."""
        person = self._table.person(inputs.participant, inputs.session)
        told = tuple(self._told_of_mean(inputs))
        return replace(
            inputs,
            age=person.age,
            sex=person.sex,
            simulated=self._simulated,
            warnings=(*inputs.warnings, *told, *person.warnings),
            datasets=self._datasets,
        )

    def _told_of_mean(self, inputs: SessionInputs) -> Iterator[str]:
        """Tell that what was prepared of all sessions together stands for one of several."""
        preparations = self._gathering.preparations
        is_prepared = inputs.derivative or inputs.freesurfer_brain
        if not (is_prepared and inputs.session):
            return
        folder = self._root / session_name(inputs.participant, None)
        labels = sorted(path.name for path in folder.glob("ses-*"))
        if len(labels) > 1 and not any(prepared_of(inputs.participant, inputs.session, preparations)):
            yield messages.MEAN_OF_SESSIONS.format(name=inputs.name, sessions=some(labels, ", "))


def _told_of_mixture(ready: Sequence[SessionInputs]) -> Iterator[str]:
    """Tell that the T1w images of a study were not all prepared in the same way."""
    counts = Counter(
        session.derivative.source
        if session.origin is Origin.PREPROCESSED and session.derivative
        else messages.ORIGINS[session.origin]
        for session in ready
    )
    if len(counts) > 1:
        told = ", ".join(f"{count} of {one_line(source)}" for source, count in counts.most_common())
        yield messages.MIXED_PREPARATIONS.format(counts=told)


def _modalities(config: RunConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("T1w", *config.modalities)))


def _find(
    dataset: Dataset, ignored: BidsIgnore, filters: Mapping[str, queries.Filters], config: RunConfig
) -> tuple[dict[str, BySession], dict[str, list[str]]]:
    """Return the images found, by participant, session and modality, and places left out, by the reason."""
    layout = index(dataset, config.session_label, config.bids_database_dir)
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
    told = {place for places in left_out.values() for place in places}
    for place in misnamed_images(dataset, _modalities(config), filters, config.session_label):
        if place.as_posix() not in told and not ignored.leaves_out(place):
            left_out[messages.MISNAMED_IMAGE].append(place.as_posix())
    people = {place.partition("/")[0] for place in left_out[messages.IGNORED_IMAGE]}
    for name in (session_name(label, None) for label in dataset.participants if label not in found):
        if name not in people and ignored.leaves_out(PurePath(name, "anat")):
            left_out[messages.IGNORED_IMAGE].append(name)
    return found, left_out


def _folders_left_out(dataset: Dataset) -> Iterator[str]:
    """Report a dataset that is not raw, and folders that look like a participant's but are not read."""
    if str(dataset.description.get("DatasetType", "")).lower() == "derivative":
        yield messages.DERIVATIVE_AS_RAW.format(path=dataset.root)
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
    is_asked_for = config.derivatives or config.fs_subjects_dir
    if is_asked_for or any("T1w" in images for sessions in found.values() for images in sessions.values()):
        first = next(iter(failed.values()))
        raise InputError(messages.NOTHING_LEFT.format(count=len(failed), first=first))
    raise InputError(messages.NO_T1W_AT_ALL.format(count=len(failed), path=dataset.root))
