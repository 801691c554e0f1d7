"""One test of a group: a model of the people, and the maps that it is a model of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import bids_brainage
from bids_brainage.atomic import replacing
from bids_brainage.group.members import MapKind
from bids_brainage.records.files import write_json
from bids_brainage.statistics.design import Contrast, Design, Exchangeability

#: What is tested at a voxel; see `Measure` of the permutation tests.
Inference = Literal["tfce", "voxel", "extent", "mass"]


@dataclass(frozen=True)
class Maps:
    """Maps of one kind by one sub-ensemble, or by an ensemble as a whole.

    Attributes
    ----------
    ensemble, sub_ensemble, region, modality : str
        Of the ensemble's own map, sub_ensemble and region are empty.
    kind : {"lrp", "dba"}
    """

    ensemble: str
    sub_ensemble: str
    region: str
    modality: str
    kind: MapKind


@dataclass(frozen=True)
class Procedure:
    """How a model is tested.

    Attributes
    ----------
    inference : {"tfce", "voxel", "extent", "mass"}
    cluster_p : float
        Threshold of extent and mass.
    n_permutations, seed : int
    two_sided : bool
    absolute : bool
        The maps' absolute values are tested.
    tails : bool
        Small p values by a generalised Pareto distribution.
    correct_over : tuple of str
        contrasts, maps.
    """

    inference: Inference = "tfce"
    cluster_p: float = 0.001
    n_permutations: int = 5000
    seed: int = 1
    two_sided: bool = True
    absolute: bool = False
    tails: bool = False
    correct_over: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Unit:
    """A model of a group, of one set of maps.

    Attributes
    ----------
    analysis : str
        What the folder of results is called.
    title, source : str
        A heading, and where the analysis comes from if it is not the user's.
    maps : Maps
    design : Design
    people : tuple of str
        Whose rows the design has, ``sub-XX[_ses-Y]``.
    rows : ndarray of int, shape (n,)
        Their rows in the stack and the tables of regions.
    minus, years : ndarray, shape (n,), or None
        Of designs of change: an observation is a row minus another, divided by the years between.
    stack : Path
        Everybody's maps; see `Stack`.
    stack_fingerprint : str
        Of what the stack is made of.
    procedure : Procedure
    notes : tuple of str
        What stands beside the results.
    """

    analysis: str
    title: str
    source: str
    maps: Maps
    design: Design
    people: tuple[str, ...]
    rows: NDArray[np.intp]
    stack: Path
    stack_fingerprint: str
    procedure: Procedure
    notes: tuple[str, ...] = field(default=())
    minus: NDArray[np.intp] | None = None
    years: NDArray[np.float64] | None = None

    @property
    def is_stack(self) -> bool:
        """Whether maps are tested as they are."""
        return self.minus is None and not self.procedure.absolute

    def observations(self, everybody: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the design is a model of (n, k), signs kept, from everybody's values (people, k)."""
        own = everybody[self.rows]
        if self.minus is not None and self.years is not None:
            own = ((own - everybody[self.minus]) / self.years[:, None]).astype(np.float32)
        return own

    @cached_property
    def fingerprint(self) -> str:
        """Of all that decides the result."""
        own = hashlib.sha256(json.dumps(self._facts(), sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            own.update(f"{name} {array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        return own.hexdigest()

    def _facts(self) -> Mapping[str, Any]:
        contrasts = [(contrast.name, contrast.statistic) for contrast in self.design.contrasts]
        exchange = self.design.exchangeability
        flags = (exchange.permute, exchange.flip, exchange.within, exchange.whole)
        return {
            "version": bids_brainage.__version__,
            "stack": self.stack_fingerprint,
            "columns": self.design.columns,
            "contrasts": contrasts,
            "exchange": flags,
            "procedure": vars(self.procedure),
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {"matrix": self.design.matrix, "rows": self.rows}
        if self.minus is not None and self.years is not None:
            arrays |= {"minus": self.minus, "years": self.years}
        if self.design.exchangeability.blocks is not None:
            arrays["blocks"] = self.design.exchangeability.blocks
        for number, contrast in enumerate(self.design.contrasts):
            arrays[f"contrast-{number}"] = np.atleast_2d(contrast.weights)
        return arrays

    def save(self, folder: Path) -> Path:
        """Write the unit into a folder of its own, arrays first."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "unit.npz") as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **self._arrays())
        content = {
            "facts": self._facts(),
            "analysis": self.analysis,
            "title": self.title,
            "source": self.source,
            "maps": vars(self.maps),
            "people": list(self.people),
            "stack": str(self.stack),
            "notes": list(self.notes),
        }
        write_json(folder / "unit.json", content)
        return folder


def load_unit(folder: Path) -> Unit:
    """A unit that was saved."""
    content = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
    facts = content["facts"]
    with np.load(folder / "unit.npz", allow_pickle=False) as found:
        arrays = dict(found)
    contrasts = tuple(
        Contrast(name, arrays[f"contrast-{number}"], statistic)
        for number, (name, statistic) in enumerate(facts["contrasts"])
    )
    permute, flip, within, whole = facts["exchange"]
    exchange = Exchangeability(permute, flip, arrays.get("blocks"), within, whole)
    settings = facts["procedure"] | {"correct_over": tuple(facts["procedure"]["correct_over"])}
    return Unit(
        analysis=content["analysis"],
        title=content["title"],
        source=content["source"],
        maps=Maps(**content["maps"]),
        design=Design(arrays["matrix"], tuple(facts["columns"]), contrasts, exchange),
        people=tuple(content["people"]),
        rows=arrays["rows"],
        stack=Path(content["stack"]),
        stack_fingerprint=facts["stack"],
        procedure=Procedure(**settings),
        notes=tuple(content["notes"]),
        minus=arrays.get("minus"),
        years=arrays.get("years"),
    )
