"""Interface that explains an estimate: relevance maps, their accounts, sums over regions."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

from bids_brainage.atomic import replacing, write_text
from bids_brainage.bids.naming import output_path, sidecar
from bids_brainage.interfaces.outputs import write_json
from bids_brainage.interfaces.prediction import ModelInputSpec, ensemble_for, model_inputs

LOGGER = logging.getLogger(__name__)


class _ExplainInput(ModelInputSpec):
    estimate_file = File(exists=True, mandatory=True)
    forward = File(exists=True, mandatory=True, desc="T1w to standard space")
    inverse = File(exists=True, mandatory=True, desc="standard space to T1w")
    rule = traits.Str("preset-a", usedefault=True)
    backend = traits.Enum("native", "innvestigate", usedefault=True)
    aggregation = traits.Enum("heads", "mean", usedefault=True)


class _ExplainOutput(TraitedSpec):
    out_dir = traits.Directory(exists=True, desc="laid out as the derivatives are")


OUTSIDE = ("outside the atlas", "n/a")
REGION_COLUMNS = {
    "sub_ensemble": {"Description": "Sub-ensemble whose map is summed"},
    "modality": {"Description": "Sequence the sub-ensemble looks at"},
    "index": {"Description": "Label of the region in the merged atlas; 0 lies outside of it"},
    "region": {"Description": "Name of the region"},
    "hemisphere": {"Description": "L, R, or B for both or in the middle"},
    "relevance": {"Description": "Sum of relevance: what the region adds to the estimate", "Units": "years"},
    "positive": {"Description": "Sum of the votes for older", "Units": "years"},
    "negative": {"Description": "Sum of the votes for younger", "Units": "years"},
    "voxels": {"Description": "Voxels of the region in MNI152NLin6Asym at 2 mm"},
}
SPACE_NOTE = {
    "subject": "on the grid of the preprocessed T1w image",
    "standard": "in MNI152NLin6Asym at 2 mm; interpolated, then scaled so that the sum is kept",
}


@dataclass(frozen=True)
class ExplainedPart:
    """One sub-ensemble's explanation, in years.

    Attributes
    ----------
    name, region, modality : str
    subject, standard : Nifti1Image
        The map on the T1w grid and in standard space, each with the whole sum.
    target_bias : float
        What the target biases of its base models add to the estimate.
    absorbed : float
        What biases and the epsilon rule kept.
    account : list of dict
        Per layer: received, passed on, absorbed.
    quality : dict
        Measured on this map.
    """

    name: str
    region: str
    modality: str
    subject: Any
    standard: Any
    target_bias: float
    absorbed: float
    account: list[dict[str, Any]]
    quality: dict[str, Any]

    @property
    def relevance_sum(self) -> float:
        """Years this sub-ensemble's map adds to the estimate."""
        return image_sum(self.subject)


class ExplainBrainAge(SimpleInterface):
    """Relevance maps of every sub-ensemble and of the ensemble, on both grids, with their accounts."""

    input_spec = _ExplainInput
    output_spec = _ExplainOutput

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.models.bundles.bundle import load_bundle

        record = json.loads(Path(self.inputs.estimate_file).read_text(encoding="utf-8"))
        ensemble = ensemble_for(load_bundle(self.inputs.bundle), self.inputs.ensemble, record)
        inputs = model_inputs(ensemble, self.inputs)
        predictions = {name: np.array(part["base_models"]) for name, part in _by_name(record).items()}
        weights = aggregation_weights(ensemble.estimate(predictions), self.inputs.aggregation)
        grids = Grids(self.inputs)
        parts = []
        for name, own in weights.items():
            LOGGER.info("explaining %s %s", self.inputs.ensemble, name)
            parts.append(self._explain(ensemble.sub_ensembles[name], inputs[name], own, grids))
        out_dir = Path(runtime.cwd) / "results"
        write_explanation(out_dir, record, parts, self.inputs)
        self._results["out_dir"] = str(out_dir)
        return runtime

    def _explain(self, sub: Any, model_input: Any, weights: np.ndarray, grids: Grids) -> ExplainedPart:
        from bids_brainage.preprocessing.model_input import restore
        from bids_brainage.relevance.backends import explain_ensemble_with
        from bids_brainage.relevance.quality import quick_quality

        explanation = explain_ensemble_with(
            self.inputs.backend,
            [model.network for model in sub.base_models],
            model_input.array,
            weights,
            self.inputs.rule,
            threads=self.inputs.num_threads,
        )
        own = restore(explanation.relevance, model_input)
        subject, standard = grids.both(own, sub.input.stage)
        return ExplainedPart(
            name=sub.name,
            region=sub.region,
            modality=sub.modality,
            subject=subject,
            standard=standard,
            target_bias=explanation.target_bias,
            absorbed=explanation.absorbed,
            account=[line.as_dict() for line in explanation.account],
            quality=quick_quality(explanation),
        )


class Grids:
    """Brings maps from the grid they were made on to the other one.

    The transforms are sampled once: they are the same for all maps of a person.
    """

    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs
        self._sampled: dict[str, Any] = {}

    def both(self, own: Any, stage: str) -> tuple[Any, Any]:
        """A map on the T1w grid and in standard space, whichever it was made on."""
        from bids_brainage.preprocessing.standard_space import relevance_to_standard

        if stage not in self._sampled:
            self._sampled[stage] = self._to_standard(own) if stage == "subject" else self._to_subject(own)
        moved, _ = relevance_to_standard(own, self._sampled[stage])
        return (own, moved) if stage == "subject" else (self._whole(moved), own)

    def _to_standard(self, own: Any) -> Any:
        from bids_brainage.preprocessing.registration import SampledTransform
        from bids_brainage.preprocessing.templates import template_brain

        forward = [Path(self.inputs.forward)]
        return SampledTransform.of(own, template_brain(2), forward, self.inputs.num_threads)

    def _to_subject(self, own: Any) -> Any:
        """Only to the brain's part of the T1w grid: less is sampled in less time."""
        from bids_brainage.preprocessing.registration import SampledTransform

        near = self.mask.slicer[self.around]
        return SampledTransform.of(own, near, [Path(self.inputs.inverse)], self.inputs.num_threads)

    def _whole(self, near: Any) -> Any:
        """What lies around the brain, on the whole T1w grid."""
        import nibabel as nib

        data = np.zeros(self.mask.shape, dtype=np.float32)
        data[self.around] = np.asarray(near.dataobj)
        return nib.Nifti1Image(data, self.mask.affine)

    @cached_property
    def mask(self) -> Any:
        """The brain mask on the T1w grid."""
        import nibabel as nib

        return nib.Nifti1Image.from_filename(self.inputs.mask_file)

    @cached_property
    def around(self) -> tuple[slice, ...]:
        """Where the brain lies on the T1w grid."""
        from bids_brainage.preprocessing.resampling import bounding_box

        return bounding_box(np.asarray(self.mask.dataobj) > 0)


def aggregation_weights(estimate: Any, aggregation: str) -> dict[str, np.ndarray]:
    """Weight of each base model's map in its sub-ensemble's map.

    ``heads``: what head models make of the base model, d estimate / d prediction, so that the maps of
    all sub-ensembles add up to the ensemble's estimate. ``mean``: the paper's plain mean over the base
    models of a sub-ensemble (Hofmann et al. 2022, Methods).
    """
    if aggregation == "heads":
        return dict(estimate.base_model_weights)
    return {name: np.full(len(w), 1 / len(w)) for name, w in estimate.base_model_weights.items()}


def image_sum(image: Any) -> float:
    """Sum over an image's voxels, in double precision."""
    return float(np.asanyarray(image.dataobj).sum(dtype=np.float64))


def write_explanation(
    out_dir: Path, record: dict[str, Any], parts: Sequence[ExplainedPart], options: Any
) -> None:
    """Write maps, sidecars, the regions' table and the completed estimate, laid out as derivatives are."""
    total = ensemble_map(parts, record, options.aggregation)
    names = []
    for part in (*parts, total):
        names += write_maps(out_dir, record, part, options)
    regions = region_rows(parts)
    path = _path(out_dir, record, "regions", ensemble=record["ensemble"])
    write_text(path, as_tsv(regions))
    write_json(sidecar(path), region_columns(record))
    names += [path.name, sidecar(path).name]
    completed = complete_record(record, parts, total) | {"outputs": names}
    write_json(_path(out_dir, record, "brainage", ensemble=record["ensemble"]), completed)


def ensemble_map(
    parts: Sequence[ExplainedPart], record: Mapping[str, Any], aggregation: str
) -> ExplainedPart:
    """Add the maps of all sub-ensembles up (their mean where base models were plainly averaged)."""
    import nibabel as nib

    share = 1.0 if aggregation == "heads" else 1.0 / len(parts)

    def added(images: Sequence[Any]) -> Any:
        # One after the other: at 1 mm, nine maps in double precision at a time are more than a gigabyte.
        total = np.zeros(images[0].shape)
        for image in images:
            total += np.asanyarray(image.dataobj)
        total *= share
        return nib.Nifti1Image(total.astype(np.float32), images[0].affine, images[0].header)

    constant = float(record["constant"]) if aggregation == "heads" else 0.0
    return ExplainedPart(
        name="",
        region="",
        modality="T1w",
        subject=added([part.subject for part in parts]),
        standard=added([part.standard for part in parts]),
        target_bias=constant + share * sum(part.target_bias for part in parts),
        absorbed=share * sum(part.absorbed for part in parts),
        account=add_accounts([part.account for part in parts], share),
        quality={},
    )


def add_accounts(accounts: Sequence[Sequence[Mapping[str, Any]]], share: float) -> list[dict[str, Any]]:
    """Add the accounts of networks of one architecture up, layer by layer."""
    total: dict[str, dict[str, Any]] = {}
    for account in accounts:
        for line in account:
            into = total.setdefault(line["layer"], dict.fromkeys(line, 0.0) | {"layer": line["layer"]})
            for key, value in line.items():
                if key != "layer":
                    into[key] += share * float(value)
    return list(total.values())


def write_maps(out_dir: Path, record: Mapping[str, Any], part: ExplainedPart, options: Any) -> list[str]:
    """Write one map on both grids with their sidecars; give the names of the files."""
    names = []
    for space, output, image in (
        ("subject", "relevance", part.subject),
        ("standard", "relevance_standard", part.standard),
    ):
        path = _path(
            out_dir,
            record,
            output,
            ensemble=record["ensemble"],
            sub_ensemble=part.region,
            suffix=part.modality,
        )
        with replacing(path) as temporary:
            image.to_filename(temporary)
        write_json(sidecar(path), map_sidecar(record, part, options, space, image_sum(image)))
        names += [path.name, sidecar(path).name]
    return names


def map_sidecar(
    record: Mapping[str, Any], part: ExplainedPart, options: Any, space: str, relevance_sum: float
) -> dict[str, Any]:
    """Say what a map is, how it was made, and how it adds up."""
    explained = part.target_bias + part.relevance_sum + part.absorbed
    estimate = explained if part.name or options.aggregation == "mean" else float(record["brain_age"])
    target = record.get("target") or {"name": "age", "unit": "years"}
    of_age = target["name"] == "age"
    unit = target["unit"] or "n/a"
    adds = "years that each voxel adds" if of_age else f"what each voxel adds ({unit})"
    content = {
        "Description": f"Layer-wise relevance: {adds} to the estimate of "
        f"{'brain age' if of_age else target['name']}",
        "Units": unit,
        "Space": SPACE_NOTE[space],
        "Ensemble": record["ensemble"],
        "SubEnsemble": part.name or "all",
        "Rule": options.rule,
        "Backend": options.backend,
        "Aggregation": options.aggregation,
        "TargetBias": part.target_bias,
        "RelevanceSum": relevance_sum,
        "Absorbed": part.absorbed,
        "Estimate": estimate,
        "EstimateMinusTargetBias": estimate - part.target_bias,
        "ClosureError": estimate - explained,
        "Account": part.account,
        "Quality": part.quality,
        "Model": record["model"],
        "Sources": record["inputs"],
        "SkullStripped": True,
    }
    if space == "standard":
        content["Resolution"] = {"2": "2 mm isotropic, 91 x 109 x 91 voxels"}
    else:
        content["SpatialReference"] = "the preprocessed T1w image of this person and session"
    if record["disclaimer"]:
        content["Disclaimer"] = record["disclaimer"]
    return content


def region_rows(parts: Sequence[ExplainedPart]) -> list[dict[str, Any]]:
    """Sum each sub-ensemble's map in standard space over the regions of the atlas.

    Every voxel belongs to one region, so that a sub-ensemble's rows add up to its map's sum.
    """
    from bids_brainage.preprocessing.templates import atlas
    from bids_brainage.relevance.regions import region_sums

    labels_image, table = atlas()
    labels = np.asarray(labels_image.dataobj)
    known = dict(zip(table["index"], zip(table["name"], table["hemisphere"], strict=True), strict=True))
    rows = []
    for part in parts:
        sums = region_sums(np.asarray(part.standard.dataobj, dtype=np.float64), labels)
        for index, total, positive, negative, voxels in zip(
            sums.labels, sums.total, sums.positive, sums.negative, sums.voxels, strict=True
        ):
            region, hemisphere = known.get(int(index), OUTSIDE)
            rows.append(
                {"sub_ensemble": part.name, "modality": part.modality, "index": int(index)}
                | {"region": region, "hemisphere": hemisphere}
                | {"relevance": float(total), "positive": float(positive), "negative": float(negative)}
                | {"voxels": int(voxels)}
            )
    return rows


def region_columns(record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the columns of the regions' table mean; their unit is the estimate's."""
    target = record.get("target") or {"name": "age", "unit": "years"}
    if target["name"] == "age":
        return REGION_COLUMNS
    words = {"positive": "Sum of the votes for more", "negative": "Sum of the votes for less"}
    return {
        name: column
        | ({"Units": target["unit"] or "n/a"} if "Units" in column else {})
        | ({"Description": words[name]} if name in words else {})
        for name, column in REGION_COLUMNS.items()
    }


def as_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as BIDS does: tabs, one header, six digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(rows[0].keys())
    for row in rows:
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in row.values()])
    return stream.getvalue()


def complete_record(
    record: Mapping[str, Any], parts: Sequence[ExplainedPart], total: ExplainedPart
) -> dict[str, Any]:
    """Add to the estimate what the explanation found: contributions, and how they add up."""
    by_name = {part.name: part for part in parts}
    subs = [
        dict(sub)
        | {"contribution": by_name[sub["name"]].relevance_sum, "absorbed": by_name[sub["name"]].absorbed}
        for sub in record["sub_ensembles"]
    ]
    contributions = {
        "modality": _grouped(parts, [part.modality for part in parts]),
        "region": _grouped(parts, [part.region for part in parts]),
    }
    return {
        **record,
        "target_bias": total.target_bias,
        "relevance_sum": total.relevance_sum,
        "absorbed": total.absorbed,
        "sub_ensembles": subs,
        "contributions": contributions,
    }


def _grouped(parts: Sequence[ExplainedPart], keys: Sequence[str]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for key, part in zip(keys, parts, strict=True):
        sums[key] = sums.get(key, 0.0) + part.relevance_sum
    return sums


def _by_name(record: Mapping[str, Any]) -> dict[str, Any]:
    return {part["name"]: part for part in record["sub_ensembles"]}


def _path(out_dir: Path, record: Mapping[str, Any], output: str, **entities: str) -> Path:
    return output_path(out_dir, record["participant_id"], record["session_id"], output, **entities)
