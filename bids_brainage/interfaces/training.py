"""Interface for training one base model, so that a cluster can train them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _TrainInput(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, nohash=True, desc="the training's design")
    key = traits.Str(mandatory=True, desc="<ensemble>/<sub-ensemble>")
    fold = traits.Int(mandatory=True)
    index = traits.Int(mandatory=True, desc="number of the base model in its sub-ensemble")
    fingerprint = traits.Str(mandatory=True, desc="of all that decides the result")


class _TrainOutput(TraitedSpec):
    weights = File(exists=True)


class TrainBaseModel(SimpleInterface):
    """Train one base model on one thread, or continue an interrupted training."""

    input_spec = _TrainInput
    output_spec = _TrainOutput
    # The work folder may remember a model whose file is gone.
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        from bids_brainage.models.training.design import load_design
        from bids_brainage.models.training.fitting import train_base_model
        from bids_brainage.models.training.threads import limit_threads

        limit_threads()
        design = load_design(Path(self.inputs.design_file))
        task = design.task(self.inputs.key, self.inputs.fold, self.inputs.index)
        train_base_model(task)
        self._results["weights"] = str(task.path)
        return runtime
