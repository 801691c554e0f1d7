"""Images that the user brought to the template: found in the folders of --derivatives, by a filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from bids_brainage import messages
from bids_brainage.bids.choice import derived_entities
from bids_brainage.bids.listing import names_in
from bids_brainage.bids.naming import is_regular, name_entities, output_folder, session_name
from bids_brainage.bids.queries import GIVEN, Filters
from bids_brainage.bids.wanted import raw_entities, refused
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import some, suggestion


class GivenImages:
    """Look up the one image of a session that a model takes in as the user made it.

    Parameters
    ----------
    derivatives : mapping of str to Path
        Datasets of ``-d NAME=PATH``.
    filters : mapping of str to dict
        Those of --bids-filter-file; the one called ``given`` says which image is meant.
    filter_file : Path or None
        For messages.

    Raises
    ------
    InputError
        If the filter names an unknown entity.
    """

    def __init__(
        self, derivatives: Mapping[str, Path], filters: Mapping[str, Filters], filter_file: Path | None
    ) -> None:
        self._derivatives = derivatives
        self._filter = filters.get(GIVEN, {})
        self._entities = {**raw_entities(), **derived_entities(), "suffix": "suffix"}
        for entity in self._filter.keys() - set(self._entities.values()):
            hint = suggestion([entity], list(self._entities.values()))
            facts = {"path": filter_file, "entity": one_line(entity), "query": GIVEN, "hint": hint}
            raise InputError(messages.UNKNOWN_ENTITY.format(**facts))

    def of(self, participant: str, session: str | None, modality: str) -> tuple[str, Path]:
        """The name of the dataset that has the image, and the image.

        Raises
        ------
        InputError
            If there is none, or more than one.
        """
        found = list(self._found(participant, session, modality))
        if session and not found:
            found = list(self._found(participant, None, modality))
        facts = {"name": session_name(participant, session), "modality": modality}
        if not found:
            sources = some(list(self._derivatives), ", ")
            raise InputError(messages.GIVEN_LACKING.format(sources=sources, **facts))
        if len(found) > 1:
            names = some([path.name for _, path in found], ", ")
            raise InputError(messages.GIVEN_SEVERAL.format(count=len(found), names=names, **facts))
        return found[0]

    def _found(self, participant: str, session: str | None, modality: str) -> Iterator[tuple[str, Path]]:
        filters = {"suffix": modality} | self._filter
        for source, root in self._derivatives.items():
            folder = output_folder(root, participant, session)
            for name in sorted(names_in(folder)):
                own = name_entities(PurePath(name))
                whose = (own.get("sub"), own.get("ses")) == (participant, session)
                regular = (
                    whose and is_regular(PurePath(name), own) and own["extension"] in (".nii", ".nii.gz")
                )
                if regular and not refused(filters, own, self._entities):
                    yield source, folder / name
