"""Maps of sub-ensembles in their own years, and their weighted sum, each with its account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_brainage.estimates.grids import Grids, image_sum, weighted_sum
from bids_brainage.estimates.parts import Part, constant_of, own_estimate, weights_of
from bids_brainage.preprocessing.model_input import restore
from bids_brainage.records.relevance_map import AccountLine
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.accounts import weighted_sum as sum_of_accounts
from bids_brainage.relevance.regions import RegionSums

if TYPE_CHECKING:
    import nibabel as nib


@dataclass(frozen=True, eq=False)
class MapFacts:
    """A map on one grid or several, and what it adds up to, in years.

    target_bias + relevance_sum + absorbed = estimate, up to `closure_error`.

    Attributes
    ----------
    name, region, modality : str
        Of the sub-ensemble; of the ensemble's map, name and region are empty and the modality is T1w.
    on : mapping of str to nibabel.Nifti1Image
        The map by space.
    estimate : float
        What is explained, worked out from the networks' own outputs.
    target_bias, absorbed : float
    weight : float
        Years of the ensemble's estimate to one year of this map.
    account : tuple of AccountLine
    quality : mapping
        Measured on this map.
    regions : RegionSums, optional
        Its sums over the regions of the atlas; the ensemble's map has none.
    negative : tuple of str
        Base models whose weights in it are negative: their own maps enter it turned round.
    """

    name: str
    region: str
    modality: str
    on: Mapping[str, nib.Nifti1Image]
    estimate: float
    target_bias: float
    relevance_sum: float
    absorbed: float
    weight: float
    account: tuple[AccountLine, ...]
    quality: Mapping[str, Any]
    regions: RegionSums | None = None
    negative: tuple[str, ...] = ()

    @property
    def closure_error(self) -> float:
        """What is not accounted for."""
        return self.estimate - (self.target_bias + self.relevance_sum + self.absorbed)


def sub_ensemble_map(
    part: Part, weight: float, aggregation: str, grids: Grids, spaces: Sequence[str]
) -> MapFacts:
    """One sub-ensemble's map in the years of its own estimate, on each of `spaces`."""
    from bids_brainage.relevance.quality import quick_quality

    explanation = part.explanation
    if explanation is None:
        raise ValueError(f"{part.sub.name} was not explained")
    own = restore(explanation.relevance, part.input)
    shares = weights_of(part.sub, aggregation)(part.outputs)
    return MapFacts(
        name=part.sub.name,
        region=part.sub.region,
        modality=part.sub.modality,
        on=grids.on(own, spaces),
        estimate=own_estimate(part, aggregation),
        target_bias=constant_of(part, aggregation) + explanation.target_bias,
        relevance_sum=image_sum(own),
        absorbed=explanation.absorbed,
        weight=weight,
        account=_lines(explanation.account),
        quality=quick_quality(explanation),
        regions=grids.regions(own),
        negative=tuple(f"bm-{index:02d}" for index, share in enumerate(shares) if share < 0),
    )


def ensemble_map(maps: Sequence[MapFacts], estimate: float, constant: float) -> MapFacts:
    """The sum of the sub-ensembles' maps, each times its weight.

    Parameters
    ----------
    maps : sequence of MapFacts
    estimate : float
        The ensemble's.
    constant : float
        Years of it that no sub-ensemble contributes.
    """
    return MapFacts(
        name="",
        region="",
        modality="T1w",
        on=weighted_sum((own.weight, own.on) for own in maps),
        estimate=estimate,
        target_bias=constant + sum(own.weight * own.target_bias for own in maps),
        relevance_sum=sum(own.weight * own.relevance_sum for own in maps),
        absorbed=sum(own.weight * own.absorbed for own in maps),
        weight=1.0,
        account=_lines(sum_of_accounts((own.weight, _accounts(own.account)) for own in maps)),
        quality={},
    )


def _lines(account: Iterable[LayerAccount]) -> tuple[AccountLine, ...]:
    return tuple(AccountLine.model_validate(line.as_dict()) for line in account)


def _accounts(lines: Iterable[AccountLine]) -> list[LayerAccount]:
    return [LayerAccount(**line.model_dump()) for line in lines]
