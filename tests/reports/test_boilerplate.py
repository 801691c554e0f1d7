"""The methods text says what was done, cites what exists, and lets no markup through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_brainage.reports import boilerplate

RECORD = {
    "ensemble": "TypeI",
    "modalities_used": ["T1w", "FLAIR"],
    "model": {"name": "demo", "version": "0.1", "purpose": "demonstration", "sha256": "ab"},
    "preprocessing": {"source": "raw", "skull_strip_method": "bet"},
    "lrp": {"rule": "preset-a", "backend": "native", "aggregation": "weighted"},
    "versions": {"tensorflow": "2.14.1"},
    "simulated_input": False,
}


def test_every_citation_is_in_the_library() -> None:
    folder = Path(boilerplate.__file__).parents[2] / "boilerplate"
    cited = set(re.findall(r"@([a-z]+\d{4})", (folder / "methods.md.j2").read_text()))
    assert cited <= set(boilerplate.references())
    assert len(cited) > 12


def test_entries_are_complete() -> None:
    for key, entry in boilerplate.references().items():
        assert {"author", "title", "year"} <= set(entry), key
        assert entry["year"] == key[-4:]
        assert "doi" in entry or "url" in entry
    assert boilerplate.references()["hofmann2022"]["doi"] == "10.1016/j.neuroimage.2022.119504"


@pytest.mark.parametrize(
    ("method", "words", "key"),
    [
        ("bet", "BET", "smith2002"),
        ("synthstrip", "SynthStrip", "hoopes2022"),
        ("deepbet", "deepbet", "fisch2024"),
    ],
)
def test_the_brain_extraction_that_was_used_is_named(method: str, words: str, key: str) -> None:
    record = RECORD | {"preprocessing": {"source": "raw", "skull_strip_method": method}}
    facts = boilerplate.facts_of([record])
    assert words in boilerplate.methods_markdown(facts)
    assert f"{{{key}," in boilerplate.methods_bib(facts)
    others = {"smith2002", "hoopes2022", "fisch2024"} - {key}
    assert not any(other in boilerplate.methods_bib(facts) for other in others)


def test_what_was_not_done_is_not_told() -> None:
    text = boilerplate.methods_markdown(
        boilerplate.facts_of([RECORD | {"lrp": None, "modalities_used": ["T1w"]}])
    )
    assert "Relevance Propagation" not in text.split("### References")[0].replace("relevance maps", "")
    assert "registered rigidly" not in text
    assert "type ii ensemble" not in text


def test_freesurfer_input_had_no_n4() -> None:
    record = RECORD | {"preprocessing": {"source": "freesurfer", "skull_strip_method": "none"}}
    text = boilerplate.methods_markdown(boilerplate.facts_of([record]))
    assert "brain.finalsurfs.mgz" in text
    assert "tustison2010" not in boilerplate.methods_bib(boilerplate.facts_of([record]))
    assert "with N4" not in text


def test_the_demonstration_is_named_unless_all_is_simulated() -> None:
    assert "not estimates of that person" in boilerplate.methods_markdown(boilerplate.facts_of([RECORD]))
    simulated = boilerplate.methods_markdown(boilerplate.facts_of([RECORD | {"simulated_input": True}]))
    assert "not estimates of that person" not in simulated
    assert "were simulated" in simulated


def test_hostile_facts_stay_text() -> None:
    name = "<script>x</script> [y](javascript:z) ![i](http://e.example/i.png) <http://e.example>"
    facts = boilerplate.facts_of([RECORD | {"model": RECORD["model"] | {"name": name}}])
    html = boilerplate.methods_html(facts)
    assert "<script" not in html
    assert "<img" not in html
    assert "e.example" not in "".join(re.findall(r'href="[^"]*"', html))


def test_the_three_files(tmp_path: Path) -> None:
    boilerplate.write_citation(tmp_path, boilerplate.facts_of([RECORD]))
    logs = tmp_path / "logs"
    assert "(Hofmann et al., 2022)" in (logs / "CITATION.md").read_text()
    assert "<h3>References</h3>" in (logs / "CITATION.html").read_text()
    assert (logs / "CITATION.bib").read_text().startswith("@article{hofmann2022,")


def test_a_run_without_estimates_has_a_text_too() -> None:
    assert "### Estimates" not in boilerplate.methods_markdown(boilerplate.facts_of([]))
