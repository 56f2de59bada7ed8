"""Tensors of PyTorch and arrays of JAX in checkpoints; and neither is imported unless the user has."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from populace._errors import StateMismatch, UnsavableState
from populace.checkpoints import JaxValues, needs_template, pack, unpack
from populace.checkpoints._frameworks import _installed


def _round(state, like=None):
    return unpack(b"".join(pack(state, label={"member": 0})), like=like)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


TORCH_DTYPES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
]


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", TORCH_DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_torch_tensors_come_back_bit_by_bit(torch, dtype, shape):
    """Mixed precision keeps weights in kinds of numbers that numpy does not have."""
    items = np.prod(shape, dtype=int)
    width = torch.empty((), dtype=getattr(torch, dtype)).element_size()
    source = torch.arange(items * width, dtype=torch.uint8) % (2 if dtype == "bool" else 251)
    tensor = (
        source.view(getattr(torch, dtype)).reshape(shape) if items else torch.empty(shape, dtype=getattr(torch, dtype))
    )
    restored = _round({"t": tensor})["t"]
    assert type(restored) is torch.Tensor
    assert (restored.dtype, restored.shape) == (tensor.dtype, tensor.shape)
    assert items == 0 or torch.equal(restored.reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))


def test_torch_views_and_parameters_come_back_as_plain_tensors(torch):
    """A checkpoint holds values; which of them are trained is the code's affair."""
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "parameter": torch.nn.Parameter(base.clone()),
        "buffer": torch.nn.Buffer(base.clone()),
        "slice": base[:, ::2],
        "transposed": base.T,
        "expanded": torch.ones(1).expand(3),
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    restored = _round(state)
    assert all(torch.equal(restored[name], value.detach()) for name, value in state.items())
    assert not any(tensor.requires_grad for tensor in restored.values())
    restored["slice"].add_(1)


@pytest.mark.slow
def test_torch_training_goes_on_as_if_uninterrupted(torch):
    """Model, optimiser with its integer keys, and generator: the usual state of a member."""

    def build():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
        return model, torch.optim.AdamW(model.parameters(), lr=0.01), torch.Generator().manual_seed(1)

    def train(model, optimiser, generator):
        for _ in range(3):
            optimiser.zero_grad()
            model(torch.randn(8, 3, generator=generator)).square().mean().backward()
            optimiser.step()

    model, optimiser, generator = build()
    train(model, optimiser, generator)
    state = {"model": model.state_dict(), "opt": optimiser.state_dict(), "rng": generator.get_state()}
    restored = _round(state)
    assert restored["model"]._metadata == state["model"]._metadata
    train(model, optimiser, generator)

    other, other_optimiser, other_generator = build()
    other.load_state_dict(restored["model"])
    other_optimiser.load_state_dict(restored["opt"])
    other_generator.set_state(restored["rng"])
    train(other, other_optimiser, other_generator)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_torch_tensor_is_not_copied_when_packed(torch):
    """A model of a gigabyte must not need two to be saved."""
    tensor = torch.zeros(1000)
    chunk = pack({"t": tensor}, label={})[1]
    tensor.fill_(1)
    assert np.frombuffer(chunk, np.float32).all()


def test_special_torch_tensors_are_named(torch):
    """Without values, or with several tensors inside, there is nothing that one array could hold."""
    for tensor in (torch.eye(2).to_sparse(), torch.empty(2, device="meta")):
        with pytest.raises(UnsavableState, match=r"model\.t is a Tensor of layout .*to_dense"):
            pack({"model": {"t": tensor}}, label={})
    with pytest.raises(UnsavableState, match=r"model is a Linear, .*`state_dict\(\)` instead"):
        pack({"model": torch.nn.Linear(1, 1)}, label={})


JAX_DTYPES = ["bool", "int8", "int32", "uint32", "float16", "bfloat16", "float32", "complex64", "float8_e4m3fn"]


@pytest.mark.parametrize("dtype", [*JAX_DTYPES, pytest.param("int4", marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_jax_arrays_come_back_bit_by_bit(jax, dtype, shape):
    """A restored state must meet the compiled program with the very types that it was compiled for."""
    array = jax.numpy.ones(shape, dtype)
    restored = _round({"a": array})["a"]
    assert isinstance(restored, jax.Array)
    assert (restored.dtype, restored.shape, restored.weak_type) == (array.dtype, array.shape, False)
    assert np.asarray(restored).tobytes() == np.asarray(array).tobytes()
    assert pack({"a": JaxValues(np.asarray(array))}, label={}) == pack({"a": array}, label={})


@pytest.mark.slow
def test_jax_arrays_stay_weakly_typed(jax):
    """A strong float32 in place of a weak one turns a bfloat16 program into one of float32."""
    jnp = jax.numpy
    state = {"scalar": jnp.asarray(2.5), "integer": jnp.asarray(3), "vector": jnp.stack([jnp.asarray(1.0)] * 3)}
    restored = _round(state)
    assert [array.weak_type for array in state.values()] == [True] * 3
    assert all(restored[name].aval == array.aval and (restored[name] == array).all() for name, array in state.items())


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg"])
def test_jax_random_keys_continue_their_stream(jax, implementation):
    """A member's own key is part of its state."""
    keys = jax.random.split(jax.random.key(7, impl=implementation), 3)
    restored = _round({"keys": keys})["keys"]
    assert restored.dtype == keys.dtype
    assert (jax.random.key_data(restored) == jax.random.key_data(keys)).all()


def test_registered_pytrees_take_static_fields_from_like(jax):
    """A train state of Flax carries functions beside its arrays; they are code and come from code."""

    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class TrainState:
        step: object
        params: dict
        apply: object = dataclasses.field(metadata={"static": True})

    blob = b"".join(pack({"s": TrainState(jax.numpy.int32(3), {"w": np.ones(2), "none": None}, len)}, label={}))
    restored = unpack(blob, like={"s": TrainState(0, {"w": 0, "none": None}, max)})["s"]
    assert needs_template(blob)
    assert type(restored) is TrainState
    assert restored.apply is max
    assert restored.step == 3
    assert restored.params["w"].tolist() == [1, 1]
    assert restored.params["none"] is None
    with pytest.raises(StateMismatch, match=r"s was saved from a .*TrainState.*`like` has nothing there"):
        unpack(blob)


def test_named_tuples_of_jax_arrays_take_their_class_from_like(jax):
    """Optax's states are named tuples, nested in tuples."""
    Adam = collections.namedtuple("Adam", ["count", "mu"])
    state = {"opt": (Adam(jax.numpy.int32(1), {"w": jax.numpy.ones(2)}), ())}
    restored = _round(state, like={"opt": (Adam(0, {"w": 0}), ())})
    assert jax.tree_util.tree_structure(restored) == jax.tree_util.tree_structure(state)


def test_jax_arrays_without_values_are_named(jax):
    """The user saves inside a compiled function, or saves what a compiled function was given to overwrite."""

    @jax.jit
    def save_inside(value):
        pack({"a": value}, label={})

    with pytest.raises(UnsavableState, match="a is being traced"):
        save_inside(jax.numpy.ones(2))
    gone = jax.numpy.ones(2)
    gone.delete()
    with pytest.raises(UnsavableState, match="a was donated"):
        pack({"a": gone}, label={})


def test_jax_without_64_bits_refuses_to_round(jax):
    """Restored without `jax_enable_x64`, a state of float64 would silently lose half its digits."""
    with jax.enable_x64(True):
        blob = b"".join(pack({"a": jax.numpy.ones(2)}, label={}))
        assert unpack(blob)["a"].dtype == np.float64
    with pytest.raises(StateMismatch, match=r"a was saved with dtype float64.*jax_enable_x64"):
        unpack(blob)


def test_missing_framework_gives_numpy_arrays(torch, jax, monkeypatch):
    """A machine that only draws curves has neither framework."""
    state = {"t": torch.ones(2), "j": jax.numpy.ones(2)}
    blob = b"".join(pack(state, label={}))
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    assert _installed("torch") is None
    assert all(type(array) is np.ndarray and array.tolist() == [1, 1] for array in unpack(blob).values())


@pytest.mark.slow
def test_numpy_states_import_no_framework():
    """Importing PyTorch takes seconds, and a user of scikit-learn does not have it."""
    code = (
        "import sys, numpy as np\n"
        "from populace.checkpoints import pack, unpack\n"
        "unpack(b''.join(pack({'w': np.ones(2), 'x': [1]}, label={})))\n"
        "assert not {'torch', 'jax', 'ml_dtypes', 'safetensors', 'sqlalchemy'} & sys.modules.keys()"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
