"""A population over several devices, in a process of its own, since JAX counts a processor's devices once."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
SCRIPT = """
import sys
import populace
from populace.run import verify
from populace.testing import JaxBowl

space = {"lr": populace.LogUniform(1e-3, 1e-1)}
logs = []
for devices in (3, 1):
    result = populace.tune(JaxBowl(), space, population=8, steps=60, interval=2, seed=0, metric="score", directory=".",
                           name=f"on-{devices}", synchronous=True,
                           policy=populace.PBT(exploit=populace.Truncation(0.4)),
                           executor=populace.Vectorised(devices=devices, checkpoint_every=7, generations_per_call=4))
    assert verify(result.directory) == []
    logs.append([{k: v for k, v in r.items()} for r in result.to_records()])
assert logs[0] == logs[1], "the log depends on the devices"
assert sum(r["donor"] is not None for r in logs[0]) > 20
"""


def test_log_does_not_depend_on_the_devices(tmp_path):
    """Winners' rows travel from device to device, and arrive in the right member."""
    pytest.importorskip("jax")
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
