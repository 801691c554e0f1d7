"""The page: its numbers are those on disk, hostile text stays text, and it needs no network."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.reports.participant import write_participant_report

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/x.png onerror=alert(1)>"
Writer = Callable[..., Path]


class Page(HTMLParser):
    """All tags with their attributes, and the text a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def titles(self) -> list[str]:
        return [attrs["alt"] or "" for tag, attrs in self.tags if tag == "img"]


def _page(out: Path, **options: object) -> Page:
    return Page(write_participant_report(out, "sub-01", **options).read_text(encoding="utf-8"))  # type: ignore[arg-type]


def _record(out: Path, ensemble: str = "TypeI") -> dict:
    return json.loads((out / f"sub-01/anat/sub-01_desc-{ensemble}_brainage.json").read_text())


def test_numbers_are_those_of_the_estimate(finished: Writer) -> None:
    out = finished()
    page = _page(out)
    for ensemble in ("TypeI", "TypeII"):
        record = _record(out, ensemble)
        for key in ("brain_age", "chronological_age", "uncertainty", "lower_95", "upper_95"):
            assert f"{record[key]:.1f}" in page.text
        for sub in record["sub_ensembles"]:
            assert ", ".join(f"{value:.1f}" for value in sub["base_models"]) in page.text
        assert f"the estimate is {record['brain_age']:.3f}" in page.text
    assert f"{_record(out)['dba']:+.1f}".replace("-", "\N{MINUS SIGN}") in page.text


def test_a_changed_number_changes_the_page(finished: Writer) -> None:
    out = finished(ensembles=("TypeI",), changes={"brain_age": 77.7, "lower_95": 70.1, "upper_95": 84.9})
    text = _page(out).text
    assert "77.7" in text
    assert "70.1 – 84.9" in text  # noqa: RUF001


def test_it_loads_nothing_from_outside(finished: Writer) -> None:
    page = _page(finished())
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in ("src", "srcset", "data", "poster", "background", "action", "xlink:href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value[:80])
        address = attrs.get("href")
        if address is not None and not address.startswith(("#", "data:")):
            assert tag == "a"
            assert address.startswith("https://")
        assert "url(" not in (attrs.get("style") or "")


def test_every_picture_is_whole_and_has_words(finished: Writer) -> None:
    out = finished()
    page = _page(out)
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 2 + 5 + 12 + 1  # forests, waterfalls, maps, mask; coregistrations are inline
    for picture in pictures:
        svg = unquote((picture["src"] or "").removeprefix("data:image/svg+xml,"))
        root = ET.fromstring(svg)
        assert root.tag.endswith("svg")
        assert len(picture["alt"] or "") > 10
        assert not re.search(r'(?:href|src)="(?!data:|#)', svg)


def test_flickering_figures_can_be_reached_by_keyboard(finished: Writer) -> None:
    page = _page(finished())
    flickering = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(flickering) == 2
    assert all(attrs["tabindex"] == "0" and attrs["aria-labelledby"] for attrs in flickering)


def test_identifiers_are_unique(finished: Writer) -> None:
    names = [
        attrs["id"]
        for tag, attrs in _page(finished()).tags
        if "id" in attrs and tag in ("section", "h1", "svg")
    ]
    assert len(names) == len(set(names))


def test_hostile_text_stays_text(finished: Writer) -> None:
    changes = {
        "flags": [{"code": "x", "severity": HOSTILE, "text": HOSTILE}],
        "model": {"name": HOSTILE, "version": HOSTILE, "purpose": "demo" + HOSTILE, "sha256": HOSTILE},
        "sex": HOSTILE, "disclaimer": HOSTILE, "session_id": HOSTILE, "inputs": [HOSTILE],
        "versions": {HOSTILE: HOSTILE}, "run_times": {HOSTILE: 1.0},
        "modalities_used": [HOSTILE], "preprocessing": {"source": HOSTILE, "skull_strip_method": HOSTILE},
        "lrp": {"rule": HOSTILE, "backend": HOSTILE, "aggregation": HOSTILE},
        "contributions": {"modality": {HOSTILE: 1.0}, "region": {}},
    }  # fmt: skip
    out = finished(ensembles=("TypeI",), simulated=False, changes=changes)
    page = _page(out, run={"errors": [HOSTILE], "command": HOSTILE})
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert all((attrs["src"] or "").startswith("data:") for tag, attrs in page.tags if tag == "img")
    assert HOSTILE in page.text


@pytest.mark.parametrize("name", ["../sub-01", "sub-", "01", "sub-01/..", "sub-<b>"])
def test_a_name_that_is_no_label_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a participant label"):
        write_participant_report(tmp_path, name)


def test_the_demonstration_note_is_there_for_brains_that_are_not_simulated(finished: Writer) -> None:
    out = finished(ensembles=("TypeI",), simulated=False, changes={"disclaimer": None})
    page = _page(out)
    assert messages.REPORT_DEMO_NOTE in page.text
    assert any("demonstration" in (attrs.get("class") or "") for _, attrs in page.tags)


def test_and_not_for_simulated_ones(finished: Writer) -> None:
    text = _page(finished(ensembles=("TypeI",))).text
    assert messages.REPORT_DEMO_NOTE not in text
    assert messages.REPORT_SIMULATED_NOTE in text


def test_a_missing_sequence(finished: Writer) -> None:
    page = _page(finished(modalities=("T1w", "FLAIR")))
    assert "T1w, FLAIR T2starw" in page.text
    assert "T2*w on T1w" not in page.text


def test_without_relevance(finished: Writer) -> None:
    page = _page(finished(relevance=False))
    assert "The account of relevance" not in page.text
    assert "Contributions" not in page.text
    assert f"{_expected():.1f}" in page.text


def _expected() -> float:
    return 51.1 + 4.2 + 6.9 - 1.3 + 0.4


def test_without_age(finished: Writer) -> None:
    page = _page(finished(ensembles=("TypeI",), age=None))
    assert not any("chronological age is" in title for title in page.titles())
    assert "n/a" in page.text


def test_two_sessions(tmp_path: Path, finished: Writer) -> None:
    finished(session="ses-1", ensembles=("TypeI",))
    out = finished(session="ses-2", ensembles=("TypeI",), seed=1)
    page = _page(out)
    assert "sessions ses-1, ses-2" in page.text
    assert page.text.count("Reports for: session 1") == page.text.count("Reports for: session 2") > 2
    assert len([title for title in page.titles() if "sums to" in title]) == 6


def test_labels_with_a_plus(tmp_path: Path, finished: Writer) -> None:
    finished(session="ses-a+b", ensembles=("TypeI",))
    page = _page(finished(session="ses-a", ensembles=("TypeI",), seed=1))
    assert "sessions ses-a, ses-a+b" in page.text
    assert page.text.count("Reports for: session a+b .") == page.text.count("Reports for: session a .") > 2
    path = write_participant_report(tmp_path / "other", "sub-a+b", run={"errors": ["it broke"]})
    assert path.name == "sub-a+b.html"
    assert "it broke" in Page(path.read_text(encoding="utf-8")).text


def test_a_participant_that_failed(tmp_path: Path) -> None:
    crash = tmp_path / "logs/run/crash-1.txt"
    crash.parent.mkdir(parents=True)
    crash.write_text(
        "Node: participant_wf.sub_01_wf.brain_mask\nWorking directory: /w/brain_mask\n\nNode inputs:\n\n"
        "in_file = <undefined>\n\nTraceback (most recent call last):\n"
        '  File "x.py", line 1\nValueError: <b>no</b>\n'
    )
    page = _page(tmp_path, run={"errors": ["sub-01: it broke"], "crash_files": [crash]})
    for words in (messages.REPORT_NO_ESTIMATE, messages.REPORT_FAILED, "it broke", "ValueError: <b>no</b>"):
        assert words in page.text
    assert str(crash) in page.text


def test_crash_files_of_other_forms_are_not_opened_as_code(tmp_path: Path) -> None:
    odd, pickled = tmp_path / "crash-odd.txt", tmp_path / "crash-x.pklz"
    odd.write_text("Node: a\n")
    pickled.write_bytes(b"\x80\x04evil")
    text = _page(tmp_path, run={"crash_files": [odd, pickled, tmp_path / "gone.txt"]}).text
    assert "is not opened here" in text
    assert "The file is gone" in text


def test_unreadable_json_is_named(finished: Writer) -> None:
    out = finished(ensembles=("TypeI",))
    (out / "sub-01/anat/sub-01_desc-TypeI_brainage.json").write_text("{")
    with pytest.raises(InputError, match=r"sub-01_desc-TypeI_brainage\.json cannot be read"):
        _page(out)


def test_figures_are_kept_when_nothing_changed(finished: Writer) -> None:
    out = finished(ensembles=("TypeI",))
    _page(out)
    figure = out / "sub-01/figures/sub-01_desc-brain_mask.svg"
    before = figure.read_text()
    figure.write_text(before.replace("Outline", "KEPT"))
    assert any("KEPT" in title for title in _page(out).titles())


def test_sessions_are_found_whatever_the_folders_above_are_called(finished: Writer) -> None:
    for session in ("ses-1", "ses-2"):
        out = finished("sub-study/ses-9/out", session=session, ensembles=("TypeI",), relevance=False)
    page = _page(out)
    assert page.text.count("Reports for: session 1") == page.text.count("Reports for: session 2") > 0
    assert "session 9" not in page.text


def test_maps_of_both_types_stay_apart(finished: Writer) -> None:
    html = write_participant_report(finished(), "sub-01").read_text()
    first, second = html.index("Type I – relevance"), html.index("Type II – relevance")  # noqa: RUF001
    assert 'alt="Cerebellum' not in html[first:second]
    assert html[second:].count('alt="Cerebellum') == 3
    assert html[first:second].count('alt="Whole brain') == 3
