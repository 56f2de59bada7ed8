"""PyTorch, JAX and cloudpickle: the one place of this room that touches them.

Saving never imports a framework: a value can only belong to one that the user has imported.
Restoring imports it, since the user's next step will; where it is not installed (a machine that only looks at a
run), its arrays come back as numpy arrays of equal values.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, final

import numpy as np
import numpy.typing as npt

from populace._errors import DamagedCheckpoint, StateMismatch, UnsavableState
from populace.checkpoints._container import Tensor

_KEY_IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg")


def _loaded(name: str) -> ModuleType | None:
    return sys.modules.get(name)


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# ------------------------------------------------------------------------------------------------------------- PyTorch


def is_torch_tensor(value: object) -> bool:
    """Returns whether a value is a tensor of PyTorch."""
    torch = _loaded("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def torch_to_bytes(value: Any, path: str) -> tuple[str, tuple[int, ...], memoryview | bytes]:
    """Returns a PyTorch tensor's logical dtype, shape and bytes; a contiguous tensor on the CPU is not copied.

    Raises:
        UnsavableState: The tensor is of a special kind: sparse, quantised, without storage, a user's subclass.
    """
    torch: Any = _loaded("torch")
    ordinary = type(value) in (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor))
    if not ordinary or value.layout is not torch.strided or value.is_quantized or value.is_meta:
        raise UnsavableState(
            f"{path} is a {type(value).__name__} of layout {value.layout} on device {value.device}, and only dense "
            "tensors that hold their values can be written to a checkpoint: convert it (`to_dense`, `dequantize`, "
            "`full_tensor`) before it is saved"
        )
    dtype = str(value.dtype).removeprefix("torch.")
    plain = value.detach().resolve_conj().resolve_neg().cpu()
    if not plain.numel():
        return dtype, tuple(plain.shape), b""
    return dtype, tuple(plain.shape), plain.contiguous().reshape(-1).view(torch.uint8).numpy().data


def torch_from_bytes(tensor: Tensor, dtype: str, shape: tuple[int, ...]) -> Any | None:
    """Returns a fresh PyTorch tensor on the CPU, or None where PyTorch is not installed.

    Raises:
        DamagedCheckpoint: PyTorch has no such dtype.
    """
    torch: Any = _installed("torch")
    if torch is None:
        return None
    known = getattr(torch, dtype, None)
    if not isinstance(known, torch.dtype):
        raise DamagedCheckpoint(f"the checkpoint names a PyTorch tensor's dtype {dtype[:80]!r}, which there is not")
    if not len(tensor.data):
        return torch.empty(shape, dtype=known)
    return torch.from_numpy(np.frombuffer(tensor.data, np.uint8).copy()).view(known).reshape(shape)


# ----------------------------------------------------------------------------------------------------------------- JAX


@final
@dataclass(frozen=True)
class JaxValues:
    """The values of an array of JAX (no random key, not weakly typed), which is saved as that array.

    To make an array of JAX of what lies in the host's memory takes longer than to save it.
    """

    array: npt.NDArray[Any]


def is_jax_array(value: object) -> bool:
    """Returns whether a value is an array of JAX (a traced one too), or stands for one."""
    jax = _loaded("jax")
    return jax is not None and isinstance(value, jax.Array | JaxValues)


def jax_to_array(value: Any, path: str) -> tuple[npt.NDArray[Any], str | bool]:
    """Returns a JAX array's values, and what else makes it what it is.

    The second value is the implementation's name of a typed random key, or else whether the array is weakly typed
    (it then gives way in type promotion, and a compiled program sees the difference).

    Raises:
        UnsavableState: The values cannot be read here: traced, donated, on other hosts, keys of a user's own kind.
    """
    if isinstance(value, JaxValues):
        return value.array, False
    jax: Any = _loaded("jax")
    reason = ""
    if isinstance(value, jax.core.Tracer):
        reason = "is being traced and has no values yet: save outside of jitted functions"
    elif value.is_deleted():
        reason = "was donated to a compiled function and has no values any more: save what the function returned"
    elif not value.is_fully_addressable:  # pragma: no cover - takes several hosts
        reason = "lies partly on other hosts: gather it (`process_allgather`) before it is saved"
    elif jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        implementation = str(jax.random.key_impl(value))
        if implementation in _KEY_IMPLEMENTATIONS:
            return np.asarray(jax.random.key_data(value)), implementation
        reason = f"is a random key of implementation {implementation}, which is not one of {_KEY_IMPLEMENTATIONS}"
    if reason:
        raise UnsavableState(f"{path} {reason}")
    return np.asarray(value), bool(value.weak_type)


def jax_from_array(array: npt.NDArray[Any], kind: str | bool, path: str) -> Any:
    """Returns a JAX array on the default device, or the same numpy array where JAX is not installed.

    Args:
        array: The values; a random key's data for a key.
        kind: The second value of `jax_to_array`.
        path: Where in the state the array lies, for messages.

    Raises:
        DamagedCheckpoint: There are no such random keys.
        StateMismatch: This process cannot hold the array.
    """
    jax: Any = _installed("jax")
    if jax is None:
        return array
    if isinstance(kind, str):
        words = {"threefry2x32": 2}.get(kind, 4)
        if kind not in _KEY_IMPLEMENTATIONS or array.dtype != np.uint32 or array.shape[-1:] != (words,):
            raise DamagedCheckpoint(f"the checkpoint holds random keys of JAX in a form that there is not: {kind[:80]}")
        return jax.random.wrap_key_data(jax.numpy.array(array), impl=kind)
    if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        raise StateMismatch(
            f"{path} was saved with dtype {array.dtype}, and this process would make it "
            f"{jax.dtypes.canonicalize_dtype(array.dtype)}: set `jax.config.update('jax_enable_x64', True)` as when "
            "it was saved"
        )
    restored = jax.numpy.array(array)
    if kind and array.dtype.kind in "ifc":
        # Only Python numbers are weakly typed, so the array is written into one that was broadcast from a number.
        weak = jax.numpy.broadcast_to(jax.numpy.asarray(array.dtype.type(0).item()), array.shape)
        return weak.at[...].set(restored) if weak.dtype == array.dtype else restored
    return restored


def split_pytree(value: object) -> list[object] | None:
    """Returns the children of an object whose class is registered as a pytree with JAX, or None for any other."""
    jax: Any = _loaded("jax")
    if jax is None or jax.tree_util.all_leaves([value]):
        return None
    return list(jax.tree_util.tree_flatten(value, is_leaf=lambda node: node is not value)[0])


def join_pytree(like: object, children: list[object]) -> object:
    """Returns an object like `like` (its class, its static fields) with other children."""
    jax: Any = _loaded("jax")
    return jax.tree_util.tree_flatten(like, is_leaf=lambda node: node is not like)[1].unflatten(children)


def small_float(dtype: str) -> np.dtype[Any]:
    """Returns the numpy dtype of a number that numpy lacks: bfloat16 and its kin, from the package `ml_dtypes`.

    Raises:
        DamagedCheckpoint: There is no such dtype.
        StateMismatch: The package is not installed.
    """
    ml_dtypes = _installed("ml_dtypes")
    if ml_dtypes is None:
        raise StateMismatch(
            f"the checkpoint holds an array of dtype {dtype}, which numpy alone does not have: install `ml_dtypes`"
        )
    try:
        known: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype))
    except (AttributeError, TypeError) as error:
        raise DamagedCheckpoint(f"the checkpoint names an array's dtype {dtype!r}, which numpy has not") from error
    return known


# --------------------------------------------------------------------------------------------------------- cloudpickle


def pickle_object(value: object, path: str) -> bytes:
    """Returns a pickle of any object; for runs whose user allowed it.

    Raises:
        UnsavableState: Not even pickle can write the object.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:  # a pickler runs the object's own code, which may raise anything
        raise UnsavableState(
            f"{path} is a {type(value).__name__}, which cannot be pickled ({error}): leave it out of the state"
        ) from error


def unpickle_object(data: bytes | memoryview, path: str) -> object:
    """Returns the object of a pickle, **executing what the pickle says**; for runs whose user allowed it.

    Raises:
        StateMismatch: The pickle does not load here.
    """
    import cloudpickle

    try:
        return cloudpickle.loads(data)
    except Exception as error:  # unpickling runs the object's own code, which may raise anything
        raise StateMismatch(
            f"{path} was pickled and does not load ({type(error).__name__}: {error}): "
            "restore it with the code and packages of the run"
        ) from error
