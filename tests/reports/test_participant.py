"""The page: its numbers are those on disk, hostile text stays text, and it needs no network."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.records.estimate import EstimateRecord, Preparation
from bids_brainage.records.page import is_current, read_page_record
from bids_brainage.records.reading import STANDARD_SPACE, T1W_SPACE, SessionPlace, read_participant
from bids_brainage.reports import figures
from bids_brainage.reports.participant import write_participant_report
from tests.html_page import Page
from tests.reports.conftest import (
    MODEL,
    estimate_of,
    flag,
    publish_estimate,
    publish_images,
    write_session,
)

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/x.png onerror=alert(1)>"
MINUS = "\N{MINUS SIGN}"
Writer = Callable[..., Path]


def _page(out: Path, **options: object) -> Page:
    return Page(write_participant_report(out, "sub-01", **options).read_text(encoding="utf-8"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with both ensembles and all maps, and its page; for tests that change nothing."""
    out = tmp_path_factory.mktemp("whole")
    write_session(out)
    write_participant_report(out, "sub-01")
    return out


def _read_page(out: Path) -> Page:
    return Page((out / "sub-01.html").read_text(encoding="utf-8"))


def _records(out: Path) -> tuple[EstimateRecord, ...]:
    return read_participant(out, "sub-01")[0].estimates


def _figures(out: Path) -> set[str]:
    return {path.name for path in (out / "sub-01/figures").glob("*.svg")}


def test_numbers_are_those_of_the_estimate(whole: Path) -> None:
    page = _read_page(whole)
    for record in _records(whole):
        for value in (
            record.brain_age,
            record.chronological_age,
            record.uncertainty,
            record.lower_95,
            record.upper_95,
        ):
            assert f"{value:.1f}" in page.text
        for sub in record.sub_ensembles:
            assert ", ".join(f"{value:.1f}" for value in sub.base_models) in page.text
        assert f"the estimate is {record.brain_age:.3f}" in page.text
        assert f"{record.dba:+.1f}".replace("-", MINUS) in page.text


def test_a_changed_number_changes_the_page(finished: Writer) -> None:
    out = finished(ensembles=("TypeI",), brain_age=77.7, lower_95=70.1, upper_95=84.9)
    text = _page(out).text
    assert "77.7" in text
    assert "70.1 – 84.9" in text  # noqa: RUF001


def test_it_loads_nothing_from_outside(whole: Path) -> None:
    page = _read_page(whole)
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


def test_every_picture_is_whole_and_has_words(whole: Path) -> None:
    page = _read_page(whole)
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 2 + 5 + 12 + 1  # forests, waterfalls, maps, mask; coregistrations are inline
    for picture in pictures:
        svg = unquote((picture["src"] or "").removeprefix("data:image/svg+xml,"))
        root = ET.fromstring(svg)
        assert root.tag.endswith("svg")
        assert len(picture["alt"] or "") > 10
        assert not re.search(r'(?:href|src)="(?!data:|#)', svg)


def test_flickering_figures_can_be_reached_by_keyboard(whole: Path) -> None:
    page = _read_page(whole)
    flickering = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(flickering) == 2
    assert all(attrs["tabindex"] == "0" and attrs["aria-labelledby"] for attrs in flickering)


def test_identifiers_are_unique(whole: Path) -> None:
    names = [
        attrs["id"]
        for tag, attrs in _read_page(whole).tags
        if "id" in attrs and tag in ("section", "h1", "svg")
    ]
    assert len(names) == len(set(names))


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    place = SessionPlace.of(tmp_path, "sub-01", None)
    publish_images(place)
    model = dict.fromkeys(("name", "version", "heads", "sha256"), HOSTILE) | {"purpose": "demo" + HOSTILE}
    hostile = estimate_of(
        simulated=False, model=model, sex=HOSTILE, disclaimer=HOSTILE, inputs=[HOSTILE],
        versions={HOSTILE: HOSTILE}, flags=[flag("warning", HOSTILE)], modalities_used=[HOSTILE],
        dataset=HOSTILE, target={"name": HOSTILE, "unit": HOSTILE, "measured": 3.0},
        preprocessing={
            "origin": "preprocessed", "source": HOSTILE, "skull_strip": HOSTILE, "skull_strip_method": HOSTILE
        },
        lrp={"rule": HOSTILE, "backend": HOSTILE, "aggregation": HOSTILE},
        contributions={"modality": {HOSTILE: 1.0}, "region": {HOSTILE: 1.0, "B": 2.0}},
    )  # fmt: skip
    publish_estimate(place, hostile)
    page = _page(tmp_path, run={"errors": [HOSTILE], "command": HOSTILE})
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert all((attrs["src"] or "").startswith("data:") for tag, attrs in page.tags if tag == "img")
    assert HOSTILE in page.text


@pytest.mark.parametrize(
    "unit", ["{out_dir}", "a: [b", '"', "{x}", "years\n- bids: {}", "# no", "{{ 1 }}", "$\\frac{$"]
)
def test_a_unit_is_never_read_as_yaml_as_a_field_or_as_mathematics(tmp_path: Path, unit: str) -> None:
    place = SessionPlace.of(tmp_path, "sub-01", None)
    publish_images(place, ("T1w",))
    target = {"name": unit, "unit": unit, "measured": None}
    publish_estimate(place, estimate_of("TypeI", {"WholeBrain_T1w": 2.0}, target=target))
    assert str(tmp_path) not in _page(tmp_path).text


@pytest.mark.parametrize("name", ["../sub-01", "sub-", "01", "sub-01/..", "sub-<b>"])
def test_a_name_that_is_no_label_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a participant label"):
        write_participant_report(tmp_path, name)


def test_the_demonstration_note_is_there_for_brains_that_are_not_simulated(finished: Writer) -> None:
    out = finished(modalities=("T1w",), ensembles=("TypeI",), simulated=False, disclaimer=None)
    page = _page(out)
    assert messages.REPORT_DEMO_NOTE in page.text
    assert any("demonstration" in (attrs.get("class") or "") for _, attrs in page.tags)


def test_and_not_for_simulated_ones(finished: Writer) -> None:
    text = _page(finished(modalities=("T1w",), ensembles=("TypeI",))).text
    assert messages.REPORT_DEMO_NOTE not in text
    assert messages.REPORT_SIMULATED_NOTE in text


def test_a_missing_sequence(finished: Writer) -> None:
    page = _page(finished(modalities=("T1w", "FLAIR")))
    assert "T1w, FLAIR T2starw" in page.text
    assert "T2*w on T1w" not in page.text


def test_without_relevance(finished: Writer) -> None:
    page = _page(finished(relevance=False))
    assert "the account of relevance" not in page.text
    assert "what each sequence adds" not in page.text
    assert f"{51.1 + 4.2 + 6.9 - 1.3 + 0.4:.1f}" in page.text


def test_without_relevance_over_results_with_maps(finished: Writer) -> None:
    out = finished()
    _page(out)
    before = _figures(out)
    finished(relevance=False)
    page = _page(out)
    assert "the account of relevance" not in page.text
    assert not [title for title in page.titles() if "sums to" in title]
    gone = before - _figures(out)
    assert {name for name in gone if "Relevance" in name} == {name for name in before if "Relevance" in name}
    assert _figures(out) == set(read_page_record(out, "sub-01").figures)


def test_without_age(finished: Writer) -> None:
    page = _page(finished(modalities=("T1w",), ensembles=("TypeI",), age=None))
    assert not any("chronological age is" in title for title in page.titles())
    assert "n/a" in page.text


def test_two_sessions(finished: Writer) -> None:
    finished(session="ses-1", modalities=("T1w",), ensembles=("TypeI",))
    out = finished(session="ses-2", modalities=("T1w",), ensembles=("TypeI",), seed=1)
    page = _page(out)
    assert "sessions ses-1, ses-2" in page.text
    # Once in each of the four sections that have something of a session.
    assert page.text.count("Session 1") == page.text.count("Session 2") == 4
    assert len([title for title in page.titles() if "sums to" in title]) == 2


def test_labels_with_plus_signs_stay_apart(finished: Writer) -> None:
    finished(session="ses-a+1", modalities=("T1w",), ensembles=("TypeI",), relevance=False)
    out = finished(session="ses-a+2", modalities=("T1w",), ensembles=("TypeI",), relevance=False, age=11.5)
    page = _page(out)
    assert page.text.count("Session a+1") == page.text.count("Session a+2") == 2
    assert [title for title in page.titles() if "age is 11.5" in title]
    assert [title for title in page.titles() if "age is 63.2" in title]
    path = write_participant_report(out / "other", "sub-a+b", run={"errors": ["it broke"]})
    assert path.name == "sub-a+b.html"


def test_one_session_finished_and_one_not(finished: Writer) -> None:
    out = finished(session="ses-1", modalities=("T1w",), ensembles=("TypeI",), relevance=False)
    publish_images(SessionPlace.of(out, "sub-01", "ses-2"), ("T1w",))
    page = _page(out, run={"errors": ["sub-01_ses-2: it broke"]})
    assert messages.REPORT_NO_ESTIMATE_OF.format(name="sub-01_ses-2") in page.text
    assert messages.REPORT_NO_ESTIMATE not in page.text
    assert "it broke" in page.text
    assert len([title for title in page.titles() if title.startswith("Outline")]) == 2


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


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_desc-TypeI_brainage.json",
        "sub-01_space-MNI152NLin6Asym_res-2_desc-TypeIWholeBrainRelevance_T1w.json",
        "sub-01_space-MNI152NLin6Asym_res-2_desc-TypeIWholeBrainRelevance_T1w.nii.gz",
        "sub-01_desc-TypeI_regions.tsv",
        "sub-01_desc-preproc_T1w.nii.gz",
    ],
)
@pytest.mark.parametrize("content", [b"{", None])
def test_what_cannot_be_read_is_named(finished: Writer, name: str, content: bytes | None) -> None:
    out = finished(modalities=("T1w",), ensembles=("TypeI",))
    path = out / "sub-01/anat" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(name)):
        _page(out)
    assert not is_current(out, "sub-01", read_participant(out, "sub-01"))


def _drawn(monkeypatch: pytest.MonkeyPatch, out: Path) -> set[str]:
    """Names of the figures that a page draws anew."""
    drawn: list[str] = []

    def note(figure: figures.Figure) -> figures.Figure:
        def draw(path: Path, title: str) -> Path:
            drawn.append(path.name)
            return figure.draw(path, title)

        return dataclasses.replace(figure, draw=draw)

    plain = figures.session_figures
    with monkeypatch.context() as patched:
        patched.setattr(
            "bids_brainage.reports.participant.session_figures", lambda *args: map(note, plain(*args))
        )
        _page(out)
    return set(drawn)


def test_figures_are_kept_when_nothing_changed(finished: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    out = finished(ensembles=("TypeI",))
    assert _drawn(monkeypatch, out) == _figures(out)
    first = {path.name: path.read_bytes() for path in out.rglob("*.html")}
    for path in (out / "sub-01").rglob("*.nii.gz"):
        path.touch()
    assert not _drawn(monkeypatch, out)
    assert {path.name: path.read_bytes() for path in out.rglob("*.html")} == first


def test_a_figure_is_drawn_anew_when_its_sources_or_words_change(
    finished: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = finished()
    _page(out)
    place = SessionPlace.of(out, "sub-01", None)
    publish_estimate(place, estimate_of("TypeI", age=20.0))
    # The maps are the same, and so is what is said of them; the estimate's charts are not.
    assert _drawn(monkeypatch, out) == {
        f"sub-01_desc-TypeI{name}_brainage.svg" for name in ("Estimates", "Modalities", "Atlas")
    }
    publish_estimate(place, estimate_of("TypeI", age=20.0), seed=3)
    assert {name for name in _drawn(monkeypatch, out) if "Relevance" in name} == {
        f"sub-01_desc-TypeIWholeBrainRelevance_{modality}.svg" for modality in ("T1w", "FLAIR", "T2starw")
    }
    (out / "sub-01/figures/sub-01_desc-brain_mask.svg").unlink()
    assert _drawn(monkeypatch, out) == {"sub-01_desc-brain_mask.svg"}


def test_another_models_maps_are_never_on_the_page(finished: Writer) -> None:
    out = finished()
    _page(out)
    fewer = {"WholeBrain_T1w": 5.5}
    other = MODEL.model_copy(update={"name": "other", "sha256": "cd34" * 16})
    publish_estimate(SessionPlace.of(out, "sub-01", None), estimate_of("TypeI", fewer, model=other))
    page = _page(out)
    assert "demo, version" not in page.text
    assert "other, version" in page.text
    sums = [title for title in page.titles() if "sums to" in title]
    assert [title.split(":")[0] for title in sums] == ["Whole brain · T1w (in template space)"]
    assert not [
        name for name in _figures(out) if "TypeII" in name or "FLAIR" in name.replace("coreg_FLAIR", "")
    ]
    assert _figures(out) == set(read_page_record(out, "sub-01").figures)


def test_a_page_that_fails_leaves_none_of_before_and_no_figure_is_taken_for_another(
    finished: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model B's page is killed halfway, then model A is back: nothing of B is kept as A's."""
    out = finished(ensembles=("TypeI",))
    page = write_participant_report(out, "sub-01")
    first = page.read_bytes()
    place = SessionPlace.of(out, "sub-01", None)
    other = MODEL.model_copy(update={"name": "other", "sha256": "cd34" * 16})
    publish_estimate(place, estimate_of("TypeI", {"WholeBrain_T1w": 9.9}, model=other))
    with monkeypatch.context() as patched:

        def fail(*args: object) -> None:
            raise KeyboardInterrupt

        patched.setattr("bids_brainage.reports.participant.assemble", fail)
        with pytest.raises(KeyboardInterrupt):
            write_participant_report(out, "sub-01")
    assert not page.exists()
    write_session(out, ensembles=("TypeI",))
    assert write_participant_report(out, "sub-01").read_bytes() == first
    assert is_current(out, "sub-01", read_participant(out, "sub-01"))


def test_a_name_in_the_record_leads_to_no_other_folder(finished: Writer) -> None:
    out = finished(modalities=("T1w",), ensembles=("TypeI",), relevance=False)
    _page(out)
    record = out / "sub-01/figures/sub-01_page.json"
    content = json.loads(record.read_text())
    content["figures"]["../anat/sub-01_desc-brain_mask.nii.gz"] = "x"
    record.write_text(json.dumps(content))
    _page(out)
    assert (out / "sub-01/anat/sub-01_desc-brain_mask.nii.gz").is_file()


def test_sessions_are_found_whatever_the_folders_above_are_called(
    finished: Writer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("ses-7_run-3")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for session in ("ses-1", "ses-2"):
        out = finished(
            "sub-study/ses-9/out", session=session, modalities=("T1w",), ensembles=("TypeI",), relevance=False
        )
    page = _page(out)
    assert page.text.count("Session 1") == page.text.count("Session 2") == 2
    assert "Session 9" not in page.text
    assert "Session 7" not in page.text


def test_maps_of_both_types_stay_apart(whole: Path) -> None:
    html = (whole / "sub-01.html").read_text(encoding="utf-8")
    first, second = html.index("Type I – relevance"), html.index("Type II – relevance")  # noqa: RUF001
    assert 'alt="Cerebellum' not in html[first:second]
    assert html[second:].count('alt="Cerebellum') == 3
    assert html[first:second].count('alt="Whole brain') == 3


def test_maps_say_whose_years_they_show_and_what_the_ensemble_makes_of_them(whole: Path) -> None:
    titles = _read_page(whole).titles()
    for record in _records(whole):
        for part in record.sub_ensembles:
            name = f"{'Whole brain' if part.region == 'WholeBrain' else part.region} · {part.modality} "
            (title,) = [
                text for text in titles if text.startswith(name) and f"{part.brain_age:.1f} years" in text
            ]
            assert f"sums to {part.relevance_sum:+.1f}".replace("-", MINUS) in title
            assert f"weight in the ensemble's estimate is {part.weight:.2f}".replace("-", MINUS) in title
            assert ("turns its colours round" in title) == (part.weight < 0)


def test_a_negative_weight_is_told_in_words(whole: Path) -> None:
    text = _read_page(whole).text
    assert "Whole brain · T2starw has a negative weight" in text
    assert "Whole brain · T1w has a negative weight" not in text
    assert text.count("has a negative weight") == 1


def test_the_account_keeps_both_levels_apart(whole: Path) -> None:
    """Own years in a row are those of the sub-ensemble; contributions add up to the ensemble's relevance."""
    html = (whole / "sub-01.html").read_text(encoding="utf-8")
    table = html[html.index('<table class="account">') :]
    rows = [re.findall(r'<td class="number[^"]*">([^<]+)</td>', row) for row in table.split("</tr>")[2:5]]
    numbers = [[float(cell.replace(MINUS, "-")) for cell in row] for row in rows]
    record = _records(whole)[0]
    for (bias, relevance, absorbed, total, weight, contribution), part in zip(
        numbers, record.sub_ensembles, strict=True
    ):
        assert bias + relevance + absorbed == pytest.approx(total, abs=2e-3)
        assert total == pytest.approx(part.brain_age, abs=1e-3)
        assert weight * relevance == pytest.approx(contribution, abs=2e-3)
    assert sum(row[-1] for row in numbers) == pytest.approx(record.relevance_sum, abs=2e-3)
    bars = next(
        title for title in Page(html).titles() if title.startswith("Target bias") and "FLAIR" in title
    )
    for part in record.sub_ensembles:
        mark = " (turned round)" if part.weight < 0 else ""
        assert f"{part.modality}{mark} {part.contribution:+.1f}".replace("-", MINUS) in bars


def test_maps_in_the_space_of_the_t1w_are_preferred(finished: Writer) -> None:
    titles = _page(finished(ensembles=("TypeI",), spaces=(STANDARD_SPACE, T1W_SPACE))).titles()
    assert len([title for title in titles if "sums to" in title]) == 3
    assert not [title for title in titles if "in template space" in title]


def test_the_ensembles_own_map_is_shown_where_there_is_no_other(finished: Writer) -> None:
    out = finished(maps="ensemble")
    titles = [title for title in _page(out).titles() if "sums to" in title]
    assert [title.split(" (")[0] for title in titles] == ["All sub-ensembles together"] * 2
    for title, record in zip(titles, _records(out), strict=True):
        assert (
            f"{record.relevance_sum:+.1f} years of the ensemble's own estimate of {record.brain_age:.1f}"
            in title
        )


def test_ensembles_are_called_as_their_bundle_calls_them(tmp_path: Path) -> None:
    """Names that no file can have, and names that are alike without it."""
    place = SessionPlace.of(tmp_path, "sub-01", None)
    publish_images(place)
    for number, name in enumerate(("my_net+2", "my.net2", "DeepBrain")):
        subs = {"BasalGanglia_T1w": 2.0 + number}
        publish_estimate(place, estimate_of(name, subs), at="".join(filter(str.isalnum, name)) + str(number))
    page = _page(tmp_path)
    for words in ("my net+2 – relevance", "my.net2 – relevance", "Deep brain – relevance"):  # noqa: RUF001
        assert words in page.text
    sums = [title for title in page.titles() if "Basal ganglia · T1w (in template space)" in title]
    assert len(sums) == 3
    assert len(set(sums)) == 3
    assert len(_figures(tmp_path)) == len(read_page_record(tmp_path, "sub-01").figures) == 3 + 3 * 4


def test_run_times_are_those_of_the_participants_own_sessions(finished: Writer) -> None:
    """Also where another participant's name begins alike, and where several runs did the steps."""
    write_session(
        finished(modalities=("T1w",), ensembles=("TypeI",), relevance=False), "sub-012", ensembles=()
    )
    out = finished(session="ses-2", modalities=("T1w",), ensembles=("TypeII",), relevance=False)
    text = _page(out).text
    steps = ("T1w bias", "T1w register", "TypeI estimate and maps")
    assert all(step in text for step in (*steps, "ses-2: T1w bias", "ses-2: TypeII estimate and maps"))
    assert f"Sum {2 * (12.3 + 31.9 + 21.4):.1f}" in text


def test_several_targets_have_a_table_each(finished: Writer) -> None:
    out = finished(modalities=("T1w",), ensembles=("TypeI",), relevance=False)
    target = {"name": "score", "unit": "points", "measured": 0.25}
    publish_estimate(
        SessionPlace.of(out, "sub-01", None),
        estimate_of("Wit", {"WholeBrain_T1w": 1}, target=target, relevance=False),
    )
    text = _page(out).text
    assert "All numbers are in years" in text
    assert "All numbers are in points" in text


def test_several_preparations_are_all_told(finished: Writer) -> None:
    finished(session="ses-1", modalities=("T1w",), ensembles=("TypeI",), relevance=False)
    given = Preparation(origin="preprocessed", source="raw", skull_strip="auto", bias_corrected=False)
    out = finished(
        session="ses-2",
        modalities=("T1w",),
        ensembles=("TypeI",),
        relevance=False,
        preprocessing=given.model_dump(),
    )
    text = _page(out).text
    assert "raw images of the dataset; brain extraction: none" in text
    assert "preprocessed images of raw; brain extraction: as in those images" in text
    assert "Of 1 session: T1w images were conformed" in text
    assert "Of 1 session: Preprocessed T1w images and brain masks came from another dataset (raw)" in text


def test_a_page_that_shows_a_failure_is_outdated_once_a_run_goes_well(finished: Callable[..., Path]) -> None:
    out = finished(ensembles=("TypeI",))
    sessions = read_participant(out, "sub-01")
    write_participant_report(out, "sub-01", run={"errors": ["the disk is full"]})
    assert not is_current(out, "sub-01", sessions)
    page = write_participant_report(out, "sub-01", run={})
    assert is_current(out, "sub-01", sessions)
    assert "the disk is full" not in page.read_text()
