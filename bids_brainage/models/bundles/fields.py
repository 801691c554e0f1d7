"""What a bundle's records are made of: texts, names and numbers that cannot do harm."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic import BaseModel as PydanticModel

from bids_brainage.quoting import printable

#: Bytes of a file, and of all files; people or voxels that are counted; the size of any other number.
LARGEST_FILE, LARGEST_BUNDLE = 512_000_000, 8_000_000_000
LARGEST_COUNT, LARGEST_NUMBER = 10**9, 1e12
LONGEST_NAME = 200


def _shown(text: str) -> str:
    """Refuse characters that a terminal or page would obey instead of showing."""
    if printable(text) != text:
        raise ValueError("it holds line ends, control or direction characters")
    return text


def _one_line(text: str) -> str:
    return _shown(" ".join(text.split()))


def _inside(path: str) -> str:
    """Refuse a path that is not plainly below the bundle's folder."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in path:
        raise ValueError("a file of a bundle must lie inside the bundle's folder")
    return _shown(path)


RelativePath = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_inside)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]
#: What an ensemble is called: a part of file names that BIDS has letters and digits for.
EnsembleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")]
#: Descriptions by people: on one line, however they were written.
Text = Annotated[str, Field(max_length=5000), AfterValidator(_one_line)]
#: Names from elsewhere: a column, a unit, a dataset, a program.
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_shown)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Level = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
#: No estimate from such numbers can overflow.
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Size = Annotated[float, Field(ge=0, le=LARGEST_NUMBER)]


class Record(PydanticModel):
    """Frozen, without unknown keys or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
