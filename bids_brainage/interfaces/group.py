"""Interfaces of the group level: stacks of maps, pieces of permutation tests, results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _DoneOutput(TraitedSpec):
    done = traits.Str(desc="what was written; steps that wait for it know that it is there")


class _StackInput(BaseInterfaceInputSpec):
    plan = File(exists=True, mandatory=True, nohash=True, desc="paths and weights of everybody's maps")
    path = traits.Str(mandatory=True, desc="where the stack goes")


class BuildStack(SimpleInterface):
    """Read everybody's map once, unless that was done."""

    input_spec = _StackInput
    output_spec = _DoneOutput
    # The work folder may remember a stack whose file is gone.
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np

        from bids_brainage.group.members import MapPlace
        from bids_brainage.group.stacks import build_stack, is_built

        path = Path(self.inputs.path)
        if not is_built(path):
            plan = json.loads(Path(self.inputs.plan).read_text(encoding="utf-8"))
            people = [
                [MapPlace(Path(file), "", "", weight) for file, weight in own] for own in plan["people"]
            ]
            within = np.load(plan["mask"], allow_pickle=False)
            build_stack(people, within, path, fwhm=plan["fwhm"])
        self._results["done"] = str(path)
        return runtime


class _UnitInput(BaseInterfaceInputSpec):
    folder = traits.Str(mandatory=True, desc="of the unit, where its pieces go")
    after = traits.Any(desc="what must be there before")


class SelectMaps(SimpleInterface):
    """Write the maps that a unit is tested on, unless that is the stack or was done."""

    input_spec = _UnitInput
    output_spec = _DoneOutput
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.group.permutations import maps_of
        from bids_brainage.group.unit import load_unit

        folder = Path(self.inputs.folder)
        self._results["done"] = str(maps_of(load_unit(folder), folder).path)
        return runtime


class _PieceInput(_UnitInput):
    contrast = traits.Int(mandatory=True, desc="its number")
    start = traits.Int(mandatory=True)
    stop = traits.Int(mandatory=True)
    threads = traits.Int(1, usedefault=True)


class RunPiece(SimpleInterface):
    """Compute some rearrangements of a contrast, unless that was done."""

    input_spec = _PieceInput
    output_spec = _DoneOutput
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from threadpoolctl import threadpool_limits

        from bids_brainage.group.permutations import run_piece
        from bids_brainage.group.unit import load_unit

        folder, own = Path(self.inputs.folder), self.inputs
        with threadpool_limits(own.threads):
            path = run_piece(folder, load_unit(folder), own.contrast, own.start, own.stop, own.threads)
        self._results["done"] = str(path)
        return runtime


class _WriteInput(BaseInterfaceInputSpec):
    plan = File(exists=True, mandatory=True, nohash=True, desc="which units make up the analysis")
    out = traits.Str(mandatory=True, desc="folder of the analysis' results")
    after = traits.List(traits.Any, desc="what must be there before")
    threads = traits.Int(1, usedefault=True)


class WriteAnalysis(SimpleInterface):
    """Put an analysis' results together, its record last."""

    input_spec = _WriteInput
    output_spec = _DoneOutput
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from threadpoolctl import threadpool_limits

        from bids_brainage.group.analysis import read_analysis_plan, write_analysis

        with threadpool_limits(self.inputs.threads):
            plan = read_analysis_plan(Path(self.inputs.plan))
            self._results["done"] = str(write_analysis(Path(self.inputs.out), plan, self.inputs.threads))
        return runtime
