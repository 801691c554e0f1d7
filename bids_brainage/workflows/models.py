"""The model bundles of a run: which ensembles are asked for, and which bundle has each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.errors import InputError

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle


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
