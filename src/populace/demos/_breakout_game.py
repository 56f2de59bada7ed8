"""Breakout on a grid of 10 x 10 cells: a ball, a paddle, three rows of bricks.

The ball moves diagonally, one cell at a time, and bounces off walls, bricks and the paddle; every brick it hits breaks
and is worth 1. An episode ends when the ball passes the paddle. A wall that has been broken down is built anew as soon
as the ball is back at the paddle's row, so skill is limited by the episode's length alone.

Inspired by MinAtar (Young and Tian 2019, arXiv 1903.03176), own rules and code. Departures: the ball starts in a random
column and direction, nothing is sticky, an episode has at most 1000 moves, and instead of an image the player sees
the same facts as 62 numbers, so that a small network without convolutions can play.

Cells are (row, column) with (0, 0) at the top left; bricks fill rows 1 to 3, the paddle moves along row 9.
"""

from __future__ import annotations

from typing import final

import jax
import jax.numpy as jnp

from populace.demos._environment import Environment, World

SIZE = 10
NUM_BRICK_ROWS = 3
_FIRST_BRICK_ROW = 1
_PADDLE_ROW = SIZE - 1


@final
class Breakout(Environment):
    """Breakout with 3 actions (stay, left, right).

    A world is `row`, `column` (of the ball), `down`, `right` (+1 or -1: its direction), `paddle` (a column), all int32
    scalars, and `bricks`, bool (3, 10).
    """

    num_actions = 3
    num_features = NUM_BRICK_ROWS * SIZE + 3 * SIZE + 2
    max_moves = 1000
    worst_return = 0.0

    def begin(self, key: jax.Array) -> World:
        """Returns a full wall and a ball below it, falling, in a random column, to the left or to the right."""
        start = jax.random.randint(key, (), 0, 2 * SIZE)
        return {
            "row": jnp.int32(_FIRST_BRICK_ROW + NUM_BRICK_ROWS),
            "column": start // 2,
            "down": jnp.int32(1),
            "right": 2 * (start % 2) - 1,
            "paddle": jnp.int32(SIZE // 2),
            "bricks": jnp.ones((NUM_BRICK_ROWS, SIZE), bool),
        }

    def move(self, world: World, action: jax.Array) -> tuple[World, jax.Array, jax.Array]:
        """Moves the paddle, then the ball."""
        shift = jnp.where(action == 0, 0, 2 * action - 3)
        paddle = jnp.clip(world["paddle"] + shift, 0, SIZE - 1)
        row, column, down, right, bricks = (world[name] for name in ("row", "column", "down", "right", "bricks"))

        right = jnp.where((column + right < 0) | (column + right >= SIZE), -right, right)
        new_column = column + right
        down = jnp.where(row + down < 0, 1, down)
        new_row = row + down

        # A mask instead of an index: thousands of members write into their walls at once.
        rows = _FIRST_BRICK_ROW + jnp.arange(NUM_BRICK_ROWS)
        met = bricks & (rows == new_row)[:, None] & (jnp.arange(SIZE) == new_column)[None, :]
        hit = met.any()
        bricks = bricks & ~met

        at_paddle = new_row == _PADDLE_ROW
        straight = at_paddle & (column == paddle)
        edge = at_paddle & ~straight & (new_column == paddle)
        over = at_paddle & ~straight & ~edge
        rebuilt = at_paddle & ~bricks.any()

        # Whatever the ball bounces off up or down, it stays in its row for this move.
        bounced = hit | straight | edge
        moved = {
            "row": jnp.where(bounced, row, new_row),
            "column": new_column,
            "down": jnp.where(bounced, -down, down),
            "right": jnp.where(edge, -right, right),
            "paddle": paddle,
            "bricks": bricks | rebuilt,
        }
        return moved, hit.astype(jnp.float32), over

    def look(self, world: World) -> jax.Array:
        """Returns the wall, cell by cell; row and column of the ball and column of the paddle, each one-hot; the way.

        Everything there is to know, so the next world follows from it and the action.
        """
        cells = jnp.arange(SIZE)
        places = [world[name] == cells for name in ("row", "column", "paddle")]
        way = jnp.stack([world["down"], world["right"]])
        return jnp.concatenate([world["bricks"].ravel(), *places, way], dtype=jnp.float32)
