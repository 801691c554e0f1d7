"""Interface that writes a participant's page."""

from __future__ import annotations

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
    log_dir = traits.Str(mandatory=True, desc="where this run keeps run times and crash files", nohash=True)


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
        from bids_brainage.reports.participant import write_participant_report
        from bids_brainage.reports.run_record import read_run_record

        page = write_participant_report(
            Path(self.inputs.out_dir),
            self.inputs.participant,
            run=read_run_record(Path(self.inputs.log_dir), self.inputs.participant),
        )
        self._results["out_file"] = str(page)
        return runtime
