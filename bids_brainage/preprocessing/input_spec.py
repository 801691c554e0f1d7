"""What a network takes in: sequence, space, region, voxels, box, and how intensities become grey values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bids_brainage.terms import REGIONS, SPACES, WHOLE_BRAIN

Triple = tuple[int, int, int]
Positive = Annotated[int, Field(gt=0)]


def check_region(stage: str, region: str) -> None:
    """Raise ValueError if images of that stage cannot be cut to that region."""
    if region not in REGIONS:
        raise ValueError(f"there is no region {region}; choose one of {', '.join(REGIONS)}")
    if stage == "subject" and region != WHOLE_BRAIN:
        raise ValueError(
            f"the region {region} needs the stage standard; subject space has only {WHOLE_BRAIN}"
        )


def _axis_codes(codes: str) -> str:
    if len(codes) != 3 or not all(len(set(codes) & set(pair)) == 1 for pair in ("LR", "AP", "SI")):
        raise ValueError("an orientation has one letter of each of LR, AP and SI")
    return codes


#: Axis codes, such as LIA.
Orientation = Annotated[str, AfterValidator(_axis_codes)]


class SamplingRule(BaseModel):
    """How an image is brought to the network's voxels, if not by averaging whole voxels of its own.

    Attributes
    ----------
    resolution : float
        mm; the width at half the height (FWHM) of a Gaussian to which every image is smoothed, however sharp
        it was scanned.
    peeled : float
        mm; fluid at the surface of the brain mask is left out up to this depth, because programs that find
        brains differ in how much of it they include. 0 takes the mask as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    resolution: float = Field(gt=0)
    peeled: float = Field(default=0.0, ge=0)


class IntensityRule(BaseModel):
    """How intensities become grey values.

    Attributes
    ----------
    anchor : {"median", "white_matter"}
        What is measured: the median inside the whole brain mask, over voxels above zero, or that of the
        template's deep white matter, which does not depend on the mask.
    anchor_value : float
        The value that the anchor becomes.
    clip : float
        Higher values are set to this value, which becomes `output_max`.
    output_max : int
        Largest grey value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    anchor: Literal["median", "white_matter"] = "median"
    anchor_value: float = Field(default=110.0, gt=0)
    clip: float = Field(default=383.0, gt=0)
    output_max: int = Field(default=255, ge=1, le=255)


class InputSpec(BaseModel):
    """What one sub-ensemble takes in.

    Attributes
    ----------
    modality : str
        T1w, FLAIR or T2starw.
    stage : "subject" or "standard"
        In the person's own T1w grid, or in the template's.
    space : str
        "T1w" or "MNI152NLin6Asym".
    region : str
        WholeBrain, Cortical, Subcortical or Cerebellum.
    voxel_size : float
        Edge of the network's voxels, mm: a whole multiple of the image's.
    orientation : str
        Axis codes of the array.
    box : tuple of int
        Shape of the array, in the network's voxels.
    margin : int
        Voxels left free around the largest brain when the box was chosen.
    intensity : IntensityRule
    sampling : SamplingRule or None
        None: whole voxels of the image in its own pose are averaged. Otherwise images in the subject stage
        are turned to the template's axes, and those in the standard stage are read through the warp.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    modality: str
    stage: Literal["subject", "standard"]
    space: str
    region: str = WHOLE_BRAIN
    voxel_size: float = Field(gt=0)
    orientation: Orientation = "LIA"
    box: tuple[Positive, Positive, Positive]
    margin: int = Field(default=2, ge=0)
    intensity: IntensityRule = IntensityRule()
    sampling: SamplingRule | None = None

    @property
    def channels(self) -> int:
        """Channels of the array."""
        return 1

    @property
    def source_stage(self) -> Literal["subject", "standard"]:
        """The stage on whose grid the image lies that the network's voxels are made from."""
        return self.stage if self.sampling is None else "subject"

    @model_validator(mode="after")
    def _fits_together(self) -> InputSpec:
        if self.space != SPACES[self.stage]:
            raise ValueError(f"the space of the stage {self.stage} is {SPACES[self.stage]}")
        check_region(self.stage, self.region)
        return self
