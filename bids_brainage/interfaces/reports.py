"""Interface that writes a participant's page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    DynamicTraitedSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)
from nipype.interfaces.io import add_traits


class _WriteReportInput(DynamicTraitedSpec):
    out_dir = traits.Str(mandatory=True, desc="the derivatives folder")
    participant = traits.Str(mandatory=True, desc="label without sub-")
    log_dir = traits.Str(mandatory=True, desc="where this run keeps its run times", nohash=True)
    errors = traits.List(traits.Str, usedefault=True, desc="sentences that say what failed")
    crash_files = traits.List(traits.Str, usedefault=True)


class _WriteReportOutput(TraitedSpec):
    out_file = File(exists=True, desc="the page")


class WriteReport(SimpleInterface):
    """Write the page of one participant once all sessions are estimated.

    Parameters
    ----------
    numinputs : int
        Sessions to wait for; inputs ``session1``, ``session2``, ... take anything of theirs.
    """

    input_spec = _WriteReportInput
    output_spec = _WriteReportOutput
    _always_run = True

    def __init__(self, numinputs: int = 0, **inputs: Any) -> None:
        super().__init__(**inputs)
        add_traits(self.inputs, [f"session{number + 1}" for number in range(numinputs)])

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.bids.naming import strip_prefix
        from bids_brainage.interfaces.prediction import package_versions
        from bids_brainage.preprocessing.templates import template_brain
        from bids_brainage.reports.participant import write_participant_report

        participant = f"sub-{strip_prefix(self.inputs.participant, 'sub')}"
        log_dir = Path(self.inputs.log_dir)
        run = {
            "versions": package_versions(),
            "times": run_times(log_dir, participant),
            "errors": list(self.inputs.errors),
            "crash_files": [str(path) for path in self.inputs.crash_files],
        }
        page = write_participant_report(
            Path(self.inputs.out_dir), participant, run=run, template=template_brain(2)
        )
        self._results["out_file"] = str(page)
        return runtime


def run_times(log_dir: Path, participant: str) -> dict[str, float]:
    """Read the seconds each step of a participant took in this run, the long ones first."""
    times: dict[str, float] = {}
    for path in sorted(log_dir.glob(f"{participant}*_run-times.json")):
        session = path.name.removesuffix("_run-times.json")
        steps = json.loads(path.read_text(encoding="utf-8"))
        several = session != participant
        times |= {f"{session} {step}" if several else step: seconds for step, seconds in steps.items()}
    return dict(sorted(times.items(), key=lambda item: -item[1]))
