"""Datasets as people reported them to have gone wrong, and what is to come of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MONTHS, YEARS = '{"age": {"Units": "months"}}', '{"age": {"Units": "years"}}'
ONE = "sub-01/anat/sub-01_T1w.nii.gz"
AB = tuple(f"sub-01/ses-{label}/anat/sub-01_ses-{label}_T1w.nii.gz" for label in "ab")
SESSIONS = "sub-01/sub-01_sessions.tsv"
TABLE = "participants.tsv"


@dataclass(frozen=True)
class Case:
    """A dataset and what is to come of it.

    Attributes
    ----------
    images : tuple of str
        Images of 1 mm.
    files : mapping of str to str
        Texts of other files; a text that begins with ``->`` is where a link points to.
    sizes : mapping of str to tuple
        Images of other voxels.
    options : dict
        Of the run; paths count from the dataset.
    ages : mapping of str to float or None, optional
        Of each session that can be processed.
    uses : mapping of str to list of str
        Names of files, by session and modality ("sub-01 T1w").
    failed : tuple of str
        Who cannot be processed.
    says, never : tuple of str
        What is and is not told.
    code : int
        Exit code.
    """

    images: tuple[str, ...] = (ONE,)
    files: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    ages: Mapping[str, float | None] | None = None
    uses: Mapping[str, list[str]] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    code: int = 0


def table(*rows: str) -> dict[str, str]:
    """participants.tsv, with blanks for tabs."""
    return {TABLE: "".join(row.replace(" ", "\t") + "\n" for row in rows)}


def ages_of(unit: str, value: str, age: float | None, *says: str) -> Case:
    """One person whose participants.json declares a unit."""
    files = table("participant_id age", f"sub-01 {value}") | {"participants.json": unit}
    return Case(files=files, ages={"sub-01": age}, says=says)


def units(word: str) -> str:
    return f'{{"age": {{"Units": "{word}"}}}}'


def of_sessions(files: Mapping[str, str], a: float | None, b: float | None, *says: str) -> Case:
    """One person with two sessions of 120 and 360 units."""
    own = {SESSIONS: "session_id\tage\nses-a\t120\nses-b\t360\n"}
    return Case(AB, own | dict(files), ages={"sub-01_ses-a": a, "sub-01_ses-b": b}, says=says)


def prepared(*stems: str, folder: str = "prep") -> tuple[str, ...]:
    """A T1w image and its mask, as fMRIPrep names them."""
    return tuple(
        f"{folder}/{'/'.join(re.findall('(?:sub|ses)-[^_]*', stem))}/anat/{stem}_{rest}.nii.gz"
        for stem in stems
        for rest in ("desc-preproc_T1w", "desc-brain_mask")
    )


TWO = (ONE, "sub-02/anat/sub-02_T1w.nii.gz")
PREP = {"derivatives": {"p": "prep"}}
FS = {"fs_subjects_dir": "fs"}
BRAINS = "fs/{}/mri/brain.finalsurfs.mgz"


def raw(*words: str, suffix: str = "T1w") -> tuple[str, ...]:
    """Raw images of one person that differ in these words."""
    return tuple(f"sub-01/anat/sub-01_{word}_{suffix}.nii.gz" for word in words)


def filtered(images: tuple[str, ...], query: Any, *, fs: bool = False, **facts: Any) -> Case:
    """Raw and prepared images, and a filter file (of T1w, if no modality is named) or a .bidsignore."""
    options: dict[str, Any] = FS if fs else PREP
    if isinstance(query, str):
        files = {".bidsignore": query}
    else:
        text = json.dumps(query if query.keys() & {"t1w", "flair"} else {"t1w": query})
        files = {"filter.json": text}
        options = options | {"bids_filter_file": "filter.json"}
    return Case(images, files, options=options, **facts)


def left_out(images: tuple[str, ...], query: Any, *says: str, fs: bool = False) -> Case:
    """What is prepared is not wanted, and there is nothing else."""
    return filtered(images, query, fs=fs, code=2, says=("is not prepared", "leaves out", *says))


CASES = {
    # Copies and files outside their place
    "a copy in anat/old": Case(
        (ONE, "sub-01/anat/old/sub-01_T1w.nii.gz"),
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        says=("anat/old/sub-01_T1w.nii.gz left out",),
    ),
    "a copy in derivatives of a person": Case(
        (ONE, "sub-01/derivatives/x/sub-01/anat/sub-01_T1w.nii.gz"),
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        says=("directly in",),
    ),
    "a copy beside anat": Case(
        (ONE, "sub-01/sub-01_T1w.nii.gz"), uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]}, says=("directly in",)
    ),
    "a copy with a word in its name": Case(
        (ONE, "sub-01/anat/sub-01_brain_T1w.nii.gz"),
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        says=("sub-01_brain_T1w.nii.gz left out",),
    ),
    "copies of file managers": Case(
        (ONE, "sub-01/anat/sub-01_T1w (1).nii.gz", "sub-01/anat/Copy of sub-01_T1w.nii.gz"),
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
    ),
    "a run that .bidsignore names": Case(
        ("sub-01/anat/sub-01_run-1_T1w.nii.gz", "sub-01/anat/sub-01_run-2_T1w.nii.gz"),
        {".bidsignore": "*_run-2_*\n"},
        uses={"sub-01 T1w": ["sub-01_run-1_T1w.nii.gz"]},
        says=(".bidsignore names them",),
    ),
    "an image in another's folder": Case(
        (*TWO, "sub-02/anat/sub-01_FLAIR.nii.gz"),
        uses={"sub-02 T1w": ["sub-02_T1w.nii.gz"], "sub-02 FLAIR": []},
        says=("sub-02/anat/sub-01_FLAIR.nii.gz left out",),
    ),
    "a person whom .bidsignore names": Case(
        TWO,
        {".bidsignore": "sub-02/\n"},
        ages={"sub-01": None},
        says=("sub-02/anat/sub-02_T1w.nii.gz left out, because .bidsignore",),
    ),
    "a .bidsignore that cannot be read": Case(
        files={".bidsignore/x": ""}, ages={"sub-01": None}, says=(".bidsignore cannot be read",)
    ),
    # People who are not seen
    **{
        f"a folder {name}": Case(
            (ONE, f"{name}/anat/{name}_T1w.nii.gz"), says=(f"{name} left out",), ages={"sub-01": None}
        )
        for name in ("sub-01_x", "sub-01-a", "Sub-02", "SUB-02", "sub 03", "sub_04", "sub05", "subject-06")
    },
    "a person's folder is a link to nothing": Case(
        files={"sub-02": "->nowhere"}, says=("sub-02 left out", "links to nothing")
    ),
    "nobody but such": Case(("Sub-02/anat/sub-02_T1w.nii.gz",), says=("there are Sub-02",), code=2),
    # Units of age
    **{
        f"a unit {word}": ages_of(units(word), "600", age)
        for word, age in {
            "mo": 50,
            "Months": 50,
            "MONTH": 50,
            "mths": 50,
            "age in months": 50,
            "wk": 600 * 7 / 365.25,
            "weeks": 600 * 7 / 365.25,
            "d": 600 / 365.25,
            "Days": 600 / 365.25,
        }.items()
    },
    **{
        f"a unit {word}": ages_of(units(word), "60", 60)
        for word in ("a", "yr", "yrs.", "Years", "years old", "year(s)", "years [a]")
    },
    "an unknown unit": ages_of(units("fortnight"), "60", None, "'fortnight' for age, which is unknown"),
    "units, not Units": ages_of('{"age": {"units": "months"}}', "600", 50),
    "Age in the JSON file": ages_of('{"Age": {"UNITS": "months"}}', "600", 50),
    "the column Age": Case(
        files=table("participant_id Age", "sub-01 600") | {"participants.json": MONTHS}, ages={"sub-01": 50}
    ),
    "months that are no years": ages_of(units("years"), "600", None, "impossible"),
    "an age like 89+": ages_of(YEARS, "89+", None, "89+"),
    "age_months": Case(
        files=table("participant_id age_months", "sub-01 600"),
        ages={"sub-01": 50},
        says=("column age_months",),
    ),
    "AgeYrs": Case(files=table("participant_id AgeYrs", "sub-01 60"), ages={"sub-01": 60}),
    "age_months, called years": Case(
        files=table("participant_id age_months", "sub-01 60")
        | {"participants.json": '{"age_months": {"Units": "years"}}'},
        ages={"sub-01": None},
        says=("while the table says another",),
    ),
    "age_at_scan": Case(
        files=table("participant_id age_at_scan", "sub-01 60"), ages={"sub-01": None}, says=("age_at_scan",)
    ),
    "age_months and age_years": Case(
        files=table("participant_id age_months age_years", "sub-01 600 50"), ages={"sub-01": None}
    ),
    # A unit that is not under Units
    **{
        f"a unit in {name}": ages_of(text, "96", None, "declares no Units")
        for name, text in {
            "Description": '{"age": {"Description": "Age in months"}}',
            "Description, beside years": '{"age": {"Description": "Age in months, from years"}}',
            "LongName": '{"Age": {"LongName": "Age (month)", "Units": ""}}',
            "text": '{"age": "months of the child at the scan"}',
            "one word": '{"age": {"Description": "month"}}',
            "short": '{"age": {"Description": "Age [mo]"}}',
        }.items()
    },
    "a description of a day": ages_of('{"age": {"Description": "years on the day of the scan (a)"}}', "9", 9),
    "a description beside Units": ages_of('{"age": {"Description": "in months", "Units": "years"}}', "9", 9),
    "a description of another column": ages_of('{"onset": "in months"}', "9", 9),
    "a column of units": Case(
        TWO,
        table("participant_id age age_unit", "sub-01 96 Months", "sub-02 9 n/a"),
        ages={"sub-01": 8, "sub-02": 9},
    ),
    "a column of units that are none": Case(
        files=table("participant_id age AgeUnits", "sub-01 96 moons"),
        ages={"sub-01": None},
        says=("'moons'",),
    ),
    "a column of units, called years": Case(
        files=table("participant_id age age_unit", "sub-01 96 months") | {"participants.json": YEARS},
        ages={"sub-01": None},
        says=("while the table says another",),
    ),
    # JSON files that cannot be read
    **{
        f"participants.json with {name}": ages_of(text, "96", None, "the unit of age is not known")
        for name, text in {
            "a comma too many": '{"age": {"Units": "months",}}',
            "a list": "[1]",
            "no end of lists": "[" * 100_000,
            "no content": "",
        }.items()
    },
    "participants.json of no use, age_months": Case(
        files=table("participant_id age_months", "sub-01 96") | {"participants.json": "{"},
        ages={"sub-01": 8},
        says=("participants.json is not valid JSON",),
    ),
    "sessions.json of no use": of_sessions({"sessions.json": "{"}, None, None, "unit of age is not known"),
    # Each table its own unit
    **{
        f"sessions of which nothing is said, people with {name}": of_sessions(
            files, None, None, "declare it in"
        )
        for name, files in {
            "age_months": table("participant_id age_months", "sub-01 108"),
            "age_months that are declared": table("participant_id age_months", "sub-01 108")
            | {"participants.json": '{"age_months": {"Units": "months"}}'},
            "a column of units": table("participant_id age age_unit", "sub-01 108 months"),
            "months in words": {"participants.json": '{"age": "in months"}'},
            "a JSON file of no use": {"participants.json": "{"},
        }.items()
    },
    "sessions in months, beside": of_sessions(
        {"sub-01/sub-01_sessions.json": MONTHS, "participants.json": YEARS}, 10, 30
    ),
    "sessions in months, in the root": of_sessions(
        {"sessions.json": MONTHS, "participants.json": YEARS}, 10, 30
    ),
    "sessions in months, inherited by name": of_sessions({"sub-01_sessions.json": MONTHS}, 10, 30),
    "sessions in months, in the folder": of_sessions(
        {"sub-01/sessions.json": MONTHS, "sessions.json": YEARS}, 10, 30
    ),
    "sessions in weeks, people in months": of_sessions(
        {"sessions.json": units("wk"), "participants.json": MONTHS}, 120 * 7 / 365.25, 360 * 7 / 365.25
    ),
    "sessions in days, by name": Case(
        AB,
        {SESSIONS: "session_id\tage_days\nses-a\t365.25\nses-b\t730.5\n"},
        ages={"sub-01_ses-a": 1, "sub-01_ses-b": 2},
    ),
    "sessions of which nothing is said": of_sessions(
        {"participants.json": MONTHS}, None, None, "declare it in sub-01_sessions.json"
    ),
    "sessions of which nothing is said, people in years": of_sessions(
        {"participants.json": YEARS}, 120, None
    ),
    "sessions without their zeros": Case(
        ("sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz",),
        table("participant_id age", "sub-01 20") | {SESSIONS: "session_id\tage\n1\t30\n"},
        ages={"sub-01_ses-01": None},
        says=("same but for zeros",),
    ),
    # What was asked for is not there
    "FreeSurfer has not finished": Case(
        (*TWO, "fs/sub-01/mri/brain.finalsurfs.mgz", "fs/sub-02/mri/orig.mgz"),
        options=FS,
        ages={"sub-01": None},
        failed=("sub-02",),
        says=("--fs-subjects-dir has no mri/brain.finalsurfs.mgz of sub-02", "--allow-raw-fallback"),
    ),
    "a T1w without its mask": Case(
        (*TWO, *prepared("sub-01"), "prep/sub-02/anat/sub-02_desc-preproc_T1w.nii.gz"),
        options=PREP,
        ages={"sub-01": None},
        failed=("sub-02",),
        says=("no desc-brain_mask with the same entities",),
    ),
    "the mask of another T1w": Case(
        (
            ONE,
            "prep/sub-01/anat/sub-01_acq-a_desc-preproc_T1w.nii.gz",
            "prep/sub-01/anat/sub-01_acq-b_desc-brain_mask.nii.gz",
        ),
        options=PREP,
        says=("no desc-brain_mask",),
        code=2,
    ),
    "the raw image is allowed": Case(
        (*TWO, *prepared("sub-01")),
        options=PREP | {"allow_raw_fallback": True},
        ages={"sub-01": None, "sub-02": None},
        says=("sub-02 is not prepared", "raw images are used"),
    ),
    "the wrong SUBJECTS_DIR": Case(
        (ONE, "fs/fsaverage/mri/brain.mgz"), options=FS, says=("has no sub-<label> folder",), code=2
    ),
    "the raw dataset for its derivatives": Case(
        options={"derivatives": {"p": "."}}, says=("p has no desc-preproc_T1w",), code=2
    ),
    "FreeSurfer lacks whom fMRIPrep has": Case(
        (*TWO, *prepared("sub-01", "sub-02"), "fs/sub-01/mri/brain.finalsurfs.mgz"),
        options=PREP | FS,
        ages={"sub-01": None, "sub-02": None},
        says=("its T1w image is that of p",),
    ),
    "FreeSurfer's template of all sessions": Case(
        (*AB, "fs/sub-01/mri/brain.finalsurfs.mgz", "fs/sub-01_ses-a/mri/brain.finalsurfs.mgz"),
        options=FS,
        ages={"sub-01_ses-a": None},
        failed=("sub-01_ses-b",),
    ),
    "one session of two is prepared": Case(
        (
            *AB,
            "prep/sub-01/ses-a/anat/sub-01_ses-a_desc-preproc_T1w.nii.gz",
            "prep/sub-01/ses-a/anat/sub-01_ses-a_desc-brain_mask.nii.gz",
            *prepared("sub-01"),
        ),
        options=PREP,
        ages={"sub-01_ses-a": None},
        failed=("sub-01_ses-b",),
    ),
    "two prepared T1w images": Case(
        (ONE, *prepared("sub-01_acq-a", "sub-01_acq-b")),
        options=PREP,
        uses={"sub-01 prepared": ["sub-01_acq-a_desc-preproc_T1w.nii.gz"]},
        says=("2 prepared T1w images",),
    ),
    "one session of a mean of two": Case(
        (*AB, *prepared("sub-01")),
        options=PREP | {"session_label": ("b",)},
        ages={"sub-01_ses-b": None},
        says=("perhaps a mean of ses-a, ses-b",),
    ),
    # A filter and .bidsignore hold for prepared images
    "a filter, and the other is prepared": left_out(
        (*raw("acq-a", "acq-b"), *prepared("sub-01_acq-a")),
        {"acquisition": "b"},
        "p has sub-01_acq-a_desc-preproc_T1w.nii.gz",
    ),
    "a filter, and both are prepared": filtered(
        (*raw("acq-a", "acq-b"), *prepared("sub-01_acq-a", "sub-01_acq-b")),
        {"acquisition": "b"},
        uses={"sub-01 prepared": ["sub-01_acq-b_desc-preproc_T1w.nii.gz"]},
        never=("2 prepared", "look at what it was made of"),
    ),
    **{
        f"a filter {query} takes the prepared {word}": filtered(
            (*raw(*words), *(prepared(*(f"sub-01_{word}" for word in words)))),
            query,
            uses={"sub-01 prepared": [f"sub-01_{word}_desc-preproc_T1w.nii.gz"]},
        )
        for words, query, word in (
            (("acq-a", "acq-b", "rec-x"), {"acquisition": ["b", "c"]}, "acq-b"),
            (("acq-a", "acq-b", "rec-x"), {"acquisition": None}, "rec-x"),
            (("acq-a", "acq-b", "rec-x"), {"reconstruction": "*"}, "rec-x"),
            (("acq-a", "rec-x"), {"acquisition": [None, "c"]}, "rec-x"),
            (("run-01", "run-02"), {"run": 2}, "run-02"),
            (("run-01", "run-02"), {"run": ["2"]}, "run-02"),
            (("ce-gd", "ce-x"), {"ceagent": "x"}, "ce-x"),
            (("acq-scout", "acq-b"), {"acquisition": "scout"}, "acq-scout"),
        )
    },
    "a filter, and the raw image is not there": left_out(
        ("sub-01/anat/sub-01_FLAIR.nii.gz", *prepared("sub-01_acq-a")), {"acquisition": "b"}
    ),
    "a filter, the other is prepared, and the raw image is allowed": replace(
        filtered((*raw("acq-a", "acq-b"), *prepared("sub-01_acq-a")), {"acquisition": "b"}),
        options=PREP | {"bids_filter_file": "filter.json", "allow_raw_fallback": True},
        uses={"sub-01 T1w": ["sub-01_acq-b_T1w.nii.gz"], "sub-01 prepared": []},
        says=("raw images are used",),
    ),
    "a filter, and a merged image": filtered(
        (*raw("acq-a", "acq-b"), *prepared("sub-01")),
        {"acquisition": "b"},
        uses={"sub-01 prepared": ["sub-01_desc-preproc_T1w.nii.gz"]},
        says=("may be made of sub-01_acq-a_T1w.nii.gz, too",),
    ),
    "a filter, and a merged image of others": left_out(
        (*raw("acq-a", "acq-c"), "sub-01/anat/sub-01_FLAIR.nii.gz", *prepared("sub-01")), {"acquisition": "b"}
    ),
    "a filter, and an image of which nothing is known": filtered(
        ("sub-01/anat/sub-01_FLAIR.nii.gz", *prepared("sub-01")),
        {"acquisition": "b"},
        says=("does not say in its name",),
    ),
    "a filter by session, and both are prepared": filtered(
        (
            *AB,
            *(image.replace("T1w", "FLAIR") for image in AB),
            *prepared("sub-01_ses-a", "sub-01_ses-b"),
        ),
        {"session": "b"},
        ages={"sub-01_ses-b": None},
        uses={"sub-01_ses-b prepared": ["sub-01_ses-b_desc-preproc_T1w.nii.gz"]},
    ),
    "one session has what a filter asks for": filtered(
        (
            "sub-01/ses-a/anat/sub-01_ses-a_acq-x_T1w.nii.gz",
            "sub-01/ses-b/anat/sub-01_ses-b_acq-x_T1w.nii.gz",
            "sub-01/ses-b/anat/sub-01_ses-b_acq-y_T1w.nii.gz",
            *prepared("sub-01_ses-a_acq-x", "sub-01_ses-b_acq-y"),
        ),
        {"acquisition": "x"},
        ages={"sub-01_ses-a": None},
        failed=("sub-01_ses-b",),
    ),
    "a mean of sessions, of which a filter leaves out one": filtered(
        (*AB, *prepared("sub-01")),
        {"session": "b"},
        ages={"sub-01_ses-b": None},
        says=("may be made of sub-01_ses-a_T1w.nii.gz, too",),
    ),
    "a mean of sessions of nothing that a filter takes": left_out(
        (*(image.replace("T1w", "FLAIR") for image in AB), *AB, *prepared("sub-01")),
        {"acquisition": "x"},
        "p has sub-01_desc-preproc_T1w.nii.gz",
    ),
    "an ignored run is prepared": filtered(
        (*raw("run-1", "run-2"), *prepared("sub-01_run-1", "sub-01_run-2")),
        "*run-1*\n",
        uses={"sub-01 prepared": ["sub-01_run-2_desc-preproc_T1w.nii.gz"]},
        never=("2 prepared",),
    ),
    "an ignored run is prepared, and taken back": filtered(
        (*raw("run-1", "run-2"), *prepared("sub-01_run-1", "sub-01_run-2")),
        "*_T1w.nii.gz\n!*run-1_T1w*\n",
        uses={"sub-01 prepared": ["sub-01_run-1_desc-preproc_T1w.nii.gz"]},
    ),
    "only an ignored run is prepared": left_out(
        (*raw("run-1", "run-2"), *prepared("sub-01_run-1")), "sub-01/anat/*_run-1_*"
    ),
    "an ignored run is perhaps merged": filtered(
        (*raw("run-1", "run-2"), *prepared("sub-01")),
        "*run-1*",
        says=("may be made of sub-01_run-1_T1w.nii.gz, too",),
    ),
    "an ignored image that is not there is prepared": left_out(
        ("sub-01/anat/sub-01_FLAIR.nii.gz", *prepared("sub-01_run-1")), "*run-1_T1w.nii.gz"
    ),
    "ignored images that are not compressed": filtered(
        (ONE, "sub-01/anat/sub-01_T1w.nii", *prepared("sub-01")),
        "*.nii",
        uses={"sub-01 prepared": ["sub-01_desc-preproc_T1w.nii.gz"]},
        never=("look at what it was made of",),
    ),
    "a prepared run without its zeros": filtered(
        (*raw("run-01", "run-02"), *prepared("sub-01_run-1", "sub-01_run-2")),
        "*run-01*",
        uses={"sub-01 prepared": ["sub-01_run-2_desc-preproc_T1w.nii.gz"]},
        never=("look at what it was made of",),
    ),
    "a filter by suffix, and the other is prepared": left_out(
        (ONE, "sub-01/anat/sub-01_UNIT1.nii.gz", *prepared("sub-01")), {"suffix": "UNIT1"}
    ),
    "a person whom .bidsignore names is prepared": filtered(
        (*TWO, *prepared("sub-01", "sub-02")),
        "sub-02/\n",
        ages={"sub-01": None},
        says=("sub-02/anat/sub-02_T1w.nii.gz left out",),
    ),
    "a person whom .bidsignore names is prepared, and has no raw image": filtered(
        (ONE, "sub-02/func/sub-02_task-x_bold.nii.gz", *prepared("sub-01", "sub-02")),
        "sub-02/\n",
        ages={"sub-01": None},
        says=("sub-02 left out, because .bidsignore",),
    ),
    "a filter by person": filtered(
        (*TWO, "sub-02/anat/sub-02_FLAIR.nii.gz", *prepared("sub-01", "sub-02")),
        {"subject": "01"},
        ages={"sub-01": None},
        failed=("sub-02",),
    ),
    "the second of two datasets has what a filter asks for": Case(
        (
            *raw("acq-a", "acq-b"),
            *prepared("sub-01_acq-a", folder="p1"),
            *prepared("sub-01_acq-b", folder="p2"),
        ),
        {"filter.json": '{"t1w": {"acquisition": "b"}}'},
        options={"derivatives": {"a": "p1", "b": "p2"}, "bids_filter_file": "filter.json"},
        uses={"sub-01 prepared": ["sub-01_acq-b_desc-preproc_T1w.nii.gz"]},
        says=("a has sub-01_acq-a_desc-preproc_T1w.nii.gz, which", "its T1w image is that of b"),
    ),
    "a prepared image of no raw one": Case(
        (*raw("acq-a"), *prepared("sub-01_acq-zzz")),
        options=PREP,
        says=("of none of the raw images that are there (sub-01_acq-a_T1w.nii.gz)",),
    ),
    "FreeSurfer's brain, and a filter that leaves out one of two": filtered(
        (*raw("acq-a", "acq-b"), BRAINS.format("sub-01")),
        {"acquisition": "b"},
        fs=True,
        uses={"sub-01 brain": ["sub-01"]},
        says=("may be made of sub-01_acq-a_T1w.nii.gz, too",),
    ),
    "FreeSurfer's brain, and a filter that takes nothing": left_out(
        (*raw("acq-a"), "sub-01/anat/sub-01_FLAIR.nii.gz", BRAINS.format("sub-01")),
        {"acquisition": "b"},
        "of sub-01, but of raw images",
        fs=True,
    ),
    "FreeSurfer's brain of an ignored session": replace(
        filtered(
            (*AB, AB[0].replace("T1w", "FLAIR"), *map(BRAINS.format, ("sub-01_ses-a", "sub-01_ses-b"))),
            "*ses-a_T1w*",
            fs=True,
        ),
        ages={"sub-01_ses-b": None},
        uses={"sub-01_ses-b brain": ["sub-01_ses-b"]},
    ),
    "FreeSurfer's brain, and a filter that takes all": filtered(
        (*raw("run-1", "run-2"), BRAINS.format("sub-01")),
        {"acquisition": None},
        fs=True,
        never=("look at what it was made of",),
    ),
    # Prepared FLAIR images
    **{
        f"prepared FLAIR {chosen}, {others}": Case(
            (ONE, *prepared("sub-01")),
            sizes={
                f"prep/sub-01/anat/sub-01_{word}_desc-preproc_FLAIR.nii.gz": (1, 1, size)
                for size, word in enumerate((chosen, *others), start=1)
            },
            options=PREP,
            uses={"sub-01 prepared-FLAIR": [f"sub-01_{chosen}_desc-preproc_FLAIR.nii.gz"]},
            says=("2 prepared FLAIR images",),
        )
        for chosen, *others in (
            ("run-1", "run-2"),
            ("acq-space", "acq-lowres"),
            ("acq-a_run-1", "acq-scout"),
            ("acq-z", "acq-a"),
            ("acq-space_rec-x", "acq-lowres_space-T1w", "acq-lowres"),
            ("acq-a_space-T1w", "acq-a_ce-gd"),
        )
    },
    "prepared FLAIR and a filter": filtered(
        (
            ONE,
            *prepared("sub-01"),
            *(f"prep/{i[:12]}sub-01_acq-{a}_desc-preproc_FLAIR.nii.gz" for i in [ONE] for a in "ab"),
        ),
        {"flair": {"acquisition": "b"}},
        uses={"sub-01 prepared-FLAIR": ["sub-01_acq-b_desc-preproc_FLAIR.nii.gz"]},
    ),
    "prepared FLAIR that a filter leaves out": filtered(
        (ONE, *prepared("sub-01"), "prep/sub-01/anat/sub-01_acq-a_desc-preproc_FLAIR.nii.gz"),
        {"flair": {"acquisition": "b"}},
        uses={"sub-01 prepared-FLAIR": []},
        says=("p has sub-01_acq-a_desc-preproc_FLAIR.nii.gz, which --bids-filter-file", "has no FLAIR image"),
    ),
    "prepared FLAIR beside a raw one": Case(
        (
            ONE,
            *raw("acq-b", suffix="FLAIR"),
            *prepared("sub-01"),
            "prep/sub-01/anat/sub-01_acq-a_desc-preproc_FLAIR.nii.gz",
        ),
        options=PREP,
        uses={"sub-01 FLAIR": ["sub-01_acq-b_FLAIR.nii.gz"]},
        never=("acq-a_desc-preproc_FLAIR",),
    ),
    # Several preparations in one study
    "two datasets, a person each": Case(
        (*TWO, *prepared("sub-01", folder="p1"), *prepared("sub-02", folder="p2")),
        options={"derivatives": {"a": "p1", "b": "p2"}},
        ages={"sub-01": None, "sub-02": None},
        says=(
            "sub-02: a has no desc-preproc_T1w of sub-02 in its own space; its T1w image is that of b.",
            "several preparations (1 of a, 1 of b)",
        ),
        never=("sub-01: ",),
    ),
    "two datasets that have everybody": Case(
        (*TWO, *(name for folder in ("p1", "p2") for name in prepared("sub-01", "sub-02", folder=folder))),
        options={"derivatives": {"a": "p1", "b": "p2"}},
        never=("several preparations", "its T1w image is that of"),
    ),
    "FreeSurfer, fMRIPrep and raw images": Case(
        (*TWO, "sub-03/anat/sub-03_T1w.nii.gz", *prepared("sub-02"), BRAINS.format("sub-01")),
        options=PREP | FS | {"allow_raw_fallback": True},
        says=(
            "1 of --fs-subjects-dir, 1 of p, 1 of BIDS_DIR",
            "sub-02: --fs-subjects-dir has no mri/brain.finalsurfs.mgz of sub-02; its T1w",
        ),
    ),
    # Names that are not read
    **{
        f"{name} is told": Case(
            (ONE,),
            {f"sub-01/{name}": ""},
            uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"], "sub-01 FLAIR": [], "sub-01 T2starw": []},
            says=(f"sub-01/{name} left out, because the name of an image ends in",),
        )
        for name in (
            "anat/sub-01_t1w.nii.gz",
            "anat/sub-01_T1W.nii",
            "anat/sub-01_T1.nii.gz",
            "anat/sub-01_Flair.nii.gz",
            "anat/sub-01_T2FLAIR.nii.gz",
            "anat/sub-01_T2star.nii.gz",
            "swi/sub-01_SWI.nii.gz",
            "anat/sub-01_acq-x_T1w.NII.GZ",
            "anat/sub-01_T1w.nii.GZ",
            "anat/sub-01_T1w.nii.bz2",
            "anat/sub-01_T1w.mgz",
            "anat/sub-01_T1w_Eq_1.nii.gz",
            "anat/sub-01_T1w__dup-01.nii.gz",
            "anat/sub-01_T1w_heudiconv123.nii.gz",
            "anat/sub-01_T1wa.nii.gz",
            "anat/sub-01_T1w1.nii.gz",
            "anat/sub-01_T1w (1).nii.gz",
            "anat/sub-01_T1w.1.nii.gz",
            "anat/sub-01_T1w_defaced.nii.gz",
            "anat/sub-01-T1w.nii.gz",
            "anat/T1w_MPRAGE.nii.gz",
        )
    },
    **{
        f"{name} is not told": Case((ONE,), {f"sub-01/{name}": ""}, never=("left out",))
        for name in (
            "anat/sub-01_T1w_defacemask.nii.gz",
            "anat/sub-01_mod-T1w_defacemask.nii.gz",
            "anat/sub-01_T1w_brain_mask.nii.gz",
            "anat/sub-01_T1w_seg.nii.gz",
            "anat/sub-01_T1map.nii.gz",
            "anat/sub-01_T2starmap.nii.gz",
            "anat/sub-01_T2w.nii.gz",
            "anat/sub-01_inv-1_MP2RAGE.nii.gz",
            "anat/sub-01_acq-T1w_PDw.nii.gz",
            "anat/sub-01_T1w_Eq_1.json",
            "anat/._sub-01_T1w.nii.gz",
            "anat/sub-01_T1w.nii.gz.part",
            "func/sub-01_T1w_Eq_1.nii.gz",
        )
    },
    "a misnamed image that .bidsignore names": Case(
        files={"sub-01/anat/sub-01_T1wa.nii.gz": "", ".bidsignore": "*T1wa*\n"}, never=("left out",)
    ),
    "a suffix that a filter asks for": Case(
        (ONE, "sub-01/anat/sub-01_t1w.nii.gz"),
        {"filter.json": '{"t1w": {"suffix": "t1w"}}'},
        options={"bids_filter_file": "filter.json"},
        uses={"sub-01 T1w": ["sub-01_t1w.nii.gz"]},
        never=("left out",),
    ),
    "misnamed images of a session that is not asked for": Case(
        (*AB, "sub-01/ses-a/anat/sub-01_ses-a_T1wa.nii.gz"),
        options={"session_label": ("b",)},
        never=("left out",),
    ),
    "the only T1w image is misnamed": Case(
        (*TWO[:1], "sub-02/anat/sub-02_t1w.nii.gz"),
        ages={"sub-01": None},
        failed=("sub-02",),
        says=("sub-02/anat/sub-02_t1w.nii.gz left out",),
    ),
    "a label with a dot": Case(
        (ONE, "sub-01/anat/sub-01_acq-1.5_T1w.nii.gz"),
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        says=("sub-01_acq-1.5_T1w.nii.gz left out",),
    ),
    # Two files of the same name
    **{
        f"{unused} beside {used}": Case(
            (ONE, f"sub-01/anat/sub-01_{used}", f"sub-01/anat/sub-01_{unused}"),
            uses={f"sub-01 {modality}": [f"sub-01_{used}"]},
            says=(f"anat/sub-01_{used} is used, and anat/sub-01_{unused} is not",),
            never=("kinds of",),
        )
        for modality, used, unused in (
            ("T1w", "T1w.nii.gz", "T1w.nii"),
            ("FLAIR", "acq-x_FLAIR.nii.gz", "acq-x_FLAIR.nii"),
            ("FLAIR", "run-01_FLAIR.nii.gz", "run-1_FLAIR.nii.gz"),
            ("T2starw", "run-1_swi.nii.gz", "run-01_swi.nii"),
        )
    },
    "a copy in swi beside anat": Case(
        (ONE, "sub-01/anat/sub-01_swi.nii.gz", "sub-01/swi/sub-01_swi.nii.gz"),
        uses={"sub-01 T2starw": ["sub-01_swi.nii.gz"]},
        says=("anat/sub-01_swi.nii.gz is used, and swi/sub-01_swi.nii.gz is not",),
    ),
    "runs that are two": Case(
        raw("run-1", "run-2", "run-10"),
        uses={"sub-01 T1w": [f"sub-01_run-{run}_T1w.nii.gz" for run in (1, 2, 10)]},
        never=("is not, because",),
    ),
    # Names that fMRIPrep writes
    **{
        f"prepared as {stem}": Case(
            (ONE, *prepared(f"sub-01{stem}", f"sub-01{stem}_space-MNI152NLin2009cAsym_res-2")),
            options=PREP,
            uses={"sub-01 prepared": [f"sub-01{stem}_desc-preproc_T1w.nii.gz"]},
        )
        for stem in (
            "",
            "_acq-a_rec-norm_run-1",
            "_ce-gd",
            "_run-01",
            "_part-mag",
            "_acq-x",
            "_acq-x_ce-gd_rec-a_run-2",
        )
    },
    "standard space alone": Case(
        (ONE, *prepared("sub-01_acq-x_space-MNI152NLin2009cAsym")),
        options=PREP,
        says=("in its own space",),
        code=2,
    ),
    # Links to nothing
    **{
        f"{name} is a link to nothing": Case(
            files=table("participant_id age", "sub-01 30") | {name: "->nowhere"},
            says=(name, "datalad get"),
            code=2,
        )
        for name in (TABLE, "participants.json", "sessions.json", ".bidsignore", "dataset_description.json")
    },
    **{
        f"{name} is a link to nothing": Case(
            (*AB, "sub-02/anat/sub-02_T1w.nii.gz"),
            {SESSIONS: "session_id\tage\nses-a\t30\nses-b\t31\n", name: "->nowhere"},
            ages={"sub-02": None},
            failed=("sub-01_ses-a", "sub-01_ses-b"),
            says=(name, "datalad get"),
        )
        for name in (SESSIONS, "sub-01/sub-01_sessions.json")
    },
    "an image is a link to nothing": Case(
        files={"sub-02/anat/sub-02_T1w.nii.gz": "->nowhere"}, failed=("sub-02",), ages={"sub-01": None}
    ),
    "an image is git-annex's pointer": Case(
        files={"sub-02/anat/sub-02_T1w.nii.gz": "/annex/objects/MD5E-s1--a.nii.gz\n"},
        failed=("sub-02",),
        says=("datalad get",),
    ),
    "a table is git-annex's pointer": Case(
        files={TABLE: "/annex/objects/MD5E-s1--a.tsv\n"}, says=("datalad get",), code=2
    ),
    # Tables
    "two columns age": Case(
        files=table("participant_id age age", "sub-01 34 99"), says=("two columns named age",), code=2
    ),
    "two columns session_id": Case(
        AB,
        {SESSIONS: "session_id\tage\tage\nses-a\t1\t2\n"} | table("participant_id age", "sub-01 3"),
        says=("two columns named age",),
        code=2,
    ),
    "a person twice": Case(
        files=table("participant_id age", "sub-01 34", "01 35"), says=("lists 01 twice",), code=2
    ),
    "a session twice": Case(
        AB, {SESSIONS: "session_id\tage\nses-a\t1\na\t2\n"}, says=("lists a twice",), code=2
    ),
    "tabs at the ends of rows": Case(
        files=table("participant_id age sex", "sub-01 34 F "), ages={"sub-01": 34}
    ),
    "tabs at the end of the header": Case(
        files=table("participant_id age sex  ", "sub-01 34 F"), ages={"sub-01": 34}
    ),
    "R with row names": Case(
        files=table('"participant_id" "age" "sex"', '"1" "sub-01" 34 "F"'), ages={"sub-01": 34}
    ),
    "R without row names": Case(files=table('"participant_id" "age"', '"sub-01" 34'), ages={"sub-01": 34}),
    "R without quotes": Case(
        files=table("participant_id age sex", "1 sub-01 34 F", "2 sub-02 35 M"), ages={"sub-01": 34}
    ),
    "rows with a cell too many": Case(
        files=table("participant_id age", "sub-01 34 F"), says=("line 2 has 3 columns",), code=2
    ),
    "rows with a word in front": Case(
        files=table("participant_id age", "x sub-01 34"), says=("line 2 has 3 columns",), code=2
    ),
    "Participant_ID": Case(files=table("Participant_ID Age", "sub-01 34"), ages={"sub-01": 34}),
    "an empty first line": Case(files={TABLE: "\nparticipant_id\tage\nsub-01\t34\n"}, ages={"sub-01": 34}),
    "commas": Case(
        files={TABLE: "participant_id,age\nsub-01,34\n"}, says=("separate columns with tabs",), code=2
    ),
    "no content": Case(files={TABLE: ""}, says=("no column participant_id",), code=2),
    "the header alone": Case(
        files=table("participant_id age"), ages={"sub-01": None}, says=("no row for sub-01",)
    ),
    "zeros lost": Case(
        ("sub-001/anat/sub-001_T1w.nii.gz",),
        table("participant_id age", "1 34"),
        ages={"sub-001": None},
        says=("no row for sub-001, but one for 1",),
    ),
    **{
        f"a row a session, in {name}": Case(
            AB,
            table(f"participant_id {name} age", "sub-01 ses-a 34", "sub-01 b 36"),
            ages={"sub-01_ses-a": 34, "sub-01_ses-b": 36},
        )
        for name in ("session_id", "session", "Session")
    },
    "a column session that is none": Case(
        files=table("participant_id session age", "sub-01 morning 34"), ages={"sub-01": 34}
    ),
    **{
        f"a column {name}, a row a person": Case(
            (*AB, "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz"),
            table(f"participant_id {name} age", "sub-01 ses-b 36", "sub-02 a 20"),
            ages={"sub-01_ses-a": None, "sub-01_ses-b": 36, "sub-02_ses-a": 20},
        )
        for name in ("session", "Session", "ses", "visit", "timepoint")
    },
    **{
        f"zeros lost in {name}": Case(
            ("sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz",),
            table(f"participant_id {name} age", "sub-01 1 36"),
            ages={"sub-01_ses-01": None},
            says=("but one for 1", "same but for zeros"),
        )
        for name in ("session_id", "session")
    },
    **{
        f"{name} is not the age": Case(
            files=table(f"participant_id {name}", "sub-01 39"), ages={"sub-01": None}
        )
        for name in ("age_at_birth_weeks", "age_at_birth", "age_since_scan_days")
    },
    "age_since_birth_months": Case(
        files=table("participant_id age_since_birth_months", "sub-01 96"), ages={"sub-01": 8}
    ),
    "a year of birth": ages_of(units("year of birth"), "60", None, "unknown"),
    **{
        f"sessions.tsv {name}": Case(
            AB,
            table("participant_id age", "sub-01 20") | {SESSIONS: "session_id\tage\nses-a\t21\n" + row},
            ages={"sub-01_ses-a": 21, "sub-01_ses-b": 20},
            says=("sub-01_sessions.tsv gives no age for sub-01_ses-b; that of participants.tsv",),
            never=("no age for sub-01_ses-a",),
        )
        for name, row in {"lacks a session": "", "lacks an age": "ses-b\tn/a\n"}.items()
    },
    "a kind that is not fetched": Case(
        (ONE,),
        {"sub-01/anat/sub-01_acq-highres_T1w.nii.gz": "/annex/objects/MD5E-s1--a.nii.gz\n"},
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        says=("the header of sub-01_acq-highres_T1w.nii.gz cannot be read",),
    ),
    # Images that software made
    **{
        f"{word} beside the raw image": Case(
            (ONE,),
            sizes={
                f"sub-01/anat/sub-01_{word}_{suffix}.nii.gz": (0.5, 0.5, 0.5) for suffix in ("T1w", "FLAIR")
            },
            uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"], "sub-01 FLAIR": []},
            says=(f"sub-01_{word}_T1w.nii.gz", "software made them"),
        )
        for word in ("space-MNI152NLin6Asym", "desc-brain", "label-lesion", "desc-scout", "res-05", "atlas-x")
    },
    "space-MNI alone": Case(
        ("sub-01/anat/sub-01_space-MNI_T1w.nii.gz",), says=("software made them",), code=2
    ),
    "space- is asked for": Case(
        (ONE, "sub-01/anat/sub-01_space-orig_T1w.nii.gz"),
        {"filter.json": '{"t1w": {"space": "orig"}}'},
        options={"bids_filter_file": "filter.json"},
        uses={"sub-01 T1w": ["sub-01_space-orig_T1w.nii.gz"]},
    ),
    "a derivative for BIDS_DIR": Case(
        files={
            "dataset_description.json": '{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
        },
        says=("calls itself a derivative",),
    ),
    # Choice between kinds
    **{
        f"{word} beside the real image": Case(
            (f"sub-01/anat/sub-01_{word}_T1w.nii.gz", "sub-01/anat/sub-01_acq-mprage_rec-x_T1w.nii.gz"),
            uses={"sub-01 T1w": ["sub-01_acq-mprage_rec-x_T1w.nii.gz"]},
            says=("2 kinds of T1w",),
        )
        for word in (
            "acq-AAHScout",
            "acq-scout",
            "acq-Localizer",
            "acq-localiser",
            "acq-lowres",
            "acq-low",
            "acq-3plane",
            "rec-survey",
            "acq-aaheadscout64ch",
            "acq-loc",
        )
    },
    "a scout in another session": Case(
        (AB[0], "sub-01/ses-b/anat/sub-01_ses-b_acq-scout_T1w.nii.gz"), ages={"sub-01_ses-a": None}
    ),
    "a scout in another session, of three": Case(
        (*AB, "sub-01/ses-c/anat/sub-01_ses-c_acq-scout_T1w.nii.gz"),
        ages={"sub-01_ses-a": None, "sub-01_ses-b": None},
        says=("sub-01_ses-c is left out: it has a scout but no T1w",),
    ),
    "a scout alone": Case(
        ("sub-01/anat/sub-01_acq-scout_T1w.nii.gz",),
        uses={"sub-01 T1w": ["sub-01_acq-scout_T1w.nii.gz"]},
        says=("calls it a scout",),
    ),
    "a scout is asked for": Case(
        (ONE, "sub-01/anat/sub-01_acq-scout_T1w.nii.gz"),
        {"filter.json": '{"t1w": {"acquisition": "scout"}}'},
        options={"bids_filter_file": "filter.json"},
        uses={"sub-01 T1w": ["sub-01_acq-scout_T1w.nii.gz"]},
        never=("calls it a scout",),
    ),
    **{
        f"swi with {word}": Case(
            (ONE, f"sub-01/anat/sub-01_{word}_swi.nii.gz", "sub-01/anat/sub-01_acq-x_part-mag_swi.nii.gz"),
            uses={"sub-01 T2starw": ["sub-01_acq-x_part-mag_swi.nii.gz"]},
        )
        for word in (
            "acq-minIP",
            "acq-mIP",
            "rec-MIP",
            "rec-pha",
            "acq-phase",
            "part-phase",
            "acq-SWIphase",
            "acq-filtphase",
            "acq-SWImIPs",
            "rec-phs",
            "acq-mIPs",
            "acq-hpfPhase",
        )
    },
    "a minIP alone": Case(
        (ONE, "sub-01/anat/sub-01_acq-minIP_swi.nii.gz"),
        uses={"sub-01 T2starw": []},
        says=("acq-minIP_swi.nii.gz left out",),
    ),
    "a minIP is asked for": Case(
        (ONE, "sub-01/anat/sub-01_acq-minIP_swi.nii.gz"),
        {"filter.json": '{"t2starw": {"acquisition": "minIP"}}'},
        options={"bids_filter_file": "filter.json"},
        uses={"sub-01 T2starw": ["sub-01_acq-minIP_swi.nii.gz"]},
    ),
    "in phase is no phase": Case(
        ("sub-01/anat/sub-01_acq-inphase_T1w.nii.gz",), uses={"sub-01 T1w": ["sub-01_acq-inphase_T1w.nii.gz"]}
    ),
    "the finest voxels": Case(
        (ONE,),
        sizes={"sub-01/anat/sub-01_acq-x_T1w.nii.gz": (0.8, 0.8, 0.8)},
        uses={"sub-01 T1w": ["sub-01_acq-x_T1w.nii.gz"]},
    ),
    "thick slices are not fine": Case(
        (ONE,),
        sizes={
            "sub-01/anat/sub-01_T1w.nii.gz": (0.4, 0.4, 5),
            "sub-01/anat/sub-01_acq-x_T1w.nii.gz": (1, 1, 1.2),
        },
        uses={"sub-01 T1w": ["sub-01_acq-x_T1w.nii.gz"]},
    ),
    "contrast agent, though finer": Case(
        (ONE,),
        sizes={"sub-01/anat/sub-01_ce-gd_T1w.nii.gz": (0.5, 0.5, 0.5)},
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
    ),
    "MEGRE": Case(
        (
            ONE,
            *(
                f"sub-01/anat/sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz"
                for echo in (1, 2)
                for part in ("mag", "phase")
            ),
        ),
        uses={"sub-01 T2starw": ["sub-01_echo-2_part-mag_MEGRE.nii.gz"]},
    ),
    "MEGRE without part": Case(
        (ONE, *(f"sub-01/anat/sub-01_echo-{echo}_MEGRE.nii.gz" for echo in (1, 10, 9))),
        uses={"sub-01 T2starw": ["sub-01_echo-10_MEGRE.nii.gz"]},
    ),
    "MEGRE's phase alone": Case(
        (ONE, "sub-01/anat/sub-01_echo-1_part-phase_MEGRE.nii.gz"), uses={"sub-01 T2starw": []}
    ),
    "UNIT1 alone": Case(
        ("sub-01/anat/sub-01_UNIT1.nii.gz",), uses={"sub-01 T1w": ["sub-01_UNIT1.nii.gz"]}, says=("MP2RAGE",)
    ),
    "UNIT1 beside a T1w": Case(
        (ONE,),
        sizes={"sub-01/anat/sub-01_UNIT1.nii.gz": (0.5, 0.5, 0.5)},
        uses={"sub-01 T1w": ["sub-01_T1w.nii.gz"]},
        never=("MP2RAGE",),
    ),
    # Words
    "a raw T1w outside of the sessions": Case(
        (ONE, *(f"sub-01/ses-{s}/anat/sub-01_ses-{s}_FLAIR.nii.gz" for s in "ab")),
        ages={"sub-01": None},
        says=("T1w image lies outside of the sessions",),
        never=("preprocessed",),
    ),
}
