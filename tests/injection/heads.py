"""A finished person whose head is the atlas itself, so that all that is done to it can be worked out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage.preprocessing.ants_bridge import start
from bids_brainage.preprocessing.templates import atlas
from bids_brainage.records.files import copy_file
from bids_brainage.records.reading import FinishedSession, SessionPlace, read_session
from bids_brainage.records.rounding import RoundedImage
from bids_brainage.records.writing import Output, publish

#: White matter, grey matter, fluid.
SIGNAL = {"T1w": (110.0, 76.0, 20.0), "FLAIR": (80.0, 100.0, 16.0), "T2starw": (92.0, 110.0, 138.0)}
SCANNED = {"ScannedVoxelExtent": [2.0, 3.0, 4.0], "Interpolation": "linear"}
PREPARATION = {"origin": "raw", "skull_strip": "bet", "native_voxel_size": 2.0}


@cache
def tissue_classes() -> tuple[np.ndarray, np.ndarray]:
    """0 white matter, 1 grey matter, 2 fluid, -1 outside, by the atlas; and its affine."""
    labels, table = atlas()
    numbers = np.asarray(labels.dataobj)
    classes = np.where(numbers > 0, 1, -1)
    for word, own in (("Cerebral-White-Matter", 0), ("Unlabelled-Cortical", 0), ("Ventricle", 2)):
        classes[np.isin(numbers, table.loc[table["code"].str.contains(word), "index"])] = own
    return classes, labels.affine


def image_of(modality: str, noise: float = 0.0) -> nib.Nifti1Image:
    classes, affine = tissue_classes()
    data = np.where(classes >= 0, np.array([*SIGNAL[modality], 0.0])[classes], 0.0)
    if noise:
        rng = np.random.default_rng(sorted(SIGNAL).index(modality))
        data += (classes >= 0) * rng.normal(0, noise, data.shape)
    return nib.Nifti1Image(data.astype(np.float32), affine)


def identity(path: Path) -> None:
    """A transform that leaves everything where it is."""
    ants = start(1)
    ants.write_transform(ants.create_ants_transform(transform_type="AffineTransform", dimension=3), str(path))


def finished(
    out: Path,
    modalities: tuple[str, ...] = tuple(SIGNAL),
    label: str = "01",
    noise: float = 0.0,
) -> FinishedSession:
    """A session as the participant level leaves it."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset_description.json").write_text('{"Name": "\\u202eMade <up>", "BIDSVersion": "1.9.0"}')
    place = SessionPlace.of(out, label, None)
    classes, affine = tissue_classes()
    mask = nib.Nifti1Image((classes >= 0).astype(np.uint8), affine)
    way = out / "identity.h5"
    identity(way)
    for modality in modalities:
        rounded = RoundedImage.of(image_of(modality, noise))
        about = {"modality": modality}
        first = modality == "T1w"
        subject = place.path("preproc_T1w") if first else place.path("preproc_T1w_space", suffix=modality)
        told = {"Sources": ["bids:raw:x"], "Warnings": [], **SCANNED} | (
            {"Preparation": PREPARATION} if first else {}
        )
        standard = place.path("preproc_standard", suffix=modality)
        outputs = [Output("subject_image", subject, rounded.write, about, told)]
        on_template = Output("standard_image", standard, rounded.write, about, {"Resolution": {"2": "2 mm"}})
        if not first:
            publish(place, ("preprocessing", modality), f"{modality} print", [*outputs, on_template])
            continue
        outputs.insert(
            0, Output("brain_mask", place.path("brain_mask"), mask.to_filename, {}, {"Type": "Brain"})
        )
        publish(place, ("preprocessing", "T1w"), "T1w print", outputs)
        ways = [
            Output(
                "transform",
                place.path("transform", source=source, target=target),
                lambda path: copy_file(way, path),
                {"source": source, "target": target},
            )
            for source, target in (("T1w", "MNI152NLin6Asym"), ("MNI152NLin6Asym", "T1w"))
        ]
        publish(place, ("preprocessing", "MNI152NLin6Asym"), "way", [*ways, on_template])
    session = read_session(place)
    assert session is not None
    return session
