"""All flags of a person's results: code, severity and meaning."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["note", "warning", "error"]
#: From the least serious to the most.
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")

#: What is unusual about an image as it was read, and what the selection and the tables left open.
IMAGE_WARNING, INPUT_WARNING = "image_warning", "input_warning"
MODALITY_LEFT_OUT = "modality_left_out"


class FlagKind(NamedTuple):
    """How serious a flag is, and what it means."""

    severity: Severity
    meaning: str


FLAGS: dict[str, FlagKind] = {
    "demonstration_model": FlagKind(
        "warning", "the model learned from simulated brains, and the images are not simulated"
    ),
    "simulated_input": FlagKind("warning", "the images are simulated, and the model did not learn from such"),
    "images_altered": FlagKind("warning", "a change was injected into the images: they are nobody's"),
    "seen_in_training": FlagKind("warning", "the model was trained on the person"),
    "training_participant": FlagKind(
        "note", "the model was trained on the person, but not the fold that estimates"
    ),
    "age_unknown": FlagKind("note", "no age, so no DBA"),
    "target_unknown": FlagKind("note", "no measured value of what is estimated"),
    "training_range_unknown": FlagKind("note", "the model does not say on which ages it was trained"),
    "age_outside_training_range": FlagKind("warning", "the age is not one on which the model was trained"),
    "reference_age_outside": FlagKind(
        "warning", "the DBA map compares with the nearest age that references are known for"
    ),
    "norms_lacking": FlagKind(
        "note", "no z scores: the model's norms are not of estimates from these sequences"
    ),
    "norms_age_outside": FlagKind(
        "warning", "z scores compare with the nearest age that norms are known for"
    ),
    "norms_group_unknown": FlagKind(
        "note", "of a sex, site or the like that the norms do not know: z scores compare with all of them"
    ),
    "norms_participant": FlagKind("note", "norms were made from the person, too: z scores are drawn to 0"),
    "estimate_outside_training_range": FlagKind(
        "warning", "the estimate is not one on which the model was trained"
    ),
    "modality_missing": FlagKind("note", "the ensemble could have used another sequence"),
    MODALITY_LEFT_OUT: FlagKind("warning", "a sequence is there, but its image cannot be used"),
    "negative_weight": FlagKind("note", "the estimate turns round what a sub-ensemble sees"),
    "sub_ensembles_disagree": FlagKind("warning", "more than for 99 % of the people held out in training"),
    "interval_unavailable": FlagKind("note", "no calibrated 95 % interval"),
    "image_unusual_brightness": FlagKind("warning", "the mean grey value is unlike that in training"),
    "image_unusual_size": FlagKind("warning", "the brain volume is unlike those in training"),
    "image_unusual_anatomy": FlagKind("warning", "the image is unlike those in training"),
    "scan_unlike_voxels": FlagKind(
        "warning", "voxels or slices are larger or smaller than those in training"
    ),
    "scan_unlike_smoothness": FlagKind(
        "warning", "an image is sharper or more blurred than those in training"
    ),
    "estimate_at_limit": FlagKind("warning", "the estimate is at, or beside, the least or greatest possible"),
    "distribution_wide": FlagKind(
        "warning", "a network spreads its answer over many ages: the image is unlike those in training"
    ),
    "prepared_otherwise": FlagKind(
        "warning", "a published network's input was made otherwise than its authors make it"
    ),
    IMAGE_WARNING: FlagKind("warning", "something about an image had to be put right or is unusual"),
    INPUT_WARNING: FlagKind("note", "what the choice of files and the tables left open"),
}
