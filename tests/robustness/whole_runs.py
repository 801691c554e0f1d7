"""One person as many: each differs in what happened to the images, and all should have one estimate.

    python -m tests.robustness.whole_runs FOLDER [NAME ...]

makes a dataset of the simulated person of seed 7 (43.5 years), runs the participant level with the demo
bundle on it, and prints how the variants compare with the images as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from bids_brainage.cli.run import main as run
from bids_brainage.preprocessing.templates import template_mask
from bids_brainage.preprocessing.transforms import move, read_steps
from tests.robustness.cases import Make, axes_become, by_header, far_away, with_slices
from tests.robustness.distorted import Distorted, Head, values
from tests.robustness.people import SEED, read_image_of, simulated

TO_LPS = np.array([-1.0, -1.0, 1.0])  # NIfTI's world is RAS, ITK's is LPS.
AGE = 43.5


def _as_it_is(head: Head) -> Distorted:
    return Distorted(head.image)


@dataclass(frozen=True)
class Variant:
    """What happens to the T1w image, and to the FLAIR image if there is one."""

    words: str
    t1w: Make = _as_it_is
    flair: Make | None = None

    @property
    def original(self) -> str:
        """The variant that it is compared with."""
        return "plain" if self.flair is None else "both"


UPSIDE_DOWN = axes_become((1, 0, 0), (0, 1, 0), (0, 0, -1))
VARIANTS: dict[str, Variant] = {
    "plain": Variant("T1w as it is"),
    "upside": Variant("T1w upside down", UPSIDE_DOWN),
    "prone": Variant("T1w prone", axes_become((-1, 0, 0), (0, -1, 0), (0, 0, 1))),
    "mirrored": Variant("T1w mirrored", axes_become((-1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "nod": Variant("T1w nodding by 20 degrees", by_header("x", 20)),
    "far": Variant("T1w 720 mm from the origin", far_away),
    "half": Variant("T1w of 0.5 mm", with_slices((0.5, 0.5, 0.5))),
    "thick": Variant("T1w in slices of 5 mm", with_slices((1, 1, 5))),
    "both": Variant("T1w and FLAIR as they are", flair=_as_it_is),
    "flairthin": Variant("FLAIR in slices of 0.7 mm", flair=with_slices((0.9, 0.9, 0.7))),
    "flairthick": Variant("FLAIR in slices of 5 mm", flair=with_slices((1, 1, 5))),
    "flairtilted": Variant("the same, tilted by 20 degrees", flair=with_slices((1, 1, 5), 20)),
    "flairfar": Variant("FLAIR 720 mm from the origin", flair=far_away),
}


def make_dataset(folder: Path, names: Sequence[str]) -> None:
    """A BIDS dataset with one participant for each variant."""
    source = simulated(folder / "source", 1, seed=SEED, skull=False)["sub-0001"]
    bids = folder / "bids"
    for name in names:
        anat = bids / f"sub-{name}" / "anat"
        anat.mkdir(parents=True, exist_ok=True)
        for suffix, make in (("T1w", VARIANTS[name].t1w), ("FLAIR", VARIANTS[name].flair)):
            if make is not None:
                image = read_image_of(source.with_name(f"sub-0001_{suffix}.nii.gz"))
                # Nothing here asks where the brain is.
                distorted = make(Head(image, image))
                distorted.save(anat / f"sub-{name}_{suffix}")
                np.savetxt(folder / f"{name}_{suffix}.txt", distorted.to_original)
    description = (folder / "source" / "dataset_description.json").read_text()
    (bids / "dataset_description.json").write_text(description)
    rows = "".join(f"sub-{name}\t{AGE}\n" for name in names)
    (bids / "participants.tsv").write_text(f"participant_id\tage\n{rows}")


def run_all(folder: Path) -> int:
    """The participant level on the dataset; its exit code."""
    options = ["--skip-bids-validation", "--no-relevance", "-w", str(folder / "work"), "--nprocs", "2"]
    return run([str(folder / "bids"), str(folder / "out"), "participant", *options])


def brain_age(folder: Path, name: str, ensemble: str) -> float:
    """An estimate of a run, years."""
    path = folder / "out" / f"sub-{name}" / "anat" / f"sub-{name}_desc-{ensemble}_brainage.json"
    return float(json.loads(path.read_text())["brain_age"])


def brain_volume(folder: Path, name: str) -> float:
    """Of the mask, ml; its voxels have 1 mm."""
    return float((_output(folder, name, "desc-brain_mask.nii.gz") > 0).sum()) / 1000


def likeness(folder: Path, name: str) -> float:
    """Correlation of a variant's T1w image with the original, both in the template's space."""
    inside = values(template_mask(2)) > 0
    ending = "space-MNI152NLin6Asym_res-2_desc-preproc_T1w.nii.gz"
    one, other = (_output(folder, who, ending) for who in (name, VARIANTS[name].original))
    if name == "mirrored":
        one = one[::-1]
    return float(np.corrcoef(one[inside], other[inside])[0, 1])


def flair_shift(folder: Path, name: str) -> float:
    """How far (mm, mean over the brain) FLAIR's registration to T1w differs from the original's."""
    mask = template_mask(2)
    points = apply_affine(mask.affine, np.argwhere(values(mask) > 0)[::50])
    one, other = (_in_flair(folder, who, points) for who in (name, "both"))
    return float(np.linalg.norm(one - other, axis=1).mean())


def _in_flair(folder: Path, name: str, points: np.ndarray) -> np.ndarray:
    """Where points of the T1w image lie in the FLAIR image, before anything happened to it."""
    path = folder / "out" / f"sub-{name}" / "anat" / f"sub-{name}_from-FLAIR_to-T1w_mode-image_xfm.h5"
    moved = move(points * TO_LPS, read_steps(path)) * TO_LPS
    return np.asarray(apply_affine(np.loadtxt(folder / f"{name}_FLAIR.txt"), moved))


def _output(folder: Path, name: str, ending: str) -> np.ndarray:
    path = folder / "out" / f"sub-{name}" / "anat" / f"sub-{name}_{ending}"
    return values(nib.Nifti1Image.from_filename(path))


def row(folder: Path, name: str) -> str:
    """A variant's row of the table."""
    if not (folder / "out" / f"sub-{name}" / "anat" / f"sub-{name}_desc-TypeI_brainage.json").exists():
        return f"| {VARIANTS[name].words} | no estimate |"
    shift = f"{flair_shift(folder, name):.2f}" if VARIANTS[name].flair else ""
    ages = " | ".join(f"{brain_age(folder, name, kind):.1f}" for kind in ("TypeI", "TypeII"))
    brain = f"{brain_volume(folder, name):.0f} | {likeness(folder, name):.3f}"
    return f"| {VARIANTS[name].words} | {brain} | {shift} | {ages} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the variants and print the table."""
    folder, *names = sys.argv[1:] if argv is None else argv
    names = list(dict.fromkeys(["plain", "both", *names])) if names else list(VARIANTS)
    make_dataset(Path(folder), names)
    code = run_all(Path(folder))
    sys.stdout.write("| images | brain, ml | likeness | FLAIR shift, mm | type I | type II |\n")
    sys.stdout.write("".join(row(Path(folder), name) + "\n" for name in names))
    return code


if __name__ == "__main__":
    sys.exit(main())
