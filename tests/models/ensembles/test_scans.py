"""Who was scanned unlike the training people, by hand."""

from __future__ import annotations

import pytest

from bids_brainage.models.ensembles.scans import Scan, ScanNorms, scan_norms, unlike_scans

TRAINED = ScanNorms((1.0, 2.0), (4.0, 0.25))


def test_norms_by_hand() -> None:
    scans = [Scan((1.0, 1.0, 1.2), 3.0), Scan((2.0, 2.0, 2.0), 5.0), Scan(None, None)]
    found = scan_norms(scans)
    assert found.voxels == (1.0, 2.0)
    assert found.smoothness == pytest.approx((4.0, 2**0.5))
    assert scan_norms([Scan(None, None)]) == ScanNorms(None, None)


@pytest.mark.parametrize(
    ("scan", "measures"),
    [
        (Scan((1.0, 1.0, 2.0), 4.0), []),
        (Scan((0.99, 1.0, 2.03), 4.9), []),  # headers round
        (Scan((1.0, 1.0, 5.0), 4.0), ["voxels"]),  # thick slices
        (Scan((0.5, 1.0, 1.0), 4.0), ["voxels"]),
        (Scan((1.0, 1.0, 1.0), 5.1), ["smoothness"]),
        (Scan((1.0, 1.0, 1.0), 2.9), ["smoothness"]),
        (Scan((3.0, 3.0, 3.0), 8.0), ["voxels", "smoothness"]),
        (Scan(None, None), []),
    ],
)
def test_what_is_outside_is_named(scan: Scan, measures: list[str]) -> None:
    found = unlike_scans({"FLAIR": scan, "T1w": Scan((9.0, 9.0, 9.0), 9.0)}, {"FLAIR": TRAINED})
    assert [(own.modality, own.measure) for own in found] == [("FLAIR", measure) for measure in measures]


def test_without_norms_nothing_is_said() -> None:
    assert unlike_scans({"T1w": Scan((9.0, 9.0, 9.0), 9.0)}, {"T1w": ScanNorms(None, None)}) == ()
