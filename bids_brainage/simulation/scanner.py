"""From tissue to an image: signal, coil inhomogeneity, noise, and the integers of a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.simulation.anatomy import rigid
from bids_brainage.simulation.grid import Array, Grid, random_field
from bids_brainage.simulation.spec import Scanner, load_spec
from bids_brainage.simulation.tissue import Tissue
from bids_brainage.terms import MODALITIES


def signal(tissue: Tissue, modality: str, contrast: float = 1.0) -> Array:
    """Noise-free signal of `tissue`, in the arbitrary units of signal.yaml.

    Parameters
    ----------
    tissue : Tissue
        Tissue fractions.
    modality : str
        T1w, FLAIR or T2starw.
    contrast : float
        The scanner's factor on the difference of grey matter and CSF from white matter.
    """
    levels = load_spec().signal.signal[modality]
    white = levels["white"]
    grey, csf = (np.float32(white + contrast * (levels[name] - white)) for name in ("grey", "csf"))
    image = tissue.white * np.float32(white) + tissue.grey * grey + tissue.csf * csf
    image += tissue.lesion * np.float32(levels["lesion"] - white)
    if modality == "T2starw":
        image *= np.exp(-tissue.iron)
    return image


def draw_motion(rng: np.random.Generator) -> NDArray[np.float64]:
    """How the head has moved since the T1w image (4 x 4, mm)."""
    motion = load_spec().signal.motion
    angles = np.deg2rad(rng.normal(0, motion["rotation_degrees"], 3))
    return rigid(angles, rng.normal(0, motion["translation_mm"], 3))


def draw_gain(rng: np.random.Generator, scanner: Scanner) -> float:
    """Overall level of one image."""
    return float(scanner.gain * np.exp(rng.normal(0, scanner.gain_sd)))


def scan(image: Array, grid: Grid, scanner: Scanner, gain: float, rng: np.random.Generator) -> Array:
    """Bias field and Rician noise over a noise-free image of the voxel size of `grid`.

    The noise in signal.yaml is that of 2 mm voxels; larger voxels have less, as means would.
    """
    bias = random_field(rng, load_spec().signal.bias_wavelength_mm, grid)
    image = image * np.exp(np.float32(scanner.bias_sd) * bias)
    sd = np.float32(scanner.noise * min(1.5, (2 / grid.voxel_size) ** 1.5))
    real = image + sd * rng.standard_normal(grid.shape, dtype=np.float32)
    imaginary = sd * rng.standard_normal(grid.shape, dtype=np.float32)
    return np.hypot(real, imaginary) * np.float32(gain)


def stored(image: Array) -> NDArray[np.uint16]:
    """The image as the integers of a file."""
    return np.clip(np.rint(image * np.float32(load_spec().signal.full_scale)), 0, 65535).astype(np.uint16)


__all__ = ["MODALITIES", "draw_gain", "draw_motion", "scan", "signal", "stored"]
