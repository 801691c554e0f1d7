"""What each sub-ensemble of a plan sees: input specifications, and boxes that fit everyone's brain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.limits import check_size
from bids_brainage.models.cohorts.people import TrainingPerson
from bids_brainage.models.training.plan import TrainingPlan
from bids_brainage.preprocessing.input_spec import InputSpec

Box = tuple[int, int, int]


def input_specs(plan: TrainingPlan, people: Sequence[TrainingPerson]) -> dict[str, InputSpec]:
    """The input specification of every sub-ensemble, by ``<ensemble>/<sub-ensemble>``.

    The subject stage's box fits the largest brain of the cohort with the plan's margin, and is not
    smaller than the plan asks; that of the standard stage fits the template's region.
    """
    specs: dict[str, InputSpec] = {}
    boxes: dict[tuple[str, str], Box] = {}
    for ensemble in plan.ensembles:
        for name, region, modality in ensemble.sub_ensembles():
            where = (ensemble.stage, region)
            if where not in boxes:
                subject = ensemble.stage == "subject"
                boxes[where] = subject_box(plan, people) if subject else standard_box(plan, region)
            specs[f"{ensemble.name}/{name}"] = plan.input.spec(ensemble, region, modality, boxes[where])
            _check_size(plan, boxes[where])
    return specs


def _check_size(plan: TrainingPlan, box: Box) -> None:
    try:
        check_size(plan.architecture, box)
    except ValueError as error:
        where = "architecture or input"
        raise InputError(messages.PLAN_WRONG.format(file=plan.name, where=where, reason=error)) from error


def subject_box(plan: TrainingPlan, people: Sequence[TrainingPerson]) -> Box:
    """Box (voxels) for the brains of the cohort in their own T1w grids."""
    import nibabel as nib

    from bids_brainage.preprocessing.block_input import largest_box

    rule = plan.input
    masks = (nib.Nifti1Image.from_filename(person.mask) for person in people)
    found = largest_box(masks, rule.voxel_size, rule.margin, rule.orientation)
    least = [int(np.ceil(extent / rule.voxel_size)) for extent in rule.smallest_subject_box_mm]
    x, y, z = (max(pair) for pair in zip(found, least, strict=True))
    return x, y, z


def standard_box(plan: TrainingPlan, region: str) -> Box:
    """Box (voxels) for a region of the template; it is the same for everyone, so it needs no margin."""
    from bids_brainage.preprocessing.block_input import largest_box
    from bids_brainage.preprocessing.templates import region_mask

    return largest_box(
        [region_mask(region)], plan.input.voxel_size, plan.input.margin, plan.input.orientation
    )
