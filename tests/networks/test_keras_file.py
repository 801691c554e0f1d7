"""Keras' files: what they hold comes over exactly; whatever is no base model is refused in a sentence."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.networks.readers.keras_file import Hints, read_keras_file
from bids_brainage.networks.readers.keras_process import read_isolated
from tests.networks.data import make_keras_files
from tests.networks.keras_networks import (
    PAPER,
    SMALL,
    edit_config,
    functional,
    images_of,
    layer_of,
    nested,
    sequential,
)

DATA = Path(__file__).parent / "data"


def keras_2() -> bool:
    return version("keras").startswith("2.")


def predict(path: Path, images: np.ndarray, hints: Hints | None = None) -> np.ndarray:
    network = read_keras_file(path, hints)
    return BaseModel(path.name, network.spec, network.input_shape, network.weights).predict(images)


# --- what is right ---------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [sequential, functional, nested])
@pytest.mark.parametrize("activation", ["leaky layers", "relu inside"])
def test_predictions_are_keras_own(tmp_path, build, activation):
    """The paper's filters and kernels on a small box; every way of putting the layers together."""
    model = build((20, 22, 18), **PAPER, activation=activation)
    model.save(tmp_path / "model.h5")
    images = images_of(model, 3)
    np.testing.assert_allclose(
        predict(tmp_path / "model.h5", images), model.predict(images, verbose=0)[:, 0], rtol=1e-5
    )


@pytest.mark.parametrize("program", ["2.3.1", "3.15.1"])
@pytest.mark.parametrize("ending", ["h5", "weights.h5"])
def test_files_of_other_versions_of_keras(program, ending):
    """Files and predictions that these versions made; 2.3.1 is the paper's."""
    path = DATA / f"keras-{program}.{ending}"
    hints = None if ending == "h5" else Hints(make_keras_files.BOX, "leaky_relu")
    ages = predict(path, make_keras_files.images(), hints)
    np.testing.assert_allclose(ages, make_keras_files.PREDICTIONS, rtol=1e-6)
    told = read_keras_file(path, hints).program
    assert told == (f"Keras {program}" if (program, ending) != ("3.15.1", "weights.h5") else "Keras")


@pytest.mark.parametrize(
    ("activation", "function", "slope"),
    [
        ("leaky inside", "leaky_relu", 0.2),
        ("slight layers", "leaky_relu", 0.1),
        ("relu layers", "relu", None),
        ("relu with slope", "leaky_relu", 0.25),
        ("activation layers", "relu", None),
    ],
)
def test_every_way_to_write_an_activation(tmp_path, activation, function, slope):
    model = sequential(**SMALL, activation=activation)
    model.save(tmp_path / "model.h5")
    spec = read_keras_file(tmp_path / "model.h5").spec
    assert spec.activation == function
    assert slope is None or spec.negative_slope == slope
    images = images_of(model, 5)
    np.testing.assert_allclose(
        predict(tmp_path / "model.h5", images), model.predict(images, verbose=0)[:, 0], rtol=1e-5
    )


@pytest.mark.parametrize("changes", [{"bias": False}, {"dropout": 0.0}, {"dropout": 0.3}])
def test_biases_and_dropout_may_lack(tmp_path, changes):
    model = sequential(**SMALL, **changes)
    model.save(tmp_path / "model.h5")
    assert read_keras_file(tmp_path / "model.h5").spec.dropout == changes.get("dropout", 0.5)
    images = images_of(model, 5)
    np.testing.assert_allclose(
        predict(tmp_path / "model.h5", images), model.predict(images, verbose=0)[:, 0], rtol=1e-5
    )


@pytest.mark.parametrize(("edge", "parameters"), [(198, 781_265), (98, 209_873)])
def test_parameters_of_the_papers_boxes(tmp_path, edge, parameters):
    model = sequential((edge, edge, edge), **PAPER)
    assert model.count_params() == parameters
    model.save(tmp_path / "model.h5")
    network = read_keras_file(tmp_path / "model.h5")
    assert sum(array.size for array in network.weights.values()) == parameters
    assert network.input_shape == (edge, edge, edge, 1)
    assert network.program.startswith("Keras ")


@pytest.mark.slow
def test_predictions_at_the_papers_box_are_keras_own(tmp_path):
    model = sequential((198, 198, 198), **PAPER)
    model.save(tmp_path / "model.h5")
    images = images_of(model, 2)
    np.testing.assert_allclose(
        predict(tmp_path / "model.h5", images),
        model.predict(images, batch_size=1, verbose=0)[:, 0],
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", ["weights.h5", "model.weights.h5"])
@pytest.mark.parametrize("build", [sequential, nested])
def test_weights_alone_need_a_box_and_an_activation(tmp_path, build, name):
    if name == "weights.h5" and not keras_2():
        pytest.skip("Keras 3 no longer writes this layout")
    model = build((20, 22, 18), **PAPER)
    model.save_weights(tmp_path / name)
    with pytest.raises(InputError, match="--box X Y Z and --activation"):
        read_keras_file(tmp_path / name)
    hints = Hints((20, 22, 18), "leaky_relu")
    images = images_of(model, 3)
    np.testing.assert_allclose(
        predict(tmp_path / name, images, hints), model.predict(images, verbose=0)[:, 0], rtol=1e-5
    )
    with pytest.raises(InputError, match=r"check --box"):
        read_keras_file(tmp_path / name, Hints((60, 60, 60), "relu"))


def test_ten_and_more_layers_of_a_kind_keep_their_order(tmp_path):
    """conv3d_10 comes after conv3d_9: numbers are compared as numbers."""
    settings = {"filters": (1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3), "kernels": (1,) * 12, "units": 2}
    model = sequential((3, 3, 3), **settings)
    model.save_weights(tmp_path / "model.weights.h5")
    images = images_of(model, 3)
    np.testing.assert_allclose(
        predict(tmp_path / "model.weights.h5", images, Hints((3, 3, 3), "leaky_relu")),
        model.predict(images, verbose=0)[:, 0],
        rtol=1e-5,
    )


def test_compressed_weights_are_read(small):
    with h5py.File(small, "r+") as file:
        name, dataset = kernel_of(file)
        data = dataset[()]
        del file[name]
        file.create_dataset(name, data=data, chunks=True, compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(read_keras_file(small).weights["conv_1/kernel"], data)


# --- what is wrong ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, bytes]:
    """Files of a small sequential and a small functional model."""
    folder = tmp_path_factory.mktemp("saved")
    sequential(**SMALL).save(folder / "sequential.h5")
    functional(**SMALL).save(folder / "functional.h5")
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small(saved, tmp_path) -> Path:
    """A fresh copy of the sequential model's file."""
    path = tmp_path / "small.h5"
    path.write_bytes(saved["sequential"])
    return path


def refused(path: Path, words: str, hints: Hints | None = None) -> None:
    """The file is refused in one sentence that names it and holds `words`; exit code 2."""
    with pytest.raises(InputError, match=words) as caught:
        read_keras_file(path, hints)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def kernel_of(file: h5py.File) -> tuple[str, h5py.Dataset]:
    """Name and dataset of the first kernel."""
    found: list[tuple[str, h5py.Dataset]] = []
    file["model_weights"].visititems(
        lambda name, node: (
            found.append((f"model_weights/{name}", node))
            if "kernel" in name and hasattr(node, "dtype")
            else None
        )
    )
    return found[0]


def change_layer(kind: str, number: int = 0, **changes: Any) -> Callable[[dict], None]:
    return lambda config: layer_of(config, kind, number)["config"].update(changes)


def rename_layer(kind: str, **changes: Any) -> Callable[[dict], None]:
    return lambda config: layer_of(config, kind).update(changes)


def drop_layer(kind: str) -> Callable[[dict], None]:
    return lambda config: config["config"]["layers"].remove(layer_of(config, kind))


PAYLOAD = ["4wEAAAAAAAAAAAAAAAAAAAAAAAAA8wAAAAA=", None, None]
FAULTS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "lambda": (
        lambda c: layer_of(c, "Flatten").update(
            class_name="Lambda", config={"name": "f", "function": PAYLOAD}
        ),
        "Lambda layer, which is program code",
    ),
    "custom class": (rename_layer("Flatten", class_name="My>Flatten"), "custom class My>Flatten"),
    "registered": (rename_layer("Flatten", registered_name="My>Flatten"), "custom class My>Flatten"),
    "other module": (rename_layer("Flatten", module="mine.layers"), "custom class Flatten"),
    "batch norm": (rename_layer("Flatten", class_name="BatchNormalization"), r"\(BatchNormalization\)"),
    "unknown": (rename_layer("LeakyReLU", class_name="ELU"), r"\(ELU\) cannot be part"),
    "average": (rename_layer("MaxPooling3D", class_name="AveragePooling3D"), "AveragePooling3D"),
    "tanh": (change_layer("Dense", activation="tanh"), "activation tanh"),
    "softmax": (change_layer("Dense", 1, activation="softmax"), "activation softmax"),
    "function": (
        change_layer("Dense", activation={"class_name": "function", "config": "My>relu"}),
        "activation My>relu",
    ),
    "valid": (change_layer("Conv3D", padding="valid"), "padding valid but a base model has same"),
    "strided": (change_layer("Conv3D", strides=[2, 2, 2]), "strides"),
    "dilated": (change_layer("Conv3D", dilation_rate=[1, 2, 1]), "dilation_rate"),
    "groups": (change_layer("Conv3D", groups=2), "groups 2"),
    "channels first": (change_layer("MaxPooling3D", data_format="channels_first"), "channels_first"),
    "flat kernel": (change_layer("Conv3D", kernel_size=[3, 3, 1]), "three equal numbers"),
    "two pools": (change_layer("MaxPooling3D", 1, pool_size=[2, 2, 2]), "pooling size differs"),
    "two slopes": (change_layer("LeakyReLU", alpha=0.3, negative_slope=0.3), "activation slope differs"),
    "steep": (change_layer("LeakyReLU", alpha=1.5, negative_slope=1.5), "slope"),
    "capped": (
        lambda c: layer_of(c, "LeakyReLU").update(class_name="ReLU", config={"name": "r", "max_value": 6.0}),
        "ReLU with max_value",
    ),
    "classes": (change_layer("Dense", 1, units=40), "units 40"),
    "no pooling": (drop_layer("MaxPooling3D"), "has the layers convolution, activation, convolution"),
    "no activation": (drop_layer("LeakyReLU"), "has the layers convolution, pooling"),
    "no layer": (lambda c: c["config"].update(layers=[]), "no layer at all"),
    "wide": (change_layer("Conv3D", filters=10**9), "filters"),
    "giant": (
        lambda c: [change_layer("Conv3D", n, filters=2048, kernel_size=[15] * 3)(c) for n in (0, 1)] and None,
        "too many",
    ),
    "text for number": (change_layer("Conv3D", filters="many"), "filters"),
    "number for text": (change_layer("Conv3D", activation=3), "activation 3"),
    "other width": (change_layer("Conv3D", filters=5), r"has shape \(3, 3, 3, 1, 2\)"),
    "no bias": (change_layer("Conv3D", use_bias=False), "8 arrays of weights but its architecture has 7"),
    "no JSON object": (lambda c: [1, 2], "does not describe its network"),
    "no config": (lambda c: c.pop("config"), "does not describe its network"),
    "subclass": (lambda c: c.update(class_name="MyModel"), r"\(MyModel\) cannot be part"),
    "line breaks": (rename_layer("Flatten", class_name="a\nb\x1b[31m"), r"\(a b\?\[31m\)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_network_that_is_no_base_model_is_refused(small, name):
    change, words = FAULTS[name]
    edit_config(small, change)
    refused(small, words)


def set_shape(*shape: int | None) -> Callable[[dict], None]:
    """Say another input shape wherever Keras keeps it."""

    def change(config: dict) -> None:
        config["config"].pop("build_input_shape", None)
        for layer in config["config"]["layers"]:
            for key in ("batch_input_shape", "batch_shape"):
                if key in layer["config"]:
                    layer["config"][key] = [None, *shape]

    return change


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((None, None, None, 1), "does not give the shape"),
        ((9, 8, 1), r"shape \(9, 8, 1\)"),
        ((9, 8, 7, 2), r"\(9, 8, 7, 2\)"),
        ((0, 8, 7, 1), r"\(0, 8, 7, 1\)"),
        ((10**9, 8, 7, 1), "at most 512 voxels"),
        ((512, 512, 512, 1), None),
        ((40, 40, 40, 1), "asks|need"),
        ((), "does not"),
    ],
)
def test_inputs_that_cannot_be(small, shape, words):
    edit_config(small, set_shape(*shape))
    refused(small, words or "need|too many")


FUNCTIONAL_FAULTS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "two uses": (
        lambda c: layer_of(c, "Flatten").update(inbound_nodes=layer_of(c, "Flatten")["inbound_nodes"] * 2),
        "not part of a plain chain",
    ),
    "side branch": (
        lambda c: layer_of(c, "Dense").update(inbound_nodes=layer_of(c, "Flatten")["inbound_nodes"]),
        "not part of a plain chain",
    ),
    "circle": (
        lambda c: layer_of(c, "Conv3D").update(inbound_nodes=layer_of(c, "Dense")["inbound_nodes"]),
        "not part of a plain chain",
    ),
    "early output": (
        lambda c: c["config"].update(output_layers=[["flatten", 0, 0]]),
        "not part of a plain chain",
    ),
    "loose layer": (
        lambda c: layer_of(c, "Flatten").update(inbound_nodes=[]),
        "not part of a plain chain",
    ),
    "double name": (
        lambda c: c["config"]["layers"].append(dict(layer_of(c, "Flatten"))),
        "not part of a plain chain",
    ),
}


@pytest.mark.parametrize("name", FUNCTIONAL_FAULTS)
def test_graphs_that_are_no_chain_are_refused(saved, tmp_path, name):
    path = tmp_path / "functional.h5"
    path.write_bytes(saved["functional"])
    change, words = FUNCTIONAL_FAULTS[name]
    edit_config(path, change)
    refused(path, words)


def test_dropout_that_is_always_on_is_refused(tmp_path):
    from tensorflow import keras

    from tests.networks.keras_networks import layers_of

    images = x = keras.Input((9, 8, 7, 1))
    for layer in layers_of((2,), (3,), 4):
        x = layer(x, training=True) if isinstance(layer, keras.layers.Dropout) else layer(x)
    keras.Model(images, x).save(tmp_path / "model.h5")
    refused(tmp_path / "model.h5", "called with options")


def test_hints_that_contradict_the_file_are_refused(small):
    assert read_keras_file(small, Hints((9, 8, 7), "leaky_relu")).input_shape == (9, 8, 7, 1)
    refused(small, r"built with --box \(9, 8, 7\), not \(98, 98, 98\)", Hints((98, 98, 98)))
    refused(small, "built with --activation leaky_relu, not relu", Hints(activation="relu"))


def set_config(text: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file.attrs["model_config"]
        file.attrs["model_config"] = text

    return change


def replace(make: Callable[[h5py.File, str, np.ndarray], Any]) -> Callable[[h5py.File], None]:
    """Put something else in the place of the first kernel."""

    def change(file: h5py.File) -> None:
        name, dataset = kernel_of(file)
        data = dataset[()]
        del file[name]
        made = make(file, name, data)
        if made is not None:
            file[name] = made

    return change


def virtual(file: h5py.File, name: str, data: np.ndarray) -> None:
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "kernel", data.shape)
    file.create_virtual_dataset(name, layout)


def raw_file(file: h5py.File, name: str, data: np.ndarray) -> None:
    file.create_dataset(name, data.shape, data.dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def unwritten(file: h5py.File, name: str, data: np.ndarray) -> None:
    file.create_dataset(name, data.shape, data.dtype)


def endless(file: h5py.File, name: str, data: np.ndarray) -> None:
    file.create_dataset(name, (10**6, 10**6, 10**6), "f4", chunks=(1, 1, 1000))


def lossy(file: h5py.File, name: str, data: np.ndarray) -> None:
    file.create_dataset(name, data=data, compression="lzf")


def link_group(link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        layer = next(name for name in file["model_weights"] if name.startswith("conv3d"))
        file["elsewhere"] = file["model_weights"][layer]
        del file["model_weights"][layer]
        file["model_weights"][layer] = link

    return change


def many_names(file: h5py.File) -> None:
    del file["model_weights"].attrs["layer_names"]
    file["model_weights"].attrs["layer_names"] = np.array([b"x"] * 2000)


DAMAGES: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "external link": (link_group(h5py.ExternalLink("/etc/other.h5", "/")), "is a link"),
    "soft link": (link_group(h5py.SoftLink("/elsewhere")), "is a link"),
    "linked weights": (replace(lambda f, n, d: h5py.SoftLink("/elsewhere")), "is a link"),
    "linked away": (replace(lambda f, n, d: h5py.ExternalLink("other.h5", "/k")), "is a link"),
    "virtual": (replace(virtual), "in other files"),
    "raw file": (replace(raw_file), "in other files"),
    "filter": (replace(lossy), "custom filter"),
    "unwritten": (replace(unwritten), "a shape but no numbers"),
    "endless": (replace(endless), r"has shape \(1000000, 1000000, 1000000\)"),
    "integers": (replace(lambda f, n, d: d.astype("i4")), "is int32"),
    "strings": (replace(lambda f, n, d: np.full(d.shape, b"evil")), r"is \|S4"),
    "objects": (
        replace(lambda f, n, d: f.create_dataset(n, d.shape, h5py.string_dtype()) and None),
        "is object",
    ),
    "references": (
        replace(lambda f, n, d: f.create_dataset(n, d.shape, h5py.ref_dtype) and None),
        "is object",
    ),
    "wide floats": (replace(lambda f, n, d: d.astype(np.longdouble)), "is float128"),
    "not a number": (replace(lambda f, n, d: np.where(d > 0, d, np.nan)), "not finite"),
    "overflow": (replace(lambda f, n, d: d.astype("f8") * 1e300), "not finite"),
    "other shape": (replace(lambda f, n, d: d[:1]), r"has shape \(1, 3, 3, 1, 2\)"),
    "transposed": (replace(lambda f, n, d: d.T), "has shape"),
    "lost weights": (replace(lambda f, n, d: None), "does not contain the weights"),
    "group for weights": (
        replace(lambda f, n, d: f.create_group(n) and None),
        "does not contain the weights",
    ),
    "no weights": (lambda f: f.__delitem__("model_weights"), "does not contain the weights"),
    "empty list": (lambda f: f["model_weights"].attrs.update(layer_names=[]), "does not contain the weights"),
    "many names": (many_names, "up to 1000 names"),
    "numbers for names": (
        lambda f: f["model_weights"].attrs.update(layer_names=np.arange(3)),
        "up to 1000 names",
    ),
    "upward name": (
        lambda f: f["model_weights"].attrs.update(layer_names=["../..", "/", "."]),
        "does not contain the weights",
    ),
    "no JSON": (set_config("{"), "does not describe its network"),
    "deep JSON": (set_config("[" * 60_000), "does not describe its network"),
    "pickle": (set_config(np.void(b"\x80\x04\x95.")), "up to 1000 names"),
    "not UTF-8": (set_config(np.bytes_(b"\xff\xfe{}")), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_hostile_and_damaged_contents_are_refused(small, name):
    damage, words = DAMAGES[name]
    with h5py.File(small, "r+") as file:
        damage(file)
    refused(small, words)


def test_an_external_link_is_not_followed_even_where_it_leads_to_good_weights(small, tmp_path):
    (tmp_path / "other.h5").write_bytes(small.read_bytes())
    with h5py.File(small, "r+") as file:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/model_weights")
        assert "layer_names" in file["model_weights"].attrs
    refused(small, "model_weights is a link")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.h5", None, "There is no file"),
        ("model.keras", b"PK", "does not end in .h5 or .hdf5"),
        ("model.txt", b"text", "does not end in .h5 or .hdf5"),
        ("empty.h5", b"", "is not an HDF5 file"),
        ("text.h5", b"weights: 1, 2, 3\n" * 100, "is not an HDF5 file"),
        ("pickle.h5", b"\x80\x04\x95\x00", "is not an HDF5 file"),
        ("signature.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 2000, "damaged"),
    ],
)
def test_what_is_no_hdf5_file_is_told(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, words)


def test_folders_and_archives_are_told(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    refused(tmp_path / "folder.h5", "There is no file")
    with zipfile.ZipFile(tmp_path / "archive.h5", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
    refused(tmp_path / "archive.h5", "is not an HDF5 file")


def test_a_file_too_large_to_be_one_network_is_told(tmp_path):
    path = tmp_path / "large.h5"
    with path.open("wb") as stream:
        stream.truncate(2_000_000_001)
    refused(path, "larger than 2 GB")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_off_anywhere_is_told(saved, tmp_path, data):
    content = saved["sequential"]
    path = tmp_path / "cut.h5"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(path, "damaged|not an HDF5 file")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_never_do_worse_than_a_sentence(saved, tmp_path, data):
    """What still reads is finite and of the right shape; what does not is told."""
    content = bytearray(saved["sequential"])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.h5"
    path.write_bytes(content)
    try:
        network = read_isolated(path, seconds=20)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        shapes = network.spec.weight_shapes(network.input_shape)
        assert {name: array.shape for name, array in network.weights.items()} == shapes
        assert all(np.isfinite(array).all() for array in network.weights.values())


def test_a_file_that_makes_the_library_hang_is_told(small):
    """The size of the first name in a heap of names now leads into the zeros behind the last one.

    Object 0 of size 0 stands there, which the library would step over for ever.
    """
    content = bytearray(small.read_bytes())
    heap = content.find(b"GCOL")
    free = heap + 16
    while struct.unpack_from("<H", content, free)[0]:
        free += 16 + -(-struct.unpack_from("<Q", content, free + 8)[0] // 8) * 8
    zeros = content.index(b"\0" * 64, free + 16)
    struct.pack_into("<Q", content, heap + 24, (zeros + 8) // 8 * 8 - heap - 32)
    small.write_bytes(content)
    with pytest.raises(InputError, match="damaged") as caught:
        read_isolated(small, seconds=10)
    assert str(small) in str(caught.value)


def test_the_process_hands_over_what_was_read(small, tmp_path):
    here, there = read_keras_file(small), read_isolated(small)
    assert (here.spec, here.input_shape, here.program) == (there.spec, there.input_shape, there.program)
    for name, array in here.weights.items():
        np.testing.assert_array_equal(array, there.weights[name])
    edit_config(small, drop_layer("Flatten"))
    with pytest.raises(InputError, match="has the layers") as caught:
        read_isolated(small)
    assert str(small) in str(caught.value)
