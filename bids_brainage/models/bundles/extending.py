"""A bundle like another one, with other inputs expected at ages, or other norms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bids_brainage.atomic import replacing
from bids_brainage.models.bundles.bundle import Bundle, finish_bundle, write_file
from bids_brainage.models.bundles.finding import FILE_NAME
from bids_brainage.models.bundles.schema import ExpectedInputs, RegionNorms


def extend_bundle(
    bundle: Bundle, path: Path, added: ExpectedInputs | RegionNorms, arrays: Mapping[str, np.ndarray]
) -> Bundle:
    """Copy a bundle, with these expected inputs or norms in the place of any that it has.

    Norms are of maps against the inputs expected before: with others, there are none.

    Parameters
    ----------
    bundle : Bundle
    path : Path
        Folder to write, another one than the bundle's; ``bundle.json`` is written last.
    added : ExpectedInputs or RegionNorms
        Whose inputs or norms they are; names their file.
    arrays : mapping
        See `expected_inputs.pack_expected` and `region_norms.pack_norms`.
    """
    before = bundle.record
    update: dict[str, ExpectedInputs | RegionNorms | None] = {"region_norms": added}
    if isinstance(added, ExpectedInputs):
        update = {"expected_inputs": added, "region_norms": None}
    gone = {part.file for name in update if (part := getattr(before, name)) is not None}
    (path / FILE_NAME).unlink(missing_ok=True)
    files = {}
    for file, known in before.files.items():
        if file not in gone:
            with replacing(path / file) as temporary:
                temporary.write_bytes(bundle.files.content(file))
            files[file] = known
    files[added.file] = write_file(path / added.file, arrays)
    return finish_bundle(path, before.model_copy(update=update), files)
