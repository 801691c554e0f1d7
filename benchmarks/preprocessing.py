"""Template registration at the resolution the maps need, against ANTs SyN at full resolution, on one head.

    python benchmarks/preprocessing.py T1W.nii.gz [THREADS]

Prints one JSON line: seconds, Dice with the template's mask and with its tissue classes (three classes of
template intensity by k-means, computed again in the warped brain) for both, and the ratios ours / full.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from sklearn.cluster import KMeans

from bids_brainage.preprocessing import ants_bridge, registration, templates
from bids_brainage.preprocessing.bias import correct_bias
from bids_brainage.preprocessing.brain_mask import extract_brain
from bids_brainage.preprocessing.conform import conform
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.resampling import image_like


def tissue_classes(data: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """1, 2, 3 from dark to bright (CSF, grey, white) inside, 0 outside."""
    values = data[inside].reshape(-1, 1)
    model = KMeans(3, n_init=1, init=np.quantile(values, [[0.05], [0.4], [0.8]]).reshape(3, 1)).fit(values)
    order = np.argsort(np.argsort(model.cluster_centers_.ravel())) + 1
    classes = np.zeros(data.shape, dtype=int)
    classes[inside] = order[model.labels_]
    return classes


def overlap(moved: nib.Nifti1Image, mask: nib.Nifti1Image) -> dict[str, float]:
    """Dice of a warped brain with the template's."""
    target, inside = templates.template_brain(2).get_fdata(), templates.template_mask(2).get_fdata() > 0
    own = mask.get_fdata() > 0.5
    found = {"mask": dice(own, inside)}
    ours, theirs = tissue_classes(moved.get_fdata(), own & inside), tissue_classes(target, own & inside)
    names = ("csf", "grey", "white")
    return found | {n: dice(ours == i, theirs == i) for i, n in enumerate(names, start=1)}


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice's coefficient."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def main(path: Path, threads: int) -> None:
    """Run both and print the line."""
    ants = ants_bridge.start(threads)
    image = conform(read_image(path).image)
    began = time.perf_counter()
    found = extract_brain(image, threads=threads)
    mask_seconds = time.perf_counter() - began
    corrected = correct_bias(image, found.mask, threads)
    bias_seconds = time.perf_counter() - began - mask_seconds
    inside = found.mask.get_fdata(dtype=np.float32)
    brain = image_like(corrected.get_fdata(dtype=np.float32) * inside, corrected)
    mask, template = image_like(inside, corrected), templates.template_brain(2)
    results, seconds = {}, {}
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        ours = registration.register_to_template(
            corrected, found.mask, out_prefix=Path(folder) / "x-", threads=threads
        )
        seconds["ours"] = time.perf_counter() - began
        began = time.perf_counter()
        full = ants.registration(
            ants_bridge.to_ants(templates.template_brain(1), threads),
            ants_bridge.to_ants(brain, threads),
            type_of_transform="SyN",
            outprefix=f"{folder}/full-",
        )
        seconds["full"] = time.perf_counter() - began
        for name, transforms in (
            ("ours", [ours.forward]),
            ("full", [Path(t) for t in full["fwdtransforms"]]),
        ):
            moved = [
                registration.apply_transforms(i, template, transforms, threads=threads) for i in (brain, mask)
            ]
            results[name] = overlap(*moved)
    ratio = {key: results["ours"][key] / results["full"][key] for key in results["ours"]}
    line = {
        "benchmark": "preprocessing", "threads": threads, "brain_mask_method": found.method,
        "brain_mask_seconds": mask_seconds, "bias_seconds": bias_seconds, "registration_seconds": seconds,
        "dice": results, "dice_ratio": ratio, "speed_up": seconds["full"] / seconds["ours"],
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
