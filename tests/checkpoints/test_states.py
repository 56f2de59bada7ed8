"""Laws of `pack` and `unpack`: what goes in comes out, and what cannot go in is named."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import os
import subprocess
import sys
import weakref
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from populace._errors import StateMismatch, UnsavableState
from populace.checkpoints import needs_template, pack, unpack

LABEL = {"member": 3, "generation": 7}

numbers = st.integers() | st.integers(-(2**200), 2**200) | st.floats() | st.complex_numbers(allow_nan=True)
keys = st.none() | st.booleans() | st.text() | numbers.filter(lambda value: value == value)
plain = keys | numbers | st.binary(max_size=20) | st.text(st.characters(), max_size=5)
dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="=")
    | hnp.unsigned_integer_dtypes(endianness="=")
    | hnp.floating_dtypes(endianness="=", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="=", sizes=(64, 128))
    | hnp.datetime64_dtypes(endianness="=")
    | hnp.timedelta64_dtypes(endianness="=")
    | hnp.unicode_string_dtypes(endianness="=")
    | hnp.byte_string_dtypes(endianness="=")
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
leaves = plain | arrays | dtypes.flatmap(hnp.from_dtype)
sets = st.sets(keys | st.tuples(keys, keys), max_size=4)
trees = st.recursive(
    leaves | sets | sets.map(frozenset),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=8,
)
states = st.dictionaries(st.text(), trees, max_size=3)


def _blob(state, label=LABEL, **options):
    return b"".join(pack(state, label=label, **options))


@settings(max_examples=20)
@given(states)
def test_state_comes_back_exactly(same, state):
    """A member that is restored goes on as if nothing had happened: same types, orders, bits."""
    assert same(unpack(_blob(state)), state)


@settings(max_examples=20)
@given(states)
def test_equal_states_with_equal_labels_give_equal_bytes(state):
    """A `put` that is repeated after a crash must find its own object, not make a second."""
    again = unpack(_blob(state))
    assert _blob(again) == _blob(state)


@settings(max_examples=20)
@given(states)
def test_label_makes_equal_states_different_objects(state):
    """Two members that stand at the same state must not share an object that one of them may delete."""
    assert _blob(state, {"member": 1}) != _blob(state, {"member": 2})


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_process():
    """Strings hash differently in every process, and with them the order of a set."""
    code = (
        "import hashlib; from populace.checkpoints import pack\n"
        "state = {'names': {'a', 'b', 'c', 'dropout'}, 'more': frozenset({1, 'x', None})}\n"
        "print(hashlib.sha256(b''.join(pack(state, label={'b': 1, 'a': 2}))).hexdigest())"
    )
    state = {"names": {"dropout", "c", "b", "a"}, "more": frozenset({None, "x", 1})}
    here = hashlib.sha256(_blob(state, {"a": 2, "b": 1})).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@settings(max_examples=15)
@given(st.dictionaries(st.text(max_size=4), arrays.filter(lambda a: a.dtype.kind in "biuf"), max_size=4))
def test_safetensors_library_reads_what_we_write(same, state):
    """A user who leaves populace must be able to take the weights along with any other tool."""
    read = safetensors.numpy.load(_blob(state))
    assert len(read) == len(state)
    named = {name: array for name, array in read.items() if name in state and not name.startswith("[")}
    assert all(same(array, state[name]) for name, array in named.items())


def test_tensors_are_named_after_their_place():
    """Whoever opens the file with another tool looks for the names of the model's layers."""
    state = {"model": OrderedDict({"layers.0.weight": np.ones(2)}), "opt": {"state": {0: [np.zeros(3)]}}}
    assert set(safetensors.numpy.load(_blob(state))) == {"model.layers.0.weight", "opt.state[0][0]"}


def test_paths_that_read_alike_do_not_collide(same):
    """A dict may hold both the key "a.b" and the key "a" with "b" below it."""
    state = {"a.b": np.zeros(1), "a": {"b": np.ones(2)}, "__metadata__": np.ones(1), "x": {1: b"i", "[1]": b"s"}}
    assert same(unpack(_blob(state)), state)


def test_optimiser_state_keeps_its_integer_keys(same):
    """`load_state_dict` of PyTorch's optimisers looks parameters up by integers."""
    moments = {"step": np.float32(3), "exp_avg": np.ones((2, 3), np.float32)}
    group = {"lr": 1e-3, "betas": (0.9, 0.999), "maximize": False, "foreach": None, "params": [0, 1]}
    state = {"opt": {"state": {0: moments, 1: dict(moments)}, "param_groups": [group]}}
    assert same(unpack(_blob(state)), state)


def test_ordered_dict_keeps_the_versions_of_a_state_dict(same):
    """PyTorch reads them when a state_dict is loaded, to convert those of older versions."""
    weights = OrderedDict(weight=np.ones(2))
    weights._metadata = OrderedDict({"": {"version": 1}, "norm": {"version": 2}})
    assert same(unpack(_blob({"model": weights})), {"model": weights})


def test_random_generators_states_come_back(same):
    """A member's own generator continues its stream after an exploit; some of their integers have 128 bits."""
    for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        state = {"rng": np.random.Generator(kind(5)).bit_generator.state}
        assert same(unpack(_blob(state)), state)


def test_arrays_of_every_layout_keep_their_values():
    """Slices, transposes and big-endian files are ordinary arrays to their user."""
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    state = {"slice": base[::2, 1::3], "transposed": base.T, "fortran": np.asfortranarray(base), "reversed": base[::-1]}
    state |= {"big": base.astype(">f4"), "big_text": np.array(["ab", "c"], ">U2"), "zero": np.float16(1)[...]}
    restored = unpack(_blob(state))
    assert all(np.array_equal(restored[name], array) for name, array in state.items())
    assert all(array.dtype.isnative and array.shape == state[name].shape for name, array in restored.items())


def test_restored_arrays_are_writable_and_aligned():
    """The next training step changes them in place."""
    state = {"flag": np.ones(3, bool), "text": np.array(["ab"]), "half": np.ones(1, np.float16), "wide": np.ones(5)}
    for array in unpack(_blob(state)).values():
        assert array.flags.writeable
        assert array.flags.aligned
        array[...] = array[..., ::-1]


def test_arrays_are_not_copied_when_packed():
    """A model of a gigabyte must not need two to be saved."""
    weights = np.zeros(1000)
    chunk = pack({"weights": weights}, label=LABEL)[1]
    assert np.shares_memory(np.frombuffer(chunk, np.uint8), weights)


def test_one_array_in_two_places_becomes_two():
    """Tied weights are tied by the model's code, not by its checkpoint."""
    shared = np.ones(2)
    restored = unpack(_blob({"one": shared, "two": [shared]}))
    assert not np.shares_memory(restored["one"], restored["two"][0])


Moments = namedtuple("Moments", ["mean", "count"])


@dataclasses.dataclass(frozen=True)
class Carry:
    moments: Moments
    steps: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        raise AssertionError("a restored object is not constructed anew")


def _carry(mean, steps):
    carry = object.__new__(Carry)
    object.__setattr__(carry, "moments", Moments(mean, 1))
    object.__setattr__(carry, "steps", steps)
    return carry


def test_named_tuples_and_dataclasses_take_their_class_from_like():
    """Optax keeps its state in named tuples, and no checkpoint may name code to import."""
    blob = _blob({"deep": {1: [(_carry(np.ones(2), 5),)]}})
    restored = unpack(blob, like={"deep": {1: [(_carry(np.zeros(2), 0),)]}})["deep"][1][0][0]
    assert needs_template(blob)
    assert type(restored) is Carry
    assert type(restored.moments) is Moments
    assert restored.steps == 5
    assert restored.moments.mean.tolist() == [1, 1]


@pytest.mark.parametrize("like", [None, {}, {"carry": 3}, {"carry": Moments(1, 2)}, {"carry": Carry}])
def test_missing_template_is_named(like):
    """The code changed between save and restore, or a tool restores without the user's objects."""
    with pytest.raises(StateMismatch, match=r"carry was saved from a Carry\(moments, steps\).*pass `like=`"):
        unpack(_blob({"carry": _carry(1.0, 1)}), like=like)


def test_plain_state_needs_no_template():
    """Tools may look into such a checkpoint without the user's code."""
    assert not needs_template(_blob({"weights": np.ones(2), "step": 1}))


class Hook:
    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (len, r"is a function, .*leave it out of the state.*allow_pickle=True"),
        (lambda: 0, r"is a function, .*leave it out of the state.*allow_pickle=True"),
        (Hook(), r"is a Hook, .*`state_dict\(\)` instead.*allow_pickle=True"),
        (np.random.default_rng(0), r"is a Generator, .*`bit_generator.state` instead"),
        (defaultdict(int), r"is a defaultdict, .*in a dict instead"),
        (np.array([None]), r"is a numpy value of dtype object, .*astype"),
        (np.zeros(1, [("x", "f4")]), r"is a numpy value of dtype .*hold its fields in a dict"),
        (np.longdouble(1), r"is a numpy value of dtype .*astype"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_unsavable_leaf_is_named(leaf, message):
    """The user learns at the first save which of a thousand leaves it is, and what to do."""
    with pytest.raises(UnsavableState, match=r"^model\.layers\[3\]\.hook " + message):
        pack({"model": {"layers": [0, 0, 0, {"hook": leaf}]}}, label=LABEL)


@pytest.mark.parametrize(
    ("state", "place"),
    [({"d": {len: 1}}, "a key of d"), ({"s": {len}}, "an item of s"), ({"s": {(len,)}}, "an item of s")],
)
def test_unsavable_key_is_named(state, place):
    """Keys and items of sets must be found again by their value."""
    with pytest.raises(UnsavableState, match=place):
        pack(state, label=LABEL)


def test_cycle_is_named():
    """A module that knows its parent would otherwise be written for ever."""
    state = {"model": {"child": [None]}}
    state["model"]["child"][0] = state["model"]
    with pytest.raises(UnsavableState, match=r"model\.child\[0\] contains itself"):
        pack(state, label=LABEL)


def test_bottomless_state_is_named():
    """A linked list as a state would end in Python's own recursion limit, which says nothing of the state."""
    state = {}
    for _ in range(120):
        state = {"next": state}
    with pytest.raises(UnsavableState, match="deeper than 100 levels"):
        pack(state, label=LABEL)


@pytest.mark.parametrize("label", [{"x": object()}, {"x": float("nan")}, {"x": np.int64(1)}, {1: 2, "a": 3}])
def test_label_must_be_json(label):
    """A label is read by tools that know nothing of the state."""
    with pytest.raises(ValueError, match="must be a JSON object"):
        pack({}, label=label)


def test_pickle_is_used_only_where_both_sides_allow_it():
    """Whoever can write a pickle can execute code, so its reader must have agreed."""
    state = {"names": defaultdict(list, a=[1]), "objects": np.array([None, "x"]), "classes": {int, str}}
    blob = _blob(state, allow_pickle=True)
    restored = unpack(blob, allow_pickle=True)
    assert (restored["names"], restored["classes"]) == (state["names"], state["classes"])
    assert restored["objects"].tolist() == [None, "x"]
    with pytest.raises(StateMismatch, match=r"names was pickled.*if you trust.*allow_pickle=True"):
        unpack(blob)


def test_newer_format_says_what_to_do():
    """A run made by a newer version is opened by an older one."""
    blob = _blob({})
    newer = blob.replace(rb"{\"format\":1", rb"{\"format\":2")
    with pytest.raises(StateMismatch, match="upgrade populace"):
        unpack(newer)


def test_metadata_is_one_json_text():
    """The tree can be read by eye: `head -c 400 FILE`."""
    blob = _blob({"lr": 0.1, "w": np.ones(1)})
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    assert json.loads(header["__metadata__"]["populace"]) == {
        "format": 1,
        "label": {"generation": 7, "member": 3},
        "template": False,
        "state": {"lr": 0.1, "w": ["numpy", "w", "float64"]},
    }


def test_packed_arrays_are_freed_with_the_chunks():
    """Until the collector comes a large population's states would pile up, one after the other."""
    array = np.zeros(100)
    alive = weakref.ref(array)
    gc.disable()
    try:
        chunks = pack({"w": array}, label={"member": 3})
        del array
        assert alive() is not None
        del chunks
        assert alive() is None
    finally:
        gc.enable()
