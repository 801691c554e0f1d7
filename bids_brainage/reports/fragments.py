"""The parts of a page that are text and tables: HTML fragments from what is on disk.

All text from datasets, bundles and logs passes through jinja2's autoescape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.reports import boilerplate, charts
from bids_brainage.reports.results import MODALITIES, Session
from bids_brainage.reports.templates import template_environment
from bids_brainage.reports.words import measured_value, words_of_all

if TYPE_CHECKING:
    from jinja2 import Environment

SEVERITIES = ("note", "warning", "error")
SOURCES = {
    "raw": "raw images of the dataset",
    "freesurfer": "FreeSurfer's subjects directory",
    "smriprep": "sMRIPrep's derivatives",
    "fmriprep": "fMRIPrep's derivatives",
}
METHODS = {"none": "none (the images were skull-stripped before)", "bet": "BET", "synthstrip": "SynthStrip"}
_NOT_KNOWN = "n/a"


def write_fragments(
    folder: Path, participant: str, sessions: Sequence[Session], run: Mapping[str, Any]
) -> None:
    """Write all fragments of a page into `folder` (OUT/sub-*/figures).

    Parameters
    ----------
    folder : Path
        Where to.
    participant : str
        ``sub-01``.
    sessions : sequence of Session
        May be empty, when a participant failed before anything was written.
    run : Mapping
        The run record; see `participant.write_participant_report`.
    """
    records = [record for session in sessions for record in session.estimates]
    words = words_of_all(records)
    _write(folder, participant, "summary", words=words, **_summary(participant, sessions, run))
    for session in sessions:
        for record in session.estimates:
            _write(
                folder, session.stem, "table", name=f"{record['ensemble']}Table", record=record, words=words
            )
        explained = [_with_total(record) for record in session.estimates if record.get("lrp")]
        if explained:
            _write(folder, session.stem, "account", records=explained, maps=_maps(session), words=words)
    crashes = [read_crash(Path(path)) for path in run.get("crash_files") or ()]
    errors = list(run.get("errors") or ())
    _write(folder, participant, "errors", errors=errors, crashes=crashes)
    if records:
        facts = boilerplate.facts_of(records, run)
        _write(folder, participant, "methods", methods=boilerplate.methods_html(facts))
    _write(folder, participant, "provenance", **_provenance(records, run))


def _summary(participant: str, sessions: Sequence[Session], run: Mapping[str, Any]) -> dict[str, Any]:
    records = [record for session in sessions for record in session.estimates]
    return {
        "participant": participant,
        "sessions": [session.label for session in sessions if session.label],
        "estimates": records,
        "sex": next((record["sex"] for record in records if record.get("sex")), None),
        "models": _models(records),
        "preparations": _distinct(_preparation(record) for record in records),
        "flags": _flags(records),
        "demonstration": demonstration_note(records),
        "simulated": messages.REPORT_SIMULATED_NOTE if _all_simulated(records) else None,
        "failed": messages.REPORT_FAILED if run.get("errors") or run.get("crash_files") else None,
        "no_estimate": messages.REPORT_NO_ESTIMATE,
        "purpose": messages.REPORT_PURPOSE,
    }


def _preparation(record: Mapping[str, Any]) -> dict[str, str]:
    """Say in words where the images came from and how the brain was extracted."""
    done = record.get("preprocessing") or {}
    source, method = str(done.get("source", _NOT_KNOWN)), str(done.get("skull_strip_method", _NOT_KNOWN))
    return {"source": SOURCES.get(source, source), "skull_strip_method": METHODS.get(method, method)}


def demonstration_note(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what must be read before an estimate of a demonstration model; None where it need not.

    An estimate's own disclaimer comes first. Without one, a model whose purpose begins with "demo" gets
    the standing sentence unless the images are simulated.
    """
    for record in records:
        if record.get("simulated_input"):
            continue
        if record.get("disclaimer"):
            return str(record["disclaimer"])
        if str((record.get("model") or {}).get("purpose", "")).lower().startswith("demo"):
            return messages.REPORT_DEMO_NOTE
    return None


def _all_simulated(records: Sequence[Mapping[str, Any]]) -> bool:
    return bool(records) and all(record.get("simulated_input") for record in records)


def _flags(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """List each flag once, the most serious first, with where it was raised if not everywhere."""
    raised: dict[tuple[str, str], list[str]] = {}
    for record in records:
        ensemble = charts.NAMES.get(record["ensemble"], str(record["ensemble"]))
        where = " ".join(filter(None, (record.get("session_id"), ensemble)))
        for flag in record.get("flags") or []:
            raised.setdefault((str(flag["severity"]), str(flag["text"])), []).append(where)
    ordered = sorted(raised.items(), key=lambda item: -SEVERITIES.index(_severity(item[0][0])))
    return [
        {
            "severity": severity,
            "text": text,
            "where": "" if len(places) == len(records) else ", ".join(places),
        }
        for (severity, text), places in ordered
    ]


def _models(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return _distinct(
        {**(record.get("model") or {}), "training_range": record.get("training_range")} for record in records
    )


def _distinct(items: Any) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for item in items:
        if item and item not in kept:
            kept.append(dict(item))
    return kept


def _with_total(record: Mapping[str, Any]) -> dict[str, Any]:
    total = record["target_bias"] + (record.get("relevance_sum") or 0) + (record.get("absorbed") or 0)
    return {**record, "total": total, "gap": record["brain_age"] - total}


def _maps(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{charts.NAMES.get(map_.ensemble, map_.ensemble)}: "
            f"{charts.region_name(map_.region)} · {map_.modality}",
            "account": map_.sidecar["Account"],
            "quality": map_.sidecar.get("Quality") or {},
        }
        for map_ in session.maps
        if map_.sidecar.get("Account")
    ]


def _provenance(records: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> dict[str, Any]:
    times, versions = dict(run.get("times") or {}), dict(run.get("versions") or {})
    inputs: list[str] = []
    for record in records:
        session = record.get("session_id")
        for name, seconds in (record.get("run_times") or {}).items():
            times[f"{session} {name}" if session else name] = seconds
        versions |= record.get("versions") or {}
        inputs += [path for path in record.get("inputs") or [] if path not in inputs]
    return {
        "times": dict(sorted(times.items(), key=lambda item: -item[1])),
        "versions": dict(sorted(versions.items(), key=lambda item: item[0].lower())),
        "models": _models(records),
        "inputs": inputs,
        "command": run.get("command"),
    }


def read_crash(path: Path) -> dict[str, Any]:
    """Read a nipype crash file as text; one of another form is shown as it is.

    Pickled crash files (``.pklz``) are named and not opened.
    """
    from nireports.assembler.misc import read_crashfile

    plain = {"file": str(path), "node": "", "node_dir": "", "inputs": []}
    if path.suffix != ".txt":
        return plain | {"traceback": "This crash file is not text and is not opened here."}
    try:
        crash = dict(read_crashfile(str(path)))
    except (OSError, ValueError, IndexError, KeyError):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "The file is gone."
        return plain | {"traceback": text}
    return plain | crash


def _write(folder: Path, stem: str, template: str, name: str = "", **context: Any) -> None:
    html = _environment().get_template(f"{template}.html.j2").render(context)
    write_text(folder / f"{stem}_desc-{name or template}_brainage.html", html)


@cache
def _environment() -> Environment:
    filters = {
        "fine": _number("+.3f"), "exact": _number(".3f"), "tiny": _number(".1g"),
        "weight": _number(".2f"), "plain": _number("g"), "severity": _severity, "measured": measured_value,
        "ensemble": lambda name: charts.NAMES.get(name, str(name)), "region": charts.region_name,
        "in_order": _in_order,
    }  # fmt: skip
    return template_environment(filters, "fragments", strict=False)


def _number(form: str) -> Any:
    def write(value: float | None) -> str:
        return _NOT_KNOWN if value is None else format(float(value), form).replace("-", charts.MINUS)

    return write


def _in_order(names: Sequence[object]) -> list[str]:
    """Put sequences in the order T1w, FLAIR, T2starw, others last."""
    return sorted(map(str, names), key=lambda name: MODALITIES.index(name) if name in MODALITIES else 9)


def _severity(name: object) -> str:
    return str(name) if name in SEVERITIES else SEVERITIES[1]
