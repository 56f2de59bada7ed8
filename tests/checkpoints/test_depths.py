"""Every kind of container: as deep as it may be, with templates inside, and named by its path when refused."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from populace._errors import DamagedCheckpoint, StateMismatch, UnsavableState
from populace.checkpoints import LocalCheckpoints, MemoryCheckpoints, pack, unpack
from populace.checkpoints._container import Tensor, write_container

Pair = collections.namedtuple("Pair", ["first", "second"])


@dataclasses.dataclass
class Box:
    content: object


WRAPS: dict[str, Callable[[object], object]] = {
    "dict": lambda inner: {"x": inner},
    "dict of any keys": lambda inner: {1: inner},
    "ordered dict": lambda inner: collections.OrderedDict(x=inner),
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "named tuple": lambda inner: Pair(inner, 0),
    "dataclass": Box,
}


def _blob(state: dict[str, object]) -> bytes:
    return b"".join(pack(state, label={}))


def _written(tree: object, **tensors: Tensor) -> bytes:
    text = json.dumps({"format": 1, "label": {}, "template": False, "state": tree})
    return b"".join(write_container(tensors, text))


@pytest.mark.parametrize("kind", WRAPS)
def test_what_may_be_written_may_be_read_to_the_last_level(kind: str) -> None:
    """A checkpoint that can be saved and not restored is found out when it is needed."""
    nested: object = 1.5
    for _ in range(99):
        nested = WRAPS[kind](nested)
    assert unpack(_blob({"a": nested}), like={"a": nested}) == {"a": nested}
    with pytest.raises(UnsavableState, match="lies deeper than 100 levels"):
        pack({"a": WRAPS[kind](nested)}, label={})


def test_versions_of_a_state_dict_are_as_deep_and_as_well_named_as_the_rest() -> None:
    """PyTorch keeps them in an attribute, which is easily forgotten."""

    def wrapped(inner: object) -> collections.OrderedDict[str, object]:
        weights = collections.OrderedDict(w=1)
        weights._metadata = inner
        return weights

    nested: object = 1.5
    for _ in range(99):
        nested = wrapped(nested)
    restored = unpack(_blob({"a": nested}))["a"]
    for _ in range(99):
        restored = restored._metadata
    assert restored == 1.5
    with pytest.raises(UnsavableState, match="lies deeper than 100 levels"):
        pack({"a": wrapped(nested)}, label={})
    with pytest.raises(UnsavableState, match=r"^a\._metadata\[0\] is a function"):
        pack({"a": wrapped([len])}, label={})
    with pytest.raises(StateMismatch, match=r"^a\._metadata was saved from a Pair"):
        unpack(_blob({"a": wrapped(Pair(1, 2))}))


@pytest.mark.parametrize("kind", WRAPS)
def test_template_is_found_inside_every_container(kind: str) -> None:
    """The optimiser's named tuples lie deep inside whatever the user has built around them."""
    state = {"a": WRAPS[kind](Pair(np.float64(1), Box(2)))}
    like = {"a": WRAPS[kind](Pair(None, Box(None)))}
    restored = unpack(_blob(state), like=like)
    assert restored == state
    assert type(restored["a"]) is type(state["a"])


INSIDE = {
    "dict": ("a.x", {}),
    "dict of any keys": ("a[1]", {}),
    "ordered dict": ("a.x", collections.OrderedDict()),
    "list": ("a[0]", []),
    "tuple": ("a[0]", ()),
    "named tuple": ("a.first", Pair(0, 0)),
    "dataclass": ("a.content", Box(0)),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_missing_template_is_named_with_its_path_and_fields(kind: str) -> None:
    """The user must find the one object, among hundreds, that the code builds otherwise today."""
    path, like = INSIDE[kind]
    blob = _blob({"a": WRAPS[kind](Pair(1, 2))})
    with pytest.raises(StateMismatch) as caught:
        unpack(blob, like={"a": like})
    held = f"a {int.__qualname__}" if kind in ("named tuple", "dataclass") else "nothing"
    assert str(caught.value) == (
        f"{path} was saved from a Pair(first, second), whose class must be taken from a live object, "
        f"but `like` has {held} there: pass `like=` a state as your code builds it anew"
    )


def test_template_of_other_fields_or_name_is_refused() -> None:
    """Values in the wrong fields would train on as if nothing had happened."""
    Other = collections.namedtuple("Pair", ["first", "third"])
    Renamed = collections.namedtuple("Renamed", ["first", "second"])
    for like in (Other(0, 0), Renamed(0, 0), Box(0), (0, 0)):
        with pytest.raises(StateMismatch, match=r"^a was saved from a Pair\(first, second\)"):
            unpack(_blob({"a": Pair(1, 2)}), like={"a": like})
    wrong = dataclasses.make_dataclass("Box", ["other"])
    for like in (wrong(0), Pair(0, 0)):
        with pytest.raises(StateMismatch, match=r"^a was saved from a Box\(content\)"):
            unpack(_blob({"a": Box(1)}), like={"a": like})


@pytest.mark.parametrize("item", [["list"], ["tuple", ["list"]], ["tuple", 1, ["tuple", ["numpy"]]], {}])
def test_item_that_can_be_no_key_is_named_with_its_path(item: object) -> None:
    """Whoever repairs the tree by hand looks for the place."""
    for tree in (["set", item], ["frozenset", item], ["dict", item, 1]):
        with pytest.raises(DamagedCheckpoint, match=r"^a: .* can be no key and no item of a set$"):
            unpack(_written({"a": tree}))


def test_keys_of_every_kind_come_back() -> None:
    """Replay buffers and tables of counts are keyed by tuples and numbers."""
    keys = [None, True, 2, 2**70, 1.5, float("inf"), 1j, "x", b"y", (1, (b"z", None))]
    state = {"d": {key: place for place, key in enumerate(keys)}, "s": set(keys), "f": frozenset(keys)}
    restored = unpack(_blob(state))
    assert restored == state
    assert [type(key) for key in restored["d"]] == [type(key) for key in keys]


def test_changed_checkpoint_is_named_with_its_place(tmp_path) -> None:
    """A host may hold many runs; the message says in which folder to look."""
    store = LocalCheckpoints(tmp_path)
    digest = store.put([b"content"])
    (tmp_path / "objects" / digest).write_bytes(b"other")
    with pytest.raises(DamagedCheckpoint) as caught:
        store.get(digest)
    assert str(caught.value) == (
        f"checkpoint {digest} has changed in {tmp_path}: its 5 bytes are not those that were saved; "
        "restore the file from a backup, or go on from an earlier segment"
    )
    store.delete(digest)
    with pytest.raises(DamagedCheckpoint, match=f"^checkpoint {digest} is missing from {tmp_path}: restore the file"):
        store.get(digest)


def test_missing_checkpoint_in_memory_is_named_with_its_place() -> None:
    """In a test or a notebook there is no folder to look into, and the message must not name one."""
    with pytest.raises(DamagedCheckpoint, match=f"^checkpoint {'0' * 64} is missing from memory: restore"):
        MemoryCheckpoints().get("0" * 64)


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


@pytest.mark.slow
def test_pytrees_hold_templates_and_paths_like_other_containers(jax) -> None:
    """A train state of Flax holds Optax's named tuples."""

    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Trained:
        params: object
        inner: object

    nested: object = 1.5
    for _ in range(99):
        nested = Trained(0, nested)
    assert unpack(_blob({"a": nested}), like={"a": nested}) == {"a": nested}
    with pytest.raises(UnsavableState, match="lies deeper than 100 levels"):
        pack({"a": Trained(0, nested)}, label={})

    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Resembling:
        params: object
        inner: object

    state = {"a": Trained({"w": 1}, Box(Pair(1, 2)))}
    assert unpack(_blob(state), like={"a": Trained({"w": 0}, Box(Pair(0, 0)))}) == state
    with pytest.raises(StateMismatch, match=r"^a\[1\]\.content was saved from a Pair\(first, second\)"):
        unpack(_blob(state), like={"a": Trained({"w": 0}, Box(0))})
    for like in (Resembling({"w": 0}, Box(Pair(0, 0))), Box(0), None):
        with pytest.raises(StateMismatch, match=r"^a was saved from a .*Trained\(0, 1\)"):
            unpack(_blob(state), like={"a": like})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "words"), [("threefry2x32", 2), ("rbg", 4), ("unsafe_rbg", 4)])
def test_random_keys_of_another_form_are_refused(jax, kind: str, words: int) -> None:
    """Key data that do not fit would be an endless stream of the wrong numbers."""
    right = Tensor(dtype="U32", shape=(words,), data=bytes(4 * words))
    restored = unpack(_written({"a": ["jax", "t", "uint32", kind]}, t=right))["a"]
    assert str(jax.random.key_impl(restored)) == kind
    for dtype, name, count in [("I32", "int32", words), ("U32", "uint32", words + 1), ("U32", "uint32", 1)]:
        wrong = Tensor(dtype=dtype, shape=(count,), data=bytes(4 * count))
        with pytest.raises(DamagedCheckpoint, match=rf"random keys of JAX in a form that there is not: {kind}$"):
            unpack(_written({"a": ["jax", "t", name, kind]}, t=wrong))
    with pytest.raises(DamagedCheckpoint, match=r"in a form that there is not: mine$"):
        unpack(_written({"a": ["jax", "t", "uint32", "mine"]}, t=right))


@pytest.mark.slow
def test_random_key_of_the_users_own_kind_is_named(jax) -> None:
    """Its implementation is code that another process may not have."""
    from jax.extend.random import define_prng_impl

    mine = define_prng_impl(
        key_shape=(2,),
        seed=lambda seed: jax.numpy.zeros(2, jax.numpy.uint32),
        split=lambda key, shape: jax.numpy.zeros((*shape, 2), jax.numpy.uint32),
        random_bits=lambda key, width, shape: jax.numpy.zeros(shape, jax.numpy.uint32),
        fold_in=lambda key, data: key,
        name="mine",
        tag="m",
    )
    with pytest.raises(UnsavableState, match=r"^deep\.key is a random key of implementation m, which is not one"):
        pack({"deep": {"key": jax.random.key(0, impl=mine)}}, label={})


@pytest.mark.slow
def test_torch_tensor_of_a_dtype_that_torch_lacks_is_refused() -> None:
    """Only numpy has numbers of text and time."""
    pytest.importorskip("torch")
    text = Tensor(dtype="U8", shape=(1, 4), data=bytes(4))
    with pytest.raises(DamagedCheckpoint, match="a PyTorch tensor's dtype '<U1', which there is not"):
        unpack(_written({"a": ["torch", "t", "<U1"]}, t=text))


def test_torch_tensor_that_no_checkpoint_holds_is_named() -> None:
    """PyTorch has kinds of numbers that only its own kernels read."""
    torch = pytest.importorskip("torch")
    raw = torch.empty(2, dtype=torch.bits8)
    with pytest.raises(UnsavableState, match=r"^deep\.t is a PyTorch tensor of dtype bits8.*save it as another dtype"):
        pack({"deep": {"t": raw}}, label={})
