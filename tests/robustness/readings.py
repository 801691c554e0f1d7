"""Files that only have to be read rightly: headers, types, holes. All show the template's brain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from tests.robustness.distorted import Distorted, changed, cut, image_of, turned, turned_about_centre, values
from tests.robustness.headers import FORMS

#: An affine to a template, as it stays in the sform beside the scanner's qform.
SKEW = np.array([[1.07, 0.05, 0, 4], [0.03, 0.96, 0.05, -6], [0, 0.04, 1.09, 3], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Reading:
    """A file and what is to come of it.

    Attributes
    ----------
    make : function
        From an image to what is stored; where it says that the image was before, it is to be found.
    says : str
        Words of the sentence by which it is refused.
    warns : str
        Words of the warning with which it is read.
    """

    make: Callable[[nib.Nifti1Image], Distorted]
    says: str = ""
    warns: str = ""


def _stored(image: nib.Nifti1Image, **fields: object) -> Distorted:
    """Integers of 16 bits, and some fields of the header as they should not be."""
    data = np.rint(values(image)).astype(np.int16)
    return replace(changed(image, data), fields=fields)


def _forms(image: nib.Nifti1Image, sform: np.ndarray) -> Distorted:
    """An sform after `sform`; the qform is that of the scanner."""
    distorted = changed(image, values(image))
    distorted.image.set_sform(sform @ image.affine, 4)
    distorted.image.set_qform(image.affine, 1)
    return distorted


def _in_unit(image: nib.Nifti1Image, unit: str, factor: float) -> Distorted:
    """The header counts in another unit, and says so."""
    affine = np.diag([factor, factor, factor, 1]) @ image.affine
    other = image_of(values(image), affine)
    other.header.set_xyzt_units(unit, "sec")
    return Distorted(other)


def _at_corner(image: nib.Nifti1Image) -> Distorted:
    """The origin is the corner of the image."""
    shift = np.eye(4)
    shift[:3, 3] = -image.affine[:3, 3]
    return turned(image, shift)


def _shifted(*shift: float) -> Callable[[nib.Nifti1Image], Distorted]:
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return lambda image: turned(image, matrix)


def _without_codes(image: nib.Nifti1Image) -> Distorted:
    return replace(changed(image, values(image)), fields={"sform_code": 0, "qform_code": 0})


def _one_volume(image: nib.Nifti1Image) -> Distorted:
    return Distorted(nib.Nifti1Image(values(image).astype(np.float64)[..., None], image.affine))


def _nan(image: nib.Nifti1Image) -> Distorted:
    data = values(image)
    return changed(image, np.where(data > 0, data, np.nan).astype(np.float32))


def _nan_inside(image: nib.Nifti1Image) -> Distorted:
    data = values(image).copy()
    x, y, z = (length // 2 for length in data.shape)
    data[x - 12 : x + 12, y - 12 : y + 12, z - 12 : z + 12] = np.nan
    return changed(image, data)


def _bright(image: nib.Nifti1Image) -> np.ndarray:
    """Half of the brain above 26000, the brightest above 32767."""
    data = values(image)
    return np.rint(data / np.median(data[data > 0]) * 26000).clip(0, 65535).astype(np.uint16)


def _slab(image: nib.Nifti1Image) -> Distorted:
    middle = image.shape[2] // 2
    return cut(image, (slice(None), slice(None), slice(middle - 14, middle + 15)))


def _offset(part: float) -> Callable[[nib.Nifti1Image], Distorted]:
    return lambda image: changed(image, values(image) + np.float32(part * np.ptp(values(image))))


READINGS: dict[str, Reading] = {
    "30 nod of 40": Reading(
        lambda image: turned_about_centre(image, Rotation.from_euler("x", 40, degrees=True).as_matrix())
    ),
    "32 offset of -1/4": Reading(_offset(-0.25), warns="it is subtracted"),
    "32 offset of +1/2": Reading(_offset(0.5), warns="it is subtracted"),
    "33 NaN outside": Reading(_nan, warns="set to zero"),
    "33 NaN inside": Reading(_nan_inside, says="NaN or infinite, also where the head should be"),
    "34 uint16 read as int16": Reading(
        lambda image: changed(image, _bright(image).astype(np.int16)), says="read with the wrong sign"
    ),
    "34 uint16": Reading(lambda image: changed(image, _bright(image))),
    "37 slab of 58 mm": Reading(_slab, says="covers 182 x 218 x 58 mm"),
    "38 no codes": Reading(_without_codes, says="has no position in space"),
    "38 origin in the corner": Reading(_at_corner),
    "38 origin 700 mm away": Reading(_shifted(400, -400, 400)),
    "38 origin 1200 mm away": Reading(_shifted(0, 0, 1200), says="mm from the origin"),
    "38 one volume of float64": Reading(_one_volume, warns="4D with a single volume"),
    "38 skewed sform": Reading(lambda image: _forms(image, SKEW), warns="its qform is used"),
    "38 enlarged sform": Reading(
        lambda image: _forms(image, np.diag([1.15, 1.15, 1.15, 1])), warns="the qform is used"
    ),
    "38 metres": Reading(lambda image: _in_unit(image, "meter", 1e-3), warns="converted to mm"),
    "38 micrometres": Reading(lambda image: _in_unit(image, "micron", 1e3), warns="converted to mm"),
    "38 slope of zero": Reading(lambda image: _stored(image, scl_slope=0)),
    "38 slope not a number": Reading(lambda image: _stored(image, scl_slope=np.nan, scl_inter=np.nan)),
    "38 infinite slope": Reading(lambda image: _stored(image, scl_slope=np.inf, scl_inter=0)),
    **{f"38 {name}": Reading(make) for name, make in FORMS.items()},
}
