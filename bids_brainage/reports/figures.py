"""Every figure of a participant's page, one SVG file each under OUT/sub-*/figures.

Each function takes files and can be a nipype node's work; `write_session_figures` makes all that a
session has images and estimates for, and leaves alone what is newer than its sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_brainage.reports import charts, mosaics
from bids_brainage.reports.results import RelevanceMap, Session
from bids_brainage.reports.words import Words, measured_value, words_of

ENSEMBLES = {"TypeI": "type I", "TypeII": "type II"}


def brain_mask(image: Path, mask: Path, out: Path) -> Path:
    """Draw the outline of `mask` over `image` (see `mosaics.mask_figure`) and return `out`."""
    title = "Outline of the brain mask over the T1w image, seven slices in each of three axes."
    return mosaics.mask_figure(_load(image), _load(mask), out, title)


def template_registration(moved: Path, template: Path | nib.Nifti1Image, out: Path) -> Path:
    """Draw the T1w in template space, flickering with `template` (its brain), and return `out`."""
    fixed = template if isinstance(template, nib.Nifti1Image) else _load(template)
    title = "The participant's T1w registered to the template, flickering with the template."
    names = ("Participant's T1w", "Template MNI152NLin6Asym")
    image = _load(moved)
    return mosaics.registration_figure(image, _on_grid(fixed, image), out, title, names)


def coregistration(moved: Path, t1w: Path, mask: Path, out: Path, modality: str) -> Path:
    """Draw `moved` on the grid of the T1w, flickering with it inside the brain, and return `out`."""
    inside, fixed = _load(mask), _load(t1w)
    title = f"{modality} registered to the T1w, flickering with the T1w."
    names = (f"{modality} (moved)", "T1w (fixed)")
    return mosaics.registration_figure(
        _within(_load(moved), inside), _within(fixed, inside), out, title, names
    )


def relevance(map_: RelevanceMap, anatomy: Path, mask: Path, out: Path) -> Path:
    """Draw a relevance map over the image it explains and return `out`."""
    picture = _load(map_.path)
    unit = str(map_.sidecar.get("Units", "years"))
    words = Words() if unit == "years" else Words("", unit)
    total = words.signed(float(np.asarray(picture.dataobj, dtype=np.float64).sum()))
    where = " (in template space)" if map_.standard else ""
    title = f"{charts.region_name(map_.region)} · {map_.modality}{where}: the map sums to {total} {unit}."
    return mosaics.relevance_figure(picture, _load(anatomy), _load(mask), out, title, unit)


def write_session_figures(
    out_dir: Path, session: Session, template: Path | nib.Nifti1Image | None = None
) -> list[Path]:
    """Make all figures of a session that are missing or older than what they show.

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    session : Session
        See `results.read_sessions`.
    template : Path or nib.Nifti1Image, optional
        The template's brain at 2 mm; without it the registration is not drawn.

    Returns
    -------
    list of Path
        All figures of the session, old and new.
    """
    folder = out_dir / session.participant / "figures"
    made = [*_image_figures(folder, session, template), *_relevance_figures(folder, session)]
    for record in session.estimates:
        made += _estimate_figures(folder, session, record)
    _cached.cache_clear()
    return made


def _image_figures(folder: Path, session: Session, template: Path | nib.Nifti1Image | None) -> Iterable[Path]:
    t1w, mask, moved = session.preprocessed("T1w"), session.mask, session.preprocessed("T1w", standard=True)
    if t1w is None or mask is None:
        return
    out = folder / f"{session.stem}_desc-brain_mask.svg"
    yield _fresh(out, [t1w, mask], _bound(brain_mask, t1w, mask, out))
    if moved is not None and template is not None:
        out = folder / f"{session.stem}_space-MNI152NLin6Asym_T1w.svg"
        yield _fresh(out, [moved], _bound(template_registration, moved, template, out))
    for modality in ("FLAIR", "T2starw"):
        image = session.preprocessed(modality)
        if image is not None:
            out = folder / f"{session.stem}_desc-coreg_{modality}.svg"
            draw = _bound(coregistration, image, t1w, mask, out, modality)
            yield _fresh(out, [image, t1w, mask], draw)


def _relevance_figures(folder: Path, session: Session) -> Iterable[Path]:
    for map_ in session.maps:
        anatomy = session.preprocessed(map_.modality, standard=map_.standard)
        mask = session.preprocessed("T1w", standard=True) if map_.standard else session.mask
        if not map_.region or anatomy is None or mask is None:
            continue
        name = f"{session.stem}_desc-{map_.ensemble}{map_.region}Relevance_{map_.modality}.svg"
        out = folder / name
        yield _fresh(out, [map_.path, anatomy, mask], _bound(relevance, map_, anatomy, mask, out))


def _estimate_figures(folder: Path, session: Session, record: Any) -> Iterable[Path]:
    ensemble = record["ensemble"]
    kind = ENSEMBLES.get(ensemble, ensemble)
    stem = f"{session.stem}_desc-{ensemble}"
    words, value = words_of(record), measured_value(record)
    known = "" if value is None else f" The {words.measured} is {words.number(value)}."
    title = f"Estimates of the {kind} ensemble: {words.number(record['brain_age'])} {words.unit}.{known}"
    yield charts.forest_figure(record, folder / f"{stem}Estimates_brainage.svg", title)
    shares = record.get("contributions") or {}
    rows = session.regions(ensemble)
    waterfalls = {
        "Modalities": [charts.Step(name, years) for name, years in (shares.get("modality") or {}).items()],
        "Regions": [
            charts.Step(charts.region_name(name), years)
            for name, years in (shares.get("region") or {}).items()
        ],
        "Atlas": charts.largest_regions(rows) if rows else [],
    }
    for name, parts in waterfalls.items():
        if not parts or (name == "Regions" and len(parts) < 2):
            continue
        title = charts.described(record, parts)
        yield charts.waterfall_figure(record, parts, folder / f"{stem}{name}_brainage.svg", title)


def _fresh(out: Path, sources: Iterable[Path], draw: Callable[[], Path]) -> Path:
    newest = max(path.stat().st_mtime for path in sources)
    return out if out.is_file() and out.stat().st_mtime >= newest else draw()


def _bound(draw: Callable[..., Path], *arguments: Any) -> Callable[[], Path]:
    return lambda: draw(*arguments)


def _load(path: Path) -> nib.Nifti1Image:
    """Read an image in canonical orientation; what many figures share is read once."""
    return _cached(path, path.stat().st_mtime_ns) if "Relevance" not in path.name else _read(path)


@lru_cache(maxsize=6)
def _cached(path: Path, _modified: int) -> nib.Nifti1Image:
    return _read(path)


def _read(path: Path) -> nib.Nifti1Image:
    image = nib.as_closest_canonical(nib.load(path))
    return nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)


def _within(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    data = np.asarray(image.dataobj, dtype=np.float32) * (np.asarray(mask.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine)


def _on_grid(image: nib.Nifti1Image, reference: nib.Nifti1Image) -> nib.Nifti1Image:
    """Resample linearly where the template was given at another resolution."""
    if image.shape == reference.shape and np.allclose(image.affine, reference.affine, atol=1e-3):
        return image
    from scipy.ndimage import affine_transform

    matrix = np.linalg.inv(image.affine) @ reference.affine
    data = affine_transform(
        np.asarray(image.dataobj, dtype=np.float32), matrix, output_shape=reference.shape, order=1
    )
    return nib.Nifti1Image(data, reference.affine)
