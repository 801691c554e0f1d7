"""Is a bundle sound? One verdict per item that can be wrong, each building on those before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import (
    Bundle,
    ReferenceCheck,
    check_references,
    open_bundle,
    weight_files,
)


@dataclass(frozen=True)
class Verdict:
    """On one item.

    Attributes
    ----------
    item : str
        schema, files, architecture or reference.
    found : str
        What was found to be correct.
    problems : tuple of str
        One sentence for each fault.
    checked : bool
        False if an earlier item is already wrong.
    """

    item: str
    found: str = ""
    problems: tuple[str, ...] = ()
    checked: bool = True

    @property
    def passed(self) -> bool:
        """Whether the item was checked and is correct."""
        return self.checked and not self.problems


def check_bundle(name_or_path: str | Path) -> Iterator[Verdict]:
    """Check schema, files, architecture and reference predictions of a bundle.

    Parameters
    ----------
    name_or_path : str or Path
        As for `bids_brainage.models.bundles.finding.find_bundle`; if there is none, that is the
        schema's fault.

    Yields
    ------
    Verdict
        One per item, as soon as it is available.
    """
    opened: list[Bundle] = []
    problems = _problems([lambda: opened.append(open_bundle(name_or_path))])
    sound = not problems
    yield Verdict("schema", f"version {opened[0].record.schema_version}" if sound else "", problems)
    for item, check in (("files", _files), ("architecture", _architecture), ("reference", _reference)):
        verdict = check(opened[0]) if sound else Verdict(item, checked=False)
        yield verdict
        sound = verdict.passed


def _files(bundle: Bundle) -> Verdict:
    """Path, size and sum of every listed file."""
    files = bundle.record.files
    problems = _problems(partial(bundle.files.content, file) for file in files)
    return Verdict("files", f"{len(files)} files, sizes and sha256 as listed", problems)


def _architecture(bundle: Bundle) -> Verdict:
    """Names, shapes, types and finiteness of every base model's weights."""
    models = list(weight_files(bundle.record))
    problems = _problems(partial(bundle.files.weights, file, sub) for sub, file in models)
    found = f"{len(models)} networks, names, shapes and types of all weights fit, all are finite"
    return Verdict("architecture", found, problems)


def _reference(bundle: Bundle) -> Verdict:
    """Every base model's prediction for its reference input, recomputed."""
    if problems := _problems([lambda: check_references(bundle)]):
        return Verdict("reference", problems=problems)
    checks = list(bundle.reference_checks())
    largest = max(abs(check.stored - check.computed) for check in checks)
    found = f"{len(checks)} predictions, largest difference {largest:.1g} years"
    return Verdict("reference", found, tuple(_describe(check) for check in checks if not check.passed))


def _describe(check: ReferenceCheck) -> str:
    return (
        f"{check.ensemble} {check.sub_ensemble}, fold {check.fold}, base model {check.index}: "
        f"{check.computed:.3f} years here, {check.stored:.3f} in the bundle"
    )


def _problems(checks: Iterable[Callable[[], Any]]) -> tuple[str, ...]:
    """What the checks raise, in order."""
    found = []
    for check in checks:
        try:
            check()
        except BundleError as error:
            found.append(str(error))
    return tuple(found)
