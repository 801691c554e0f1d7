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


class IntensityRule(BaseModel):
    """How intensities become grey values.

    Attributes
    ----------
    anchor : "median"
        What is measured inside the whole brain mask, over voxels above zero.
    anchor_value : float
        The value that the anchor becomes.
    clip : float
        Higher values are set to this value, which becomes `output_max`.
    output_max : int
        Largest grey value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    anchor: Literal["median"] = "median"
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

    @model_validator(mode="after")
    def _fits_together(self) -> InputSpec:
        if self.space != SPACES[self.stage]:
            raise ValueError(f"the space of the stage {self.stage} is {SPACES[self.stage]}")
        check_region(self.stage, self.region)
        return self
