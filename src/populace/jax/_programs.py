"""From three pure functions to compiled programs.

What differs between two calls of a program is data: states, keys, traced hyperparameters, the arrays that the task
holds. What shapes it is its `Shape`: static hyperparameters, names and dtypes of the traced ones, and how many steps
lie between the evaluations. One program is made per shape and kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from populace._errors import UsageError
from populace.core import Shrink
from populace.space import Hyperparameters, Value
from populace.worker import NOT_SHRINKABLE, Shrinkable

if TYPE_CHECKING:
    from populace.jax._trainable import Trainable

# Array names end in their axes: E evaluations of an interval, M members of one call.


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a program is compiled for."""

    static: tuple[tuple[str, Value], ...]
    """Hyperparameters that are constants in it."""
    traced: tuple[tuple[str, str], ...]
    """Names and dtypes of those that are arguments."""

    @classmethod
    def of(cls, hyperparameters: Hyperparameters, static: tuple[str, ...]) -> Shape:
        """Returns the shape of the active hyperparameters of a member."""
        fixed, traced = [], []
        for name, value in sorted(hyperparameters.items()):
            dtype = None if name in static else _DTYPES.get(type(value))
            if dtype is None:
                fixed.append((name, value))
            else:
                traced.append((name, dtype))
        return cls(static=tuple(fixed), traced=tuple(traced))

    def arrays(self, members: Sequence[Hyperparameters]) -> dict[str, np.ndarray]:
        """Returns the traced hyperparameters of members of this shape, by name with axis M."""
        return {name: np.array([hp[name] for hp in members], dtype=dtype) for name, dtype in self.traced}


_DTYPES = {float: "float32", int: "int32", bool: "bool"}


@final
class Programs:
    """The functions of a task, with everything that the task holds as an argument.

    Args:
        task: The task. Its attributes may not change while it trains.
        metric: The metric that is the score; None where a scalar is returned.
    """

    def __init__(self, task: Trainable, metric: str | None) -> None:
        leaves, self._tree = jax.tree.flatten(vars(task))
        self._is_array = [isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves]
        self._constants = [None if is_array else leaf for leaf, is_array in zip(leaves, self._is_array, strict=True)]
        self.data = [leaf for leaf, is_array in zip(leaves, self._is_array, strict=True) if is_array]
        """The arrays that the task holds."""
        self.compiled: dict[Hashable, Any] = {}
        """Programs made of these functions, by names that their makers give; all devices share what was traced."""
        self.static = task.static
        self._task = task
        self._metric = metric
        self._shapes: dict[tuple[object, ...], Shape] = {}
        self._inits: dict[Shape, Callable[..., Any]] = {}
        self._shrunk: Callable[..., Any] | None = None

    def shape_of(self, hp: Hyperparameters) -> Shape:
        """Returns the shape of the active hyperparameters of a member."""
        kinds = (value if type(value) not in _DTYPES or name in self.static else None for name, value in hp.items())
        name = (*hp, *map(type, hp.values()), *kinds)
        if name not in self._shapes:
            self._shapes[name] = Shape.of(hp, self.static)
        return self._shapes[name]

    def init(self, key: Any, hp: Hyperparameters) -> Any:
        """Returns a member's first state."""
        shape = self.shape_of(hp)
        if shape not in self._inits:
            self._inits[shape] = jax.jit(partial(self._init, shape))
        return self._inits[shape](self.data, key, {name: a[0] for name, a in shape.arrays([hp]).items()})

    def shrunk(self, state: Any, fresh: Any, shrink: Shrink) -> Any:
        """Returns a member's state shrunk and perturbed by the task, which is `Shrinkable`."""
        if self._shrunk is None:
            self._shrunk = jax.jit(self._shrink)
        return self._shrunk(self.data, state, fresh, np.float32(shrink.keep), np.float32(shrink.renew))

    def _shrink(self, data: Any, state: Any, fresh: Any, keep: Any, renew: Any) -> Any:
        task = self._held(data)
        if not isinstance(task, Shrinkable):
            raise UsageError(NOT_SHRINKABLE)
        after = task.shrink(state, fresh, keep, renew)
        _check_same(state, after, "shrink")
        return after

    def train(
        self, shape: Shape, plan: tuple[int, ...], data: Any, state: Any, key: Any, start: Any, hp: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Returns one member's state after an interval, and its metrics with axis E; to be traced.

        Args:
            shape: Its static hyperparameters.
            plan: Steps before each evaluation.
            data: The task's arrays.
            state: Its state.
            key: Two words of threefry key data: the root of the interval's keys.
            start: Weight steps before.
            hp: Its traced hyperparameters.
        """
        task, hp = self._held(data), {**dict(shape.static), **hp}
        root = jax.random.wrap_key_data(key, impl="threefry2x32")
        stepping, evaluating = jax.random.fold_in(root, 0), jax.random.fold_in(root, 1)

        def step(state: Any, index: Any) -> tuple[Any, None]:
            after = task.step(jax.random.fold_in(stepping, index), state, hp)
            _check_same(state, after)
            return after, None

        measured, done = [], 0
        for count in plan:
            indices = start + jnp.arange(done, done + count, dtype=jnp.int32)
            state, _ = jax.lax.scan(step, state, indices)
            done += count
            measured.append(self._metrics(task.evaluate(jax.random.fold_in(evaluating, start + done), state)))
        return state, {name: jnp.stack([m[name] for m in measured]) for name in measured[0]}

    def _init(self, shape: Shape, data: Any, key: Any, hp: Mapping[str, Any]) -> Any:
        state = self._held(data).init(key, {**dict(shape.static), **hp})
        # Strong types: a weak one would change at the first step, and the program with it.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), state)

    def _held(self, data: list[Any]) -> Trainable:
        """Returns the task with these arrays in place of its own."""
        arrays = iter(data)
        pairs = zip(self._constants, self._is_array, strict=True)
        leaves = [next(arrays) if is_array else constant for constant, is_array in pairs]
        held = copy.copy(self._task)
        vars(held).update(jax.tree.unflatten(self._tree, leaves))
        return held

    def _metrics(self, told: Any) -> dict[str, Any]:
        metrics = dict(told) if isinstance(told, Mapping) else {SCORE: told}
        for name, value in metrics.items():
            if jnp.shape(value) != ():
                raise UsageError(
                    f"`evaluate` must return a scalar or a dict of scalars, but {name!r} has the shape "
                    f"{jnp.shape(value)}: take its mean"
                )
        return {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}


SCORE = ""
"""The name of a score that was returned without one."""


def _check_same(before: Any, after: Any, name: str = "step") -> None:
    """Refuses a function that changes the structure, shapes or dtypes of the state."""
    old, new = jax.tree.structure(before), jax.tree.structure(after)
    if old != new:
        raise UsageError(f"`{name}` must return a state of the structure it was given, but {old} became {new}")
    for (path, was), now in zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True):
        if jnp.shape(was) != jnp.shape(now) or jnp.result_type(was) != jnp.result_type(now):
            raise UsageError(
                f"`{name}` must return a state of the shapes and dtypes it was given, but "
                f"state{jax.tree_util.keystr(path)} of {jnp.result_type(was)}{list(jnp.shape(was))} became "
                f"{jnp.result_type(now)}{list(jnp.shape(now))}: keep it, for example with .astype"
            )
