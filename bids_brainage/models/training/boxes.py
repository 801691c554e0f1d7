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
from bids_brainage.terms import WHOLE_BRAIN

Box = tuple[int, int, int]
# Of each brain: single voxels of a mask do not decide.
NEARLY_ALL = 0.999


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
    if rule.sampling is not None:
        return _turned_box(plan, people)
    masks = (nib.Nifti1Image.from_filename(person.mask) for person in people)
    found = largest_box(masks, rule.voxel_size, rule.margin, rule.orientation)
    least = [int(np.ceil(extent / rule.voxel_size)) for extent in rule.smallest_subject_box_mm]
    x, y, z = (max(pair) for pair in zip(found, least, strict=True))
    return x, y, z


def _turned_box(plan: TrainingPlan, people: Sequence[TrainingPerson]) -> Box:
    """Box (voxels) for the brains of the cohort when turned to the template's axes, around its middle."""
    from bids_brainage.models.cohorts.images import person_images
    from bids_brainage.preprocessing.network_input import box_centre, brain_offsets
    from bids_brainage.preprocessing.smooth_input import Frame, along_axes

    rule = plan.input
    centre, reach = box_centre(WHOLE_BRAIN), np.zeros(3)
    for person in people:
        images = person_images(person.images)
        offsets = np.abs(brain_offsets(images, Frame.of(images.steps, centre)))
        reach = np.maximum(reach, np.quantile(offsets, NEARLY_ALL, axis=0))
    found = np.ceil(2 * along_axes(reach, rule.orientation) / rule.voxel_size) + 2 * rule.margin
    least = np.ceil(np.array(rule.smallest_subject_box_mm) / rule.voxel_size)
    x, y, z = (int(side) for side in np.maximum(found, least))
    return x, y, z


def standard_box(plan: TrainingPlan, region: str) -> Box:
    """Box (voxels) for a region of the template; it is the same for everyone, so it needs no margin."""
    from bids_brainage.preprocessing.block_input import largest_box
    from bids_brainage.preprocessing.templates import region_mask

    return largest_box(
        [region_mask(region)], plan.input.voxel_size, plan.input.margin, plan.input.orientation
    )
