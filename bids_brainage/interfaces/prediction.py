"""Interface that estimates one person's brain age with one ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

from bids_brainage.bids.naming import output_path, sidecar
from bids_brainage.interfaces.outputs import write_json

RECORDED_PACKAGES = (
    "antspyx", "innvestigate", "nibabel", "nilearn", "nipype", "niworkflows",
    "numpy", "pybids", "scikit-learn", "scipy", "tensorflow",
)  # fmt: skip


class ModelInputSpec(BaseInterfaceInputSpec):
    """What estimating and explaining both need."""

    bundle = traits.Str(mandatory=True, desc="folder of the model bundle")
    ensemble = traits.Str(mandatory=True)
    modalities = traits.List(traits.Str, mandatory=True, desc="those the estimate may rest on")
    mask_file = File(exists=True, mandatory=True, desc="brain mask on the T1w grid")
    subject_images = InputMultiObject(File(exists=True), mandatory=True, desc="on the T1w grid")
    standard_images = InputMultiObject(File(exists=True), mandatory=True, desc="brains in standard space")
    num_threads = traits.Int(1, usedefault=True, nohash=True)


class _EstimateInput(ModelInputSpec):
    person = traits.Dict(mandatory=True, desc="what is known of the person, the session and the run")


class _EstimateOutput(TraitedSpec):
    estimate_file = File(exists=True)
    out_dir = traits.Directory(exists=True, desc="laid out as the derivatives are")


class EstimateBrainAge(SimpleInterface):
    """Estimates of base models, sub-ensembles and the ensemble, with uncertainty and flags."""

    input_spec = _EstimateInput
    output_spec = _EstimateOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.models.bundles.bundle import load_bundle
        from bids_brainage.models.ensembles.typicality import unusual_inputs

        person = dict(self.inputs.person)
        bundle = load_bundle(self.inputs.bundle)
        ensemble = ensemble_for(bundle, self.inputs.ensemble, person)
        inputs = model_inputs(ensemble, self.inputs)
        arrays = {name: model_input.array for name, model_input in inputs.items()}
        estimate = ensemble.predict(arrays)
        name = self.inputs.ensemble
        unusual = unusual_inputs(arrays, bundle.norms(name), bundle.mean_inputs(name))
        person["preprocessing"] = dict(person["preprocessing"]) | preparation(self.inputs.subject_images)
        record = estimate_record(bundle, estimate, person, unusual)
        out_dir = Path(runtime.cwd) / "results"
        path = output_path(
            out_dir, person["participant_id"], person["session_id"], "brainage", ensemble=self.inputs.ensemble
        )
        self._results["estimate_file"] = str(write_json(path, record))
        self._results["out_dir"] = str(out_dir)
        return runtime


def ensemble_for(bundle: Any, name: str, person: Mapping[str, Any]) -> Any:
    """Choose the models for a person: those that never saw them, where they were trained on."""
    return bundle.ensemble(name, bundle.fold_of(person["participant_id"], person["dataset"]))


def model_inputs(ensemble: Any, inputs: Any) -> dict[str, Any]:
    """Make the input of each sub-ensemble whose modality is there.

    Parameters
    ----------
    ensemble : MultiLevelEnsemble
    inputs : ModelInputSpec
        An interface's inputs.

    Returns
    -------
    dict of str to ModelInput
        By name of sub-ensemble.
    """
    import nibabel as nib

    from bids_brainage.preprocessing.model_input import prepare
    from bids_brainage.preprocessing.templates import region_mask, template_mask

    images = {"subject": by_modality(inputs.subject_images), "standard": by_modality(inputs.standard_images)}
    masks = {"subject": nib.Nifti1Image.from_filename(inputs.mask_file), "standard": template_mask(2)}
    result = {}
    for name, sub in ensemble.sub_ensembles.items():
        path = images[sub.input.stage].get(sub.modality)
        if path is None or sub.modality not in inputs.modalities:
            continue
        region = region_mask(sub.region) if sub.input.stage == "standard" else None
        result[name] = prepare(
            nib.Nifti1Image.from_filename(path), masks[sub.input.stage], sub.input, region, name=path.name
        )
    return result


def preparation(subject_images: Sequence[str]) -> dict[str, Any]:
    """Read from the T1w image's sidecar how it was really prepared."""
    import json

    path = sidecar(by_modality(subject_images)["T1w"])
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {"skull_strip_method": facts.get("SkullStripMethod"), "warnings": facts.get("Warnings", [])}


def by_modality(paths: Sequence[str]) -> dict[str, Path]:
    """Tell derivatives apart by the suffix of their names."""
    return {Path(path).name.split(".", 1)[0].rsplit("_", 1)[-1]: Path(path) for path in paths}


def estimate_record(
    bundle: Any, estimate: Any, person: Mapping[str, Any], unusual: Sequence[Any] = ()
) -> dict[str, Any]:
    """Put into words of JSON what an estimate is made of.

    Parameters
    ----------
    bundle : Bundle
    estimate : EnsembleEstimate
    person : mapping
        ``participant_id``, ``session_id``, ``age``, ``measured`` (of another target), ``sex``, ``simulated``,
        ``dataset``, ``preprocessing``, ``lrp``, ``inputs``, ``warnings`` and ``fingerprints``.
    unusual : sequence of Unusual
        What about the images is unlike training.

    Returns
    -------
    dict
        The content of ``*_brainage.json``.
    """
    from bids_brainage.models.bundles.flags import demonstration_note, estimate_flags

    age = person["age"]
    measured = age if bundle.estimates_age else person.get("measured")
    foreign = bundle.is_demonstration and not person["simulated"]
    known = (person["participant_id"], person["dataset"])
    trained_on, fold = bundle.in_training_set(*known), bundle.fold_of(*known)
    flags = estimate_flags(
        bundle,
        estimate,
        age=age,
        measured=measured,
        simulated=person["simulated"],
        trained_on=bool(trained_on),
        fold=fold,
        unusual=unusual,
    )
    return {
        "participant_id": f"sub-{person['participant_id']}",
        "session_id": f"ses-{person['session_id']}" if person["session_id"] else None,
        "dataset": person["dataset"],
        "ensemble": estimate.ensemble,
        "target": {"name": bundle.record.target, "unit": bundle.record.unit, "measured": measured},
        "chronological_age": age,
        "sex": person["sex"],
        "brain_age": estimate.brain_age,
        "dba": None if measured is None else estimate.brain_age - measured,
        **corrected(estimate, measured),
        "uncertainty": estimate.uncertainty,
        "lower_95": estimate.lower_95,
        "upper_95": estimate.upper_95,
        "in_training_set": trained_on,
        "fold": fold,
        "flags": [{"code": f.code, "severity": f.severity, "text": f.text} for f in flags],
        "disclaimer": demonstration_note(bundle) if foreign else None,
        "constant": estimate.constant,
        "modalities_used": estimate.modalities_used,
        "modalities_missing": estimate.modalities_missing,
        "sub_ensembles": [_part_record(part) for part in estimate.sub_ensembles],
        "model": {
            "name": bundle.name,
            "version": bundle.record.version,
            "purpose": bundle.record.purpose,
            "heads": bundle.heads,
            "sha256": bundle.sha256,
        },
        "training_range": bundle.training_range,
        "simulated_input": person["simulated"],
        "preprocessing": person["preprocessing"],
        "lrp": person["lrp"],
        "inputs": person["inputs"],
        "warnings": person["warnings"],
        "versions": package_versions(),
        "fingerprint": person["fingerprints"][estimate.ensemble],
        "outputs": [],
    }


def corrected(estimate: Any, measured: float | None) -> dict[str, float | None]:
    """The estimate without the regression to the mean, where value and line are known; never the headline."""
    bias = estimate.top_head.age_bias
    if bias is None or measured is None:
        return {"brain_age_corrected": None, "dba_corrected": None}
    value = bias.corrected(estimate.brain_age, measured)
    return {"brain_age_corrected": value, "dba_corrected": value - measured}


def _part_record(part: Any) -> dict[str, Any]:
    return {
        "name": part.name,
        "region": part.region,
        "modality": part.modality,
        "brain_age": part.brain_age,
        "uncertainty": part.uncertainty,
        "base_models": part.base_models,
        "weight": part.weight,
    }


def package_versions() -> dict[str, str]:
    """Versions of this package and of those that decide the result."""
    from importlib.metadata import PackageNotFoundError, version

    import bids_brainage

    versions = {"bids_brainage": bids_brainage.__version__}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
