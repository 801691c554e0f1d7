"""What all records have in common: nothing unknown, nothing that is not finite, frozen once read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.reading import read_bytes

#: No record is nearly as large; larger ones are not read.
LARGEST_RECORD = 16_000_000


class Record(BaseModel):
    """A JSON file, or a part of one, whose keys are known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a record.

        Raises
        ------
        InputError
            If the file cannot be read, is too large, or is not such a record.
        """
        try:
            return cls.model_validate_json(read_bytes(path, LARGEST_RECORD))
        except OSError as error:
            raise InputError(messages.RECORD_UNREADABLE.format(path=path, reason=error.strerror)) from error
        except ValidationError as error:
            fault = first_fault(error)
            raise InputError(messages.RECORD_UNREADABLE.format(path=path, reason=fault)) from error

    def write(self, path: Path) -> Path:
        """Write the record as indented JSON, whole or not at all."""
        return write_text(path, self.model_dump_json(indent=2, by_alias=True) + "\n")

    def as_json(self) -> dict[str, Any]:
        """The record in the types that JSON knows, by the names that are written."""
        content: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        return content


def described(record: type[Record], prefix: str = "") -> Mapping[str, str]:
    """What each key of a record means, by its dotted name; the tables of docs/outputs.md are made of it."""
    meanings: dict[str, str] = {}
    for name, field in record.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if field.description:
            meanings[key] = field.description
        for inner in _records_in(field.annotation):
            meanings |= described(inner, f"{key}.")
    return meanings


def _records_in(annotation: Any) -> list[type[Record]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Record) else []
    return [found for part in getattr(annotation, "__args__", ()) for found in _records_in(part)]
