"""Interface that puts the prepared images of one modality where they belong, and records them as finished."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from bids_brainage.records.relevance_map import RESOLUTION
from bids_brainage.records.session import FIRST, LINEAR, SOURCES, TEMPLATE, source_of

if TYPE_CHECKING:
    from bids_brainage.records.session import Role
    from bids_brainage.records.writing import Output


class _PublishInput(BaseInterfaceInputSpec):
    out_dir = traits.Str(mandatory=True, desc="the derivatives folder")
    participant = traits.Str(mandatory=True)
    session = traits.Either(traits.Str, None, usedefault=True)
    modality = traits.Str(mandatory=True, desc="or the T1w image's way to the template")
    fingerprint = traits.Str(mandatory=True, desc="of all that decides the result")
    input_marks = traits.Dict(traits.Str, traits.Dict, nohash=True, desc="its files as they were read")
    sources = traits.List(traits.Str, desc="BIDS URIs of these files")
    preparation = traits.Dict(desc="what is known before of how the images are prepared")
    subject = File(exists=True, desc="the image on the T1w grid")
    standard = File(exists=True, desc="the brain in standard space")
    mask = File(exists=True, desc="brain mask on the T1w grid")
    forward = File(exists=True, desc="T1w to standard space")
    inverse = File(exists=True, desc="standard space to T1w")
    rigid = File(exists=True, desc="the modality to T1w")
    warnings = traits.List(traits.Str, desc="what is unusual about the images")
    method = traits.Str(desc="how the brain was found")
    native_voxel_size = traits.Float(desc="of the T1w image as scanned, mm")
    voxel_extent = traits.List(traits.Float, desc="mm that a scanned voxel reaches along LIA axes")
    interpolation = traits.Str("linear", usedefault=True, desc="to the T1w grid")


class _PublishOutput(TraitedSpec):
    subject = File(exists=True)
    standard = File(exists=True)
    mask = File(exists=True)
    forward = File(exists=True)
    inverse = File(exists=True)
    done = traits.Str(desc="the modality; steps that wait for it know that its files are recorded")


class PublishImages(SimpleInterface):
    """Copy prepared images into the derivatives folder, data before sidecars, their record last."""

    input_spec = _PublishInput
    output_spec = _PublishOutput
    # It is in the graph only if the derivatives folder lacks what it writes.
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.records.reading import SessionPlace
        from bids_brainage.records.session import InputMark
        from bids_brainage.records.writing import publish

        place = SessionPlace.of(Path(self.inputs.out_dir), self.inputs.participant, self.inputs.session)
        outputs = {name: output for name, output in self._to_write(place).items() if output is not None}
        marks = self.inputs.input_marks if isdefined(self.inputs.input_marks) else {}
        publish(
            place,
            ("preprocessing", self.inputs.modality),
            self.inputs.fingerprint,
            list(outputs.values()),
            inputs={name: InputMark.model_validate(mark) for name, mark in marks.items()},
        )
        for name in ("subject", "standard", "mask", "forward", "inverse"):
            if name in outputs:
                self._results[name] = str(outputs[name].path)
        self._results["done"] = self.inputs.modality
        return runtime

    def _to_write(self, place: Any) -> dict[str, Output | None]:
        if source_of(self.inputs.modality) is not None:
            return {"subject": self._as_it_is(place)}
        if self.inputs.modality in LINEAR:
            return {
                "forward": self._linear(place, "T1w", "MNI152NLin6Asym", "forward"),
                "inverse": self._linear(place, "MNI152NLin6Asym", "T1w", "inverse"),
            }
        t1w = self.inputs.modality in (FIRST, TEMPLATE)
        modality = FIRST if t1w else self.inputs.modality
        image = place.path("preproc_T1w") if t1w else place.path("preproc_T1w_space", suffix=modality)
        about = {"modality": modality}
        facts = {"Sources": self._given("sources", [])}
        # A T1w image whose brain needed no finding came without its skull.
        stripped = not t1w or self._given("method", None) == "none"
        own = facts | {"SkullStripped": stripped, "Warnings": self._given("warnings", [])}
        own |= {
            "ScannedVoxelExtent": self._given("voxel_extent", None),
            "Interpolation": self.inputs.interpolation,
        }
        if t1w:
            found = {"skull_strip_method": "method", "native_voxel_size": "native_voxel_size"}
            seen = {key: self._given(name, None) for key, name in found.items()}
            own["Preparation"] = self._given("preparation", {}) | seen
        else:
            own["SpatialReference"] = place.uri(place.path("preproc_T1w"))
        standard = facts | {"SkullStripped": True, "Resolution": RESOLUTION}
        of_mask = facts | {"Type": "Brain"}
        return {
            "mask": self._output("brain_mask", place.path("brain_mask"), {}, of_mask, "mask"),
            "subject": self._output("subject_image", image, about, own, "subject"),
            "standard": self._output(
                "standard_image", place.path("preproc_standard", suffix=modality), about, standard, "standard"
            ),
            "forward": self._warp(place, "transform", "T1w", "MNI152NLin6Asym", "forward"),
            "inverse": self._warp(place, "transform", "MNI152NLin6Asym", "T1w", "inverse"),
            "rigid": self._warp(place, "coregistration", modality, "T1w", "rigid"),
        }

    def _as_it_is(self, place: Any) -> Output | None:
        """An image for a network that takes it in on its own grid: every value as it was read."""
        modality, _, source = self.inputs.modality.partition("/")
        pattern = "source_image_standard" if source == "given" else "source_image"
        path = place.path(pattern, source=SOURCES[source], suffix=modality)
        sidecar = {"Sources": self._given("sources", []), "Warnings": self._given("warnings", [])}
        return self._output(
            "source_image", path, {"modality": modality, "origin": source}, sidecar, "subject"
        )

    def _linear(self, place: Any, source: str, target: str, name: str) -> Output | None:
        kind = self.inputs.modality
        path = place.path("transform_linear", source=source, target=target, kind=kind)
        about = {"source": source, "target": target, "kind": kind}
        return self._output("linear_transform", path, about, None, name)

    def _warp(self, place: Any, role: Any, source: str, target: str, name: str) -> Output | None:
        path = place.path("transform", source=source, target=target)
        return self._output(role, path, {"source": source, "target": target}, None, name)

    def _output(
        self, role: Any, path: Path, about: dict[str, str], sidecar: dict[str, Any] | None, name: str
    ) -> Output | None:
        from bids_brainage.preprocessing.transforms import copy_transform
        from bids_brainage.records.files import compress, copy_file
        from bids_brainage.records.rounding import write_rounded
        from bids_brainage.records.writing import Output

        source = getattr(self.inputs, name)
        if not isdefined(source):
            return None
        mask = self._given("mask", None) if self.inputs.modality == FIRST else None
        subject = partial(write_rounded, mask=None if mask is None else Path(mask))
        writers: dict[Role, Callable[..., object]] = {
            "subject_image": subject,
            "standard_image": write_rounded,
            "source_image": compress,
        }
        writers |= dict.fromkeys(("transform", "linear_transform", "coregistration"), copy_transform)
        write = writers.get(role, copy_file)
        return Output(role, path, partial(write, Path(source)), about=about, sidecar=sidecar)

    def _given(self, name: str, otherwise: Any) -> Any:
        value = getattr(self.inputs, name)
        return value if isdefined(value) else otherwise
