"""Which of a participant's sessions get an estimate, and from which images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.choice import Image, is_last_resort
from bids_brainage.bids.derivatives import Preparations
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.prepared import PreprocessedInputs

Images = dict[str, list[Image]]
BySession = dict[str | None, Images]


class Sessions:
    """Decide which of a participant's sessions get an estimate, and from which images.

    A session stands for itself if it has a T1w image, raw or preprocessed. If exactly one has, what it
    lacks is taken from the others, as in studies that spread one examination over several visits; if
    several have, sessions without are left out. One preprocessed T1w of several sessions together gives
    one estimate, without a session in its name.

    Attributes
    ----------
    chosen : dict
        Images by session; the session None is a participant without sessions, or all of them together.
    left_out : list of str
        Sentences about what is not processed.
    """

    def __init__(
        self,
        participant: str,
        found: BySession,
        preparations: Preparations,
        asked_for: tuple[str, ...] = (),
    ) -> None:
        self.participant = participant
        self.preparations = preparations
        self.asked_for = asked_for
        self.left_out: list[str] = []
        self.chosen = self._choose(found)

    def _choose(self, found: BySession) -> BySession:
        everything = sorted(found, key=lambda session: session or "")
        if not found and self.asked_for and not self._has_prepared(None):
            self.left_out.append(messages.NOT_IN_SESSION.format(name=session_name(self.participant, None)))
            return {}
        if not found:
            return {None: {}}
        reference = [ses for ses in everything if found[ses].get("T1w") or self._has_prepared(ses)]
        own = set(reference)
        separate = any(self._has_prepared(session) for session in everything if session)
        if len(everything) > 1 and len(reference) != 1 and not separate and self._has_prepared(None):
            return {None: self._join({}, found)}
        if not reference and len(everything) == 1 and self._has_prepared(None):
            reference = everything
        if not reference:
            return {session: found[session] for session in everything}
        if len(reference) == 1:
            return {reference[0]: self._join(found[reference[0]], found)}
        for session in (session for session in everything if session not in own):
            name = session_name(self.participant, session)
            self.left_out.append(
                messages.SESSION_LEFT_OUT.format(name=name, found=listed(found[session]) or "a scout")
            )
        return {session: found[session] for session in reference}

    def _has_prepared(self, session: str | None) -> bool:
        return any(prepared_of(self.participant, session, self.preparations))

    @staticmethod
    def _join(images: Images, found: BySession) -> Images:
        """Return a session's images, and what it lacks from the first other session that has it."""
        joined = dict(images)
        for session in sorted(found, key=lambda session: session or ""):
            for modality, files in found[session].items():
                joined.setdefault(modality, files)
        return joined


def without_last_resorts(found: BySession, asked_for: Mapping[str, Collection[str]]) -> BySession:
    """Leave out scouts and the like of a modality of which any session has a real image."""
    real = {
        modality
        for images in found.values()
        for modality, files in images.items()
        if not all(is_last_resort(entities, asked_for[modality]) for _, entities in files)
    }
    return {
        session: {
            modality: files
            for modality, files in images.items()
            if modality not in real
            or not all(is_last_resort(entities, asked_for[modality]) for _, entities in files)
        }
        for session, images in found.items()
    }


def prepared(
    participant: str, session: str | None, preparations: Preparations
) -> tuple[PreprocessedInputs | None, Path | None]:
    """Find what was prepared of a session or, if no session was by itself, of the participant as a whole."""
    found = prepared_of(participant, session, preparations)
    if session and not any(found) and not preparations.has_single_sessions(participant):
        return prepared_of(participant, None, preparations)
    return found


def prepared_of(
    participant: str, session: str | None, preparations: Preparations
) -> tuple[PreprocessedInputs | None, Path | None]:
    return (
        preparations.images(participant, session),
        preparations.freesurfer_brain(participant, session),
    )


def listed(images: Mapping[str, object]) -> str:
    """Return the modalities of some images for a sentence."""
    return " and ".join(sorted(images))
