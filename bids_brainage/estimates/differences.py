"""Maps against references: why an estimate is not that of the average brain, or of that of the same age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage import messages
from bids_brainage.estimates.grids import Grids, image_sum, weighted_sum
from bids_brainage.estimates.parts import Part
from bids_brainage.models.ensembles.head_model import HeadModel
from bids_brainage.preprocessing.model_input import restore
from bids_brainage.records.estimate import (
    Contributions,
    Difference,
    DifferencePart,
    NormsFacts,
    ReferenceFacts,
)
from bids_brainage.records.relevance_map import AccountLine
from bids_brainage.relevance.difference import QUADRATURE, REFERENCE, explain_difference
from bids_brainage.relevance.regions import RegionSums

#: Name of the account's line of what is usual at an age.
USUAL = "usual"

if TYPE_CHECKING:
    import nibabel as nib

    from bids_brainage.estimates.z_maps import ZMap
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.references import ReferenceInput
    from bids_brainage.models.bundles.region_norms import RegionDeviations
    from bids_brainage.models.ensembles.head_model import Head


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """A map against a reference on one grid or several, and what it adds up to, in years.

    reference_estimate + usual + relevance_sum + quadrature = estimate, up to `closure_error`.

    Attributes
    ----------
    name, region, modality : str
        Of the sub-ensemble; of the ensemble's map, name and region are empty and the modality is T1w.
    on : mapping of str to nibabel.Nifti1Image
        The map by space.
    estimate, reference_estimate : float
    usual : float
        Sum of the map that is usual at the reference's age, which was taken off this one, and of what its
        quadrature usually leaves.
    relevance_sum : float
    quadrature : float
        What the sum over points of the way from the reference leaves.
    points : int
        At how many points gradients were taken, at most.
    weight : float
        Years of the ensemble's difference to one year of this map.
    regions : RegionSums, optional
        Its sums over the regions of the atlas; the ensemble's map has none.
    negative : tuple of str
        Base models whose weights at the person's outputs are negative: their own maps enter it turned round.
    """

    name: str
    region: str
    modality: str
    on: Mapping[str, nib.Nifti1Image]
    estimate: float
    reference_estimate: float
    usual: float
    relevance_sum: float
    quadrature: float
    points: int
    weight: float
    regions: RegionSums | None = None
    negative: tuple[str, ...] = ()

    @property
    def closure_error(self) -> float:
        """What is not accounted for."""
        accounted = self.reference_estimate + self.usual + self.relevance_sum + self.quadrature
        return self.estimate - accounted

    @property
    def account(self) -> tuple[AccountLine, ...]:
        """From the estimate to the map."""
        kept = {REFERENCE: self.reference_estimate, QUADRATURE: self.quadrature, USUAL: self.usual}
        lines, left = [], self.estimate
        for layer, absorbed in kept.items():
            passed = left - absorbed
            lines.append(AccountLine(layer=layer, received=left, passed_on=passed, absorbed=absorbed))
            left = passed
        return tuple(lines)


@dataclass(frozen=True, eq=False)
class DifferenceMaps:
    """All maps against one kind of reference.

    Attributes
    ----------
    reference : ReferenceFacts
    parts : tuple of DifferenceMap
        Of the sub-ensembles.
    total : DifferenceMap
        The ensemble's.
    deviations : RegionDeviations, optional
        Of their regions from what is usual.
    norms : NormsFacts, optional
        Whom these compare with.
    z : tuple of ZMap
        Those that are written in standard space as standard deviations from what is usual.
    """

    reference: ReferenceFacts
    parts: tuple[DifferenceMap, ...]
    total: DifferenceMap
    deviations: RegionDeviations | None = None
    norms: NormsFacts | None = None
    z: tuple[ZMap, ...] = ()

    @property
    def facts(self) -> Difference:
        """What the estimate's record says of them."""
        modality: dict[str, float] = {}
        region: dict[str, float] = {}
        for own in self.parts:
            years = own.weight * own.relevance_sum
            modality[own.modality] = modality.get(own.modality, 0.0) + years
            region[own.region] = region.get(own.region, 0.0) + years
        return Difference(
            reference=self.reference,
            reference_estimate=self.total.reference_estimate,
            usual=self.total.usual,
            relevance_sum=self.total.relevance_sum,
            quadrature=self.total.quadrature,
            parts=tuple(_part(own) for own in self.parts),
            contributions=Contributions(modality=modality, region=region),
            norms=self.norms,
        )


def _part(own: DifferenceMap) -> DifferencePart:
    return DifferencePart(
        name=own.name,
        reference_estimate=own.reference_estimate,
        usual=own.usual,
        relevance_sum=own.relevance_sum,
        quadrature=own.quadrature,
        points=own.points,
        weight=own.weight,
        contribution=own.weight * own.relevance_sum,
    )


def find_references(
    kind: str, bundle: Bundle, ensemble: str, names: Sequence[str], known: float | None
) -> tuple[dict[str, ReferenceInput], str]:
    """The references of some sub-ensembles by name, or none and the reason why.

    Parameters
    ----------
    kind : {"reference", "dba"}
    bundle : Bundle
    ensemble : str
    names : sequence of str
        Of the sub-ensembles that the estimate rests on.
    known : float or None
        The person's age, or measured value of what the bundle estimates.
    """
    from bids_brainage.models.bundles.references import age_reference, mean_reference

    if kind == "dba" and known is None:
        return {}, messages.NO_REFERENCE_FOR_PERSON.format(what=bundle.record.target)
    found = {
        name: mean_reference(bundle, ensemble, name)
        if kind == "reference" or known is None
        else age_reference(bundle, ensemble, name, known)
        for name in names
    }
    there = {name: own for name, own in found.items() if own is not None}
    if len(there) < len(names):
        sentence = messages.NO_REFERENCE_AT_AGES if kind == "dba" else messages.NO_MEAN_REFERENCE
        lacking = ", ".join(name for name in names if name not in there)
        return {}, sentence.format(model=bundle.name, names=lacking)
    return there, ""


def difference_maps(
    kind: str,
    bundle: Bundle,
    parts: Mapping[str, Part],
    references: Mapping[str, ReferenceInput],
    top: Head | None,
    grids: Grids,
    spaces: Sequence[str],
    threads: int,
) -> DifferenceMaps:
    """Explain what makes an estimate differ from that of references.

    Parameters
    ----------
    kind : {"reference", "dba"}
    bundle : Bundle
    parts : mapping of str to Part
        By sub-ensemble, in the order of the top head's inputs.
    references : mapping of str to ReferenceInput
    top : Head or None
        From the sub-ensembles' estimates to the ensemble's; None for plain means of networks and
        sub-ensembles.
    grids : Grids
    spaces : sequence of str
        On which maps are wanted.
    threads : int
    """
    found, heads = {}, {}
    for name, part in parts.items():
        networks = [model.network for model in part.sub.base_models]
        heads[name] = part.sub.head if top is not None else _mean(len(networks))
        reference = references[name].array
        found[name] = explain_difference(networks, part.input.array, reference, heads[name], threads=threads)
    top = top or _mean(len(parts))
    estimates = np.array([own.estimate for own in found.values()])
    starts = np.array([own.reference_estimate for own in found.values()])
    weights = dict(zip(parts, top.secants(estimates, starts)[0], strict=True))

    def brought_back(name: str) -> DifferenceMap:
        part, own = parts[name], found[name]
        usual, left = references[name].usual, references[name].usually_left
        theirs = own.relevance if usual is None else own.relevance - usual
        image = restore(theirs, part.input, by="even")
        return DifferenceMap(
            name=name,
            region=part.sub.region,
            modality=part.sub.modality,
            on=grids.on(image, spaces),
            estimate=own.estimate,
            reference_estimate=own.reference_estimate,
            usual=0.0 if usual is None else float(usual.sum(dtype=np.float64)) + left,
            relevance_sum=image_sum(image),
            quadrature=own.quadrature - left,
            points=own.points,
            weight=float(weights[name]),
            regions=grids.regions(image),
            negative=tuple(
                f"bm-{index:02d}" for index, slope in enumerate(heads[name].slopes(own.outputs)) if slope < 0
            ),
        )

    with ThreadPoolExecutor(threads) as pool:
        maps = tuple(pool.map(brought_back, parts))
    total = _total(maps, float(top.apply(estimates)), float(top.apply(starts)))
    return DifferenceMaps(_facts(kind, bundle, next(iter(references.values()))), maps, total)


def _mean(count: int) -> HeadModel:
    return HeadModel(np.full(count, 1 / count), 0.0)


def _total(maps: Sequence[DifferenceMap], estimate: float, start: float) -> DifferenceMap:
    """The sum of the sub-ensembles' maps, each times its weight."""
    return DifferenceMap(
        name="",
        region="",
        modality="T1w",
        on=weighted_sum((own.weight, own.on) for own in maps),
        estimate=estimate,
        reference_estimate=start,
        usual=sum(own.weight * own.usual for own in maps),
        relevance_sum=sum(own.weight * own.relevance_sum for own in maps),
        quadrature=sum(own.weight * own.quadrature for own in maps),
        points=max(own.points for own in maps),
        weight=1.0,
    )


def _facts(kind: str, bundle: Bundle, reference: ReferenceInput) -> ReferenceFacts:
    expected, cohort = bundle.record.expected_inputs, bundle.record.cohort
    datasets = expected.datasets if expected is not None else cohort.datasets
    n_usual = 0 if expected is None or reference.usual is None else expected.n_maps
    return ReferenceFacts.model_validate(
        {"kind": kind, "age": reference.age, "n": reference.n, "n_usual": n_usual, "datasets": datasets}
    )
