"""Laws of reading: whatever the bytes, the outcome is a state or one of our own errors."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from populace._errors import DamagedCheckpoint, StateMismatch
from populace.checkpoints import SavedFiles, needs_template, pack, unpack


@dataclasses.dataclass
class Carry:
    mean: object
    steps: int


STATE = {
    "weights": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "mask": np.array([True, False])},
    "more": [np.array(["ab", "c"]), np.float16(1), np.datetime64(3, "s"), 1j, float("nan"), 2**70, b"xyz"],
    "kinds": {None: (1, "x"), 2: {"y"}, "z": frozenset({b"a", (1, 2)})},
    "carry": Carry(np.ones(2), 3),
    "files": SavedFiles(files={"a/b": b"content"}, directories=("c",)),
}
BLOB = b"".join(pack(STATE, label={"member": 1}))
LIKE = {"carry": Carry(None, 0)}
HEADER_BYTES = int.from_bytes(BLOB[:8], "little")
HEADER = json.loads(BLOB[8 : 8 + HEADER_BYTES])
DATA = BLOB[8 + HEADER_BYTES :]


def _outcome(blob):
    """Returns the state of a blob, or None if it was refused; any other error is a bug and comes through."""
    try:
        needs_template(blob)
        return unpack(blob, like=LIKE)
    except (DamagedCheckpoint, StateMismatch):
        return None


def _rebuilt(header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _with_tree(tree, template=True):
    text = json.dumps({"format": 1, "label": {}, "template": template, "state": tree})
    return _rebuilt({**HEADER, "__metadata__": {"populace": text}})


def test_untouched_blob_is_read():
    """The other tests would pass if nothing were ever read."""
    assert _outcome(BLOB) is not None
    assert _outcome(_rebuilt(HEADER)) is not None


@given(st.integers(0, len(BLOB) - 1))
def test_truncated_blob_is_refused(length):
    """A copy that was broken off."""
    assert _outcome(BLOB[:length]) is None


@given(st.integers(0, len(BLOB) - 1), st.integers(0, 255))
def test_changed_byte_is_read_or_refused(place, value):
    """A flipped bit in a file that nobody verified."""
    _outcome(BLOB[:place] + bytes([value]) + BLOB[place + 1 :])


@given(
    st.integers(8, 8 + HEADER_BYTES), st.integers(0, 40), st.binary(max_size=12) | st.sampled_from([b"[", b"{", b"9"])
)
def test_changed_header_is_read_or_refused(place, removed, inserted):
    """A header that was edited by hand, or by someone who means harm; its length is made to fit again."""
    header = BLOB[8 : 8 + HEADER_BYTES]
    at = place - 8
    _outcome(_rebuilt(header[:at] + inserted + header[at + removed :]))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 8)
@example(b"\x02" + b"\0" * 7 + b"{}")
def test_arbitrary_bytes_are_refused(blob):
    """A file that never was a checkpoint."""
    assert _outcome(blob) is None
    assert _outcome(_rebuilt(blob)) is None


names = st.sampled_from([*HEADER, "none"])
kinds = st.sampled_from(
    [
        *("dict", "ordereddict", "list", "tuple", "set", "frozenset", "namedtuple", "dataclass", "pytree", "data"),
        *("numpy", "scalar", "jax", "files", "pickle", "int", "float", "complex", "bytes", "object"),
    ]
)
values = st.sampled_from(
    ["float32", "<U2", "<M8[s]", "O", "|O", "V8", "bool", "float128", "<U999999999", "Carry", "mean"]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
)
nodes = st.recursive(
    scalars | names | values,
    lambda inner: (
        st.dictionaries(st.sampled_from(["carry", "weights"]), inner, max_size=2)
        | st.lists(inner, max_size=3)
        | st.builds(lambda kind, rest: [kind, *rest], kinds, st.lists(inner, max_size=4))
        | st.builds(lambda kind, name, value: [kind, name, value], kinds, names, values)
    ),
    max_leaves=10,
)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["carry", "x"]), nodes, min_size=1, max_size=2))
def test_arbitrary_tree_is_read_or_refused(tree):
    """A tree of the right words in the wrong order."""
    used = {name: [kind, name] for name, kind in {"more[6]": "data"}.items()}
    _outcome(_with_tree({**tree, **used}))
    text = json.dumps({"format": 1, "label": {}, "template": True, "state": tree})
    _outcome(_rebuilt({"__metadata__": {"populace": text}}, b""))


entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "U8", "F64", "BOOL", "F99"]),
        "shape": st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**62, 2**63, -1]) | st.booleans(), max_size=4),
        "data_offsets": st.lists(st.integers(-1, 60), min_size=2, max_size=2),
    }
)


@given(st.sampled_from(sorted(HEADER)), entries | nodes)
def test_arbitrary_entry_is_read_or_refused(name, entry):
    """Shapes and places that point outside, overlap or overflow."""
    _outcome(_rebuilt({**HEADER, name: entry}))


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (BLOB[:4], "cannot have a header"),
        ((100_000_001).to_bytes(8, "little") + BLOB[8:], "cannot have a header"),
        (_rebuilt(b"[" * 100_000, b""), "not valid JSON"),
        (_rebuilt(b'{"a":1,"a":1}', b""), "a key occurs twice"),
        (_rebuilt(b'{"a":NaN}', b""), "NaN is no number"),
        (_rebuilt(b'{"a":' + b"9" * 5000 + b"}", b""), "not valid JSON"),
        (_rebuilt({"__metadata__": {"format": "pt"}}, b""), "no text of populace's"),
        (BLOB + b"x", "tensors end at byte"),
        (_with_tree({"a": ["numpy", "weights.w", "O"]}), "dtype 'O', which there is not"),
        (_with_tree({"a": ["numpy", "weights.w", "<U1"]}), "are stored as U8"),
        (_with_tree({"a": ["numpy", "none", "float32"]}), "no tensor 'none'"),
        (_with_tree({"a": ["spell", 1]}), "no nodes of kind 'spell'"),
        (_with_tree({"a": ["set", 1, 1]}), "occurs twice"),
        (_with_tree({"a": ["dict", ["list"], 1]}), "can be no key"),
        (_with_tree({}), "leaves out"),
        (_with_tree(["list"]), "is no dict"),
    ],
    ids=range(16),
)
def test_damage_is_described(blob, message):
    """Whoever repairs a run must know whether the file, the tree or the reader is at fault."""
    with pytest.raises(DamagedCheckpoint, match=message):
        unpack(blob, like=LIKE)


def test_tree_too_deep_is_refused():
    """Python would otherwise run out of stack."""
    tree = None
    for _ in range(150):
        tree = {"x": tree}
    with pytest.raises(DamagedCheckpoint, match="deeper than 100 levels"):
        unpack(_with_tree(tree))


def test_one_tensor_serves_one_leaf():
    """A small file could otherwise unfold to more than the memory holds."""
    with pytest.raises(DamagedCheckpoint, match="uses it twice"):
        unpack(_with_tree({"a": ["numpy", "weights.w", "float32"], "b": ["numpy", "weights.w", "float32"]}))
