"""What is refused, with which words, and where exactly the limits lie."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import safetensors

from populace._errors import DamagedCheckpoint, StateMismatch, StoreError, UnsavableState
from populace.checkpoints import Files, LocalCheckpoints, SavedFiles, pack, unpack
from populace.checkpoints import _container as container
from populace.checkpoints._arrays import numpy_dtype
from populace.checkpoints._container import MAX_DIMENSIONS, Tensor, write_container
from populace.checkpoints._frameworks import small_float


def _blob(tree: object, **tensors: Tensor) -> bytes:
    """A checkpoint with any tree, for what `pack` would never write."""
    text = json.dumps({"format": 1, "label": {}, "template": False, "state": tree})
    return b"".join(write_container(tensors, text))


def _with_header(header: dict[str, object], data: bytes = b"") -> bytes:
    text = json.dumps({"format": 1, "label": {}, "template": False, "state": {}})
    encoded = json.dumps({"__metadata__": {"populace": text}} | header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def _bytes(data: bytes, *shape: int, dtype: str = "U8") -> Tensor:
    return Tensor(dtype=dtype, shape=shape or (len(data),), data=data)


PAIR = SavedFiles(files={"a": b"x"}, directories=("a",))


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (_blob({"a": ["numpy", "t", "bool"]}, t=_bytes(b"\2", dtype="BOOL")), "holds something other than 0 and 1"),
        (_blob({"a": ["numpy", "t", "<U1"]}, t=_bytes(b"\0\0\x11\0", 1, 4)), "something other than characters"),
        (
            _blob({"a": ["numpy", "t", "float32"]}, t=Tensor(dtype="F32", shape=(0, 2**61), data=b"")),
            rf"no array can have the shape \[0, {2**61}\]",
        ),
        (_blob({"a": ["numpy", "t", "float99"]}, t=_bytes(b"x")), "dtype 'float99', which there is not"),
        (
            _blob({"a": ["numpy", "t", "complex64"]}, t=_bytes(bytes(4), 1, dtype="F32")),
            r"arrays of dtype complex64 are stored as F32\[2\], but the checkpoint has F32\[1\]",
        ),
        (
            _blob({"a": ["data", "t"]}, t=_bytes(b"ab", 1, 2)),
            "bytes are stored as U8 of one dimension, but tensor 't' is U8",
        ),
        (
            _blob({"a": ["data", "t"]}, t=_bytes(b"a", dtype="I8")),
            "bytes are stored as U8 of one dimension, but tensor 't' is I8",
        ),
        (_blob({"a": ["data", 7]}), "has no tensor '7', or uses it twice"),
        (_blob({"a": ["files", {}]}), "a: the empty directories must be a list"),
        (_blob({"a": ["files", [1]]}), "a name in the checkpoint must be a string, but is 1"),
        (_blob({"a": ["jax", "t", "bool", 3]}, t=_bytes(b"\1", dtype="BOOL")), "a: there are no JAX arrays of kind 3"),
        (_blob({"a": ["dict", 1, 2, 1, 3]}), "a key occurs twice in one dict"),
        (_blob({"a": ["dict", 1, 2, 1]}), "malformed"),
        (_blob({"a": ["frozenset", 1, 1]}), "a: an item of a set occurs twice"),
        (_blob({"a": [1, 2]}), "a: a node's kind must be a string, but the checkpoint has 1"),
        (_blob({"a": ["float", "00"]}), "malformed"),
        (_blob({"a": []}), "malformed"),
        (b"".join(pack({"a": PAIR}, label={})), "holds a file and a directory of one name"),
        (
            _with_header({"t": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}, b"xy"),
            "overlap or leave a gap at byte 0",
        ),
        (
            _with_header(
                {
                    "s": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
                    "t": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
                },
                b"xyz",
            ),
            "overlap or leave a gap at byte 2",
        ),
        (_with_header({}, b"xyz"), "tensors end at byte 0, but its data at byte 3"),
        (
            _with_header({"t": {"dtype": "U8", "shape": 1, "data_offsets": [0, 1]}}, b"x"),
            "describes tensor 't' wrongly",
        ),
        (_with_header({"t": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}}, b"x"), "tensor 't' wrongly"),
        (_with_header({"t": {"dtype": "U8", "shape": [1], "data_offsets": [0, 2]}}, b"x"), "tensor 't' wrongly"),
        (_with_header({"t": {"dtype": "U8", "shape": [1], "data_offsets": [0]}}, b"x"), "tensor 't' wrongly"),
        (_with_header({"t": {"dtype": "U8", "shape": [1]}}, b"x"), "tensor 't' wrongly"),
        (_with_header({"t": {"dtype": "X", "shape": [1], "data_offsets": [0, 1]}}, b"x"), "tensor 't' wrongly"),
        (
            _with_header({"t": {"dtype": "U8", "shape": [1] * (MAX_DIMENSIONS + 1), "data_offsets": [0, 1]}}, b"x"),
            "tensor 't' wrongly",
        ),
    ],
    ids=range(28),
)
def test_what_pack_never_writes_is_refused_in_words(blob: bytes, message: str) -> None:
    """The file was edited, or somebody means harm: the words say what is wrong with it."""
    with pytest.raises(DamagedCheckpoint, match=message):
        unpack(blob)


def test_message_shows_no_more_of_a_foreign_file_than_a_line() -> None:
    """A name of a megabyte must not end in the log of every worker."""
    for tree in (["numpy", "t" * 5000, "bool"], ["k" * 5000], ["dict", ["list", "x" * 5000], 1]):
        with pytest.raises(DamagedCheckpoint) as caught:
            unpack(_blob({"a": tree}))
        assert 80 <= len(str(caught.value)) < 200
    for entry in ("e" * 5000, {"dtype": "d" * 5000}):
        with pytest.raises(DamagedCheckpoint) as caught:
            unpack(_with_header({"n" * 5000: entry}))
        assert len(str(caught.value)) <= 80 + 200 + 60


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (["data", "t" * 99], f"the checkpoint has no tensor {'t' * 80!r}, or uses it twice"),
        (["k" * 99], f"a: there are no nodes of kind {'k' * 80!r} in a checkpoint"),
        (["jax", "t", "bool", "k" * 99], "the checkpoint has no tensor 't', or uses it twice"),
        (["files", ["x"], 1, 2], "a name in the checkpoint must be a string, but is 1"),
        (["files", [[1] * 99]], f"a name in the checkpoint must be a string, but is {str([1] * 99)[:80]}"),
        (["set", ["x" * 99]], f"a: {str(['x' * 99])[:80]} can be no key and no item of a set"),
    ],
    ids=range(6),
)
def test_words_quote_eighty_characters_of_the_file(tree: list[object], message: str) -> None:
    """Enough to find the place, too little to fill a terminal."""
    with pytest.raises(DamagedCheckpoint) as caught:
        unpack(_blob({"a": tree}))
    assert str(caught.value) == message


def test_limits_themselves_are_allowed() -> None:
    """A limit that is off by one refuses what another version has written."""
    deep = np.ones((1,) * MAX_DIMENSIONS)
    assert unpack(b"".join(pack({"a": deep}, label={})))["a"].shape == deep.shape
    largest = Tensor(dtype="U8", shape=(0, 2**63 - 1), data=b"")
    assert unpack(_blob({"a": ["numpy", "t", "uint8"]}, t=largest))["a"].shape == (0, 2**63 - 1)
    for value in (2**63 - 1, -(2**63), 2**63, -(2**63) - 1):
        assert unpack(b"".join(pack({"a": value}, label={})))["a"] == value
    last = np.array([chr(0x10FFFF)])
    assert unpack(b"".join(pack({"a": last}, label={})))["a"] == last


def test_whole_numbers_of_64_bits_stand_for_themselves() -> None:
    """Whoever reads the file by eye finds a number, and other readers of JSON lose no digit of it."""
    for value, node in [
        (2**63 - 1, str(2**63 - 1)),
        (-(2**63), str(-(2**63))),
        (2**63, '[\\"int\\",\\"0x8'),
        (-(2**63) - 1, '[\\"int\\",\\"-0x8'),
    ]:
        assert f'\\"a\\":{node}' in str(pack({"a": value}, label={})[0][8:], "ascii")


def test_state_at_the_deepest_level_is_saved_and_read() -> None:
    """The levels that may be written are those that may be read."""
    state: object = 1
    for _ in range(100):
        state = {"x": state}
    restored = unpack(b"".join(pack(state, label={})))
    assert restored == state
    with pytest.raises(UnsavableState, match=r"^x\.x.*\.\.\. lies deeper than 100 levels"):
        pack({"x": state}, label={})


def test_header_at_its_limit_is_written_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tools that know the format refuse a longer one, so we must not write it."""
    blob = b"".join(pack({"name": "x" * 500}, label={}))
    length = int.from_bytes(blob[:8], "little")
    monkeypatch.setattr(container, "MAX_HEADER_BYTES", length)
    assert unpack(b"".join(pack({"name": "x" * 500}, label={}))) == {"name": "x" * 500}
    monkeypatch.setattr(container, "MAX_HEADER_BYTES", length - 1)
    with pytest.raises(UnsavableState, match=f"must have at most {length - 1} bytes, but this state's has {length}"):
        pack({"name": "x" * 500}, label={})
    with pytest.raises(DamagedCheckpoint, match=f"of {len(blob)} bytes cannot have a header of {length} bytes"):
        unpack(blob)


@pytest.mark.parametrize("length", range(8))
def test_shortest_file_is_eight_bytes_and_a_header(length: int) -> None:
    """A file cut off in its first bytes."""
    with pytest.raises(DamagedCheckpoint, match=f"a checkpoint of {length} bytes cannot have a header"):
        unpack(bytes(length))


def test_bytes_of_a_checkpoint_are_those_of_every_version() -> None:
    """A run that is resumed by a newer version finds its checkpoints by their digests."""
    state = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "m": np.array([True, False]),
        "s": {1, "a", (2, b"x")},
        "n": [1.5, math.inf, 2**70, 1j, None, np.int8(3)],
        "f": SavedFiles(files={"a/b": b"content"}, directories=("c",)),
    }
    blob = b"".join(pack(state, label={"member": 3, "generation": 7}))
    assert hashlib.sha256(blob).hexdigest() == "90a50d10211e182a971259ca266e9d83ed3daef5f6c49523333dba358317e09d"


def test_numbers_are_aligned_to_their_width() -> None:
    """Wide items first, the header padded: a reader may map the file and use the numbers where they lie."""
    state = {"a": np.ones(1, np.int8), "b": np.ones(2), "c": np.ones(3, np.float32), "d": np.ones(1, np.int16)}
    blob = b"".join(pack(state, label={}))
    length = int.from_bytes(blob[:8], "little")
    assert length % 8 == 0
    entries = json.loads(blob[8 : 8 + length])
    for name, array in state.items():
        start, end = entries[name]["data_offsets"]
        assert (8 + length + start) % array.itemsize == 0
        assert np.frombuffer(blob[8 + length + start : 8 + length + end], array.dtype).tolist() == array.tolist()


class Opaque:
    """Neither saved nor pickled."""

    def get_state(self):
        raise AssertionError("it is only looked for")

    def __reduce__(self):
        raise RuntimeError("has a lock")


class Explodes:
    """Pickled, but its code is gone."""

    def __reduce__(self):
        return (_explode, ())


def _explode():
    raise ModuleNotFoundError("no module of that time")


def test_longest_header_that_is_written_is_the_longest_that_others_read() -> None:
    """A checkpoint must open in other tools, whatever names a user gives."""
    header, longest = b"{}", container.MAX_HEADER_BYTES
    assert safetensors.deserialize(longest.to_bytes(8, "little") + header.ljust(longest)) == []
    with pytest.raises(safetensors.SafetensorError, match="header too large"):
        safetensors.deserialize((longest + 1).to_bytes(8, "little") + header.ljust(longest + 1))


def test_damaged_entry_is_shown_in_part() -> None:
    """What is wrong with it may be a megabyte long."""
    blob = _with_header({"t": {"dtype": "x" * 1000, "shape": [1], "data_offsets": [0, 1]}}, b"x")
    shown = str({"dtype": "x" * 1000})[:200]
    with pytest.raises(DamagedCheckpoint, match=re.escape(shown) + "$"):
        unpack(blob)


def test_object_with_get_state_is_told_how_to_be_saved() -> None:
    """Generators of PyTorch and many others keep their state behind it."""
    with pytest.raises(UnsavableState, match=r"rng is a Opaque, .*save its `get_state\(\)` instead"):
        pack({"rng": Opaque()}, label={})


def test_object_that_cannot_even_be_pickled_is_named() -> None:
    """A lock or an open file hides deep in somebody's object."""
    with pytest.raises(UnsavableState, match=r"deep\.rng is a Opaque, which cannot be pickled \(has a lock\): leave"):
        pack({"deep": {"rng": Opaque()}}, label={}, allow_pickle=True)


def test_pickle_that_does_not_load_is_named() -> None:
    """The run's code was renamed since; that is no damage of the checkpoint."""
    blob = b"".join(pack({"deep": [Explodes()]}, label={}, allow_pickle=True))
    with pytest.raises(
        StateMismatch, match=r"deep\[0\] was pickled and does not load \(\w+Error: no module of that time\)"
    ):
        unpack(blob, allow_pickle=True)


def test_files_are_never_pickled(tmp_path) -> None:
    """A pickle of the directory's name would restore nothing, without a word."""
    with pytest.raises(UnsavableState, match=r"mine is Files\(.* cannot be read"):
        pack({"mine": Files(tmp_path / "none")}, label={}, allow_pickle=True)


SMALL_FLOATS = [
    *("int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4"),
    *("float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("bfloat16", "float8_e4m3fn", "float8_e5m2"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_numbers_that_numpy_lacks_come_back_as_they_were(name: str) -> None:
    """Quantised weights are kept in ever smaller kinds of numbers."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0, 1, 1], getattr(ml_dtypes, name))
    restored = unpack(b"".join(pack({"a": array}, label={})))["a"]
    assert restored.dtype == array.dtype
    assert restored.tobytes() == array.tobytes()


@pytest.mark.slow
def test_numbers_that_numpy_lacks_are_read_by_a_process_that_never_used_them() -> None:
    """A tool that draws curves has not imported what registers these kinds of numbers with numpy."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    blob = b"".join(pack({"a": np.array([0, 1], ml_dtypes.float8_e3m4)}, label={}))
    code = (
        "import sys\nfrom populace.checkpoints import unpack\n"
        "print(unpack(sys.stdin.buffer.read())['a'].dtype, 'jax' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], input=blob, env=environment, capture_output=True, check=True)
    assert done.stdout.split() == [b"float8_e3m4", b"False"]


def test_small_numbers_are_known_refused_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message must tell a missing package from a damaged file."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert small_float("bfloat16") == np.dtype(ml_dtypes.bfloat16)
    for name in ("float99", "finfo_of_nothing", "__name__"):
        with pytest.raises(
            DamagedCheckpoint, match=f"^the checkpoint names an array's dtype '{name}', which numpy has"
        ):
            numpy_dtype(name)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(StateMismatch) as caught:
        small_float("int4")
    assert str(caught.value) == (
        "the checkpoint holds an array of dtype int4, which numpy alone does not have: install `ml_dtypes`"
    )


@pytest.mark.parametrize(
    ("number", "shown"),
    [(999, "999 bytes"), (1000, "1 kB"), (999_999, "1e+03 kB"), (1_500_000, "1.5 MB"), (1_500_000_000, "1.5 GB")],
)
def test_size_of_what_could_not_be_written_is_readable(tmp_path, number: int, shown: str) -> None:
    """Whoever frees space reads how much in the unit that file managers use."""
    (tmp_path / "file").touch()
    store = LocalCheckpoints(tmp_path / "file" / "checkpoints")
    untouched = memoryview(mmap.mmap(-1, number))
    with pytest.raises(StoreError) as caught:
        store.put([untouched])
    assert str(caught.value) == (
        f"a checkpoint of {shown} could not be written to {store.directory} (Not a directory): "
        "check the directory and the rights of this user, and resume"
    )


def test_pipe_in_place_of_a_checkpoint_is_refused_and_not_waited_for(tmp_path) -> None:
    """A worker that opened it would wait for ever, with its lease renewed beside it."""
    store = LocalCheckpoints(tmp_path)
    digest = store.put([b"x"])
    path = tmp_path / "objects" / digest
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DamagedCheckpoint, match=f"checkpoint {digest} is not a regular file in .*: remove it"):
        store.get(digest)


@pytest.mark.slow
def test_large_checkpoint_has_the_digest_of_its_bytes(tmp_path) -> None:
    """A large one is hashed while the disk is waited for, and must come out the same."""
    parts = [bytes([number]) * 700_000 for number in range(8)]
    store = LocalCheckpoints(tmp_path)
    digest = store.put(parts)
    assert digest == hashlib.sha256(b"".join(parts)).hexdigest()
    assert store.get(digest) == b"".join(parts)
