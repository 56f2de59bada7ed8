"""Several generations in one call: the device decides, copies and perturbs by itself.

For intervals so short that talking to the device after each would take longer than training. The device decides by the
arithmetic of `core.Together`, in 64 bits, with numbers that the host has drawn ahead; the user's functions are traced
in 32 bits inside it, by the very program of a generation alone. What has happened comes back at the end of the call.
The host then derives every decision again, for the log, and compares: the log holds nothing that `verify` would not
derive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from populace.core import Ahead, Level, Mode, Together
from populace.jax import Programs, Shape
from populace.vectorised._block import Block
from populace.vectorised._row_programs import move_rows, train_chunks

_DRAWN = ("tie_GP", "pick_GP", "is_fresh_GPD", "drawn_GPD", "is_second_GPD")

# Array names end in their axes: G generations, P members, D dimensions, N chunks, C rows of a chunk, E evaluations.


@final
@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What a program of several generations is made for."""

    shape: Shape
    """The shape of everybody's hyperparameters."""
    plan: tuple[int, ...]
    """Steps before each evaluation."""
    chunk: int
    """Members in one vectorised call."""
    score: str
    """The metric that is the score."""
    mode: Mode
    """Whether a larger score is better."""
    num_generations: int
    """The most in one call."""


@final
class Fused:
    """Trains everybody in a block for several generations per call.

    Args:
        programs: The task.
        together: How everybody is decided on.
        kernel: What the program is made for.
    """

    def __init__(self, programs: Programs, together: Together, kernel: Kernel) -> None:
        self._num_generations = kernel.num_generations
        train = partial(programs.train, kernel.shape, kernel.plan)
        self._program = jax.jit(partial(_generations, train, together, kernel), donate_argnums=0)

    def train(
        self, block: Block, level: Level, ends: Any, best: float, ahead: Ahead, words_GP2: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Trains as many generations as were drawn ahead.

        Args:
            block: Everybody, in the order of the members.
            level: Where they stand.
            ends: Weight steps of each.
            best: The best score so far; what comes to be better is copied to the spare row.
            ahead: What decisions draw.
            words_GP2: Roots of the intervals' keys.

        Returns:
            By name: `sources` with axes G, P, `codes` with G, P, D, and `metrics`, by name, with G, P, E.
        """
        count = len(words_GP2)
        given = {
            **{
                name: getattr(ahead, name)
                for name in ("tie_GP", "pick_GP", "is_fresh_GPD", "drawn_GPD", "is_second_GPD")
            },
            "words_GP2": words_GP2,
        }
        padded = {name: _padded(values, self._num_generations) for name, values in given.items()}
        with jax.enable_x64(True):
            state = (level.codes_PD, level.better_P, np.array(ends, np.int32), np.float64(best))
            held = jax.device_get(block.apply(self._program, state, padded, np.int32(count)))
        return {name: jax.tree.map(lambda values: values[:count], values) for name, values in held.items()}


def is_traceable(together: Together, static: tuple[str, ...]) -> bool:
    """Whether every hyperparameter that may change is a number of one kind that programs take as an argument."""
    moving = {name: column for name, column in together.columns.items() if not column.is_fixed}
    return all(column.kind is not None and name not in static for name, column in moving.items())


def _generations(
    train: Any, together: Together, kernel: Kernel, rows_M: Any, data: Any, state: Any, given: Any, count: Any
) -> tuple[Any, dict[str, Any]]:
    """Trains generations one after the other; traced in 64 bits."""
    codes_PD, better_P, ends_P, best = state
    codes_PD, better_P, best = (jnp.asarray(a, jnp.float64) for a in (codes_PD, better_P, best))
    size = len(better_P)
    arguments = partial(_arguments, together, kernel, size)
    trained = partial(_trained, train, data, kernel, size)
    shapes = jax.eval_shape(lambda: trained(rows_M, *arguments(codes_PD, ends_P), given["words_GP2"][0])[1])
    empty = {
        "sources": jnp.zeros((kernel.num_generations, size), jnp.int32),
        "codes": jnp.zeros((kernel.num_generations, *codes_PD.shape), jnp.float64),
        "metrics": jax.tree.map(lambda m: jnp.zeros((kernel.num_generations, *m.shape), m.dtype), shapes),
    }

    def body(index: Any, carried: Any) -> Any:
        rows_M, (codes_PD, better_P, ends_P, best), told = carried
        drawn = jax.tree.map(lambda a: a[index], given)
        sources_P, copies_P = _decided(together, better_P, drawn)
        base_PD = codes_PD[sources_P]
        moved_PD = together.moved(
            jnp,
            base_PD,
            drawn["is_fresh_GPD"],
            drawn["drawn_GPD"],
            drawn["is_second_GPD"],
        )
        codes_PD = jnp.where(copies_P[:, None], moved_PD, codes_PD)
        ends_P = ends_P[sources_P]
        rows_M = _copied(rows_M, sources_P, copies_P)
        rows_M, metrics = trained(rows_M, *arguments(codes_PD, ends_P), drawn["words_GP2"])
        scores_P = metrics[kernel.score][:, -1].astype(jnp.float64)
        oriented_P = scores_P if kernel.mode is Mode.MAX else -scores_P
        better_P = jnp.where(jnp.isfinite(scores_P), oriented_P, -jnp.inf)
        first = jnp.argmax(better_P).astype(jnp.int32)
        improves = better_P[first] > best
        rows_M = _move(rows_M, jnp.stack([first, jnp.int32(size)])[None], improves.astype(jnp.int32))
        best = jnp.where(improves, better_P[first], best)
        ends_P = ends_P + np.int32(sum(kernel.plan))
        now = {"sources": sources_P, "codes": codes_PD, "metrics": metrics}
        told = jax.tree.map(lambda all_G, one: all_G.at[index].set(one), told, now)
        return rows_M, (codes_PD, better_P, ends_P, best), told

    state = codes_PD, better_P, ends_P, best
    rows_M, _, told = jax.lax.fori_loop(np.int32(0), count, body, (rows_M, state, empty))
    return rows_M, told


def _decided(together: Together, better_P: Any, drawn: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns whose weights everybody goes on with, and who copies."""
    order_P, _, copies_P, num_donors = together.ranked(jnp, better_P, drawn["tie_GP"])
    places_P = drawn["pick_GP"] * num_donors.astype(jnp.uint64) >> np.uint64(32)
    own_P = jnp.arange(len(better_P), dtype=jnp.int32)
    return jnp.where(copies_P, order_P[places_P.astype(jnp.int32)].astype(jnp.int32), own_P), copies_P


def _copied(rows_M: Any, sources_P: Any, copies_P: Any) -> Any:
    """Returns rows after clones got their donors'; nobody is both, so the order does not matter."""
    size = len(sources_P)
    to = jnp.nonzero(copies_P, size=size, fill_value=0)[0].astype(jnp.int32)
    return _move(rows_M, jnp.stack([sources_P[to], to], axis=-1), jnp.sum(copies_P, dtype=jnp.int32))


def _move(rows_M: Any, from_to: Any, count: Any) -> Any:
    with jax.enable_x64(False):
        return move_rows(rows_M, from_to, count)


def _arguments(together: Together, kernel: Kernel, size: int, codes_PD: Any, ends_P: Any) -> tuple[dict[str, Any], Any]:
    """Returns the hyperparameters as the task gets them, by name with axis P, and the weight steps."""
    columns = {name: (d, column) for d, (name, column) in enumerate(together.columns.items())}
    hp = {}
    for name, dtype in kernel.shape.traced:
        d, column = columns[name]
        hp[name] = column.plain(jnp, codes_PD[:, d]).astype(dtype)
    return hp, ends_P


def _trained(
    train: Any, data: Any, kernel: Kernel, size: int, rows_M: Any, hp: Any, starts_P: Any, words_P2: Any
) -> tuple[Any, dict[str, Any]]:
    """Returns rows after an interval, and metrics with axes P, E."""
    num_chunks = -(-size // kernel.chunk)
    padding = num_chunks * kernel.chunk - size
    everybody = np.concatenate([np.arange(size), np.zeros(padding)]).astype(np.int32)
    rows = np.concatenate([np.arange(size), np.full(padding, size + 1)]).astype(np.int32)  # out of range: not written
    with jax.enable_x64(False):
        arrays = jax.tree.map(lambda a: a[everybody], {"keys": words_P2, "starts": starts_P, "hp": hp})
        given = jax.tree.map(
            lambda a: a.reshape(num_chunks, kernel.chunk, *a.shape[1:]),
            {"rows": jnp.asarray(rows), "sources": jnp.asarray(everybody), **arrays},
        )
        rows_M, metrics = train_chunks(train, rows_M, data, given, np.int32(num_chunks))
        return rows_M, jax.tree.map(lambda m: m.reshape(-1, m.shape[-1])[:size], metrics)


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    padded = np.zeros((length, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values[:length]
    return padded
