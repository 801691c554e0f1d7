"""Interface that estimates and explains one session, and puts the results where they belong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import BaseInterfaceInputSpec, SimpleInterface, TraitedSpec, traits

if TYPE_CHECKING:
    from bids_brainage.estimates.differences import DifferenceMap
    from bids_brainage.estimates.maps import MapFacts
    from bids_brainage.estimates.options import EstimationOptions
    from bids_brainage.estimates.session import EnsembleResult
    from bids_brainage.estimates.z_maps import ZMap
    from bids_brainage.records.estimate import EstimateRecord, NormsFacts, ReferenceFacts
    from bids_brainage.records.reading import FinishedSession, SessionPlace
    from bids_brainage.records.writing import Output


class _EstimateInput(BaseInterfaceInputSpec):
    out_dir = traits.Str(mandatory=True, desc="the derivatives folder")
    bundle = traits.Str(mandatory=True, desc="folder of the model bundle")
    beside = traits.List(traits.Str, desc="sha256 of other bundles whose estimates stay")
    fingerprints = traits.Dict(
        traits.Str, traits.Str, mandatory=True, desc="by ensemble, of all that decides its estimate"
    )
    person = traits.Any(mandatory=True, desc="PersonFacts")
    options = traits.Any(mandatory=True, desc="EstimationOptions")
    done = traits.List(traits.Str, desc="what had to be done first")
    prepared = traits.Dict(
        traits.Str, traits.Str, mandatory=True, desc="by modality, of the images that are estimated from"
    )


class _EstimateOutput(TraitedSpec):
    ensembles = traits.List(traits.Str, desc="that are finished")


class EstimateSession(SimpleInterface):
    """Brain age by every ensemble that is asked for, its relevance maps and their sums over regions."""

    input_spec = _EstimateInput
    output_spec = _EstimateOutput
    # The work folder may remember results that are gone.
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.estimates.session import estimate_session
        from bids_brainage.models.bundles.bundle import load_bundle
        from bids_brainage.records.reading import SessionPlace
        from bids_brainage.records.writing import publish

        person, options = self.inputs.person, self.inputs.options
        place = SessionPlace.of(Path(self.inputs.out_dir), person.participant, person.session)
        finished = prepared_session(place, self.inputs.prepared)
        images, preparation = finished.images, finished.preparation(self.inputs.prepared)
        assert images is not None
        bundle, fingerprints = load_bundle(self.inputs.bundle), self.inputs.fingerprints
        begun = time.monotonic()
        for result in estimate_session(bundle, list(fingerprints), images, preparation, person, options):
            name = result.record.ensemble
            outputs = outputs_of(place, result, options)
            seconds = {f"{name} estimate and maps": round(time.monotonic() - begun, 2)}
            publish(
                place,
                ("estimate", name),
                fingerprints[name],
                outputs,
                seconds=seconds,
                model=bundle.sha256,
                beside=self.inputs.beside,
            )
            begun = time.monotonic()
        self._results["ensembles"] = list(fingerprints)
        return runtime


def prepared_session(place: SessionPlace, fingerprints: Mapping[str, str]) -> FinishedSession:
    """The session whose images an estimate rests on.

    Raises
    ------
    BrainAgeError
        If those with these fingerprints are not there: another run has changed them meanwhile.
    """
    from bids_brainage.errors import BrainAgeError
    from bids_brainage.messages import NOT_PREPARED
    from bids_brainage.records.reading import read_session

    finished = read_session(place)
    if finished is None or finished.images is None:
        raise BrainAgeError(NOT_PREPARED.format(name=place.name))
    for modality, fingerprint in fingerprints.items():
        if not finished.is_finished(("preprocessing", modality), fingerprint):
            raise BrainAgeError(NOT_PREPARED.format(name=place.name))
    return finished


def outputs_of(place: SessionPlace, result: EnsembleResult, options: EstimationOptions) -> list[Output]:
    """The files of one ensemble's result: estimate, regions, maps."""
    from bids_brainage.estimates.session import rows_of
    from bids_brainage.records.writing import Output
    from bids_brainage.terms import REFERENCE_MAPS

    record = result.record
    outputs = [Output("estimate", place.path("brainage", ensemble=record.ensemble), record.write)]
    if result.regions:
        path = place.path("regions", ensemble=record.ensemble)
        outputs.append(_regions_output(path, result.regions, record, ""))
    outputs += [_map_output(place, record, own, space) for own in result.maps for space in options.spaces]
    for found in result.differences:
        kind = found.reference.kind
        path = place.path("reference_regions", ensemble=record.ensemble, map=REFERENCE_MAPS[kind])
        rows, normed = rows_of(found.parts, found.deviations), found.deviations is not None
        outputs.append(_regions_output(path, rows, record, kind, normed))
        shown = (*(found.parts if options.sub_ensemble_maps else ()), found.total)
        outputs += [
            _reference_output(place, record, own, found.reference, options.aggregation, space)
            for own in shown
            for space in options.spaces
        ]
        if found.norms is not None:
            outputs += [_z_output(place, record, own, found.norms) for own in found.z]
    return outputs


def _regions_output(
    path: Path, rows: list[dict[str, Any]], record: EstimateRecord, kind: str, normed: bool = False
) -> Output:
    """A table by region, of relevance or of maps against a kind of reference."""
    from bids_brainage.estimates.regions import region_columns
    from bids_brainage.records.tables import table_text
    from bids_brainage.records.writing import Output

    columns = region_columns(record.target, kind, normed)
    write, about = partial(_write_text, table_text(rows, columns)), {"kind": kind} if kind else {}
    return Output("reference_regions" if kind else "regions", path, write, about=about, sidecar=columns)


def _map_output(place: SessionPlace, record: EstimateRecord, own: MapFacts, space: str) -> Output:
    from bids_brainage.estimates.sidecars import map_record
    from bids_brainage.records.rounding import RoundedImage
    from bids_brainage.records.writing import Output
    from bids_brainage.terms import STANDARD_SPACE

    name = "relevance_standard" if space == STANDARD_SPACE else "relevance"
    stored = RoundedImage.of(own.on[space])
    return Output(
        "relevance",
        place.path(name, ensemble=record.ensemble, sub_ensemble=own.region, suffix=own.modality),
        stored.write,
        about=_about(own, space),
        sidecar=map_record(place, record, own, space, stored).as_json(),
    )


def _reference_output(
    place: SessionPlace,
    record: EstimateRecord,
    own: DifferenceMap,
    reference: ReferenceFacts,
    aggregation: str,
    space: str,
) -> Output:
    from bids_brainage.estimates.sidecars import reference_map_record
    from bids_brainage.records.rounding import RoundedImage
    from bids_brainage.records.writing import Output
    from bids_brainage.terms import REFERENCE_MAPS, STANDARD_SPACE

    name = "reference_map_standard" if space == STANDARD_SPACE else "reference_map"
    named = {"sub_ensemble": own.region, "map": REFERENCE_MAPS[reference.kind], "suffix": own.modality}
    stored = RoundedImage.of(own.on[space])
    return Output(
        "reference_map",
        place.path(name, ensemble=record.ensemble, **named),
        stored.write,
        about=_about(own, space) | {"kind": reference.kind},
        sidecar=reference_map_record(place, record, own, reference, aggregation, space, stored).as_json(),
    )


def _z_output(place: SessionPlace, record: EstimateRecord, own: ZMap, norms: NormsFacts) -> Output:
    from bids_brainage.estimates.sidecars import z_map_record
    from bids_brainage.records.rounding import RoundedImage
    from bids_brainage.records.writing import Output
    from bids_brainage.terms import REFERENCE_MAPS, STANDARD_SPACE

    named = {"sub_ensemble": own.region, "map": REFERENCE_MAPS["dba"], "suffix": own.modality}
    path, dba_map = (
        place.path(name, ensemble=record.ensemble, **named) for name in ("z_map", "reference_map_standard")
    )
    stored = RoundedImage.of(own.image)
    return Output(
        "z_map",
        path,
        stored.write,
        about=_about(own, STANDARD_SPACE) | {"kind": "dba"},
        sidecar=z_map_record(place, record, own, norms, dba_map, stored).as_json(),
    )


def _about(own: MapFacts | DifferenceMap | ZMap, space: str) -> dict[str, str]:
    return {"sub_ensemble": own.name, "region": own.region, "modality": own.modality, "space": space}


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
