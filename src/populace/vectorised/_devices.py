"""Which devices a population is spread over."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import jax

from populace._errors import UsageError


def devices_for(wanted: int | None, members: int) -> list[Any]:
    """Returns JAX's devices to use, at most one per member.

    Args:
        wanted: How many; None: all, and on a processor whose JAX has not started yet one of each core.
        members: How many members train.

    Raises:
        UsageError: There are fewer.
    """
    if wanted != 1:
        cores = len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1
        with suppress(RuntimeError):  # JAX has started: its devices are what they are
            # An XLA device of a processor keeps little more than one core busy with small models.
            jax.config.update("jax_num_cpu_devices", wanted or cores)
    found: list[Any] = jax.devices()
    if wanted is not None and wanted > len(found):
        raise UsageError(
            f"`devices` must be at most the {len(found)} that JAX has, but got Vectorised(devices={wanted}): lower it, "
            f"or start JAX with more (jax.config.update('jax_num_cpu_devices', {wanted}))"
        )
    return found[: min(wanted or len(found), members)]
