"""Interfaces for registration: rigid, to the template, and applying transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _ComputedInput(BaseInterfaceInputSpec):
    source_file = traits.Str(
        "the image",
        usedefault=True,
        nohash=True,
        desc="the person's own file, named in errors",
    )
    num_threads = traits.Int(1, usedefault=True, nohash=True)


class _RegisteredInput(_ComputedInput):
    seed = traits.Int(1, usedefault=True)


class _RegisterRigidInput(_RegisteredInput):
    moving_file = File(exists=True, mandatory=True, desc="FLAIR or SWI in its own space")
    fixed_file = File(exists=True, mandatory=True, desc="the conformed T1w image")
    fixed_mask = File(exists=True, mandatory=True, desc="brain mask of the T1w image")


class _RegisterRigidOutput(TraitedSpec):
    transform = File(exists=True, desc="moving to fixed")


class RegisterRigid(SimpleInterface):
    """Align another sequence rigidly with the T1w image of the same head."""

    input_spec = _RegisterRigidInput
    output_spec = _RegisterRigidOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.registration import register_rigid

        transform = register_rigid(
            nib.Nifti1Image.from_filename(self.inputs.moving_file),
            nib.Nifti1Image.from_filename(self.inputs.fixed_file),
            fixed_mask=nib.Nifti1Image.from_filename(self.inputs.fixed_mask),
            out=Path(runtime.cwd) / "rigid.h5",
            threads=self.inputs.num_threads,
            seed=self.inputs.seed,
            name=self.inputs.source_file,
        )
        self._results["transform"] = str(transform)
        return runtime


class _CheckSameHeadInput(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="FLAIR or SWI on the T1w grid")
    t1w_file = File(exists=True, mandatory=True)
    mask_file = File(exists=True, mandatory=True)
    transform = File(exists=True, mandatory=True, desc="how in_file came to the T1w grid")
    source_file = traits.Str(mandatory=True, desc="the person's own file, named in errors")
    t1w_source = traits.Str(mandatory=True)


class _CheckSameHeadOutput(TraitedSpec):
    out_file = File(exists=True, desc="in_file, when it shows the head of the T1w image")
    transform = File(exists=True, desc="and then the transform: nothing that follows gets another head")


class CheckSameHead(SimpleInterface):
    """Refuse a FLAIR or SWI that shows another head than the T1w image."""

    input_spec = _CheckSameHeadInput
    output_spec = _CheckSameHeadOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.same_head import check_same_head

        load = nib.Nifti1Image.from_filename
        check_same_head(
            load(self.inputs.in_file),
            load(self.inputs.t1w_file),
            load(self.inputs.mask_file),
            name=self.inputs.source_file,
            reference=self.inputs.t1w_source,
        )
        self._results["out_file"] = self.inputs.in_file
        self._results["transform"] = self.inputs.transform
        return runtime


class _InvertRigidInput(BaseInterfaceInputSpec):
    transform = File(exists=True, mandatory=True)


class _InvertRigidOutput(TraitedSpec):
    inverse = File(exists=True)


class InvertRigid(SimpleInterface):
    """Invert a rigid transform."""

    input_spec = _InvertRigidInput
    output_spec = _InvertRigidOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.preprocessing.inversion import invert_rigid

        inverse = invert_rigid(Path(self.inputs.transform), Path(runtime.cwd) / "inverse.tfm")
        self._results["inverse"] = str(inverse)
        return runtime


class _IdentityOutput(TraitedSpec):
    transform = File(exists=True)
    inverse = File(exists=True)


class Aligned(SimpleInterface):
    """The transform of an image that lies in the T1w image's space already: none, as ITK writes it."""

    input_spec = BaseInterfaceInputSpec
    output_spec = _IdentityOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.preprocessing.inversion import write_identity

        path = str(write_identity(Path(runtime.cwd) / "identity.tfm"))
        self._results["transform"] = self._results["inverse"] = path
        return runtime


class _UseTransformsInput(BaseInterfaceInputSpec):
    forward_file = File(exists=True, mandatory=True, desc="T1w to MNI152NLin6Asym, made elsewhere")
    inverse_file = File(exists=True, mandatory=True, desc="MNI152NLin6Asym to T1w, made elsewhere")


class _RegisterBrainInput(_RegisteredInput):
    brain_file = File(exists=True, mandatory=True, desc="T1w brain without skull")
    mask_file = File(exists=True, mandatory=True)


class _RegisterTemplateInput(_RegisterBrainInput):
    native_voxel_size = traits.Float(1.0, usedefault=True, desc="mm, as the image was scanned")


class _RegisterTemplateOutput(TraitedSpec):
    forward = File(exists=True, desc="T1w to MNI152NLin6Asym")
    inverse = File(exists=True, desc="MNI152NLin6Asym to T1w")


class RegisterTemplate(SimpleInterface):
    """Warp a T1w brain to MNI152NLin6Asym (affine, then SyN)."""

    input_spec = _RegisterTemplateInput
    output_spec = _RegisterTemplateOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.registration import register_to_template

        transforms = register_to_template(
            nib.Nifti1Image.from_filename(self.inputs.brain_file),
            nib.Nifti1Image.from_filename(self.inputs.mask_file),
            out_prefix=Path(runtime.cwd) / "template-",
            native_voxel_size=self.inputs.native_voxel_size,
            threads=self.inputs.num_threads,
            seed=self.inputs.seed,
            name=self.inputs.source_file,
        )
        self._results["forward"] = str(transforms.forward)
        self._results["inverse"] = str(transforms.inverse)
        return runtime


class _RegisterLinearInput(_RegisterBrainInput):
    kind = traits.Enum("rigid", "affine", mandatory=True)


class RegisterLinear(SimpleInterface):
    """Register a T1w brain to MNI152NLin6Asym by six or twelve parameters."""

    input_spec = _RegisterLinearInput
    output_spec = _RegisterTemplateOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.registration import register_linear

        transforms = register_linear(
            nib.Nifti1Image.from_filename(self.inputs.brain_file),
            nib.Nifti1Image.from_filename(self.inputs.mask_file),
            kind=self.inputs.kind,
            out_prefix=Path(runtime.cwd) / "linear-",
            threads=self.inputs.num_threads,
            seed=self.inputs.seed,
            name=self.inputs.source_file,
        )
        self._results["forward"] = str(transforms.forward)
        self._results["inverse"] = str(transforms.inverse)
        return runtime


class UseTransforms(SimpleInterface):
    """Take transforms that others made, once they lead to the template and back."""

    input_spec = _UseTransformsInput
    output_spec = _RegisterTemplateOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage import messages
        from bids_brainage.errors import ImageError
        from bids_brainage.preprocessing.templates import template_brain
        from bids_brainage.preprocessing.transforms import TransformError, check_both_ways

        forward, inverse = Path(self.inputs.forward_file), Path(self.inputs.inverse_file)
        try:
            check_both_ways(forward, inverse, template_brain(2), warped=True)
        except TransformError as error:
            raise ImageError(messages.TRANSFORMS_OF_OTHERS.format(file=forward, reason=error)) from error
        self._results["forward"], self._results["inverse"] = str(forward), str(inverse)
        return runtime


class _ApplyTransformsInput(_ComputedInput):
    in_file = File(exists=True, mandatory=True)
    reference = File(exists=True, desc="image whose grid is wanted; by default the 2 mm template")
    transforms = InputMultiObject(File(exists=True), mandatory=True, desc="the last is applied first")
    interpolation = traits.Enum("linear", "nearest", usedefault=True)


class _ApplyTransformsOutput(TraitedSpec):
    out_file = File(exists=True)


class ApplyTransforms(SimpleInterface):
    """Resample an image through a chain of transforms, interpolating once."""

    input_spec = _ApplyTransformsInput
    output_spec = _ApplyTransformsOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib
        from nipype.interfaces.base import isdefined

        from bids_brainage.preprocessing.registration import apply_transforms
        from bids_brainage.preprocessing.templates import template_brain

        reference = self.inputs.reference
        moved = apply_transforms(
            nib.Nifti1Image.from_filename(self.inputs.in_file),
            nib.Nifti1Image.from_filename(reference) if isdefined(reference) else template_brain(2),
            [Path(path) for path in self.inputs.transforms],
            interpolation=self.inputs.interpolation,
            threads=self.inputs.num_threads,
            name=self.inputs.source_file,
        )
        out = Path(runtime.cwd) / "resampled.nii"
        moved.to_filename(out)
        self._results["out_file"] = str(out)
        return runtime
