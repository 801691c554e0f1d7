"""The words that files, options, tables and pages share."""

from __future__ import annotations

#: Suffixes of the images that are used.
MODALITIES = ("T1w", "FLAIR", "T2starw")
#: And of those that are looked for only where a model or the user asks for them.
SEQUENCES = (*MODALITIES, "T2w")
#: The person's own space, and the standard one (at 2 mm, 91 x 109 x 91).
T1W_SPACE, STANDARD_SPACE = "T1w", "MNI152NLin6Asym"
#: The space of the images of each stage.
SPACES = {"subject": T1W_SPACE, "standard": STANDARD_SPACE}
#: The brain as a whole; its parts are known in standard space alone.
WHOLE_BRAIN = "WholeBrain"
REGIONS = (WHOLE_BRAIN, "Cortical", "Subcortical", "Cerebellum")
#: What a person's input is compared with, and what the maps of it are called: the mean input of many people,
#: and that expected at the person's own age.
REFERENCE_MAPS = {"reference": "Reference", "dba": "DBA"}
#: What is estimated unless a bundle says otherwise: a column of participants.tsv.
AGE = "age"
#: The column of sexes; gender is taken for it.
SEX = "sex"
#: Years; who is said to be older was mistyped.
OLDEST = 125.0
#: The paper's rule of LRP.
PAPER_RULE = "preset-a"
#: The program that makes simulated people, as their dataset_description.json names it.
SIMULATOR = "bids_brainage_simulate"
#: The program that puts changes into prepared images.
INJECTOR = "bids_brainage_simulate inject"
#: Texts of a table's cell that stand for a missing value, in small letters.
MISSING = frozenset({"", "n/a", "na", "nan"})
