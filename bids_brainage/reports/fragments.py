"""The parts of a page that are text and tables: HTML from finished sessions.

All text from datasets, bundles and logs passes through jinja2's autoescape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.flags import SEVERITIES
from bids_brainage.records.estimate import EstimateRecord, Preparation, SubEnsemblePart
from bids_brainage.records.reading import FinishedSession
from bids_brainage.reports import boilerplate, charts
from bids_brainage.reports.norms import LIMIT, SHOWN, unusual_regions
from bids_brainage.reports.shown_maps import map_name, shown_maps
from bids_brainage.reports.templates import template_environment
from bids_brainage.reports.words import (
    MINUS,
    in_order,
    reference_name,
    spoken,
    sub_ensemble_name,
    words_of,
)
from bids_brainage.terms import REFERENCE_MAPS

if TYPE_CHECKING:
    from jinja2 import Environment

METHODS = {
    "none": "none (the images were skull-stripped before)",
    "bet": "BET",
    "deepbet": "deepbet",
    "synthstrip": "SynthStrip",
}
_NOT_KNOWN = "n/a"


def page_texts(
    participant: str, sessions: Sequence[FinishedSession], run: Mapping[str, Any]
) -> dict[str, str]:
    """The texts and tables of a page, by the reportlet of participant.yaml.j2 that shows them.

    Parameters
    ----------
    participant : str
        ``sub-01``.
    sessions : sequence of FinishedSession
        May be empty, when a participant failed before anything was finished.
    run : Mapping
        Of the run; see `participant.write_participant_report`.
    """
    records = [record for session in sessions for record in session.estimates]
    errors = list(run.get("errors") or ())
    crashes = [read_crash(Path(path)) for path in run.get("crash_files") or ()]
    texts = {
        "Summary": _render("summary", **_summary(participant, sessions, bool(errors or crashes))),
        "Errors": _render("errors", errors=errors, crashes=crashes),
        "Provenance": _render("provenance", **_provenance(sessions, run)),
    }
    if records:
        facts = boilerplate.facts_of(records, run.get("versions") or {})
        texts["Methods"] = _render("methods", methods=boilerplate.methods_html(facts))
    return texts


def session_texts(session: FinishedSession, key: str) -> dict[str, str]:
    """The same of one session; names of reportlets begin with `key`."""
    texts = {}
    for number, record in enumerate(session.estimates, start=1):
        name = f"{key}E{number}"
        texts[f"{name}Table"] = _render("table", record=record, words=words_of(record))
        account = charts.account_of(record)
        if account is not None:
            texts[f"{name}Sees"] = _render("sees", record=record, words=words_of(record))
            texts[f"{name}Account"] = _render(
                "account",
                record=record,
                words=words_of(record),
                account=account,
                rows=[_own_account(part) for part in record.sub_ensembles],
                maps=[(map_name(map_), map_.sidecar) for map_ in shown_maps(session.maps, record.ensemble)],
            )
        texts |= {f"{name}{part}": html for part, html in _comparisons(record)}
        texts |= {f"{name}{part}": html for part, html in _unusual(session, record)}
    return texts


def _comparisons(record: EstimateRecord) -> Iterator[tuple[str, str]]:
    """What is said of each reference that the person was compared with, or why there is no comparison."""
    words = words_of(record)
    for difference in record.differences:
        rows = zip(record.sub_ensembles, difference.parts, strict=True)
        html = _render(
            "difference",
            record=record,
            words=words,
            difference=difference,
            account=charts.account_of_difference(record, difference),
            name=reference_name(difference.reference, words),
            rows=list(rows),
        )
        yield f"{REFERENCE_MAPS[difference.reference.kind]}Text", html
    for kind, reason in record.not_explained.items():
        yield f"{REFERENCE_MAPS[kind]}Text", _render("not_explained", reason=reason)


def _unusual(session: FinishedSession, record: EstimateRecord) -> Iterator[tuple[str, str]]:
    """Which regions are most unusual by the model's norms, where it has some."""
    for difference in record.differences:
        kind = difference.reference.kind
        path = session.regions_path(record.ensemble, kind)
        regions = unusual_regions(session.regions(record.ensemble, kind))
        if difference.norms is None or path is None or not regions:
            continue
        yield (
            f"{REFERENCE_MAPS[kind]}Norms",
            _render(
                "norms",
                words=words_of(record),
                norms=difference.norms,
                regions=regions,
                beyond=sum(abs(region.z) > LIMIT for region in regions),
                limit=LIMIT,
                shown=SHOWN,
                table=path.name,
            ),
        )


def _summary(participant: str, sessions: Sequence[FinishedSession], failed: bool) -> dict[str, Any]:
    records = [record for session in sessions for record in session.estimates]
    labels = [session.place.session for session in sessions if session.place.session]
    return {
        "participant": participant,
        "sessions": labels,
        "tables": [
            (words, [r for r in records if words_of(r) == words])
            for words in _distinct(map(words_of, records))
        ],
        "sex": next((record.sex for record in records if record.sex), None),
        "models": _models(records),
        "preparations": _distinct(_preparation(record.preprocessing) for record in records),
        "flags": _flags(records),
        "demonstration": demonstration_note(records),
        "simulated": messages.REPORT_SIMULATED_NOTE if _all_simulated(records) else None,
        "failed": messages.REPORT_FAILED if failed else None,
        "missing": _without_estimate(sessions),
        "purpose": messages.REPORT_PURPOSE,
    }


def _without_estimate(sessions: Sequence[FinishedSession]) -> list[str]:
    """Sentences on what there is no estimate of."""
    if not any(session.estimates for session in sessions):
        return [messages.REPORT_NO_ESTIMATE]
    names = [session.name for session in sessions if not session.estimates]
    return [messages.REPORT_NO_ESTIMATE_OF.format(name=name) for name in names]


def _preparation(done: Preparation) -> tuple[str, str]:
    """Say in words where the images came from and how the brain was extracted."""
    origins = {
        "raw": "raw images of the dataset",
        "preprocessed": f"preprocessed images of {done.source or 'another dataset'}",
        "freesurfer": "FreeSurfer's subjects directory",
    }
    method = done.skull_strip_method
    if method is None:
        method = "as in those images" if done.origin != "raw" else _NOT_KNOWN
    return origins.get(done.origin, done.origin), METHODS.get(method, method)


def demonstration_note(records: Sequence[EstimateRecord]) -> str | None:
    """Return what must be read before an estimate of a demonstration model; None where it need not.

    An estimate's own disclaimer comes first, that of altered images whoever they show. Without one, a model
    whose purpose begins with "demo" gets the standing sentence unless the images are simulated.
    """
    for record in records:
        if record.preprocessing.altered is not None:
            return record.disclaimer
        if record.simulated_input:
            continue
        if record.disclaimer:
            return record.disclaimer
        if record.model.purpose.lower().startswith("demo"):
            return messages.REPORT_DEMO_NOTE
    return None


def _all_simulated(records: Sequence[EstimateRecord]) -> bool:
    return bool(records) and all(record.simulated_input for record in records)


def _flags(records: Sequence[EstimateRecord]) -> list[dict[str, str]]:
    """List each flag once, the most serious first, with where it was raised if not everywhere."""
    raised: dict[tuple[str, str], list[str]] = {}
    for record in records:
        where = " ".join(filter(None, (record.session_id, spoken(record.ensemble))))
        for flag in record.flags:
            raised.setdefault((flag.severity, flag.text), []).append(where)
    ordered = sorted(raised.items(), key=lambda item: -SEVERITIES.index(item[0][0]))
    return [
        {
            "severity": severity,
            "text": text,
            "where": "" if len(places) == len(records) else ", ".join(places),
        }
        for (severity, text), places in ordered
    ]


def _models(records: Sequence[EstimateRecord]) -> list[dict[str, Any]]:
    """Each model once, with the ensembles that are its, where there are several models."""
    models = _distinct((record.model, record.training_range, words_of(record)) for record in records)
    return [
        {
            "facts": model,
            "training_range": trained,
            "words": words,
            "of": _distinct(spoken(r.ensemble) for r in records if r.model == model)
            if len(models) > 1
            else [],
        }
        for model, trained, words in models
    ]


def _distinct(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _own_account(part: SubEnsemblePart) -> dict[str, Any]:
    """A sub-ensemble's account in its own years, and what the ensemble makes of its map."""
    own = [part.target_bias, part.relevance_sum, part.absorbed]
    return {
        "name": sub_ensemble_name(part),
        "own": own,
        "sum": None if None in own else sum(value for value in own if value is not None),
        "weight": part.map_weight,
        "contribution": part.contribution,
    }


def _provenance(sessions: Sequence[FinishedSession], run: Mapping[str, Any]) -> dict[str, Any]:
    records = [record for session in sessions for record in session.estimates]
    return {
        "times": _run_times(sessions),
        "versions": boilerplate.versions_of(records, run.get("versions") or {}),
        "models": _distinct(record.model for record in records),
        "inputs": _distinct(name for record in records for name in record.inputs),
        "command": run.get("command"),
    }


def _run_times(sessions: Sequence[FinishedSession]) -> list[tuple[str, float]]:
    """Seconds that each step of each session took, whichever run took them; the long ones first."""
    times = [
        (f"{session.place.session}: {step}" if session.place.session else step, seconds)
        for session in sessions
        for _, stage in session.record.stages()
        for step, seconds in stage.seconds.items()
    ]
    return sorted(times, key=lambda item: -item[1])


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


def _render(template: str, **context: Any) -> str:
    return _environment().get_template(f"{template}.html.j2").render(context)


@cache
def _environment() -> Environment:
    filters: dict[str, Callable[..., Any]] = {
        "fine": _number("+.3f"),
        "exact": _number(".3f"),
        "score": _number("+.1f"),
        "tiny": _number(".1g"),
        "weight": _number(".2f"),
        "plain": _number("g"),
        "sign": _sign,
        "spoken": spoken,
        "sub_ensemble": sub_ensemble_name,
        "in_order": in_order,
    }
    return template_environment(filters, "fragments")


def _number(form: str) -> Callable[[float | None], str]:
    def write(value: float | None) -> str:
        return _NOT_KNOWN if value is None else format(float(value), form).replace("-", MINUS)

    return write


def _sign(value: float | None) -> str:
    """Class of a number that makes older or younger; styles give it its colour."""
    return "more" if value and value > 0 else "less" if value and value < 0 else ""
