"""Which figures a session's page has, what each is drawn from, and drawing those that are not there yet."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import bids_brainage
from bids_brainage import messages
from bids_brainage.bids.naming import output_path
from bids_brainage.errors import InputError
from bids_brainage.records.estimate import Difference, EstimateRecord, SubEnsemblePart
from bids_brainage.records.reading import FinishedMap, FinishedSession, PreparedImages
from bids_brainage.reports import charts, pictures
from bids_brainage.reports.charts import Step
from bids_brainage.reports.pictures import Template
from bids_brainage.reports.shown_maps import (
    map_caption,
    reference_caption,
    shown_maps,
    shown_reference_maps,
    z_caption,
)
from bids_brainage.reports.words import in_order, spoken, words_of
from bids_brainage.terms import REFERENCE_MAPS

_NOT_IN_NAMES = re.compile("[^A-Za-z0-9]")


@dataclass(frozen=True)
class Figure:
    """A figure of a page.

    Attributes
    ----------
    path : Path
        Where it lies, in OUT/sub-*/figures.
    reportlet : str
        What of participant.yaml.j2 shows it.
    kind : str
        ``chart``, ``brain``, or ``map`` with its title as caption.
    title : str
        What is read out instead of it.
    draw : callable
        Draws it, given where to and the title.
    drawn_from : str
        Hash of all that decides how it looks.
    """

    path: Path
    reportlet: str
    kind: str
    title: str
    draw: Callable[[Path, str], Path]
    drawn_from: str


def session_figures(session: FinishedSession, key: str, template: Template | None = None) -> Iterator[Figure]:
    """All figures of a session.

    Parameters
    ----------
    session : FinishedSession
    key : str
        What distinguishes the session on its page; the names of reportlets begin with it.
    template : Path or nibabel.Nifti1Image, optional
        The template's brain; without it the registration is not drawn.
    """
    book = _Book(session, key)
    images = session.images
    if images is not None:
        yield from _image_figures(book, images, template)
    for number, record in enumerate(session.estimates, start=1):
        yield from _estimate_figures(book, f"E{number}", record)
        if images is not None:
            yield from _relevance_figures(book, f"E{number}", record, images)
        for difference in record.differences:
            yield from _difference_figures(book, f"E{number}", record, difference, images)


def draw(figures: Iterable[Figure], known: Mapping[str, str]) -> None:
    """Draw what is not there, or was drawn from something else.

    Parameters
    ----------
    figures : iterable of Figure
    known : mapping of str to str
        By name, what the figures that are there were drawn from.
    """
    try:
        for figure in figures:
            if known.get(figure.path.name) != figure.drawn_from or not figure.path.is_file():
                figure.draw(figure.path, figure.title)
    finally:
        pictures.forget_images()


class _Book:
    """Makes the figures of one session, each with a name of its own."""

    def __init__(self, session: FinishedSession, key: str) -> None:
        self.session, self.key = session, key
        self._taken: set[str] = set()

    def figure(
        self,
        reportlet: str,
        name: str,
        title: str,
        draw: Callable[[Path, str], Path],
        sources: Iterable[Path],
        *,
        kind: str = "chart",
        suffix: str = "brainage",
        also: str = "",
    ) -> Figure:
        """A figure drawn from `sources` (files of the session) and from what `also` tells apart."""
        hashes = [self.session.recorded_hash(path) for path in sources]
        told = [bids_brainage.__version__, reportlet, kind, title, also, *hashes]
        return Figure(
            path=self._path(name, suffix),
            reportlet=f"{self.key}{reportlet}",
            kind=kind,
            title=title,
            draw=draw,
            drawn_from=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        )

    def _path(self, name: str, suffix: str) -> Path:
        """Names of bundles may hold what names of files may not, or be alike without it."""
        place, plain, suffix = self.session.place, _NOT_IN_NAMES.sub("", name), _NOT_IN_NAMES.sub("", suffix)
        desc, number = plain, 2
        while f"{desc}_{suffix}" in self._taken:
            desc, number = f"{plain}{number}", number + 1
        self._taken.add(f"{desc}_{suffix}")
        entities = {"desc": desc, "suffix": suffix, "extension": "svg"}
        return output_path(place.out_dir, place.participant, place.session, "figure", **entities)


def _image_figures(book: _Book, images: PreparedImages, template: Template | None) -> Iterator[Figure]:
    t1w, mask, moved = images.subject["T1w"], images.mask, images.standard.get("T1w")
    title = "Outline of the brain mask over the T1w image, seven slices in each of three axes."
    draw = partial(pictures.brain_mask, t1w, mask)
    yield book.figure("Mask", "brain", title, draw, [t1w, mask], kind="brain", suffix="mask")
    if moved is not None and template is not None:
        title = "The participant's T1w registered to the template, flickering with the template."
        draw = partial(pictures.template_registration, moved, template)
        yield book.figure(
            "Template", "template", title, draw, [moved], kind="brain", suffix="T1w", also=_hash_of(template)
        )
    for modality in in_order(images.subject.keys() - {"T1w"}):
        image = images.subject[modality]
        title = f"{modality} registered to the T1w, flickering with the T1w."
        draw = partial(pictures.coregistration, image, t1w, mask, modality)
        yield book.figure(
            f"Coreg{modality}", "coreg", title, draw, [image, t1w, mask], kind="brain", suffix=modality
        )


def _relevance_figures(
    book: _Book, key: str, record: EstimateRecord, images: PreparedImages
) -> Iterator[Figure]:
    words = words_of(record)
    for map_ in shown_maps(book.session.maps, record.ensemble):
        sources = _drawn_over(map_, images)
        if sources is None:
            continue
        anatomy, mask = sources
        title = map_caption(map_, words)
        draw = partial(pictures.relevance, map_.path, anatomy, mask, words)
        yield book.figure(
            f"{key}Relevance",
            f"{record.ensemble}{map_.region}Relevance",
            title,
            draw,
            [map_.path, anatomy, mask],
            kind="map",
            suffix=map_.modality,
            also=f"{words.target} in {words.unit}",
        )


def _difference_figures(
    book: _Book, key: str, record: EstimateRecord, difference: Difference, images: PreparedImages | None
) -> Iterator[Figure]:
    """Bars that lead from the estimate of a reference to the person's, and the maps that they sum."""
    ensemble, kind, words = record.ensemble, difference.reference.kind, words_of(record)
    name, account = REFERENCE_MAPS[kind], charts.account_of_difference(record, difference)
    shares, table = difference.contributions.modality, book.session.regions_path(ensemble, kind)
    bars = {"Modalities": [Step(modality, shares[modality]) for modality in in_order(shares)]}
    if table is not None:
        bars["Atlas"] = _atlas_regions(table, lambda: book.session.regions(ensemble, kind))
    sources = [*book.session.files_of(ensemble, "estimate"), *([table] if table else [])]
    for chart, parts in bars.items():
        title = charts.described(account, parts)
        draw = partial(charts.waterfall_figure, account, parts)
        yield book.figure(f"{key}{name}{chart}", f"{ensemble}{name}{chart}", title, draw, sources)
    if images is not None and kind == "dba":
        yield from _z_figures(book, f"{key}{name}Z", ensemble, images)
    for map_ in shown_reference_maps(book.session.reference_maps, ensemble, kind):
        drawn_over = _drawn_over(map_, images) if images is not None else None
        if drawn_over is not None:
            yield book.figure(
                f"{key}{name}Map",
                f"{ensemble}{map_.region}{name}",
                reference_caption(map_, words),
                partial(pictures.relevance, map_.path, *drawn_over, words),
                [map_.path, *drawn_over],
                kind="map",
                suffix=map_.modality,
                also=f"{words.target} in {words.unit}",
            )


def _z_figures(book: _Book, reportlet: str, ensemble: str, images: PreparedImages) -> Iterator[Figure]:
    """The ensemble's map of z scores, where there is one."""
    for map_ in book.session.z_maps:
        drawn_over = _drawn_over(map_, images)
        if map_.ensemble != ensemble or map_.sub_ensemble or drawn_over is None:
            continue
        draw = partial(pictures.z_map, map_.path, *drawn_over)
        sources = [map_.path, *drawn_over]
        yield book.figure(
            reportlet, f"{ensemble}DBAZ", z_caption(map_), draw, sources, kind="map", suffix=map_.modality
        )


def _drawn_over(map_: FinishedMap[Any], images: PreparedImages) -> tuple[Path, Path] | None:
    """Anatomy and mask on the grid of a map; the brains in standard space are their own mask."""
    anatomies = images.standard if map_.standard else images.subject
    anatomy = anatomies.get(map_.modality)
    mask = images.standard.get("T1w") if map_.standard else images.mask
    return None if anatomy is None or mask is None else (anatomy, mask)


def _estimate_figures(book: _Book, key: str, record: EstimateRecord) -> Iterator[Figure]:
    ensemble, words, files_of = record.ensemble, words_of(record), book.session.files_of
    estimate, regions = files_of(ensemble, "estimate"), files_of(ensemble, "regions")
    known = "" if record.measured is None else f" The {words.measured} is {words.number(record.measured)}."
    found = f"{words.number(record.brain_age)} {words.unit}"
    title = f"Estimates of the ensemble {spoken(ensemble)}: {found}.{known}"
    draw = partial(charts.forest_figure, record)
    yield book.figure(f"{key}Estimates", f"{ensemble}Estimates", title, draw, estimate)
    account = charts.account_of(record)
    if account is None:
        return
    for name, parts in _waterfalls(record, book.session).items():
        title = charts.described(account, parts)
        draw = partial(charts.waterfall_figure, account, parts)
        yield book.figure(f"{key}{name}", f"{ensemble}{name}", title, draw, [*estimate, *regions])


def _waterfalls(record: EstimateRecord, session: FinishedSession) -> dict[str, list[Step]]:
    """The bars of each waterfall, in years of the ensemble's estimate."""
    shares = record.contributions
    if shares is None:
        return {}
    subs = record.sub_ensembles
    found = {
        "Modalities": [
            Step(name + _turned([sub for sub in subs if sub.modality == name]), shares.modality[name])
            for name in in_order(shares.modality)
        ]
    }
    if len(shares.region) > 1:
        found["Regions"] = [
            Step(spoken(name) + _turned([sub for sub in subs if sub.region == name]), years)
            for name, years in shares.region.items()
        ]
    table = session.regions_path(record.ensemble)
    if table is None:
        return found
    return found | {"Atlas": _atlas_regions(table, lambda: session.regions(record.ensemble))}


def _turned(parts: Sequence[SubEnsemblePart]) -> str:
    """Mark a bar that is not what its sub-ensembles see, because weights are negative."""
    negative = [part for part in parts if part.map_weight < 0]
    if not negative:
        return ""
    return " (turned round)" if len(negative) == len(parts) else " (partly turned round)"


def _atlas_regions(table: Path, read: Callable[[], list[dict[str, str]]]) -> list[Step]:
    try:
        steps = charts.largest_regions(read())
    except (OSError, KeyError, ValueError) as error:
        raise InputError(messages.REPORT_UNREADABLE.format(path=table, reason=error)) from error
    if not steps:
        raise InputError(messages.REPORT_UNREADABLE.format(path=table, reason="it has no rows"))
    return steps


def _hash_of(template: Template) -> str:
    image = pictures.template_image(template)
    data = np.ascontiguousarray(image.dataobj, dtype=np.float32)
    return hashlib.sha256(data.tobytes() + image.affine.tobytes()).hexdigest()
