"""The page of a group: what it says is what was written, hostile text stays text, it needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from bids_brainage.errors import InputError
from bids_brainage.records.group import SkippedAnalysis
from bids_brainage.reports.group import contrasts
from bids_brainage.reports.group.page import write_group_page
from tests.html_page import Page
from tests.reports.group.made_up import write_made_up

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.example/x.png onerror=alert(1)> {{ 7 * 7 }} $\\frac{"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projections and viewers take seconds; they have tests of their own."""

    def drawn(statistic: Path, corrected: Path | None, out: Path, title: str) -> Path:
        out.write_bytes(b"RIFF")
        return out

    def viewer(statistic: Path, out: Path, title: str) -> Path:
        out.write_text(f"<script>1</script>{title}")
        return out

    monkeypatch.setattr(contrasts, "projection_figure", drawn)
    monkeypatch.setattr(contrasts, "write_viewer", viewer)


def page_of(out: Path) -> Page:
    return Page(write_group_page(out).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group, for tests that change nothing."""
    out = tmp_path_factory.mktemp("whole")
    write_made_up(out)
    return out


def test_everything_is_there_in_order(whole: Path) -> None:
    page = page_of(whole)
    text = page.text
    for words in (
        "40; sex: F (20), M (20)",
        "demo 0.1 (ab12ab12); ensemble Type I",
        "A made-up analysis",
        "Whole brain · T1w (p = 0.005)",
        f"t(38) 6.00 left thalamus (4, {MINUS}6, 10) 0.005 512 of 18 000",
        "1 cluster of voxels with corrected p ≤ 0.05",
        "Cohen's d",
        "0.61 (0.20 to 1.02)",
        "Type I: bmi, r = 0.40 in the strongest of 1 window between 30 and 40 years",
        f"Whole brain · FLAIR {DASH} nothing significant, smallest p 0.40",
    ):
        assert "".join(words.split()) in "".join(text.split()), words
    ids = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert ids == ["Summary", "Estimates", "Biomarkers", "analysis-1", "Methods", "Downloads"]


def test_the_methods_text_is_a_file_too(whole: Path) -> None:
    page_of(whole)
    text = (whole / "logs/CITATION_group.md").read_text(encoding="utf-8")
    library = (whole / "logs/CITATION_group.bib").read_text(encoding="utf-8")
    assert "general linear model" in text
    assert "{freedman1983," in library
    assert "{bach2015," not in library


def test_the_disclaimer_comes_first(whole: Path) -> None:
    html = write_group_page(whole).read_text(encoding="utf-8")
    note = '<p class="note demonstration" role="alert">The model learned from simulated brains.</p>'
    assert note in html
    assert html.index(note) < html.index("<dl>")


def test_it_needs_no_network_and_leads_to_every_file(whole: Path) -> None:
    page = page_of(whole)
    linked = set()
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "object"), tag
        assert tag != "iframe" or (attrs["sandbox"] == "allow-scripts" and "src" not in attrs)
        for name in ("src", "href"):
            value = attrs.get(name)
            if value is None or value.startswith(("#", "data:image/")):
                continue
            if tag == "a" and value.startswith("https://doi.org/"):
                continue
            assert not re.match(r"[a-z]+:|/", value), value
            assert (whole / unquote(value)).is_file(), value
            linked.add(unquote(value))
    files = {path.relative_to(whole).as_posix() for path in (whole / "group").rglob("*.*")}
    tables_and_maps = {name for name in files if not name.endswith(".json") and "figures/" not in name}
    assert tables_and_maps <= linked


def test_every_figure_is_told_in_words(whole: Path) -> None:
    titles = page_of(whole).titles()
    assert len(titles) >= 10
    assert all(len(title) > 20 for title in titles)
    (about,) = [title for title in titles if "line of identity" in title]
    assert "brain age against chronological age of 40 people" in about


def test_text_of_tables_stays_text(tmp_path: Path) -> None:
    skipped = SkippedAnalysis(name="x", title=HOSTILE, source=HOSTILE, reason=HOSTILE)
    write_made_up(
        tmp_path, title=HOSTILE, dataset=HOSTILE, warnings=(HOSTILE,), skipped=(skipped.model_dump(),),
        failed={HOSTILE: HOSTILE}, disclaimer=HOSTILE,
    )  # fmt: skip
    page = page_of(tmp_path)
    assert not [tag for tag, attrs in page.tags if tag == "script" or "onerror" in attrs]
    assert all((attrs.get("src") or "data:").startswith("data:") for _, attrs in page.tags)
    assert page.text.count("{{ 7 * 7 }}") >= 8
    assert "age of <b>sorrow</b>" in page.text


def test_it_says_what_so_few_people_cannot_show(tmp_path: Path) -> None:
    write_made_up(tmp_path, 6)
    text = page_of(tmp_path).text
    assert "With 6 people, a correlation must be at least 0.81 to reach p ≤ 0.05 at all" in text
    assert "4 of 5 such groups" in text


def test_of_many_people_nothing_such_is_said(tmp_path: Path) -> None:
    write_made_up(tmp_path, 120)
    assert "cannot show" not in page_of(tmp_path).text.split("A made-up analysis")[0]


def test_figures_are_drawn_once_and_removed_when_they_are_not_shown(whole: Path) -> None:
    figures = whole / "group" / "figures"
    before = {path.name: path.stat().st_mtime_ns for path in figures.iterdir() if path.suffix != ".json"}
    (figures / "figures.json").write_text(
        (figures / "figures.json").read_text().replace("{", '{"old.svg": "x", "../../escape": "x",', 1)
    )
    (figures / "old.svg").touch()
    (whole / "escape").touch()
    write_group_page(whole)
    after = {path.name: path.stat().st_mtime_ns for path in figures.iterdir() if path.suffix != ".json"}
    assert after == before
    assert (whole / "escape").is_file()


def test_a_table_that_is_torn_is_told(tmp_path: Path) -> None:
    write_made_up(tmp_path)
    table = tmp_path / "group" / "brainage.tsv"
    table.write_text(table.read_text() + "sub-99\tTypeI\n")
    with pytest.raises(InputError, match=r"brainage\.tsv .*rows differ in length"):
        write_group_page(tmp_path)


def test_nobody_has_an_age(tmp_path: Path) -> None:
    write_made_up(tmp_path)
    table = tmp_path / "group" / "brainage.tsv"
    lines = [re.split("\t", line) for line in table.read_text().splitlines()]
    place = lines[0].index("chronological_age")
    text = "\n".join(
        "\t".join(["n/a" if i == place and k else cell for i, cell in enumerate(line)])
        for k, line in enumerate(lines)
    )
    table.write_text(text + "\n")
    assert "Of none of these people is known" in page_of(tmp_path).text


def test_only_tables_were_made(tmp_path: Path) -> None:
    write_made_up(tmp_path, analyses=(), tables={})
    text = page_of(tmp_path).text
    assert "Nothing was tested." in text
