"""Versions of the packages that determine a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import bids_brainage

RECORDED_PACKAGES = (
    "antspyx", "innvestigate", "nibabel", "nilearn", "nipype", "nireports", "niworkflows",
    "numba", "numpy", "pybids", "scikit-learn", "scipy", "tensorflow", "tensorflow-cpu",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of this package and of those that determine the result, if installed."""
    versions = {"bids_brainage": bids_brainage.__version__}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
