"""What is asked of an estimation, and what is known about the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bids_brainage.bids.naming import session_name
from bids_brainage.records.estimate import ExplanationFacts
from bids_brainage.terms import STANDARD_SPACE


@dataclass(frozen=True, kw_only=True)
class EstimationOptions:
    """How sessions are estimated and explained, and which results are kept.

    Attributes
    ----------
    modalities : tuple of str
        Those that estimates may use.
    lrp : ExplanationFacts or None
        Rule, backend and aggregation; None if nothing is to be explained by LRP.
    references : tuple of str
        What maps are to be made against, of ``reference`` and ``dba``.
    aggregation : str
        Of these maps: as the heads weigh, or plain means.
    spaces : tuple of str
        Grids on which maps are written: ``T1w``, ``MNI152NLin6Asym``.
    sub_ensemble_maps : bool
        Whether sub-ensembles' maps are written, not only the ensemble's.
    threads : int
    """

    modalities: tuple[str, ...]
    lrp: ExplanationFacts | None
    references: tuple[str, ...] = ()
    aggregation: str = "heads"
    spaces: tuple[str, ...] = (STANDARD_SPACE,)
    sub_ensemble_maps: bool = True
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """What is known about a person in one session.

    Attributes
    ----------
    participant, session : str
        Labels with ``sub-`` and ``ses-``; session is None where there is none.
    dataset : str
        Name of the raw dataset, by which training participants are recognised.
    age : float or None
        Years.
    measured : float or None
        Value of the bundle's target, if that is not age.
    sex : str or None
    simulated : bool
    inputs : tuple of str
        BIDS URIs of the files that everything was made from.
    warnings : tuple of str
    groups : mapping of str to str
        Entries in the columns by which the bundle's norms tell people apart.
    """

    participant: str
    session: str | None
    dataset: str
    age: float | None
    measured: float | None
    sex: str | None
    simulated: bool
    inputs: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    groups: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return session_name(self.participant, self.session)
