"""Whether a folder of results holds images that were altered, so that nothing else is prepared into it."""

from __future__ import annotations

from pathlib import Path

#: How such a folder was made.
INJECTION = "injection.json"


def is_altered(out_dir: Path) -> bool:
    """Whether `bids_brainage_simulate inject` has made a folder."""
    return (out_dir / INJECTION).exists()
