"""The methods text of a run, generated from what was done, with the references it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from bids_brainage.atomic import write_text
from bids_brainage.reports.words import words_of

_CITATION = re.compile(r"\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")
_ENTRY = re.compile(r"^@\w+\{(?P<key>[a-z0-9]+),\n(?P<fields>.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|@~&])")
_MARKDOWN_HEAD = "<!-- Written by bids_brainage from what was done; free to use (CC0). -->\n\n"
_HTML = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Methods</title></head>
<body>
{body}
</body>
</html>
"""


def facts_of(records: Sequence[Mapping[str, Any]], run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Collect from finished estimates what the methods text may say.

    Parameters
    ----------
    records : sequence of Mapping
        Contents of ``*_brainage.json`` files of one person or of many alike.
    run : Mapping, optional
        A run record; its `versions` complete those of the estimates.

    Returns
    -------
    dict
        `version`, `versions`, `source`, `skull_strip_method`, `modalities`, `ensembles`, `model`, `target`,
        `registered`, `demonstration`, `simulated`, `lrp`.
    """
    versions = dict((run or {}).get("versions") or {})
    for record in records:
        versions.update(record.get("versions") or {})
    first: Mapping[str, Any] = records[0] if records else {}
    preparation = first.get("preprocessing") or {}
    model = first.get("model") or {}
    simulated = bool(records) and all(record.get("simulated_input") for record in records)
    explained = [record["lrp"] for record in records if record.get("lrp")]
    return {
        "version": versions.get("bids_brainage", ""),
        "versions": versions,
        "source": preparation.get("source", "raw"),
        "skull_strip_method": preparation.get("skull_strip_method", ""),
        "modalities": _unique(name for record in records for name in record.get("modalities_used") or []),
        "ensembles": _unique(record["ensemble"] for record in records),
        "model": model,
        "target": words_of(first).target,
        "registered": preparation.get("registered", True),
        "demonstration": str(model.get("purpose", "")).startswith("demo") and not simulated,
        "simulated": simulated,
        "lrp": explained[0] if explained else None,
    }


def methods_markdown(facts: Mapping[str, Any]) -> str:
    """Return the methods text in Markdown, citations resolved, references at the end."""
    text = _render(facts)
    library = references()
    cited = _cited_keys(text)
    text = _CITATION.sub(lambda found: _in_text(found.group(1), library), text)
    listed = sorted(f"- {_listed(library[key])}" for key in cited)
    return f"{text.strip()}\n\n### References\n\n" + "\n".join(listed) + "\n"


def methods_html(facts: Mapping[str, Any]) -> str:
    """Return the methods text as an HTML fragment; HTML in facts is escaped."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).render(methods_markdown(facts)))


def methods_bib(facts: Mapping[str, Any]) -> str:
    """Return the BibTeX entries of what the text cites."""
    cited = set(_cited_keys(_render(facts)))
    entries = [found for found in _ENTRY.finditer(_read("references.bib")) if found["key"] in cited]
    return "\n\n".join(found.group(0) for found in entries) + "\n"


def write_citation(out_dir: Path, facts: Mapping[str, Any]) -> None:
    """Write OUT/logs/CITATION.md, .html and .bib.

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    facts : Mapping
        See `facts_of`.
    """
    logs = out_dir / "logs"
    write_text(logs / "CITATION.md", _MARKDOWN_HEAD + methods_markdown(facts))
    write_text(logs / "CITATION.html", _HTML.format(body=methods_html(facts)))
    write_text(logs / "CITATION.bib", methods_bib(facts))


def references() -> dict[str, dict[str, str]]:
    """Return the fields of every entry of references.bib by key."""
    return {
        found["key"]: dict(_FIELD.findall(found["fields"]))
        for found in _ENTRY.finditer(_read("references.bib"))
    }


def _render(facts: Mapping[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.filters["md"] = _escape_markdown
    complete = facts_of([]) | dict(facts)
    complete["versions"] = _Versions(complete["versions"])
    complete["others"] = [name for name in complete["modalities"] if name != "T1w"]
    text = environment.from_string(_read("methods.md.j2")).render(complete)
    return re.sub(r"\n{3,}", "\n\n", text)


class _Versions(dict[str, str]):
    """Versions by package name; empty for one that is not known."""

    def __missing__(self, name: str) -> str:
        return ""


def _escape_markdown(text: object) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def _cited_keys(text: str) -> list[str]:
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


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _read(name: str) -> str:
    return (resources.files("bids_brainage.boilerplate") / name).read_text(encoding="utf-8")
