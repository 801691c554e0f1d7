"""The model bundles of a run: which ensembles are asked for, and which bundle has each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.bids.needs import Needs
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.terms import MODALITIES

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle


def needs_of(bundles: Iterable[Bundle]) -> Needs:
    """What models need of a dataset beside the images that every run prepares.

    Raises
    ------
    InputError
        Two take in different images of one modality that the user made: only one can be given.
    """
    bundles = list(bundles)
    given = [(bundle, recipe) for bundle in bundles for recipe in bundle.recipes if recipe.source == "given"]
    for (one, first), (other, second) in combinations(given, 2):
        same = (first.grid, first.registration.kind) == (second.grid, second.registration.kind)
        if first.modality == second.modality and not same:
            facts = {"one": one.name, "other": other.name, "modality": first.modality}
            raise InputError(messages.GIVEN_DIFFERENT.format(**facts))
    recipes = [recipe for bundle in bundles for recipe in bundle.recipes]
    raw = {recipe.modality for recipe in recipes if recipe.source != "given"}
    return Needs(
        sequences=frozenset(raw - set(MODALITIES)),
        scanned=frozenset(recipe.modality for recipe in recipes if recipe.source == "native"),
        freesurfer=frozenset(recipe.source for recipe in recipes if recipe.source.startswith("freesurfer:")),
        given={recipe.modality: recipe.grid for _, recipe in given},
    )


def with_needs(config: RunConfig) -> tuple[RunConfig, Needs]:
    """What the models of a run need, and the run with the sequences that it need not name.

    Raises
    ------
    BundleError
        If one is not there, or is none.
    """
    from bids_brainage.models.bundles.bundle import open_bundle

    needs = needs_of(map(open_bundle, config.model))
    if config.modalities != MODALITIES:
        return config, needs
    return replace(config, modalities=(*MODALITIES, *sorted(needs.sequences))), needs


@dataclass(frozen=True, eq=False)
class Models:
    """Bundles side by side over one preprocessing.

    Attributes
    ----------
    bundles : tuple of Bundle
    asked : tuple of str
        Names of ensembles; all that the bundles have if it is empty.
    """

    bundles: tuple[Bundle, ...]
    asked: tuple[str, ...] = ()

    @classmethod
    def load(cls, names: Sequence[str], ensembles: tuple[str, ...] = ()) -> Models:
        """Load bundles by name or path.

        Raises
        ------
        BundleError
            One cannot be used, or the only one has no ensemble of a name asked for.
        InputError
            Two have an ensemble of the same name or estimate something else; none has one asked for.
        """
        from bids_brainage.models.bundles.bundle import load_bundle

        models = cls(tuple(load_bundle(name) for name in names), ensembles)
        models._check()
        return models

    @property
    def ensembles(self) -> dict[str, Bundle]:
        """The bundle of every ensemble asked for, in the order in which they are estimated."""
        there = {name: bundle for bundle in self.bundles for name in bundle.ensembles}
        return {name: there[name] for name in self.asked or there}

    def chosen(self, bundle: Bundle) -> tuple[str, ...]:
        """The ensembles of a bundle that are asked for."""
        return tuple(name for name, own in self.ensembles.items() if own is bundle)

    @property
    def linear_ways(self) -> tuple[str, ...]:
        """Which linear ways to the template any of the networks' inputs need."""
        return tuple(sorted({kind for bundle in self.bundles for kind in bundle.linear_ways}))

    @property
    def needs(self) -> Needs:
        """What the models need beside the images that every run prepares."""
        return needs_of(self.bundles)

    def _check(self) -> None:
        first = self.bundles[0]
        if len(self.bundles) == 1:
            first.chosen(self.asked)
        known: dict[str, Bundle] = {}
        for bundle in self.bundles:
            for name in bundle.ensembles:
                if name in known:
                    raise InputError(
                        messages.MODELS_SAME_ENSEMBLE.format(
                            one=known[name].path, other=bundle.path, ensemble=name
                        )
                    )
                known[name] = bundle
            if bundle.record.target != first.record.target:
                raise InputError(messages.MODELS_TARGETS.format(one=first.name, other=bundle.name))
        if missing := [name for name in self.asked if name not in known]:
            raise InputError(
                messages.MODELS_NO_ENSEMBLE.format(name=missing[0], known=", ".join(sorted(known)))
            )
