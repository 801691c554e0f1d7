"""Training images changed slightly at random, so that a network sees more variety."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field
from scipy import ndimage

LEFT_RIGHT = 0  # of a volume in LIA


class AugmentationPlan(PydanticModel):
    """What is changed, and by how much at most; nothing by default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rotation: float = Field(default=0.0, ge=0, le=45, description="degrees about each axis, at most")
    scaling: float = Field(default=0.0, ge=0, lt=0.5, description="fraction of each extent, at most")
    shift: float = Field(default=0.0, ge=0, description="voxels along each axis, at most")
    intensity: float = Field(default=0.0, ge=0, lt=1, description="fraction of the grey values, at most")
    noise: float = Field(default=0.0, ge=0, le=50, description="standard deviation, grey values of 255")

    @property
    def moves(self) -> bool:
        """Whether images are interpolated."""
        return max(self.rotation, self.scaling, self.shift) > 0


def augment(
    images: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator, *, flip: bool
) -> np.ndarray:
    """Change each image by its own random draws.

    Parameters
    ----------
    images : uint8 array (n, x, y, z)
    plan : AugmentationPlan
    rng : numpy.random.Generator
    flip : bool
        Mirror left and right, every other time.

    Returns
    -------
    uint8 array (n, x, y, z)
        Zeros stay zero unless something moves there: background gets no noise.
    """
    images = np.array(images)
    if flip:
        mirrored = rng.random(len(images)) < 0.5
        images[mirrored] = np.flip(images[mirrored], 1 + LEFT_RIGHT)
    if plan.moves:
        images = np.stack([_moved(image, plan, rng) for image in images])
    if plan.intensity or plan.noise:
        images = np.stack([_repainted(image, plan, rng) for image in images])
    return images


def _moved(image: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """A rotation, a scaling and a shift about the middle, interpolated linearly."""
    from scipy.spatial.transform import Rotation

    angles = rng.uniform(-plan.rotation, plan.rotation, 3)
    sizes = 1 + rng.uniform(-plan.scaling, plan.scaling, 3)
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() / sizes
    middle = (np.array(image.shape) - 1) / 2
    offset = middle - matrix @ (middle + rng.uniform(-plan.shift, plan.shift, 3))
    return ndimage.affine_transform(image, matrix, offset, order=1)


def _repainted(image: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """Another gain, and noise where there is signal."""
    gain = 1 + rng.uniform(-plan.intensity, plan.intensity)
    noise = plan.noise * rng.standard_normal(image.shape, dtype=np.float32)
    changed = np.clip(np.rint(image * np.float32(gain) + noise), 0, 255)
    return np.where(image > 0, changed, 0).astype(np.uint8)
