"""``bids_brainage_models norms``: what places' DBA is like at an age, from a lab's own people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from bids_brainage.group.norms import MadeNorms


def add_norms(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``bids_brainage_models``."""
    norms = actions.add_parser(
        "norms",
        help="what regions' DBA is like at an age to a bundle, from your own people",
        description="Learn mean and spread of each region's DBA at an age from finished people of your own, "
        "into a copy of the bundle that estimated them. Tables and pages of people whom the copy estimates "
        "have z scores then.",
    )
    norms.set_defaults(work=make)
    norms.add_argument("model", metavar="MODEL", help="name, folder or bundle.json")
    norms.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="raw dataset, for its name and --by")
    norms.add_argument(
        "out_dir",
        type=Path,
        metavar="OUT",
        help="what bids_brainage BIDS_DIR OUT participant --model MODEL --explain dba has written",
    )
    norms.add_argument(
        "--model-out",
        type=Path,
        metavar="FOLDER",
        help="folder of the new bundle (default: ./<name of the model>-norms)",
    )
    norms.add_argument(
        "--by",
        nargs="+",
        default=(),
        metavar="COLUMN",
        help="columns of participants.tsv whose entries shift norms, such as sex and site (default: none)",
    )
    norms.add_argument(
        "--participant-label",
        nargs="+",
        default=(),
        metavar="LABEL",
        help="the reference group, such as your healthy controls (default: everybody finished in OUT)",
    )
    norms.add_argument(
        "--voxels",
        action="store_true",
        help="norms of the maps, too, in blocks of 4 mm, so that people have z maps: needs everybody's DBA "
        "map in standard space, and some megabytes in the bundle (default: of regions alone)",
    )


def make(arguments: argparse.Namespace) -> int:
    """Make the bundle, and print how the z scores of its people are distributed."""
    from rich.console import Console

    from bids_brainage.group.norms import CALIBRATION, make_norms
    from bids_brainage.models.bundles.bundle import load_bundle

    bundle = load_bundle(arguments.model)
    new, made = make_norms(
        bundle,
        arguments.out_dir,
        arguments.bids_dir,
        arguments.model_out or Path(f"{bundle.name}-norms"),
        arguments.by,
        [label.removeprefix("sub-") for label in arguments.participant_label],
        arguments.voxels,
    )
    console = Console(highlight=False, markup=False)
    console.print(_table(made))
    console.print("z scores of the reference people, each by the norms of the others.")
    for path in (new.path, new.path / CALIBRATION):
        console.print(str(path), soft_wrap=True)
    return 0


def _table(made: Sequence[MadeNorms]) -> Table:
    import numpy as np
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("norms", "given", "n", "places", "mean z", "sd z", "beyond 1.96"):
        table.add_column(title, overflow="fold")
    for own in made:
        blocks = [(f"{name} blocks", calibration) for name, calibration in own.voxels.items()]
        for name, calibration in (*own.parts(), *blocks):
            varies = np.isfinite(calibration.sd)
            table.add_row(
                " ".join(f"{own.known.facts.ensemble} {name}".split()),
                " + ".join(own.known.facts.modalities),
                str(calibration.n),
                str(int(varies.sum())),
                _range(calibration.mean[varies]),
                _range(calibration.sd[varies]),
                f"{calibration.tails[varies].mean():.1%}" if varies.any() else "n/a",
            )
    return table


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}" if values.size else "n/a"
