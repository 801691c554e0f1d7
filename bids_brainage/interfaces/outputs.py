"""Put a result where it belongs in the derivatives folder, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

from bids_brainage.atomic import replacing, write_text
from bids_brainage.bids.naming import sidecar


class _SaveOutputInput(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True)
    out_path = traits.Str(mandatory=True, desc="the file to write")
    sidecar = traits.Dict(desc="JSON to write beside it")
    warnings = traits.List(traits.Str, desc="what was odd about the images it was made of")
    method = traits.Str(desc="how it was made, where there is a choice")


class _SaveOutputOutput(TraitedSpec):
    out_file = File(exists=True, desc="the file in the derivatives folder")


class SaveOutput(SimpleInterface):
    """Copy a file into the derivatives folder under a temporary name, then rename it."""

    input_spec = _SaveOutputInput
    output_spec = _SaveOutputOutput
    # A file that somebody removed from the derivatives folder is to come back.
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        out_path = Path(self.inputs.out_path)
        facts = self._sidecar()
        if facts is not None:
            write_json(sidecar(out_path), facts)
        with replacing(out_path) as temporary:
            shutil.copyfile(self.inputs.in_file, temporary)
        self._results["out_file"] = str(out_path)
        return runtime

    def _sidecar(self) -> dict[str, Any] | None:
        from nipype.interfaces.base import isdefined

        if not isdefined(self.inputs.sidecar):
            return None
        content = dict(self.inputs.sidecar)
        if isdefined(self.inputs.warnings):
            content["Warnings"] = list(self.inputs.warnings)
        if isdefined(self.inputs.method):
            content["SkullStripMethod"] = self.inputs.method
        return content


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as indented JSON; what is not finite is written as null."""
    import json

    return write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """Copy of `value` in the types JSON knows."""
    import math

    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.as_posix()
    return value


class _SaveTreeInput(BaseInterfaceInputSpec):
    in_dir = traits.Directory(
        exists=True, mandatory=True, desc="folder that is laid out as the derivatives are"
    )
    out_dir = traits.Str(mandatory=True, desc="the derivatives folder")
    last = traits.Str(
        mandatory=True, desc="pattern of the file whose presence means that all others are there"
    )


class _SaveTreeOutput(TraitedSpec):
    last_file = File(exists=True)


class SaveTree(SimpleInterface):
    """Copy a folder of results into the derivatives folder, file by file, the decisive one last."""

    input_spec = _SaveTreeInput
    output_spec = _SaveTreeOutput
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        source, target = Path(self.inputs.in_dir), Path(self.inputs.out_dir)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda file: file.match(self.inputs.last)):
            destination = target / path.relative_to(source)
            with replacing(destination) as temporary:
                shutil.copyfile(path, temporary)
        self._results["last_file"] = str(destination)
        return runtime
