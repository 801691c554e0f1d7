"""What a model makes of changes whose dose and place are known: years gained, and where its maps put them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.studies.response_maps import METHODS
from bids_brainage.studies.response_measures import ResponseTask, Row, measure_response

if TYPE_CHECKING:
    import pandas as pd

    from bids_brainage.injection.change import Change

log = logging.getLogger(__name__)
#: Years by which an estimate must move for its map to be asked where.
RESPONDING = 2.0
PEOPLE, SUMMARY, FIGURE = "response_people.tsv", "response.tsv", "response.svg"
_SAME = ["change", "region", "side", "dose", "unit", "ensemble", "sub_ensemble", "method"]


@dataclass(frozen=True)
class Response:
    """What was found.

    Attributes
    ----------
    summary : list of dict
        Rows of response.tsv.
    left_out : dict of str to str
        Why a change could not be made, by person and change.
    """

    summary: list[Row]
    left_out: dict[str, str]


def measure_responses(
    bids_dir: Path,
    derivatives: Path,
    out: Path,
    bundle: str,
    changes: Sequence[Change],
    *,
    methods: Sequence[str] = ("preset-a", "dba"),
    labels: Sequence[str] = (),
    nprocs: int = 1,
) -> Response:
    """Put changes into people's images, one at a time, and see what a model makes of each.

    Parameters
    ----------
    bids_dir : Path
        The raw dataset; participants.tsv has the ages.
    derivatives : Path
        What ``bids_brainage BIDS_DIR DERIVATIVES participant`` has written; ``--preproc-only`` is enough.
    out : Path
        Where ``response_people.tsv``, ``response.tsv``, their dictionaries and ``response.svg`` are written.
    bundle : str
        Name or path of the model bundle.
    changes : sequence of Change
    methods : sequence of str
        Of maps, see `METHODS`.
    labels : sequence of str
        Participants without ``sub-``; everybody if it is empty.
    nprocs : int
        Processes; the results do not depend on it.

    Raises
    ------
    InputError
        An unknown method; nobody has finished derivatives and an age; or no change fits anybody.
    """
    from bids_brainage.studies.response_figure import response_figure

    if unknown := [method for method in methods if method not in METHODS]:
        raise InputError(messages.METHOD_UNKNOWN.format(method=unknown[0], methods=", ".join(METHODS)))
    tasks = find_people(bids_dir, derivatives, bundle, changes, methods, labels)
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for number, (task, (own, problems)) in enumerate(_in_turn(tasks, nprocs), start=1):
        rows += own
        left_out |= {f"{task.name}: {change}": why for change, why in problems.items()}
        log.info("%d of %d: %s", number, len(tasks), task.name)
    for why in left_out.values():
        log.warning("%s", why)
    if not rows:
        nobody = len(left_out) == len(tasks) * len(changes)
        why = messages.NOTHING_TO_COMPARE.format(model=bundle)
        raise InputError(next(iter(left_out.values())) if nobody else why)
    for method in sorted(set(methods) - {str(row["method"]) for row in rows}):
        log.warning("%s", messages.METHOD_WITHOUT_REFERENCE.format(method=method, model=bundle))
    summary = summarise(rows)
    write_table(out / PEOPLE, rows, "people")
    write_table(out / SUMMARY, summary, "summary")
    response_figure(summary, out / FIGURE)
    return Response(summary, left_out)


def _in_turn(
    tasks: Sequence[ResponseTask], nprocs: int
) -> Iterator[tuple[ResponseTask, tuple[list[Row], dict[str, str]]]]:
    """Everybody with what was found, in their order."""
    from bids_brainage.studies.tori_training import worker_pool

    if nprocs <= 1 or len(tasks) <= 1:
        yield from zip(tasks, map(measure_response, tasks), strict=True)
        return
    with worker_pool(min(nprocs, len(tasks))) as pool:
        yield from zip(tasks, pool.map(measure_response, tasks), strict=True)


def find_people(
    bids_dir: Path,
    derivatives: Path,
    bundle: str,
    changes: Sequence[Change],
    methods: Sequence[str],
    labels: Sequence[str] = (),
) -> list[ResponseTask]:
    """Everybody with an age and finished images."""
    from bids_brainage.models.cohorts.people import read_cohort
    from bids_brainage.records.altered import is_altered
    from bids_brainage.records.reading import read_participant
    from bids_brainage.records.session import FIRST

    if is_altered(derivatives):
        raise InputError(messages.INJECT_TWICE.format(path=derivatives))
    cohort = read_cohort([derivatives], bids_dir / "participants.tsv", (FIRST,), labels=labels)
    tasks = []
    for person in cohort.people:
        images = next(own.images for own in read_participant(derivatives, person.participant) if own.images)
        own = (person.participant, person.age, images, bundle, cohort.dataset)
        tasks.append(ResponseTask(*own, tuple(changes), tuple(methods)))
    return tasks


def summarise(rows: Sequence[Row]) -> list[Row]:
    """What people have in common, by change, dose, sub-ensemble and method."""
    import pandas as pd

    groups = pd.DataFrame(list(rows)).groupby(_SAME, sort=False, dropna=False)
    return [{name: own[name].iloc[0] for name in _SAME} | _common(own) for _, own in groups]


def _common(own: pd.DataFrame) -> Row:
    gained = own["gained"].astype(float)
    moved = own[gained.abs() > RESPONDING]
    shares = (moved["near"] / moved["gained"]).astype(float)
    # Some gain years and others lose some.
    weights = moved["gained"].astype(float).abs()
    sided = own["side"].iloc[0] != "both"
    return {
        "n": len(own),
        "gained": float(gained.mean()),
        "gained_sd": _known(gained.std()),
        "responding": len(moved),
        "near_share": _known((shares * weights).sum() / weights.sum()) if len(moved) else None,
        "near_share_least": _known(shares.min()) if len(moved) else None,
        "moved_near": _known(moved["moved_near"].astype(float).mean()),
        "chance": _known(own["chance"].astype(float).mean()),
        "own_side": _on_own_side(moved) if sided else None,
    }


def _on_own_side(moved: pd.DataFrame) -> int:
    """In how many people the half that was changed has more of the years gained than the other."""
    sign = np.sign(moved["gained"].astype(float))
    toward_left = sign * (moved["left"] - moved["right"]).astype(float)
    return int((np.where(moved["side"] == "left", toward_left, -toward_left) > 0).sum())


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_table(path: Path, rows: Iterable[Row], dictionary: str) -> None:
    """Write a table and a JSON file that explains its columns."""
    import pandas as pd

    folder = files("bids_brainage") / "data" / "simulation"
    columns = yaml.safe_load((folder / "response_tables.yaml").read_text(encoding="utf-8"))[dictionary]
    frame = pd.DataFrame(list(rows), columns=list(columns))
    write_text(path, frame.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g"))
    write_text(path.with_suffix(".json"), json.dumps(columns, indent=2) + "\n")


def short_table(summary: Sequence[Row]) -> str:
    """The highest dose as text: who responds, and where the maps put it."""
    highest = max(row["dose"] for row in summary)
    lines = []
    for row in summary:
        if row["dose"] != highest or row["sub_ensemble"] == "all" or not row["responding"]:
            continue
        side = "" if row["own_side"] is None else f", right side in {row['own_side']}"
        where = f"{100 * row['near_share']:4.0f} % near the change (chance {100 * row['chance']:.0f} %)"
        lines.append(
            f"{row['ensemble']:8} {row['sub_ensemble']:22} {row['method']:10} {row['gained']:+6.1f} years, "
            f"{where}{side}; {row['responding']} of {row['n']} people respond"
        )
    return "\n".join(lines) or "No estimate moved by more than 2 years."
