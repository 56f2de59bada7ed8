"""Arrays that are spread over devices, and programs that each device applies to its own part of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Part: TypeAlias = Callable[[Any, Any, Any], Any]
"""What a device does: from its rows, what all devices share and what it has of its own, rows and what it tells."""

AXIS = "devices"
_PARTS, _WHOLE = PartitionSpec(AXIS), PartitionSpec()


@final
class Spread:
    """Devices, each of which holds as long a part of every array's first axis.

    A program is traced and compiled once for all devices, however many there are.

    Args:
        devices: The devices.
    """

    def __init__(self, devices: Sequence[Any]) -> None:
        self._mesh = Mesh(np.array(devices), (AXIS,))
        self.num = len(devices)
        """How many devices there are."""
        self.platform: str = devices[0].platform
        """What they are: "cpu", "gpu" or "tpu"."""

    def whole(self, tree: Any) -> Any:
        """Returns arrays of which each device has a copy."""
        return jax.device_put(tree, NamedSharding(self._mesh, _WHOLE))

    def repeated(self, state: Any, num: int) -> Any:
        """Returns rows that all hold one state, as many on each device."""
        return _repeated(self._mesh, num * self.num)(self.whole(state))

    def copied(self, rows_M: Any) -> Any:
        """Returns a copy of rows."""
        return _copied(self._mesh)(rows_M)

    def program(self, f: Part) -> Part:
        """Returns the program of what each device does to its part of the rows, in place.

        What a device has of its own is given with an axis of devices before the others, and what it tells comes so.
        """
        return _program(f, self._mesh)

    def shared_program(self, f: Part) -> Part:
        """Returns `program` of a function of a module, made once for all runs on these devices."""
        return _kept_program(f, self._mesh)

    def part(self, tree: Any, device: int) -> Any:
        """Returns a device's part of arrays, without a copy."""
        return jax.tree.map(lambda x: x.addressable_shards[device].data, tree)


def _program(f: Part, mesh: Mesh) -> Part:
    def own(rows_M: Any, shared: Any, own_D: Any) -> tuple[Any, Any]:
        rows_M, told = f(rows_M, shared, jax.tree.map(lambda a: a[0], own_D))
        return rows_M, jax.tree.map(lambda a: a[None], told)

    mapped = jax.shard_map(
        own, mesh=mesh, in_specs=(_PARTS, _WHOLE, _PARTS), out_specs=(_PARTS, _PARTS), check_vma=False
    )
    program: Part = jax.jit(mapped, donate_argnums=0)
    return program


_kept_program = cache(_program)


@cache
def _repeated(mesh: Mesh, num: int) -> Callable[[Any], Any]:
    def repeated(state: Any) -> Any:
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (num, *x.shape)), state)

    program: Callable[[Any], Any] = jax.jit(repeated, out_shardings=NamedSharding(mesh, _PARTS))
    return program


@cache
def _copied(mesh: Mesh) -> Callable[[Any], Any]:
    def copied(rows_M: Any) -> Any:
        return jax.tree.map(jnp.copy, rows_M)

    program: Callable[[Any], Any] = jax.jit(copied, out_shardings=NamedSharding(mesh, _PARTS))
    return program
