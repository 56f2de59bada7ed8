"""Arrays as tensors of the safetensors format, and back.

The format has fewer dtypes than numpy, PyTorch and JAX together.
So the tree of a checkpoint names the *logical* dtype of each array ("complex64", "bfloat16", "<M8[ns]"), and this
table says how it is *stored*: by a dtype of the format, with trailing dimensions where an item takes several.
Whoever opens the file with another tool finds ordinary numbers wherever the format has them.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from populace._errors import DamagedCheckpoint, UnsavableState
from populace.checkpoints._container import ITEM_BYTES, Chunk, Tensor
from populace.checkpoints._frameworks import small_float

# Logical dtype -> (dtype of the format, trailing dimensions). "U8" with no counterpart means: the raw byte.
STORED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "bool": ("BOOL", ()),
    **{f"{kind}{bits}": (f"{kind[0].upper()}{bits}", ()) for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": (f"F{bits}", ()) for bits in (16, 32, 64)},
    "bfloat16": ("BF16", ()),
    "float8_e4m3fn": ("F8_E4M3", ()),
    "float8_e5m2": ("F8_E5M2", ()),
    "complex32": ("F16", (2,)),
    "complex64": ("F32", (2,)),
    "complex128": ("F64", (2,)),
    **dict.fromkeys(
        (
            *("int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4"),
            *("float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
        ),
        ("U8", ()),
    ),
}
# Only these may be given to `np.dtype` from data: a dtype of objects would read bytes as pointers.
_RAW = re.compile(r"<[Mm]8(?:\[\d{0,9}[A-Za-zμ]{1,2}\])?|<U[1-9]\d{0,8}|\|S[1-9]\d{0,8}", re.ASCII)

Array = npt.NDArray[Any]


def stored_as(dtype: str) -> tuple[str, tuple[int, ...]]:
    """Returns the dtype of the format and the trailing dimensions that hold items of a logical dtype.

    Raises:
        KeyError: The dtype is none that a checkpoint holds.
    """
    if dtype in STORED:
        return STORED[dtype]
    if not _RAW.fullmatch(dtype):
        raise KeyError(dtype)
    return "U8", (np.dtype(dtype).itemsize,)


def array_to_tensor(array: Array, path: str) -> tuple[str, Tensor]:
    """Returns an array's logical dtype and its tensor; copies only if it is not C-contiguous or not little-endian.

    Raises:
        UnsavableState: The dtype is none that a checkpoint holds.
    """
    dtype = _name(array.dtype)
    try:
        stored, trailing = stored_as(dtype)
    except KeyError as error:
        raise UnsavableState(
            f"{path} is a numpy value of dtype {array.dtype}, which cannot be written to a checkpoint: "
            "convert it to a boolean, integer, float, complex, datetime or string dtype (`astype`), "
            "or hold its fields in a dict"
        ) from error
    if not array.dtype.isnative or sys.byteorder == "big":
        array = array.astype(array.dtype.newbyteorder("<"))
    flat = np.ascontiguousarray(array).reshape(-1)
    data: Chunk = flat.view(np.uint8).data if flat.size else b""
    return dtype, Tensor(dtype=stored, shape=(*array.shape, *trailing), data=data)


def tensor_to_array(tensor: Tensor, dtype: str) -> Array:
    """Returns a fresh, writable array of a tensor's items.

    Raises:
        DamagedCheckpoint: The tensor is not how this dtype is stored, or holds items that the dtype cannot have.
        StateMismatch: The dtype needs a package that is not installed.
    """
    shape = logical_shape(tensor, dtype)
    items = np.frombuffer(tensor.data, np.uint8)
    known = numpy_dtype(dtype)
    if not items.size:
        return np.empty(shape, known)
    if known.kind == "b" and items.max() > 1:
        raise DamagedCheckpoint("a boolean array of the checkpoint holds something other than 0 and 1")
    array: Array = items.copy().view(known).reshape(shape)
    if known.kind == "U" and array.reshape(-1).view("<u4").max() > sys.maxunicode:
        raise DamagedCheckpoint("an array of strings in the checkpoint holds something other than characters")
    return array


def logical_shape(tensor: Tensor, dtype: str) -> tuple[int, ...]:
    """Returns the shape of the array that a tensor holds.

    Raises:
        DamagedCheckpoint: The tensor is not how this dtype is stored.
    """
    try:
        stored, trailing = stored_as(dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedCheckpoint(f"the checkpoint names an array's dtype {dtype[:80]!r}, which there is not") from error
    shape = tensor.shape[: len(tensor.shape) - len(trailing)]
    if tensor.dtype != stored or shape + trailing != tensor.shape:
        raise DamagedCheckpoint(
            f"arrays of dtype {dtype} are stored as {stored}{list(trailing)}, "
            f"but the checkpoint has {tensor.dtype}{list(tensor.shape)}"
        )
    # numpy counts an array's bytes even where a zero among the lengths makes it empty.
    if math.prod(filter(None, shape)) * math.prod(trailing) * ITEM_BYTES[stored] >= 2**63:
        raise DamagedCheckpoint(f"no array can have the shape {list(shape)}")
    return shape


@lru_cache
def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Returns the little-endian numpy dtype of a logical dtype.

    Raises:
        DamagedCheckpoint: There is none.
        StateMismatch: The dtype needs a package that is not installed.
    """
    try:
        return np.dtype(dtype).newbyteorder("<")
    except (TypeError, ValueError):
        return small_float(dtype)


@lru_cache
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.name in STORED else dtype.newbyteorder("<").str
