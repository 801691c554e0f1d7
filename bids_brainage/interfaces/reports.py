"""Interface that writes a participant's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _WriteReportInput(BaseInterfaceInputSpec):
    out_dir = traits.Str(mandatory=True, desc="the derivatives folder")
    participant = traits.Str(mandatory=True, desc="label without sub-")
    command = traits.Str(desc="what was typed")
    errors = traits.List(traits.Str, usedefault=True, desc="sentences that say what failed")
    crash_files = traits.List(traits.Str, usedefault=True)


class _WriteReportOutput(TraitedSpec):
    out_file = File(exists=True, desc="the page")


class WriteReport(SimpleInterface):
    """Write the page of one participant, from what is finished of their sessions."""

    input_spec = _WriteReportInput
    output_spec = _WriteReportOutput
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.bids.naming import session_name
        from bids_brainage.preprocessing.templates import template_brain
        from bids_brainage.records.versions import package_versions
        from bids_brainage.reports.participant import write_participant_report

        run = {
            "versions": package_versions(),
            "command": self.inputs.command,
            "errors": list(self.inputs.errors),
            "crash_files": [str(path) for path in self.inputs.crash_files],
        }
        page = write_participant_report(
            Path(self.inputs.out_dir),
            session_name(self.inputs.participant, None),
            run=run,
            template=template_brain(2),
        )
        self._results["out_file"] = str(page)
        return runtime
