"""A bundle like another one, with other inputs expected at ages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bids_brainage.atomic import replacing
from bids_brainage.models.bundles.bundle import Bundle, finish_bundle, write_file
from bids_brainage.models.bundles.finding import FILE_NAME
from bids_brainage.models.bundles.schema import ExpectedInputs


def extend_bundle(
    bundle: Bundle, path: Path, expected: ExpectedInputs, arrays: Mapping[str, np.ndarray]
) -> Bundle:
    """Copy a bundle, with these expected inputs in the place of any that it has.

    Parameters
    ----------
    bundle : Bundle
    path : Path
        Folder to write, another one than the bundle's; ``bundle.json`` is written last.
    expected : ExpectedInputs
        Whose inputs they are; names their file.
    arrays : mapping
        See `expected_inputs.pack_expected`.
    """
    before = bundle.record.expected_inputs
    (path / FILE_NAME).unlink(missing_ok=True)
    files = {}
    for file, known in bundle.record.files.items():
        if before is None or file != before.file:
            with replacing(path / file) as temporary:
                temporary.write_bytes(bundle.files.content(file))
            files[file] = known
    files[expected.file] = write_file(path / expected.file, arrays)
    record = bundle.record.model_copy(update={"expected_inputs": expected})
    return finish_bundle(path, record, files)
