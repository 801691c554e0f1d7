"""Writes the lists of packages that the images are made of: exact versions, and the sum of each file.

`python3.11 container/lock.py` asks pip which files it would take for Linux on x86-64: the run-time
dependencies of setup.cfg at the versions of requirements.lock. Run it again when either has changed.
"""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEADER = "# {what}\n# Written by container/lock.py.\n"
#: What TensorFlow asks for and does not need: bindings of a C compiler, Google's storage.
LEFT_OUT = {"libclang", "tensorflow-io-gcs-filesystem"}


def main() -> None:
    """Write requirements.txt and requirements-gpu.txt beside this file."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = settings["options"]["install_requires"].split("\n")
    found = resolved(line for line in wanted if line.strip())
    version = found.pop("tensorflow")[0]
    common = {name: own for name, own in found.items() if name not in LEFT_OUT}
    # The same modules as `tensorflow`, which spends 550 MB more on what runs on GPUs only.
    cpu = resolved([f"tensorflow-cpu=={version}"], "--no-deps")
    gpu = resolved([f"tensorflow=={version}", *cuda_packages(version)], "--no-deps")
    write("requirements.txt", "The packages of the image that runs on processors.", common | cpu)
    write("requirements-gpu.txt", "The packages of the image that trains on GPUs.", common | gpu)


def resolved(wanted: Iterable[str], *options: str) -> dict[str, tuple[str, str]]:
    """Version and SHA-256 of every file that pip would install, by name."""
    return {
        re.sub(r"[-_.]+", "-", own["metadata"]["name"]).lower(): (
            own["metadata"]["version"],
            own["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for own in report(*options, "--constraint", str(ROOT / "requirements.lock"), *wanted)
    }


def cuda_packages(version: str) -> list[str]:
    """What `tensorflow[and-cuda]` of this version requires of CUDA; not TensorRT, for serving."""
    required = report("--no-deps", f"tensorflow=={version}")[0]["metadata"]["requires_dist"]
    found = [re.match(r"(nvidia-[\w-]+)\s*\(?==([\w.]+)", line) for line in required if "and-cuda" in line]
    return [f"{match[1]}=={match[2]}" for match in found if match]


def report(*arguments: str) -> list[dict[str, Any]]:
    """What pip would install in an empty environment."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run([*command, "--report", "-", *arguments], stdout=subprocess.PIPE, check=True)
    return list(json.loads(done.stdout)["install"])


def write(name: str, what: str, packages: Mapping[str, tuple[str, str]]) -> None:
    """Write one list."""
    lines = [f"{own}=={version} --hash=sha256:{sha}\n" for own, (version, sha) in sorted(packages.items())]
    (Path(__file__).parent / name).write_text(HEADER.format(what=what) + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
