"""Weight files of every kind: their arrays come over exactly, and nothing in them is ever executed."""

from __future__ import annotations

import os
import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.networks.readers.weights import read_here, read_weights
from bids_brainage.networks.weights_file import write_arrays
from tests.networks import torch_files
from tests.networks.torch_files import (
    Named,
    Parameter,
    Storage,
    Tensor,
    as_state,
    pickled,
    tensor,
    write_legacy,
    write_zip,
)

WRITERS = {"zip": write_zip, "legacy": write_legacy}


@pytest.fixture(params=sorted(WRITERS))
def write(request: pytest.FixtureRequest) -> Any:
    """Writes a checkpoint in one of the layouts."""
    return WRITERS[request.param]


@pytest.fixture
def arrays(random: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays of a small network, not in alphabetical order."""
    return {
        "conv.weight": random.standard_normal((3, 1, 2, 2, 2), np.float32),
        "conv.bias": random.standard_normal(3, np.float32),
        "a.scale": np.array(0.5, np.float32),
    }


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


def refused(path: Path, words: str) -> None:
    """Refused in one sentence that names the file, at the first glance."""
    begin = time.process_time()
    with pytest.raises(InputError, match=words) as caught:
        read_here(path)
    assert time.process_time() - begin < 5
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


# --- what is right ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(), ("state_dict",), ("model_state_dict",), ("model",), ("net",)])
def test_arrays_come_over_in_their_order(write, arrays, tmp_path, place):
    value: Any = as_state(arrays)
    for name in place:
        value = {"epoch": 3, "optimizer": {"lr": 0.1, "steps": [1, (2, None)]}, name: value}
    same(read_here(write(tmp_path / "net.pth", value)), arrays)


def test_the_process_hands_over_what_was_read(write, arrays, tmp_path):
    same(read_weights(write(tmp_path / "net.pth", as_state(arrays))), arrays)
    (tmp_path / "odd.pth").write_text("weights")
    with pytest.raises(InputError, match="no weight file of a known kind"):
        read_weights(tmp_path / "odd.pth")


def test_prefix_and_counters_go(write, arrays, tmp_path):
    state = as_state({f"module.{name}": array for name, array in arrays.items()})
    state["module.bn.num_batches_tracked"] = tensor(np.array(7, np.int64))
    same(read_here(write(tmp_path / "net.pth", state)), arrays)
    mixed = as_state({"module.a": np.ones(2, np.float32), "b": np.ones(2, np.float32)})
    assert list(read_here(write(tmp_path / "mixed.pth", mixed))) == ["module.a", "b"]


def test_views_types_and_parameters(write, tmp_path, random):
    numbers = random.standard_normal(24, np.float32)
    shared = Storage(numbers)
    half = numbers.astype(np.float16)
    upper = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    state = {
        "turned": Tensor(shared, 0, (6, 4), (1, 6)),
        "part": Tensor(shared, 5, (2, 3), (8, 2)),
        "parameter": Parameter(Tensor(shared, 0, (24,), (1,))),
        "half": tensor(half),
        "double": tensor(numbers.astype(np.float64)),
        "bfloat16": Tensor(Storage(upper.view(np.uint16), "BFloat16"), 0, (24,), (1,)),
        "none": Tensor(Storage(np.zeros(0, np.float32)), 0, (0, 3), (3, 1)),
    }
    found = read_here(write(tmp_path / "net.pth", state))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(4, 6).T)
    np.testing.assert_array_equal(
        found["part"], [[numbers[5 + 8 * i + 2 * j] for j in range(3)] for i in range(2)]
    )
    np.testing.assert_array_equal(found["parameter"], numbers)
    np.testing.assert_array_equal(found["half"], half.astype(np.float32))
    np.testing.assert_array_equal(found["double"], numbers)
    np.testing.assert_allclose(found["bfloat16"], numbers, rtol=2**-7)
    assert found["none"].shape == (0, 3)


def test_safetensors_and_keras(tmp_path, arrays):
    write_arrays(tmp_path / "net.safetensors", arrays)
    found = read_here(tmp_path / "net.safetensors")
    same(dict(sorted(found.items())), dict(sorted(arrays.items())))
    path = Path(__file__).parent / "data" / "keras-2.3.1.weights.h5"
    with h5py.File(path) as file:
        names = [
            f"{layer.decode()}/{name.decode()}"
            for layer in file.attrs["layer_names"]
            for name in file[layer].attrs["weight_names"]
        ]
        expected = {name: file[name][()] for name in names}
    same(read_here(path), expected)


def test_pytorch_writes_what_the_tests_write(arrays, tmp_path):
    """PyTorch reads the files of these tests, and its own files of both layouts are read here."""
    torch = pytest.importorskip("torch")
    for name, write in WRITERS.items():
        there = torch.load(write(tmp_path / name, as_state(arrays)))
        same({key: value.numpy() for key, value in there.items()}, arrays)
        own = OrderedDict((key, torch.from_numpy(array)) for key, array in arrays.items())
        own["turned"] = own["conv.weight"].transpose(0, 2)
        own["parameter"] = torch.nn.Parameter(own["conv.bias"])
        own["bfloat16"] = own["conv.bias"].to(torch.bfloat16)
        torch.save({"state_dict": own}, tmp_path / "own.pt", _use_new_zipfile_serialization=name == "zip")
        found = read_here(tmp_path / "own.pt")
        assert list(found) == list(own)
        for key, value in own.items():
            np.testing.assert_array_equal(found[key], value.detach().float().numpy())


# --- what is wrong ---------------------------------------------------------------------------------


class Malicious:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_a_malicious_file_executes_nothing(write, arrays, tmp_path):
    """The same pickle, given to pickle, leaves a file; the arrays beside it are read or it is refused."""
    trace = tmp_path / "trace"
    bait = Malicious(f"touch {trace}")
    pickle.loads(pickle.dumps(bait))
    assert trace.exists()
    trace.unlink()
    begin = time.process_time()
    same(read_here(write(tmp_path / "beside.pth", {"state_dict": as_state(arrays), "hook": bait})), arrays)
    refused(write(tmp_path / "alone.pth", bait), "holds no state_dict")
    refused(write(tmp_path / "in.pth", {"state_dict": {"w": bait}}), "holds no state_dict")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(bait))
    refused(tmp_path / "plain.pkl", "pickle that torch.save did not write")
    assert time.process_time() - begin < 1
    assert not trace.exists()


def test_whole_networks_and_programs(write, tmp_path, arrays):
    class Module:
        def __reduce__(self) -> Any:
            return Named("copyreg", "_reconstructor"), (Named("nets", "SFCN"),), {"_modules": {}}

    refused(write(tmp_path / "whole.pth", Module()), "whole pickled network")
    refused(write(tmp_path / "inside.pth", {"model": Module()}), "whole pickled network")
    path = write_zip(tmp_path / "script.pt", as_state(arrays))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/code/__torch__.py", "")
    refused(path, "TorchScript")


def test_a_compressed_archive(tmp_path, arrays):
    zeros = as_state({"w": np.zeros(100_000, np.float32)})
    refused(
        write_zip(tmp_path / "deflated.pth", zeros, compression=zipfile.ZIP_DEFLATED), "compressed archive"
    )
    refused(
        write_zip(tmp_path / "small.pth", as_state(arrays), compression=zipfile.ZIP_DEFLATED),
        "compressed archive",
    )


@pytest.mark.parametrize(
    "parts",
    [
        (0, (25,), (1,)),
        (20, (5,), (1,)),
        (0, (5,), (6,)),
        (0, (1000, 1000), (0, 0)),
        (-1, (5,), (1,)),
        (0, (5,), (-1,)),
        (0, (5, 5), (1,)),
        (0, (2**50, 2**50), (1, 1)),
    ],
)
def test_a_tensor_beyond_its_storage(write, tmp_path, parts):
    storage = Storage(np.arange(24, dtype=np.float32))
    refused(write(tmp_path / "net.pth", {"w": Tensor(storage, *parts)}), "larger than the numbers|no shape")


def test_a_storage_larger_than_its_file(tmp_path):
    lying = Storage(np.arange(24, dtype=np.float32))
    path = write_zip(tmp_path / "net.pth", {"w": Tensor(lying, 0, (24,), (1,))})
    shown = pickled({"w": Tensor(lying, 0, (24,), (1,))})[0]
    more = shown.replace(b"K\x18", b"K\x19")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", more)
        archive.writestr("archive/data/0", lying.numbers.tobytes())
    assert more != shown
    refused(path, "not in it as a whole")


def test_too_many_instructions(tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N0" * 1_500_000 + b"N.")
    refused(path, "instructions")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (b"\x80\x02h\x05.", "ends early, or is no pickle"),
        (b"\x80\x02.", "ends early, or is no pickle"),
        (b"\x80\x02}(K\x01u.", "ends early, or is no pickle"),
        (b"\x80\x02}))s.", "other keys"),
        (b"\x80\x02}" + b")\x85" * 100 + b".", "holds no state_dict"),
        (b"\x80\x02(icos\nsystem\n.", "instruction INST"),
        (b"\x80\x02\x82\x01.", "instruction EXT1"),
        (b"\x80\x02}q\x01U\x01wh\x01s.", "holds no state_dict"),
        (b"", "ends early"),
        (b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "ends early"),
    ],
)
def test_odd_pickles(tmp_path, tokens, words):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", tokens)
    refused(path, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 182983936\n", "only points to"),
        (b"/annex/objects/MD5E-s4--0.pth\n", "only points to"),
        (b"\n<!DOCTYPE html><html><title>Sign in</title>", "web page"),
        (b"", "empty"),
        (b"PK\x03\x04 and no more", "no end"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5|damaged"),
        (struct.pack("<Q", 10) + b'{"a": 3   }', "header"),
    ],
)
def test_other_files(tmp_path, content, words):
    path = tmp_path / "net.h5"
    path.write_bytes(content)
    refused(path, words)
    refused(tmp_path / "none.pth", "cannot be read")
    refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite(write, tmp_path, wrong):
    refused(write(tmp_path / "net.pth", {"w": tensor(np.array([1.0, wrong]))}), "w contains numbers")


def test_a_half_downloaded_file(write, arrays, tmp_path):
    whole = write(tmp_path / "whole.pth", as_state(arrays)).read_bytes()
    for share in (0.3, 0.6, 0.9, 0.999):
        path = tmp_path / "half.pth"
        path.write_bytes(whole[: int(share * len(whole))])
        refused(path, "damaged or incomplete")


def test_an_archive_whose_parts_lie_before_its_begin(tmp_path):
    """The end of the archive says where its list of parts begins: later than it does."""
    path = write_zip(tmp_path / "net.pth", as_state({"w": np.ones(2, np.float32)}))
    content = bytearray(path.read_bytes())
    begin = int.from_bytes(content[-6:-2], "little")
    content[-6:-2] = (begin + 1000).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, "cannot be read")


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_file_is_read_or_refused_in_a_sentence(write, tmp_path, data):
    """Bytes changed anywhere never lead to anything but arrays or one sentence."""
    state = as_state({"conv.weight": np.arange(6, dtype=np.float32), "conv.bias": np.ones(2, np.float32)})
    content = bytearray(write(tmp_path / "net.pth", state).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "net.pth").write_bytes(content)
    try:
        found = read_here(tmp_path / "net.pth")
    except InputError as error:
        told = str(error)
    else:
        told = "net.pth"
        assert all(array.dtype == np.float32 for array in found.values())
    assert "net.pth" in told


def test_the_magic_number_is_pytorchs(tmp_path, arrays):
    from bids_brainage.networks.readers.torch_file import LEGACY_START

    content = write_legacy(tmp_path / "net.p", as_state(arrays)).read_bytes()
    assert content.startswith(LEGACY_START)
    assert pickle.loads(LEGACY_START) == torch_files.MAGIC
