"""The methods text says what was done, cites what exists, and lets no markup through."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bids_brainage.records.estimate import EstimateRecord, PublishedFacts
from bids_brainage.reports import boilerplate
from bids_brainage.reports.latex import as_latex
from tests.reports.conftest import estimate_of

SUBS = {"WholeBrain_T1w": 2.0, "WholeBrain_FLAIR": 1.0}


def record_of(
    subs: Mapping[str, float] = SUBS, *, participant: str = "sub-01", **changes: Any
) -> EstimateRecord:
    """An estimate of a brain that is not simulated, and a preparation of it."""
    done = {"origin": "raw", "skull_strip": "auto", "skull_strip_method": "bet"}
    options = {"simulated": False, "preprocessing": done} | changes
    return estimate_of(options.pop("ensemble", "TypeI"), subs, participant=participant, **options)


def text_of(*records: EstimateRecord) -> str:
    return boilerplate.methods_markdown(boilerplate.facts_of(records))


def prepared(**done: Any) -> dict[str, Any]:
    return {"skull_strip": "auto", "skull_strip_method": None} | done


def test_every_citation_is_in_the_library() -> None:
    folder = Path(boilerplate.__file__).parents[2] / "boilerplate"
    texts = [path.read_text() for path in folder.glob("*.md.j2")]
    cited = {key for text in texts for key in re.findall(r"@([a-z]+\d{4})", text)}
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
    facts = boilerplate.facts_of([record_of(preprocessing=prepared(origin="raw", skull_strip_method=method))])
    assert words in boilerplate.methods_markdown(facts)
    assert f"{{{key}," in boilerplate.methods_bib(facts)
    others = {"smith2002", "hoopes2022", "fisch2024"} - {key}
    assert not any(other in boilerplate.methods_bib(facts) for other in others)


def test_what_was_not_done_is_not_told() -> None:
    text = text_of(record_of({"WholeBrain_T1w": 2.0}, relevance=False))
    assert "Relevance Propagation" not in text
    assert "registered rigidly" not in text
    assert "TypeII" not in text


def test_freesurfer_input_had_no_n4() -> None:
    done = prepared(origin="freesurfer", skull_strip_method="none", bias_corrected=False)
    record = record_of({"WholeBrain_T1w": 2.0}, preprocessing=done)
    assert "brain.finalsurfs.mgz" in text_of(record)
    assert "tustison2010" not in boilerplate.methods_bib(boilerplate.facts_of([record]))
    assert "with N4" not in text_of(record)
    # A FLAIR image beside it was corrected here all the same.
    assert "FLAIR images were corrected with N4" in text_of(record_of(preprocessing=done))


@pytest.mark.parametrize("name", ["raw", "freesurfer", "smriprep", "anything at all"])
def test_the_name_of_other_peoples_images_decides_nothing(name: str) -> None:
    done = prepared(origin="preprocessed", source=name, bias_corrected=False)
    text = text_of(record_of({"WholeBrain_T1w": 2.0}, preprocessing=done))
    assert f"Preprocessed T1w images and brain masks came from another dataset ({name})" in text
    assert "FreeSurfer" not in text
    assert "with N4" not in text
    assert "BET" not in text


def test_a_transform_that_came_along_is_not_called_ours() -> None:
    done = prepared(origin="preprocessed", source="x", bias_corrected=False, registered=False)
    text = text_of(record_of(preprocessing=done))
    assert "SyN" not in text
    assert "came with it" in text


def test_a_sequence_that_came_aligned_is_not_called_registered() -> None:
    done = prepared(origin="preprocessed", source="x", software=["fMRIPrep 24.1"], aligned=["FLAIR"])
    record = record_of(preprocessing=done)
    assert "registered rigidly" not in text_of(record)
    assert "FLAIR images lay in the space of the T1w image already" in text_of(record)
    assert "made by fMRIPrep 24.1 (Esteban et al., 2019)" in text_of(record)
    assert "FLAIR images were registered rigidly" in text_of(record_of())


def test_several_preparations_are_all_told() -> None:
    """With how many sessions each; two ensembles of one session count once."""
    records = [
        record_of(),
        record_of(ensemble="TypeII"),
        record_of(participant="sub-02"),
        record_of(
            participant="sub-03", preprocessing=prepared(origin="raw", skull_strip_method="synthstrip")
        ),
        record_of(participant="sub-04", preprocessing=prepared(origin="freesurfer", bias_corrected=False)),
    ]
    text = text_of(*records)
    assert text.count("Of 2 sessions: T1w images were conformed") == 1
    assert text.count("Of 1 session: ") == 2
    for words in ("BET", "SynthStrip", "brain.finalsurfs.mgz"):
        assert words in text


def test_headings_and_sentences_stand_apart() -> None:
    others = record_of(
        participant="sub-02", preprocessing=prepared(origin="freesurfer", bias_corrected=False)
    )
    for records in ([record_of()], [record_of(), record_of(ensemble="Mine"), others]):
        lines = text_of(*records).split("\n")
        headings = [line for line in lines if "###" in line]
        names = ("Images", "Estimates", "Relevance", "Software", "References")
        assert headings == [f"### {name}" for name in names]
        assert all(
            lines[lines.index(heading) - 1] == lines[lines.index(heading) + 1] == "" for heading in headings
        )
        body = "\n".join(lines[: lines.index("### References")])
        assert not re.search(r"[a-z)]\.[A-Z]| [.,;]|  ", body)


def test_ensembles_are_described_by_what_they_have() -> None:
    text = text_of(record_of(), record_of({"BasalGanglia_T1w": 1, "LeftHemisphere_T1w": 1}, ensemble="Mine"))
    assert "The ensemble TypeI has sub-ensembles" in text
    assert "one for each sequence (T1w and FLAIR) and region (whole brain)" in text
    assert "The ensemble Mine has" in text
    assert "(T1w) and region (basal ganglia and left hemisphere)" in text


def test_several_versions_of_a_package_are_all_told() -> None:
    facts = boilerplate.facts_of(
        [record_of(versions={"numpy": "1.26.4"}), record_of(versions={"numpy": "2.3.0"})],
        {"numpy": "9", "x": "1"},
    )
    assert facts.versions == {"numpy": "1.26.4, 2.3.0", "x": "1"}


def test_the_plain_mean_is_not_called_weighted() -> None:
    mean = {"rule": "preset-a", "backend": "native", "aggregation": "mean"}
    assert "were averaged within each sub-ensemble" in text_of(record_of(lrp=mean))
    assert "times the weight of its sub-ensemble" in text_of(record_of())


def test_the_demonstration_is_named_unless_all_is_simulated() -> None:
    assert "not estimates of that person" in text_of(record_of())
    simulated = text_of(record_of(simulated=True))
    assert "not estimates of that person" not in simulated
    assert "were simulated" in simulated


def test_hostile_facts_stay_text() -> None:
    name = "<script>x</script> [y](javascript:z) ![i](http://e.example/i.png) <http://e.example>"
    model = dict.fromkeys(("name", "version", "purpose", "heads", "sha256"), name)
    target = {"name": name, "unit": name, "measured": None}
    done = prepared(origin="preprocessed", source=name)
    facts = boilerplate.facts_of(
        [record_of(model=model, target=target, preprocessing=done, versions={"numpy": name})]
    )
    html = boilerplate.methods_html(facts)
    assert "<script" not in html
    assert "<img" not in html
    assert "e.example" not in "".join(re.findall(r'href="[^"]*"', html))


def test_the_three_files(tmp_path: Path) -> None:
    boilerplate.write_citation(tmp_path, boilerplate.facts_of([record_of()]))
    logs = tmp_path / "logs"
    assert "(Hofmann et al., 2022)" in (logs / "CITATION.md").read_text()
    assert "<h3>References</h3>" in (logs / "CITATION.html").read_text()
    assert (logs / "CITATION.bib").read_text().startswith("@article{hofmann2022,")


def test_a_run_without_estimates_has_a_text_too() -> None:
    assert "### Estimates" not in boilerplate.methods_markdown(boilerplate.Facts())


def test_intervals_and_corrections_are_told_where_there_are_any() -> None:
    facts = boilerplate.facts_of([record_of()])
    without = replace(facts, intervals=False, uncertainties=False, corrected=False)
    with_all = replace(facts, intervals=True, uncertainties=True, corrected=True)
    for key, words in {"lei2018": "prediction intervals", "delange2020": "corrected for age"}.items():
        assert words not in boilerplate.methods_markdown(without)
        assert key not in boilerplate.methods_bib(without)
        assert words in boilerplate.methods_markdown(with_all)
        assert f"{{{key}," in boilerplate.methods_bib(with_all)
    assert "Model uncertainty" not in boilerplate.methods_markdown(without)
    assert facts.intervals == (record_of().lower_95 is not None)


def stand_in(folder: Path, script: str) -> None:
    folder.mkdir()
    (folder / "pandoc").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pandoc").chmod(0o755)


def test_latex_is_written_where_pandoc_is_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "Networks [@bach2015]."
    stand_in(tmp_path / "good", "echo made of; cat")
    stand_in(tmp_path / "bad", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'good'}:/bin:/usr/bin")
    boilerplate.write_texts(tmp_path / "out", text)
    assert (tmp_path / "out/CITATION.tex").read_text() == f"made of\n{text}"
    monkeypatch.setenv("PATH", f"{tmp_path / 'bad'}:/bin:/usr/bin")
    boilerplate.write_texts(tmp_path / "out", text)
    assert "pandoc failed" in caplog.text
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".bib", ".html", ".md"]


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_pandoc_cites_and_takes_no_facts_for_tex() -> None:
    latex = as_latex("Seen [@bach2015; @montavon2019] by $x$ and \\input{secret} at 100 %.", "own.bib")
    assert latex is not None
    assert "\\bibliography{own.bib}" in latex
    assert "\\citep{bach2015, montavon2019}" in latex
    assert "\\input{secret}" not in latex
    assert "\\$x\\$" in latex
    assert "100 \\%" in latex or "100~\\%" in latex


PUBLISHED = {
    "title": "Net",
    "paper": "Someone 2022",
    "repository": "some/one",
    "commit": "0123456789ab",
    "licence": "MIT",
    "mae": None,
    "people": "n/a",
}
INPUTS = {
    "registered here": (
        {"registration": "affine"},
        "raw",
        ["the T1w image was registered", "twelve parameters"],
    ),
    "as scanned": (
        {"registration": "none", "modality": "T2w", "source": "native"},
        "raw",
        ["the T2w image as scanned, on its own grid", "by a rigid registration"],
    ),
    "given": (
        {"registration": "rigid", "source": "given"},
        "raw",
        ["prepared and registered to the template elsewhere"],
    ),
    "FreeSurfer's": (
        {"registration": "rigid", "source": "freesurfer:brainmask"},
        "freesurfer",
        ["FreeSurfer's `brainmask.mgz` was there", "six parameters"],
    ),
    "in its place": ({"registration": "rigid", "source": "freesurfer:brainmask"}, "raw", ["six parameters"]),
}


@pytest.mark.parametrize("case", INPUTS)
def test_it_says_what_a_published_network_took_in(case: str) -> None:
    own, origin, words = INPUTS[case]
    record = record_of(preprocessing=prepared(origin=origin))
    model = record.model.model_copy(update={"published": PublishedFacts(**PUBLISHED, **own)})
    text = text_of(record.model_copy(update={"model": model}))
    assert all(word in text for word in words)
    assert ("twelve" in text) == (case == "registered here")
    assert ("brainmask.mgz" in text) == (case == "FreeSurfer's")
