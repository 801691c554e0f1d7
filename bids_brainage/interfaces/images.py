"""Interfaces for single images: check, conform, average, brain mask, bias field.

Files that only later steps read are not compressed: a 1 mm head takes 2 s to compress and 1.4 s to read back,
against 0.4 s and nothing. What goes into the derivatives folder is compressed when it is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)

if TYPE_CHECKING:
    from bids_brainage.preprocessing.header import CheckedImage


class _ImageInput(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="a 3D image")


class _MaskedInput(_ImageInput):
    mask_file = File(exists=True, mandatory=True, desc="brain mask on the grid of in_file")


class _ImageOutput(TraitedSpec):
    out_file = File(exists=True, desc="the resulting image")


class _CheckedOutput(_ImageOutput):
    warnings = traits.List(traits.Str, desc="what is unusual about the image but not a reason to refuse it")
    voxel_extent = traits.List(traits.Float, desc="mm that a scanned voxel reaches along LIA axes")


class _UserImagesInput(BaseInterfaceInputSpec):
    # The function says whether they exist and can be read, in a sentence that names them.
    in_files = InputMultiObject(File(), mandatory=True, desc="one image of the dataset, or its repetitions")
    num_threads = traits.Int(1, usedefault=True, nohash=True, desc="threads ITK may use")


class _CheckImageInput(_UserImagesInput):
    as_it_is = traits.Bool(False, usedefault=True, desc="the one image keeps every value: others prepared it")


class CheckImage(SimpleInterface):
    """Refuse unusable images, fix what can be fixed, average repetitions; keep the image's own grid."""

    input_spec = _CheckImageInput
    output_spec = _CheckedOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.preprocessing.conform import voxel_extent
        from bids_brainage.preprocessing.header import read_as_it_is

        files = self.inputs.in_files
        checked = read_as_it_is(Path(files[0])) if self.inputs.as_it_is else _read(self.inputs, runtime)
        self._results["out_file"] = _save(checked.image, runtime, "checked.nii")
        self._results["voxel_extent"] = list(voxel_extent(checked.image))
        self._results["warnings"] = list(checked.warnings)
        return runtime


class _ConformOutput(_CheckedOutput):
    native_voxel_size = traits.Float(desc="mm, as the image was scanned")
    interpolation = traits.Str(desc="none, linear or cubic")


class _ConformInput(_UserImagesInput):
    upright = traits.Bool(False, usedefault=True, desc="turn a head whose header lost its orientation")


class Conform(SimpleInterface):
    """Check an image, average repetitions, and bring it to 1 mm voxels in LIA orientation."""

    input_spec = _ConformInput
    output_spec = _ConformOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage import messages
        from bids_brainage.preprocessing.conform import (
            conform,
            interpolation,
            native_voxel_size,
            voxel_extent,
        )
        from bids_brainage.preprocessing.turning import turned_upright

        image, warnings = _read(self.inputs, runtime)
        degrees = 0.0
        if self.inputs.upright:
            image, degrees = turned_upright(image)
        if degrees:
            told = messages.HEAD_TURNED.format(file=self.inputs.in_files[0], degrees=degrees)
            warnings = (*warnings, told)
        self._results["native_voxel_size"] = native_voxel_size(image)
        self._results["voxel_extent"] = list(voxel_extent(image))
        self._results["interpolation"] = interpolation(image)
        self._results["out_file"] = _save(conform(image), runtime, "conformed.nii")
        self._results["warnings"] = list(warnings)
        return runtime


class _ExtractBrainInput(_ImageInput):
    source_file = traits.Str(mandatory=True, desc="the person's own file, named in errors")
    method = traits.Str("auto", usedefault=True, desc="auto, bet, deepbet, synthstrip or none")
    num_threads = traits.Int(1, usedefault=True, nohash=True)


class _ExtractBrainOutput(TraitedSpec):
    mask_file = File(exists=True)
    method = traits.Str(desc="the method that was used")
    warnings = traits.List(traits.Str, desc="what is doubtful about the mask")


class ExtractBrain(SimpleInterface):
    """Find the brain in a T1w image."""

    input_spec = _ExtractBrainInput
    output_spec = _ExtractBrainOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.brain_mask import extract_brain

        brain = extract_brain(
            nib.Nifti1Image.from_filename(self.inputs.in_file),
            method=self.inputs.method,
            threads=self.inputs.num_threads,
            name=self.inputs.source_file,
            work_dir=Path(runtime.cwd),
        )
        self._results["mask_file"] = _save(brain.mask, runtime, "mask.nii.gz")
        self._results["method"] = brain.method
        self._results["warnings"] = list(brain.warnings)
        return runtime


class _UseMaskInput(_ImageInput):
    source_file = File(mandatory=True, desc="a brain mask made elsewhere")


class UseMask(SimpleInterface):
    """Bring a brain mask that was made elsewhere to the grid of the image."""

    input_spec = _UseMaskInput
    output_spec = _ExtractBrainOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.brain_mask import brain_mask_from

        brain = brain_mask_from(
            Path(self.inputs.source_file), nib.Nifti1Image.from_filename(self.inputs.in_file)
        )
        self._results["mask_file"] = _save(brain.mask, runtime, "mask.nii.gz")
        self._results["method"] = brain.method
        self._results["warnings"] = list(brain.warnings)
        return runtime


class MaskImage(SimpleInterface):
    """Set an image to zero outside a mask, as 32-bit floats: scaled integers would be rounded once more."""

    input_spec = _MaskedInput
    output_spec = _ImageOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.resampling import masked

        image, mask = map(nib.Nifti1Image.from_filename, (self.inputs.in_file, self.inputs.mask_file))
        self._results["out_file"] = _save(masked(image, mask), runtime, "masked.nii")
        return runtime


class _CorrectBiasInput(_MaskedInput):
    enabled = traits.Bool(True, usedefault=True, desc="false passes the image on unchanged")
    source_file = traits.Str(
        "the image",
        usedefault=True,
        nohash=True,
        desc="the person's own file, named in errors",
    )
    num_threads = traits.Int(1, usedefault=True, nohash=True, desc="threads ITK may use")


class CorrectBias(SimpleInterface):
    """Divide the bias field (N4) out of an image."""

    input_spec = _CorrectBiasInput
    output_spec = _ImageOutput

    def _run_interface(self, runtime: Any) -> Any:
        import nibabel as nib

        from bids_brainage.preprocessing.bias import correct_bias

        image = nib.Nifti1Image.from_filename(self.inputs.in_file)
        if self.inputs.enabled:
            mask = nib.Nifti1Image.from_filename(self.inputs.mask_file)
            threads, name = self.inputs.num_threads, self.inputs.source_file
            image = correct_bias(image, mask, threads=threads, name=name)
        self._results["out_file"] = _save(image, runtime, "corrected.nii")
        return runtime


def _read(inputs: Any, runtime: Any) -> CheckedImage:
    from bids_brainage.preprocessing.runs import average_runs

    files = [Path(path) for path in inputs.in_files]
    return average_runs(files, work_dir=Path(runtime.cwd), threads=inputs.num_threads)


def _save(image: Any, runtime: Any, name: str) -> str:
    path = Path(runtime.cwd) / name
    image.to_filename(path)
    return str(path)
