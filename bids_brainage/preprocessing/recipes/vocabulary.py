"""The words of an input recipe: what is done to an image, step by step, before a network sees it.

The order is fixed: source, bias, mask, registration, grid, window, reduction, intensity, channels.
A window comes before the reduction, because networks that skip voxels begin to count at the window's corner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bids_brainage.preprocessing.input_spec import InputSpec, Orientation, Triple
from bids_brainage.quoting import one_line
from bids_brainage.terms import WHOLE_BRAIN

LARGEST_EXTENT, LARGEST_VALUE = 512, 1e6
MOST_OPERATIONS = 12
#: Steps of published programs that no map can be brought back through, and why.
NOT_UNDONE = {
    "resize": "it does not keep the proportions of the head",
    "slices": "it cuts the brain into separate pictures",
    "jpeg": "it loses what a voxel was made of",
    "denoise": "it mixes voxels by their own values",
    "histogram-match": "what a voxel becomes depends on all others",
    "equalize": "what a voxel becomes depends on all others",
    "random-crop": "it is different each time",
    "augment": "it is different each time",
}

Extent = Annotated[int, Field(gt=0, le=LARGEST_EXTENT)]
Shape = tuple[Extent, Extent, Extent]
Index = Annotated[int, Field(ge=0, le=LARGEST_EXTENT)]
Value = Annotated[float, Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE)]
Percent = Annotated[float, Field(ge=0, le=100)]
#: Where a statistic is taken: of the whole grid or of the brain in it, before the window is cut; or of the
#: whole window or of what is above zero in it, after the reduction.
Scope = Literal["grid", "brain", "window", "positive"]
BEFORE_WINDOW = ("grid", "brain")


class Step(BaseModel):
    """Frozen, without unknown keys, infinite numbers or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def check_names(names: Iterable[object], known: Collection[str]) -> None:
    """Raise ValueError for the first step that is not known, or that cannot be undone."""
    for name in names:
        if isinstance(name, str) and name in NOT_UNDONE:
            raise ValueError(f"the step {name} cannot be undone for maps ({NOT_UNDONE[name]})")
        if name not in known:
            raise ValueError(f"there is no step {one_line(name)}; choose from {', '.join(sorted(known))}")


def _one_of(key: str, *names: str) -> BeforeValidator:
    """Names the step that is not known before pydantic lists all that it could have been."""

    def check(step: Any) -> Any:
        if isinstance(step, Mapping):
            check_names([step.get(key)], names)
        return step

    return BeforeValidator(check)


class Registration(Step):
    """How the T1w image is brought to MNI152NLin6Asym, and by which program the authors did it."""

    kind: Literal["none", "rigid", "affine", "nonlinear"] = "none"
    to: Literal["brain", "head"] = "brain"
    program: Annotated[str, Field(max_length=40)] | None = None


class Grid(Step):
    """The voxels before the window: by name, or by their shape, size (mm), axis codes and first centre (mm).

    ``fsl-1mm`` is FSL's MNI152 at 1 mm, LAS unless turned. ``own`` is the image's own grid, turned, and with
    voxels of another size where one is given, counted from its first voxel.
    """

    name: Literal["fsl-1mm", "own", "given"] = "given"
    shape: Shape | None = None
    voxel_size: Annotated[float, Field(gt=0.2, le=10)] | None = None
    orientation: Orientation = "LAS"
    origin: tuple[Value, Value, Value] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Grid:
        described = (self.shape, self.voxel_size, self.origin)
        if self.name == "given" and None in described:
            raise ValueError("a grid without a name needs shape, voxel_size and origin")
        if self.name == "fsl-1mm" and described != (None, None, None):
            raise ValueError("the grid fsl-1mm has its own shape, voxel_size and origin")
        if self.name == "own" and (self.shape, self.origin) != (None, None):
            raise ValueError("the grid own takes its shape and origin from the image")
        return self


class WholeWindow(Step):
    """All of the grid."""

    kind: Literal["whole"] = "whole"


class FixedWindow(Step):
    """A box that begins at a voxel of the grid; what lies beyond the grid has the value `pad`."""

    kind: Literal["fixed"]
    start: tuple[Index, Index, Index]
    shape: Shape
    pad: Value = 0.0


class BrainWindow(Step):
    """A box centred on the extent of the brain mask."""

    kind: Literal["brain-box"]
    shape: Shape
    pad: Value = 0.0


class ExtentsWindow(Step):
    """A box centred on what is brighter than the standard deviation in some slices, as MIDI crops heads."""

    kind: Literal["extents-midi"]
    shape: Shape
    pad: Value = 0.0


Window = Annotated[
    Annotated[WholeWindow | FixedWindow | BrainWindow | ExtentsWindow, Field(discriminator="kind")],
    _one_of("kind", "whole", "fixed", "brain-box", "extents-midi"),
]


class Reduction(Step):
    """Fewer voxels: means of blocks, every n-th voxel, or a cubic spline at 1/n of the voxels."""

    kind: Literal["none", "block-mean", "every", "spline-zoom"] = "none"
    factor: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _a_factor(self) -> Reduction:
        if (self.kind == "none") != (self.factor == 1):
            raise ValueError("a reduction other than none needs a factor above 1, and none needs none")
        return self

    def shape_of(self, shape: Triple) -> Triple:
        """The shape that is left of a window's."""
        counted = {"block-mean": lambda n: n // self.factor, "every": lambda n: -(-n // self.factor)}
        x, y, z = (counted.get(self.kind, lambda n: round(n / self.factor))(n) for n in shape)
        return x, y, z


class _Operation(Step):
    #: Where it is done already: an image that others scaled is not scaled again.
    not_for: tuple[Literal["given", "freesurfer:brainmask", "freesurfer:brain"], ...] = ()


class DivideBy(_Operation):
    """Divide by a statistic of the voxels in the scope, or by a number."""

    op: Literal["divide-by"]
    value: Literal["mean", "max", "p97"] | Annotated[float, Field(gt=0, le=LARGEST_VALUE)]
    over: Scope = "window"


class Anchor(_Operation):
    """Multiply so that the median in the scope, above zero, or that of deep white matter becomes `to`."""

    op: Literal["anchor"]
    at: Literal["median", "white-matter"]
    to: Annotated[float, Field(gt=0, le=LARGEST_VALUE)]
    over: Scope = "grid"


class Clip(_Operation):
    """Set lower and higher values to the limits."""

    op: Literal["clip"]
    low: Value
    high: Value
    over: Scope = "window"


class Cap(_Operation):
    """Set values beyond two percentiles of the scope to these."""

    op: Literal["cap"]
    low: Percent
    high: Percent
    over: Scope = "window"


class MinMax(_Operation):
    """Bring the smallest value in the scope to `low` and the largest to `high`."""

    op: Literal["min-max"]
    low: Value
    high: Value
    over: Scope = "window"


class ZScore(_Operation):
    """Subtract the mean of the scope from all voxels and divide by its standard deviation (n - `ddof`)."""

    op: Literal["z-score"]
    over: Scope = "window"
    ddof: Literal[0, 1] = 1


class RoundUint8(_Operation):
    """Round to whole numbers from 0 to 255."""

    op: Literal["round-uint8"]
    over: Scope = "window"


Operation = Annotated[
    Annotated[DivideBy | Anchor | Clip | Cap | MinMax | ZScore | RoundUint8, Field(discriminator="op")],
    _one_of("op", "divide-by", "anchor", "clip", "cap", "min-max", "z-score", "round-uint8"),
]
Source = Literal["t1w", "head", "native", "given", "freesurfer:brainmask", "freesurfer:brain"]


class InputRecipe(Step):
    """What one network takes in.

    Attributes
    ----------
    modality : {"T1w", "T2w", "FLAIR"}
    source : str
        ``t1w``: the prepared image on the T1w grid, cut to the brain or not; ``head``: the same, never cut;
        ``native``: as scanned, on its own grid; ``freesurfer:brainmask`` and ``freesurfer:brain``: those of
        FreeSurfer; ``given``: an image on the recipe's grid that the user made.
    bias : {"n4", "none", "unknown"}
        Whether the authors' images were bias-corrected.
    mask : {"brain", "none"}
        Whether all but the brain is set to zero.
    stripper : str, optional
        The program by which the authors found brains.
    registration, grid, window, reduce, intensity, channels
        See there.
    """

    modality: Literal["T1w", "T2w", "FLAIR"] = "T1w"
    source: Source = "t1w"
    bias: Literal["n4", "none", "unknown"] = "n4"
    mask: Literal["brain", "none"] = "brain"
    stripper: Annotated[str, Field(max_length=40)] | None = None
    registration: Registration = Registration()
    grid: Grid
    window: Window = WholeWindow()
    reduce: Reduction = Reduction()
    intensity: Annotated[tuple[Operation, ...], Field(max_length=MOST_OPERATIONS)] = ()
    channels: Literal[1, 3] = 1

    @model_validator(mode="before")
    @classmethod
    def _known_steps(cls, content: Any) -> Any:
        if isinstance(content, Mapping):
            check_names(content, cls.model_fields)
        return content

    @model_validator(mode="after")
    def _fits_together(self) -> InputRecipe:
        if self.source != "t1w" and self.mask != "none":
            raise ValueError(f"the source {self.source} is not cut to the brain here; mask must be none")
        if self.source == "native" and self.grid.name != "own":
            raise ValueError("the source native stays on its own grid; grid must be own")
        if self.source.startswith("freesurfer") and self.modality != "T1w":
            raise ValueError(f"the source {self.source} is of T1w images, not of {self.modality}")
        if self.grid.name == "own" and self.registration.kind != "none":
            raise ValueError("the grid own has no registration")
        if self.grid.name != "own" and self.registration.kind == "none":
            raise ValueError("a grid other than own lies in the template's space and needs a registration")
        if self.grid.name == "own" and self.window.kind == "whole":
            raise ValueError("the grid own differs between people and needs a window")
        self._check_intensity()
        if self.reduce.kind == "block-mean" and any(n % self.reduce.factor for n in self._window_shape):
            raise ValueError("the window must be a multiple of the blocks")
        return self

    def _check_intensity(self) -> None:
        after = [step.over not in BEFORE_WINDOW for step in self.intensity]
        if after != sorted(after):
            raise ValueError("steps over grid or brain come before those over window or positive")
        white = [step for step in self.intensity if isinstance(step, Anchor) and step.at == "white-matter"]
        if any(step.over != "grid" for step in white) or (white and self.grid.name == "own"):
            raise ValueError("white-matter is found over grid, in the template's space")

    @property
    def _window_shape(self) -> Triple:
        if not isinstance(self.window, WholeWindow):
            return self.window.shape
        if self.grid.shape is not None:
            return self.grid.shape
        return (182, 218, 182)

    @property
    def box(self) -> Triple:
        """Shape of what the network sees, without channels."""
        return self.reduce.shape_of(self._window_shape)

    @property
    def region(self) -> str:
        """The part of the brain that the network sees: all of it."""
        return WHOLE_BRAIN

    @property
    def stage(self) -> Literal["subject", "standard"]:
        """Whether its grid is the person's own or lies in the template's space."""
        return "subject" if self.grid.name == "own" else "standard"

    @property
    def voxel_size(self) -> float | None:
        """Edge of the network's voxels, mm; None where it is that of the person's image."""
        size = 1.0 if self.grid.name == "fsl-1mm" else self.grid.voxel_size
        return None if size is None else size * self.reduce.factor

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations that an image of this source needs."""
        return tuple(step for step in self.intensity if self.source not in step.not_for)

    def of_source(self, source: Source) -> InputRecipe:
        """The same network's input from an image of another source.

        Raises
        ------
        ValueError
            If that source has nothing to do with it.
        """
        if source == self.source:
            return self
        others = ("given", "t1w") if self.source.startswith("freesurfer") else ("given",)
        if source not in others:
            names = " or ".join((self.source, *others))
            raise ValueError(f"its input is made of {names}, not of {source}")
        mask = "brain" if source == "t1w" else "none"
        return InputRecipe.model_validate(self.model_dump() | {"source": source, "mask": mask})


#: What a network sees: by the rules of the paper, or step by step as its authors say.
NetworkInput = InputSpec | InputRecipe
