"""The same people scanned otherwise: how far that moves their estimates.

    python -m tests.robustness.conditions FOLDER [NAME ...] [--people 20] [--seed 20505] [--model demo]

Each simulated person has a session for each condition. The participant level is run on them, and what is
printed is by how many years estimates of a condition differ from the same people's of `plain`. What is there
already is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from bids_brainage.cli.run import main as run
from bids_brainage.simulation.people import draw_character
from bids_brainage.simulation.person import simulate_person
from bids_brainage.terms import MODALITIES, SIMULATOR
from tests.robustness.distorted import along_axes, changed, image_of, resampled, turned_about_centre, values

Images = Mapping[str, nib.Nifti1Image]
NOD = Rotation.from_euler("x", 20, degrees=True).as_matrix()
ENSEMBLES = ("TypeI", "TypeII")


@dataclass(frozen=True)
class Person:
    """A simulated person, scanned as often as one likes."""

    seed: int
    index: int

    def scan(self, voxel_size: float = 2, *, skull: bool = False) -> Images:
        """Their images of all sequences."""
        person = simulate_person(self.seed, self.index, voxel_size=voxel_size, skull=skull)
        return {name: image_of(data, person.affine) for name, data in person.images.items()}

    def rng(self) -> np.random.Generator:
        """What is drawn for them, the same at each call."""
        return np.random.default_rng([self.seed, self.index, 77])


def _each(change: Callable[[nib.Nifti1Image], nib.Nifti1Image]) -> Callable[[Person], Images]:
    """The same done to all images of 2 mm without skull."""
    return lambda person: {name: change(image) for name, image in person.scan().items()}


def _scaled(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return changed(image, values(image) * 3.7).image


def _raised(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return changed(image, values(image) + 300).image


def _uneven(person: Person) -> Images:
    """As through a coil at one side: 40 % brighter there, 40 % darker at the other."""
    direction = person.rng().normal(size=3)
    images = person.scan()
    axes = [np.linspace(-1, 1, n) for n in images["T1w"].shape]
    field = np.tensordot(direction, np.stack(np.meshgrid(*axes, indexing="ij")), 1)
    field *= 0.4 / np.abs(field).max()
    return {name: changed(image, values(image) * (1 + field)).image for name, image in images.items()}


def _noisy(person: Person) -> Images:
    """Rician noise of 5 % of the brain's median, inside the brain."""
    rng = person.rng()

    def noisy(image: nib.Nifti1Image) -> nib.Nifti1Image:
        data = values(image)
        sd = 0.05 * np.median(data[data > 0])
        real, imaginary = data + sd * rng.standard_normal(data.shape), sd * rng.standard_normal(data.shape)
        return changed(image, np.where(data > 0, np.hypot(real, imaginary).clip(1), 0)).image

    return {name: noisy(image) for name, image in person.scan().items()}


def _thick(person: Person) -> Images:
    """FLAIR in slices of 5 mm."""
    return {**person.scan(), "FLAIR": resampled(person.scan(1)["FLAIR"], (1, 1, 5)).image}


@dataclass(frozen=True)
class Condition:
    """How people are scanned, and by how many years (mean absolute difference) estimates may move.

    Without `aim` they may move, and the person is flagged.
    """

    words: str
    scan: Callable[[Person], Images]
    aim: float | None = None


CONDITIONS: dict[str, Condition] = {
    "plain": Condition("2 mm without skull", Person.scan),
    "skull": Condition("1 mm with skull", lambda person: person.scan(1, skull=True), 1.0),
    "nod": Condition("head nods by 20 degrees", _each(lambda i: turned_about_centre(i, NOD).image), 0.7),
    "nodresampled": Condition(
        "the same, resampled", _each(lambda i: along_axes(turned_about_centre(i, NOD)).image), 0.7
    ),
    "scaled": Condition("intensities times 3.7", _each(_scaled), 0.5),
    "raised": Condition("intensities plus 300", _each(_raised), 0.5),
    "uneven": Condition("bias field of 40 %", _uneven, 0.5),
    "noisy": Condition("5 % noise", _noisy, 1.0),
    "thick": Condition("FLAIR in slices of 5 mm", _thick),
}


def make_dataset(folder: Path, people: Sequence[Person], names: Sequence[str]) -> None:
    """A BIDS dataset with a session for each person and condition."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for person in people:
        label = f"{person.index + 1:04d}"
        rows.append(f"sub-{label}\t{draw_character(person.seed, person.index).age}\n")
        for name in names:
            anat = folder / f"sub-{label}" / f"ses-{name}" / "anat"
            paths = {suffix: anat / f"sub-{label}_ses-{name}_{suffix}.nii.gz" for suffix in MODALITIES}
            if not all(path.exists() for path in paths.values()):
                anat.mkdir(parents=True, exist_ok=True)
                for suffix, image in CONDITIONS[name].scan(person).items():
                    stored = np.rint(values(image)).clip(0, 65535).astype(np.uint16)
                    image_of(stored, image.affine).to_filename(paths[suffix])
    facts = {
        "Name": f"Simulated people scanned otherwise (seed {people[0].seed})",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": SIMULATOR}],
    }
    (folder / "dataset_description.json").write_text(json.dumps(facts))
    (folder / "participants.tsv").write_text("participant_id\tage\n" + "".join(rows))
    (folder / "participants.json").write_text(json.dumps({"age": {"Units": "years"}}))


def read_estimates(out: Path, name: str, ensemble: str) -> dict[str, dict]:
    """Records of a condition's estimates, by person."""
    found = out.glob(f"sub-*/ses-{name}/anat/*_desc-{ensemble}_brainage.json")
    return {path.name.split("_")[0]: json.loads(path.read_text()) for path in sorted(found)}


def differences(out: Path, name: str, ensemble: str) -> np.ndarray:
    """Years by which estimates differ from the same people's of `plain`."""
    plain, other = (read_estimates(out, which, ensemble) for which in ("plain", name))
    return np.array([other[who]["brain_age"] - plain[who]["brain_age"] for who in plain if who in other])


def new_flags(out: Path, name: str, ensemble: str) -> dict[str, int]:
    """How many people have which flag that they have not in `plain`."""
    plain, other = (read_estimates(out, which, ensemble) for which in ("plain", name))
    counts: dict[str, int] = {}
    for who in plain.keys() & other.keys():
        before, now = (_told(own[who]) for own in (plain, other))
        for code in sorted(now - before):
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items()))


def _told(record: dict) -> set[str]:
    """Flags of an estimate, and whether its images were warned of."""
    return {flag["code"] for flag in record["flags"]} | ({"image_warning"} if record["warnings"] else set())


def row(out: Path, name: str) -> str:
    """A condition's row of the table."""
    cells = [CONDITIONS[name].words]
    for ensemble in ENSEMBLES:
        own = differences(out, name, ensemble)
        shown = (
            f"{np.abs(own).mean():.2f}, {own.mean():+.2f}, {np.abs(own).max():.2f}" if len(own) else "none"
        )
        cells += [str(len(own)), shown]
    aim = CONDITIONS[name].aim
    flags = ", ".join(f"{code} ({count})" for code, count in new_flags(out, name, "TypeI").items())
    return "| " + " | ".join([*cells, "flagged" if aim is None else f"{aim:g}", flags]) + " |"


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, estimate, and print the table."""
    parser = argparse.ArgumentParser(description="The same people scanned otherwise.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONDITIONS)}; default: all")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20505)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--nprocs", type=int, default=2)
    asked = parser.parse_intermixed_args(argv)
    names = list(dict.fromkeys(["plain", *(asked.names or CONDITIONS)]))
    bids, out = asked.folder / "bids", asked.folder / "out"
    make_dataset(bids, [Person(asked.seed, index) for index in range(asked.people)], names)
    options = ["--model", asked.model, "--nprocs", str(asked.nprocs), "-w", str(asked.folder / "work")]
    code = run([str(bids), str(out), "participant", "--skip-bids-validation", "--no-relevance", *options])
    columns = [f"{ensemble}: {what}" for ensemble in ENSEMBLES for what in ("n", "mean |d|, mean d, max |d|")]
    sys.stdout.write("| " + " | ".join(["scanned as", *columns, "aim", "new flags"]) + " |\n")
    sys.stdout.write("".join(row(out, name) + "\n" for name in names[1:]))
    return code


if __name__ == "__main__":
    sys.exit(main())
