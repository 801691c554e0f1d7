"""One finished session again, with a change in its images and the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.naming import sidecar
from bids_brainage.errors import ImageError
from bids_brainage.injection.altered import Altered
from bids_brainage.injection.change import Change
from bids_brainage.injection.head import Head, read_head
from bids_brainage.injection.kinds import inject
from bids_brainage.records.files import copy_file
from bids_brainage.records.reading import FinishedSession, PreparedImages, SessionPlace, read_session
from bids_brainage.records.relevance_map import RESOLUTION
from bids_brainage.records.session import FIRST, TEMPLATE, FileMark, Role
from bids_brainage.records.writing import Output, publish
from bids_brainage.terms import STANDARD_SPACE, T1W_SPACE

if TYPE_CHECKING:
    import nibabel as nib

TRUTH_STAGES = {FIRST: (T1W_SPACE, "injected"), TEMPLATE: (STANDARD_SPACE, "injected_standard")}


@dataclass(frozen=True, eq=False)
class AlteredSession:
    """A session's images after a change, on the grids that they have.

    Attributes
    ----------
    change : Change
    images : dict of (role, modality) to nibabel.Nifti1Image
        Those that have changed: subject_image and standard_image.
    truth : dict of str to nibabel.Nifti1Image
        By space, the share of each voxel that was changed.
    facts : dict
        What is known about the change in this head: volumes, and signals of tissues.
    """

    change: Change
    images: dict[tuple[str, str], nib.Nifti1Image]
    truth: dict[str, nib.Nifti1Image]
    facts: dict[str, Any]

    @property
    def modalities(self) -> set[str]:
        """The sequences that have changed."""
        return {modality for _, modality in self.images}

    def among(self, images: PreparedImages, folder: Path) -> PreparedImages:
        """The session's images, with those that have changed written to a folder for a while."""
        there = {"subject_image": dict(images.subject), "standard_image": dict(images.standard)}
        for (role, modality), image in self.images.items():
            source, own = there[role][modality], folder / f"{role}_{modality}.nii"
            _write_image(image, own)
            # It says how the image was scanned.
            copy_file(sidecar(source), sidecar(own))
            there[role][modality] = own
        return replace(images, subject=there["subject_image"], standard=there["standard_image"])


def alter_session(session: FinishedSession, change: Change, threads: int = 1) -> AlteredSession:
    """Put a change into a session's images.

    On either grid it is added to the image that is there, so that nothing else is interpolated once more: the
    image in standard space gets what the one on the T1w grid has got, by the person's own warp.

    Raises
    ------
    ImageError
        If the session is not finished, or the change does not fit.
    """
    images = session.images
    whole = all(session.is_whole(stage) for stage in session.record.preprocessing.values())
    if images is None or not whole:
        raise ImageError(messages.INJECT_NOT_FINISHED.format(name=session.name, path=session.place.out_dir))
    return alter_images(images, *read_head(images, session.name), change, threads)


def alter_images(
    images: PreparedImages, head: Head, box: tuple[slice, ...], change: Change, threads: int = 1
) -> AlteredSession:
    """The same for a head that has been read; see `read_head`."""
    altered = inject(head, change)
    made = {
        key: image
        for modality, volume in altered.images.items()
        for key, image in _both_grids(images, modality, volume - head.images[modality], head, box, threads)
    }
    truth = dict(_truth(images, altered.weight, head, box, threads))
    return AlteredSession(change, made, truth, _facts(altered, head, change))


def write_session(session: FinishedSession, altered: AlteredSession, out_dir: Path) -> FinishedSession:
    """Write the session to another folder of results as its finished one, with nothing estimated yet."""
    place = SessionPlace.of(out_dir, session.place.participant, session.place.session)
    stages = session.record.preprocessing
    for name in sorted(stages, key=lambda name: (name != FIRST, name != TEMPLATE)):
        stage = stages[name]
        outputs = [*_outputs(session, place, stage.files, altered), *_truth_output(place, name, altered)]
        publish(
            place,
            ("preprocessing", name),
            stage.fingerprint,
            outputs,
            inputs=stage.inputs,
            seconds=stage.seconds,
            left_out=stage.left_out,
        )
    written = read_session(place)
    assert written is not None
    return written


def _both_grids(
    images: PreparedImages, modality: str, added: np.ndarray, head: Head, box: tuple[slice, ...], threads: int
) -> Iterator[tuple[tuple[str, str], nib.Nifti1Image]]:
    """A sequence's image on the T1w grid and in standard space, with what is added to it."""
    import nibabel as nib

    own = nib.Nifti1Image.from_filename(images.subject[modality])
    data = np.array(own.dataobj, dtype=np.float32)
    data[box] += added
    yield ("subject_image", modality), nib.Nifti1Image(data, own.affine)
    standard = nib.Nifti1Image.from_filename(images.standard[modality])
    before = np.array(standard.dataobj, dtype=np.float32)
    there = np.asarray(_to_standard(added, head, standard, images.forward, threads).dataobj)
    # What is not brain stays zero.
    yield (
        ("standard_image", modality),
        nib.Nifti1Image(np.where(before != 0, before + there, 0), standard.affine),
    )


def _to_standard(
    volume: np.ndarray, head: Head, standard: nib.Nifti1Image, forward: Path, threads: int
) -> nib.Nifti1Image:
    import nibabel as nib

    from bids_brainage.preprocessing.registration import apply_transforms

    image = nib.Nifti1Image(np.asarray(volume, np.float32), head.affine)
    return apply_transforms(image, standard, [forward], threads=threads, name=head.name)


def _truth(
    images: PreparedImages, weight: np.ndarray, head: Head, box: tuple[slice, ...], threads: int
) -> Iterator[tuple[str, nib.Nifti1Image]]:
    import nibabel as nib

    mask = nib.Nifti1Image.from_filename(images.mask)
    whole = np.zeros(mask.shape, np.float32)
    whole[box] = weight
    yield T1W_SPACE, nib.Nifti1Image(whole, mask.affine)
    standard = nib.Nifti1Image.from_filename(images.standard[FIRST])
    yield STANDARD_SPACE, _to_standard(weight, head, standard, images.forward, threads)


def _facts(altered: Altered, head: Head, change: Change) -> dict[str, Any]:
    left, right = head.sides_ml(altered.weight)
    return {
        "Change": change.record,
        "VolumeML": head.volume_ml(altered.weight),
        "VolumeLeftML": left,
        "VolumeRightML": right,
        "AvailableML": altered.available_ml,
        "ShowsIn": list(altered.images),
        "Levels": {modality: levels._asdict() for modality, levels in head.levels.items()},
    }


def _outputs(
    session: FinishedSession, place: SessionPlace, marks: tuple[FileMark, ...], altered: AlteredSession
) -> Iterator[Output]:
    """The files of a stage, copied or altered, each with its sidecar."""
    with_sidecar = {mark.about.get("of") for mark in marks if mark.role == "sidecar"}
    for mark in marks:
        if mark.role == "sidecar":
            continue
        source = session.place.out_dir / mark.path
        image = altered.images.get((mark.role, mark.about.get("modality", "")))
        content = read_json(sidecar(source)) if mark.path in with_sidecar else None
        yield Output(
            mark.role,
            place.out_dir / mark.path,
            partial(copy_file, source) if image is None else partial(_write_image, image),
            about=mark.about,
            sidecar=None if content is None else _told(content, mark.role, altered, image is not None),
        )


def _told(content: Mapping[str, Any], role: Role, altered: AlteredSession, changed: bool) -> dict[str, Any]:
    """An image's sidecar, which says what was done to it and, of the T1w image, to the person's images."""
    told = dict(content)
    if changed:
        told["Altered"] = messages.IMAGES_ALTERED.format(change=altered.change)
    if role == "subject_image" and isinstance(told.get("Preparation"), dict):
        told["Preparation"] = told["Preparation"] | {"altered": str(altered.change)}
    return told


def _truth_output(place: SessionPlace, stage: str, altered: AlteredSession) -> Iterator[Output]:
    if stage not in TRUTH_STAGES:
        return
    space, output = TRUTH_STAGES[stage]
    told = {
        "Description": f"Share of each voxel changed by injection: {altered.change}",
        **({} if space == T1W_SPACE else {"Resolution": RESOLUTION}),
        **altered.facts,
    }
    write = partial(_write_image, altered.truth[space])
    yield Output("truth", place.path(output), write, about={"space": space}, sidecar=told)


def _write_image(image: nib.Nifti1Image, path: Path) -> None:
    from bids_brainage.records.rounding import RoundedImage

    RoundedImage.of(image).write(path)
