"""The methods text of a run, generated from what was done, with the references it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

from bids_brainage.atomic import write_text
from bids_brainage.records.estimate import EstimateRecord, ExplanationFacts, ModelFacts, Preparation
from bids_brainage.records.session import FIRST
from bids_brainage.reports.latex import as_latex
from bids_brainage.reports.words import in_order, spoken

_T = TypeVar("_T")
_CITATION = re.compile(r"\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")
_ENTRY = re.compile(r"^@\w+\{(?P<key>[a-z0-9]+),\n(?P<fields>.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|@~&])")
# Blanks, to which this belongs, are single ones in all that facts say.
_PARAGRAPH = "\f"
_MARKDOWN_HEAD = "<!-- Written by bids_brainage from what was done; free to use (CC0). -->\n\n"
_HTML = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Methods</title></head>
<body>
{body}
</body>
</html>
"""


@dataclass(frozen=True, order=True, kw_only=True)
class Prepared:
    """One way in which images were prepared, and of how many sessions.

    Attributes
    ----------
    origin : str
        ``raw``, ``preprocessed`` or ``freesurfer``.
    source : str
        Name of the dataset that preprocessed images came from; empty for others.
    software : tuple of str
        What made that dataset.
    method : str
        How brains were extracted; empty where it was not done here, or is not known.
    bias_corrected, registered : bool
        Of the T1w image, here.
    corrected : tuple of str
        Sequences besides T1w.
    moved, aligned : tuple of str
        Those of them that were registered to the T1w image here, and that lay in its space already.
    sessions : int
    """

    origin: str
    source: str
    software: tuple[str, ...]
    method: str
    bias_corrected: bool
    registered: bool
    corrected: tuple[str, ...]
    moved: tuple[str, ...]
    aligned: tuple[str, ...]
    sessions: int = 1

    @classmethod
    def of(cls, done: Preparation, modalities: Iterable[str]) -> Prepared:
        """From an estimate's record, and the modalities that there were."""
        others = in_order(set(modalities) - {FIRST})
        given = done.origin == "preprocessed"
        return cls(
            origin=done.origin,
            source=(done.source or "") if given else "",
            software=done.software if given else (),
            method=done.skull_strip_method or "",
            bias_corrected=done.bias_corrected,
            registered=done.registered,
            corrected=tuple(others),
            moved=tuple(name for name in others if name not in done.aligned),
            aligned=tuple(name for name in others if name in done.aligned),
        )


@dataclass(frozen=True)
class EnsembleParts:
    """An ensemble: its name, and the regions and sequences of its sub-ensembles."""

    name: str
    regions: tuple[str, ...]
    modalities: tuple[str, ...]

    @classmethod
    def of(cls, name: str, parts: Iterable[tuple[str, str]]) -> EnsembleParts:
        """From region and sequence of each sub-ensemble."""
        pairs = _unique(parts)
        regions = _unique(region for region, _ in pairs)
        return cls(name, regions, tuple(in_order({modality for _, modality in pairs})))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a methods text may say; what is empty is not told.

    Attributes
    ----------
    versions : mapping of str to str
        By package.
    prepared : tuple of Prepared
    modalities : tuple of str
        Sequences that estimates rest on.
    ensembles : tuple of EnsembleParts
    models : tuple of ModelFacts
    targets : tuple of str
        ``age``, or columns of participants.tsv.
    simulated : bool
        Whether all images were.
    lrp : tuple of ExplanationFacts
    compared : tuple of str
        The kinds of reference that people were compared with.
    norms : tuple of int
        Numbers of people whom regions' z scores compare with.
    intervals, uncertainties, corrected : bool
        Whether any estimate has a calibrated interval, a width over models, a value corrected for age.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    prepared: tuple[Prepared, ...] = ()
    modalities: tuple[str, ...] = ()
    ensembles: tuple[EnsembleParts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    targets: tuple[str, ...] = ("age",)
    simulated: bool = False
    lrp: tuple[ExplanationFacts, ...] = ()
    compared: tuple[str, ...] = ()
    norms: tuple[int, ...] = ()
    intervals: bool = False
    uncertainties: bool = False
    corrected: bool = False


def facts_of(records: Sequence[EstimateRecord], versions: Mapping[str, str] | None = None) -> Facts:
    """Collect from finished estimates what the methods text may say.

    Parameters
    ----------
    records : sequence of EstimateRecord
        Of one person or of many.
    versions : mapping of str to str, optional
        Of packages that the estimates do not name.
    """
    return Facts(
        versions=versions_of(records, versions or {}),
        prepared=_prepared(records),
        modalities=tuple(in_order(_unique(name for record in records for name in record.modalities_used))),
        ensembles=_ensembles(records),
        models=_unique(record.model for record in records),
        targets=_unique(record.target.name for record in records) or ("age",),
        simulated=bool(records) and all(record.simulated_input for record in records),
        lrp=_unique(record.lrp for record in records if record.lrp is not None),
        compared=_unique(own.reference.kind for record in records for own in record.differences),
        norms=_unique(own.norms.n for record in records for own in record.differences if own.norms),
        intervals=any(record.lower_95 is not None for record in records),
        uncertainties=any(record.uncertainty is not None for record in records),
        corrected=any(record.brain_age_corrected is not None for record in records),
    )


def versions_of(records: Sequence[EstimateRecord], others: Mapping[str, str]) -> dict[str, str]:
    """Versions by package, by its name; of a package that was used in several, all of them."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for package, version in record.versions.items():
            found.setdefault(package, {})[version] = None
    told = {**others, **{package: ", ".join(versions) for package, versions in found.items()}}
    return dict(sorted(told.items(), key=lambda item: item[0].lower()))


def ways_of(prepared: Iterable[Prepared]) -> tuple[Prepared, ...]:
    """Each way of preparing images once, with how many sessions went it, the most frequent first."""
    counted = Counter(prepared)
    ways = [replace(way, sessions=number) for way, number in counted.items()]
    return tuple(sorted(ways, key=lambda way: (-way.sessions, way)))


def _prepared(records: Sequence[EstimateRecord]) -> tuple[Prepared, ...]:
    """How images were prepared; every session counts once, however many its estimates."""
    sessions: dict[tuple[str, str | None], tuple[Preparation, set[str]]] = {}
    for record in records:
        key = (record.participant_id, record.session_id)
        _, modalities = sessions.setdefault(key, (record.preprocessing, set()))
        modalities.update(record.modalities_used)
    return ways_of(Prepared.of(done, modalities) for done, modalities in sessions.values())


def _ensembles(records: Sequence[EstimateRecord]) -> tuple[EnsembleParts, ...]:
    parts: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        own = [(part.region, part.modality) for part in record.sub_ensembles]
        parts.setdefault(record.ensemble, []).extend(own)
    return tuple(EnsembleParts.of(name, own) for name, own in parts.items())


def methods_markdown(facts: Facts) -> str:
    """Return the methods text in Markdown, citations resolved, references at the end."""
    return with_references(_render(facts))


def with_references(text: str) -> str:
    """Return Markdown whose citations ([@key]) are resolved, with the references at its end."""
    library = references()
    cited = _cited_keys(text)
    text = _CITATION.sub(lambda found: _in_text(found.group(1), library), text)
    listed = sorted(f"- {_listed(library[key])}" for key in cited)
    return f"{text.strip()}\n\n### References\n\n" + "\n".join(listed) + "\n"


def methods_html(facts: Facts) -> str:
    """Return the methods text as an HTML fragment; HTML in facts is escaped."""
    return as_html(methods_markdown(facts))


def as_html(markdown: str) -> str:
    """Return Markdown as an HTML fragment; HTML in it is escaped."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).render(markdown))


def methods_bib(facts: Facts) -> str:
    """Return the BibTeX entries of what the text cites."""
    return bibliography(_render(facts))


def bibliography(text: str) -> str:
    """Return the BibTeX entries of what a text with citations ([@key]) cites."""
    cited = set(_cited_keys(text))
    entries = [found for found in _ENTRY.finditer(_read("references.bib")) if found["key"] in cited]
    return "\n\n".join(found.group(0) for found in entries) + "\n"


def write_citation(out_dir: Path, facts: Facts) -> None:
    """Write OUT/logs/CITATION.* (see `write_texts`).

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    facts : Facts
    """
    write_texts(out_dir / "logs", _render(facts))


def write_texts(folder: Path, text: str, name: str = "CITATION") -> None:
    """Write a text with citations ([@key]) as .md, .html and .bib, and as .tex where pandoc is installed.

    Parameters
    ----------
    folder : Path
    text : str
        Markdown.
    name : str
        Of the files.
    """
    resolved = with_references(text)
    write_text(folder / f"{name}.md", _MARKDOWN_HEAD + resolved)
    write_text(folder / f"{name}.html", _HTML.format(body=as_html(resolved)))
    write_text(folder / f"{name}.bib", bibliography(text))
    latex = as_latex(text, f"{name}.bib")
    if latex is None:
        (folder / f"{name}.tex").unlink(missing_ok=True)
    else:
        write_text(folder / f"{name}.tex", latex)


def references() -> dict[str, dict[str, str]]:
    """Return the fields of every entry of references.bib by key."""
    return {
        found["key"]: dict(_FIELD.findall(found["fields"]))
        for found in _ENTRY.finditer(_read("references.bib"))
    }


def _render(facts: Facts) -> str:
    return render("methods.md.j2", facts=facts, versions=facts.versions)


def render(name: str, *, versions: Mapping[str, str], **context: object) -> str:
    """Fill in a template of boilerplate/; its paragraphs end with par, all else is one blank.

    Parameters
    ----------
    name : str
        Of the file.
    versions : mapping of str to str
        By package; those it lacks are empty.
    **context : object
        What else the template knows.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.filters |= {"md": _escape_markdown, "spoken": spoken, "listed": _listed_words}
    template = environment.from_string(_read(name))
    text = template.render(versions=_Versions(versions), par=_PARAGRAPH, **context)
    paragraphs = (" ".join(part.split()) for part in text.split(_PARAGRAPH))
    return "\n\n".join(part for part in paragraphs if part)


def _listed_words(words: Iterable[object]) -> str:
    """One, two and three."""
    *first, last = [str(word) for word in words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


class _Versions(dict[str, str]):
    """Versions by package name; empty for one that is not known."""

    def __missing__(self, name: str) -> str:
        return ""


def _escape_markdown(text: object) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def _cited_keys(text: str) -> tuple[str, ...]:
    groups = (found.replace("@", "").split("; ") for found in _CITATION.findall(text))
    return _unique(key for group in groups for key in group)


def _in_text(group: str, library: Mapping[str, Mapping[str, str]]) -> str:
    keys = group.replace("@", "").split("; ")
    return "(" + "; ".join(f"{_short(library[key])}, {library[key]['year']}" for key in keys) + ")"


def _short(entry: Mapping[str, str]) -> str:
    """Name the authors as in running text: one, two, or the first et al."""
    families = [author.split(",")[0] for author in entry["author"].split(" and ")]
    if len(families) == 2:
        return " & ".join(families)
    return families[0] if len(families) == 1 else f"{families[0]} et al."


def _listed(entry: Mapping[str, str]) -> str:
    """Write an entry out for the list of references."""
    authors = [_initials(author) for author in entry["author"].split(" and ")]
    names = ", ".join(authors).replace(", others", ", et al.")
    place = entry.get("journal") or entry.get("booktitle", "")
    volume = f" {entry['volume']}" if "volume" in entry else ""
    number = f"({entry['number']})" if "number" in entry else ""
    pages = f", {entry['pages'].replace('--', '–')}" if "pages" in entry else ""  # noqa: RUF001
    address = f"https://doi.org/{entry['doi']}" if "doi" in entry else entry.get("url", "")
    title = entry["title"].rstrip("!?.") + (entry["title"][-1] if entry["title"][-1] in "!?" else ".")
    return f"{names} ({entry['year']}). {title} *{place}*{volume}{number}{pages}. <{address}>"


def _initials(author: str) -> str:
    if "," not in author:
        return author
    family, given = author.split(", ", 1)
    return f"{family} {''.join(part[0] for part in re.split('[ -]', given))}"


def _unique(items: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(items))


def _read(name: str) -> str:
    return (resources.files("bids_brainage.boilerplate") / name).read_text(encoding="utf-8")
