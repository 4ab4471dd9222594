"""State dictionaries, copies and safetensors files."""

import ast
import copy
import json
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastnn import io, models, nn, optim


def images(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def torch_twin(torch):
    t = torch.nn
    return t.Sequential(
        t.Conv2d(3, 6, 3, stride=2, padding=1),
        t.BatchNorm2d(6),
        t.ReLU(),
        t.MaxPool2d(2),
        t.Flatten(),
        t.Linear(24, 5, bias=False),
        t.BatchNorm1d(5),
    )


def our_twin():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 5, bias=False),
        nn.BatchNorm1d(5),
    )


def test_state_dicts_travel_between_pytorch_and_fastnn(tmp_path):
    torch = pytest.importorskip("torch")
    theirs, ours, x = torch_twin(torch), our_twin(), images((4, 3, 8, 8))
    ours(x)
    path = tmp_path / "model.safetensors"
    io.save_safetensors(ours.state_dict(), path)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in io.load_safetensors(path).items()})
    # 4 layers, sums of up to 27 terms.
    bound = 4 * 27 * np.finfo(np.float32).eps
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        expected = theirs(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(ours(x), expected, rtol=0, atol=bound * np.abs(expected).max())
    fresh = our_twin()
    fresh.load_state_dict({name: t.numpy() for name, t in theirs.state_dict().items()})
    for name, array in theirs.state_dict().items():
        np.testing.assert_array_equal(fresh.state_dict()[name], array.numpy())
        assert fresh.state_dict()[name].dtype == array.numpy().dtype


def test_load_state_dict_checks_everything_before_it_writes():
    model = our_twin()
    state = model.state_dict()
    before = model.state_dict()
    changed = {name: array + 1 for name, array in state.items()}
    with pytest.raises(KeyError, match=r"missing keys \['1.running_var'\], unexpected keys none"):
        model.load_state_dict({n: a for n, a in changed.items() if n != "1.running_var"})
    with pytest.raises(KeyError, match=r"unexpected keys \['7.weight'\]"):
        model.load_state_dict({**changed, "7.weight": np.zeros(1)})
    with pytest.raises(ValueError, match=r"0.weight must be of shape \(6, 3, 3, 3\), got \(6"):
        model.load_state_dict({**changed, "0.weight": np.zeros((6, 3, 9))}, strict=False)
    with pytest.raises(TypeError, match=r"0\.bias must be float32, got int64"):
        model.load_state_dict({**changed, "0.bias": np.zeros(6, np.int64)})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    result = model.load_state_dict({"0.bias": np.ones(6), "other": np.ones(1)}, strict=False)
    assert result.unexpected_keys == ["other"] and "0.weight" in result.missing_keys
    np.testing.assert_array_equal(model[0].bias.data, 1)


def test_resnet_round_trip_with_metadata(tmp_path):
    model, other = models.resnet(8, seed=1), models.resnet(8, seed=2)
    path = tmp_path / "resnet.safetensors"
    io.save_safetensors(model.state_dict(), path, metadata={"epoch": "3"})
    other.load_state_dict(io.load_safetensors(path))
    x = images((2, 3, 8, 8))
    np.testing.assert_array_equal(model.eval()(x), other.eval()(x))
    assert io.read_metadata(path) == {"epoch": "3"}


def test_copies_share_nothing_and_leave_out_kept_inputs():
    model, x = models.resnet(8), images((2, 3, 8, 8))
    y = model(x)
    optim.SGD(model.parameters())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(module._saved is None for module in twin.modules())
        np.testing.assert_array_equal(twin(x), y)
        twin[0].weight.data.fill(0)
    np.testing.assert_array_equal(model(x), y)


def test_every_dtype_and_shape_survives(tmp_path):
    arrays = {
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "fortran": np.asfortranarray(images((3, 4), np.float64)),
        "bool": np.array([True, False]),
    }
    io.save_safetensors(arrays, tmp_path / "a")
    for name, array in io.load_safetensors(tmp_path / "a").items():
        assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape
        np.testing.assert_array_equal(array, arrays[name])


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    io.save_safetensors({"a": np.ones(2)}, path)
    old = path.read_bytes()

    def broken(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        io.save_safetensors({"a": np.zeros(2)}, path)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["weights"]


def file_of(header, payload=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + payload


def tensor(start=0, stop=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "header"),
        (b"\x01", "header"),
        (file_of({}, length=1 << 40), "header of"),
        (file_of(b" " * (2 << 20)), "header of"),
        (file_of(b"[]"), "not an object"),
        (file_of(b"{nonsense"), "not JSON"),
        (file_of(b"[" * 100_000), "not JSON"),
        (file_of(b"\xff\xff"), "not JSON"),
        (file_of(b'{"a": 1, "a": 2}'), "duplicate"),
        (file_of({"__metadata__": {"a": 1}}), "not strings"),
        (file_of({"a": 3}), "needs dtype"),
        (file_of({"a": {**tensor(), "more": 1}}, bytes(8)), "needs dtype"),
        (file_of({"a": tensor(dtype="F8_E4M3")}, bytes(8)), "dtype"),
        (file_of({"a": tensor(shape=[-1, -2])}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape=[2.0])}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape=[True, 2])}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape=[1] * 8 + [2])}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape=[1 << 62, 4])}, bytes(8)), "takes"),
        (file_of({"a": tensor(8, 0)}, bytes(8)), "takes"),
        (file_of({"a": tensor(0, 8)}, bytes(4)), "take 8 bytes"),
        (file_of({"a": tensor(0, 8)}, bytes(9)), "take 8 bytes"),
        (file_of({"a": tensor(4, 12)}, bytes(12)), "shared or unused"),
        (file_of({"a": tensor(), "b": tensor()}, bytes(8)), "shared or unused"),
        (file_of({"a\n": tensor()}, bytes(8)), "printable"),
        (file_of({"a" * 513: tensor()}, bytes(8)), "512"),
        (file_of({"\u202e": tensor()}, bytes(8)), "printable"),
        (file_of(b'{"\\ud800": 1}'), "printable"),
        (file_of(b"1" * 5000), "not JSON"),
        (file_of(b'{"a": 1' + b"1" * 5000 + b"}"), "not JSON"),
        (file_of(b'{"a": {"b": 1, "b": 2}}'), "duplicate"),
        (file_of(b"NaN"), "not an object"),
        (file_of({"a": tensor(shape=[float("nan")])}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape="2")}, bytes(8)), "shape"),
        (file_of({"a": tensor(shape=[1 << 63])}, bytes(8)), "shape"),
        (file_of({"a": {**tensor(), "data_offsets": [0, 8, 8]}}, bytes(8)), "two numbers"),
        (file_of({"a": {**tensor(), "data_offsets": [-8, 0]}}, bytes(8)), "two numbers"),
        (file_of({"a": tensor(), "b": tensor(4, 4, [0])}, bytes(8)), "shared or unused"),
        (file_of({"a": tensor(), "b": tensor(9, 9, [0])}, bytes(8)), "shared or unused"),
        (file_of({"a": tensor(dtype="f4")}, bytes(8)), "dtype"),
        (file_of({"a": tensor(dtype=["F32"])}, bytes(8)), "dtype"),
        (file_of({"__metadata__": [], "a": tensor()}, bytes(8)), "not strings"),
        (pickle.dumps({"weight": [1.0]}), "never read; convert it"),
        (file_of(b'{"__metadata__": {"a": "\\ud800"}}'), "hostile"),
        (b"PK\x03\x04" + b"\x14" * 60, "never read; convert it"),
    ],
)
def test_hostile_files_are_refused(content, reason, tmp_path):
    path = tmp_path / "hostile"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        io.load_safetensors(path)


def test_no_damage_does_more_than_raise_a_value_error(tmp_path):
    path, rng = tmp_path / "damaged", np.random.default_rng(0)
    io.save_safetensors({"a": np.arange(6.0), "b.c": np.ones((2, 3), np.float32)}, path)
    sound, refused = path.read_bytes(), 0
    for _ in range(400):
        content = bytearray(sound)
        for position in rng.integers(0, len(content), rng.integers(1, 4)):
            content[position] = rng.integers(256)
        path.write_bytes(
            content[: rng.integers(1, len(content) + 1) if rng.random() < 0.2 else None]
        )
        try:
            shapes = {array.shape for array in io.load_safetensors(path).values()}
            assert all(np.prod(shape) <= 12 for shape in shapes)
        except ValueError:
            refused += 1
    assert 200 < refused < 400, "both outcomes were seen"


def test_a_bad_header_is_refused_before_the_rest_is_read(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.write(file_of({"a": tensor(0, 4)}))
        file.truncate(1 << 30)  # sparse
    tracemalloc.start()
    try:
        for read in (io.load_safetensors, io.read_metadata):
            with pytest.raises(ValueError, match="data_offsets"):
                read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


UNPICKLERS = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


@pytest.mark.parametrize(
    "path", sorted(Path(io.__file__).parent.rglob("*.py")), ids=lambda p: p.stem
)
def test_nothing_is_ever_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not UNPICKLERS & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] not in UNPICKLERS
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            assert function not in {"eval", "exec", "compile", "__import__"}
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert given.get("allow_pickle", "False") == "False"
            if function in {"np.load", "numpy.load", "np.lib.format.read_array"}:
                assert given.get("allow_pickle") == "False", f"line {node.lineno}: say so"


def test_size_cap(tmp_path):
    io.save_safetensors({"a": np.zeros(100)}, tmp_path / "a")
    with pytest.raises(ValueError, match="more than max_bytes"):
        io.load_safetensors(tmp_path / "a", max_bytes=100)
